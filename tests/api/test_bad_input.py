"""Bad input over the API: each a sentence with the rule and the value, and the studio is there afterwards."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from benchmarks.servers import Server


@pytest.mark.parametrize(
    ("endpoint", "values", "sentence"),
    [
        ("/generate_text", {"prompt": ""}, "prompt is empty"),
        ("/generate_text", {"prompt": "  \n "}, "prompt is empty"),
        ("/generate_text", {"prompt": "word " * 10_000}, "10000 words.*at most 4000"),
        ("/generate_text", {"prompt": "a", "max_new_tokens": 10**9}, "at most 2048; you gave 1000000000"),
        ("/generate_text", {"prompt": "a", "max_new_tokens": 0}, "at least 1; you gave 0"),
        ("/generate_text", {"prompt": "a", "max_new_tokens": 2.5}, "2.5"),
        ("/generate_text", {"prompt": "a", "temperature": -1}, "at least 0"),
        ("/generate_text", {"prompt": "a", "top_p": 0}, "must be more than 0"),
        ("/generate_text", {"prompt": "a", "seed": -2}, "at least -1; you gave -2"),
        ("/generate_text", {"prompt": "a", "mode": "sing"}, "'chat' or 'continue'"),
        ("/generate_text", {"prompt": "a", "model": "no-such-model"}, "no model named no-such-model"),
        ("/generate_text", {"prompt": "a", "model": "../../etc/passwd"}, "no model named|not a model"),
        ("/generate_text", {"prompt": "a", "model": "/etc"}, "no model named|not a model"),
        ("/generate_text", {"prompt": "a", "model": "tiny-sd"}, "tiny-sd"),
        ("/generate_text", {"prompt": "a", "stop": ["x" * 101]}, "100"),
        ("/generate_text", {"prompt": "a", "history": [["system", "x"]]}, "system"),
        ("/generate_image", {"prompt": "a", "model": "tiny-sd", "width": 100}, "multiple of 8; you gave 100"),
        ("/generate_image", {"prompt": "a", "model": "tiny-sd", "steps": 0}, "at least 1; you gave 0"),
        ("/generate_image", {"prompt": "a", "model": "tiny-sd", "steps": 10**9}, "at most 150"),
        ("/generate_image", {"prompt": "a", "model": "tiny-sd", "width": 1_000_000}, "at most 2048"),
        ("/generate_image", {"prompt": "a", "model": "tiny-sd", "count": 100}, "at most 8"),
        ("/generate_image", {"prompt": "a", "model": "tiny-sd", "scheduler": "magic"}, "magic"),
        ("/generate_image", {"prompt": "a", "model": "tiny-sd", "steps": -2}, "at least 1; you gave -2"),
        ("/generate_image", {"prompt": "a", "model": "tiny-sd", "lora_names": "lcm-lora-sdxl"}, "was made for"),
        ("/generate_image", {"prompt": "a", "model": "tiny-sd", "lora_names": "x"}, "no LoRA named x"),
        ("/generate_image", {"prompt": "a", "model": "tiny-sd", "style": "cubist"}, "'glossy'.*you gave cubist"),
        ("/generate_image", {"prompt": "a", "model": "tiny-sd", "style": "flat", "steps": 1}, "has no drawing styles"),
        ("/generate_image", {"prompt": "a", "model": "tiny-stickers", "width": 96}, "are 256 x 256 pixels; you asked"),
        ("/generate_image", {"prompt": "饕餮", "model": "tiny-stickers"}, "knows none of this: 饕餮"),
        ("/start_training", {"recipe": "alchemy"}, "alchemy"),
        ("/start_training", {"dataset": "../secret"}, "secret"),
        ("/start_training", {"settings_json": "{"}, "not JSON"),
        ("/start_training", {"settings_json": "[1]"}, "JSON object"),
        ("/start_training", {"settings_json": '{"steps": -1}'}, "at least 0; you gave -1"),
        ("/start_training", {"settings_json": '{"steps": 1e12}'}, "at most 1000000"),
        ("/start_training", {"settings_json": '{"learning_rate": NaN}'}, "must be a number"),
        ("/start_training", {"settings_json": '{"colour": 1}'}, "no setting named colour"),
        ("/start_training", {"settings_json": '{"seconds": 0}'}, "never end"),
        ("/get_job", {"job_id": "../../etc/passwd"}, "no job"),
        ("/follow_job", {"job_id": "nope"}, "no job"),
        ("/list_jobs", {"limit": 0}, "1 to 500"),
        ("/list_jobs", {"limit": 1.5}, "whole number"),
    ],
)
def test_a_bad_value_gets_a_sentence(client: Client, endpoint: str, values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(AppError, match=sentence):
        client.predict(api_name=endpoint, **values)


def encoded(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def sample(mode: str = "RGB", size: tuple[int, int] = (48, 32)) -> Image.Image:
    ramp = np.linspace(0, 255, size[0] * size[1] * 3, dtype=np.uint8).reshape(size[1], size[0], 3)
    return Image.fromarray(ramp).convert(mode)


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    return encoded(sample(), "JPEG", exif=exif)


def transparent() -> bytes:
    picture = sample("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    return encoded(picture)


def animated() -> bytes:
    return encoded(sample(), "GIF", save_all=True, append_images=[sample().rotate(180)])


ODD: dict[str, tuple[Callable[[], bytes], tuple[int, int]]] = {
    "one-pixel.png": (lambda: encoded(sample(size=(1, 1))), (1, 1)),
    "turned.jpg": (turned, (32, 48)),
    "cmyk.jpg": (lambda: encoded(sample("CMYK"), "JPEG"), (48, 32)),
    "sixteen-bit.png": (
        lambda: encoded(Image.fromarray(np.arange(1536, dtype=np.uint16).reshape(32, 48) * 40)),
        (48, 32),
    ),
    "palette.png": (lambda: encoded(sample("P")), (48, 32)),
    "grey-alpha.png": (lambda: encoded(sample("LA")), (48, 32)),
    "animated.gif": (animated, (48, 32)),
    "transparent.png": (transparent, (48, 32)),
    "thin.png": (lambda: encoded(sample(size=(200, 10))), (200, 10)),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_picture_is_painted(client: Client, tmp_path: Path, name: str) -> None:
    make, size = ODD[name]
    (tmp_path / name).write_bytes(make())
    picture, _ = client.predict(
        photo=handle_file(str(tmp_path / name)), style=first_style(), style_picture=None, api_name="/transfer_style"
    )
    assert Image.open(picture).size == size


def first_style() -> str:
    from pipelines.style.styles import STYLES

    return STYLES[0].id


def bomb() -> bytes:
    """A PNG of a few hundred bytes that claims 30,000 x 30,000 pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("text.png", b"this is no picture", "not a picture"),
        ("cut.jpg", encoded(sample(size=(400, 400)), "JPEG")[:900], "cut short or damaged"),
        ("bomb.png", bomb(), "900 megapixels.*at most 25"),
        ("empty.png", b"", "not a picture|empty"),
        ("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
    ],
)
def test_what_is_no_picture_gets_a_sentence(
    client: Client, tmp_path: Path, name: str, data: bytes, sentence: str
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(AppError, match=sentence):
        client.predict(
            photo=handle_file(str(tmp_path / name)), style=first_style(), style_picture=None, api_name="/transfer_style"
        )


def ask(studio: Server, name: str, *values: Any) -> str:
    """A raw call, as somebody writes it who does not use our client; the whole answer as text."""
    body = json.dumps({"data": list(values)})  # json.dumps writes NaN where a strict client would refuse to
    asked = httpx.post(
        f"{studio.url}/gradio_api/call/{name}", content=body, headers={"content-type": "application/json"}
    )
    if asked.status_code != 200:
        assert asked.status_code < 500, asked.text
        return asked.text
    return httpx.get(f"{studio.url}/gradio_api/call/{name}/{asked.json()['event_id']}", timeout=60).text


def test_a_number_that_is_none_is_refused(studio: Server) -> None:
    answer = ask(studio, "generate_text", "hello", "", "", float("nan"), 0.5, 0.9, 1, 50, 1.1, [], "chat", [])
    assert "without NaN" in answer


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../../../etc/passwd", "http://127.0.0.1:1/x.png", "file:///etc/passwd", "pyproject.toml"]
)
def test_a_path_or_an_address_in_place_of_a_file_is_refused(studio: Server, path: str) -> None:
    forged = {"path": path, "meta": {"_type": "gradio.FileData"}}
    for answer in (
        ask(studio, "transfer_style", forged, first_style(), None, 1, False),
        ask(studio, "start_sticker_training", forged, "", "{}"),
    ):
        assert "error" in answer
        assert "root:" not in answer


@pytest.mark.parametrize(
    "path",
    [
        "/library/../../etc/passwd/x",
        "/library/%2e%2e/%2e%2e",
        "/jobs/x/files/..%2f..%2fstudio.db",
        "/jobs/x/files/sample-0000000.webp",
        "/assets/studio/..%2f..%2fpyproject.toml",
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=data/studio.db",
    ],
)
def test_no_route_leaves_its_folder(studio: Server, data: Path, path: str) -> None:
    answer = httpx.get(studio.url + path.replace("data/", f"{data}/"))
    assert answer.status_code in (400, 403, 404), answer.text[:200]


def test_the_studio_is_well_afterwards(studio: Server, data: Path) -> None:
    assert httpx.get(studio.url + "/healthz").json() == {"status": "ok", "worker": "ready", "devices": "1 of 1 ready"}
    assert "bug" not in (data / "log.txt").read_text(encoding="utf-8").lower()
