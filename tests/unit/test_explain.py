"""What made a file: content credentials that hold and that do not, other programs' settings, and files of no sense."""

from __future__ import annotations

import hashlib
import io
import json
import stat
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from pipelines.errors import StudioError
from pipelines.film import film
from pipelines.parameters import infotext, parameters_of, texts_of
from studio.library.credentials import CHANGED_BY_AI, MADE_BY_AI, RECIPE, SIGNED, Credentials
from studio.library.explain import Explained, explain
from studio.library.made import keep
from studio.library.recipe import compose, embed, extract
from studio.store.blobs import Blobs
from tests.library import drawn, generator, png

RECIPE_OF = compose("image", {"prompt": "一只猫, a cat", "seed": 7, "model": "tiny"}, "f" * 64, {})


@pytest.fixture
def credentials(tmp_path: Path) -> Credentials:
    return Credentials(tmp_path / "credentials")


def keys(found: Explained) -> list[str]:
    return [one.sentence.key for one in found.said]


def encoded(kind: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(out, kind)
    return out.getvalue()


def moving(tmp_path: Path) -> bytes:
    paths = [tmp_path / f"sample-{number}.png" for number in range(3)]
    for number, path in enumerate(paths):
        Image.new("RGB", (64, 64), (number * 90, 0, 0)).save(path)
    return film(paths, "mp4", "a film")


@pytest.mark.parametrize("media_type", SIGNED)
def test_every_kind_of_result_is_signed_and_found_to_be_ours(
    credentials: Credentials, tmp_path: Path, media_type: str
) -> None:
    kind = media_type.split("/")[1]
    data = moving(tmp_path) if kind == "mp4" else encoded(kind.upper())
    signed = credentials.sign(data, media_type, "a cat", RECIPE_OF, "1")
    manifest = credentials.read(signed, media_type)
    assert manifest is not None
    assert (manifest.state, manifest.made_by_ai, manifest.signer) == ("own", True, "Atelier studio")
    assert manifest.recipe is not None
    assert manifest.recipe["settings"]["prompt"] == "一只猫, a cat"
    assert manifest.actions == ("c2pa.created",)


@pytest.mark.parametrize(
    ("kind", "settings", "source", "said"),
    [
        ("image", {"prompt": "a cat"}, MADE_BY_AI, "explain.ai"),
        ("image", {"prompt": "a cat", "method": "words", "source": "a" * 64}, MADE_BY_AI, "explain.ai"),
        ("training", {"recipe": "r1"}, MADE_BY_AI, "explain.ai"),
        ("image", {"prompt": "a cat", "method": "picture"}, CHANGED_BY_AI, "explain.changed"),
        ("image", {"prompt": "a cat", "method": "paint"}, CHANGED_BY_AI, "explain.changed"),
        ("style", {"style": "ember-glow"}, CHANGED_BY_AI, "explain.changed"),
        ("upscale", {"factor": 2}, CHANGED_BY_AI, "explain.changed"),
    ],
)
def test_a_picture_that_a_model_worked_on_is_not_said_to_be_its_alone(
    credentials: Credentials, kind: str, settings: dict[str, Any], source: str, said: str
) -> None:
    signed = credentials.sign(drawn(), "image/png", "a cat", compose(kind, settings, None, {}), "1")
    assert source.encode() in signed
    told = keys(explain(signed, credentials))
    assert [one for one in told if one in ("explain.ai", "explain.changed")] == [said]


def test_the_picture_and_its_recipe_stay_and_the_name_is_that_of_what_is_on_disk(
    credentials: Credentials, tmp_path: Path
) -> None:
    blobs = Blobs(tmp_path / "blobs")
    made = keep(png(), RECIPE_OF, blobs, credentials)
    data = blobs.read(made.digest)
    assert hashlib.sha256(data).hexdigest() == made.digest
    assert len(data) == made.bytes
    assert extract(data) == RECIPE_OF
    assert Image.open(io.BytesIO(data)).tobytes() == Image.open(io.BytesIO(drawn())).tobytes()
    assert b"trainedAlgorithmicMedia" in data
    assert MADE_BY_AI.encode() in data
    assert RECIPE.encode() in data


def test_a_file_that_was_changed_is_found_out(credentials: Credentials) -> None:
    signed = bytearray(credentials.sign(encoded("JPEG"), "image/jpeg", "a cat", RECIPE_OF, "1"))
    signed[-30] ^= 1
    manifest = credentials.read(bytes(signed), "image/jpeg")
    assert manifest is not None
    assert manifest.state == "broken"
    found = explain(bytes(signed), credentials)
    assert keys(found)[0] == "explain.broken"
    assert found.said[0].tone == "bad"
    assert "explain.unproven" in keys(found)


def test_another_studios_signature_holds_and_nobody_here_vouches_for_it(
    credentials: Credentials, tmp_path: Path
) -> None:
    signed = Credentials(tmp_path / "elsewhere").sign(drawn(), "image/png", "a cat", RECIPE_OF, "1")
    credentials.sign(drawn(), "image/png", "ours", RECIPE_OF, "1")  # we have a key of our own
    manifest = credentials.read(signed, "image/png")
    assert manifest is not None
    assert manifest.state == "valid"
    assert keys(explain(signed, credentials))[:2] == ["explain.valid", "explain.ai"]


def test_the_key_is_made_once_and_is_its_owners_alone(credentials: Credentials, tmp_path: Path) -> None:
    folder = tmp_path / "credentials"
    first = credentials.sign(drawn(), "image/png", "a", RECIPE_OF, "1")
    key = (folder / "key.pem").read_bytes()
    again = Credentials(folder)
    again.sign(drawn(), "image/png", "b", RECIPE_OF, "1")
    assert (folder / "key.pem").read_bytes() == key
    assert stat.S_IMODE((folder / "key.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    found = again.read(first, "image/png")
    assert found is not None
    assert found.state == "own"


def test_without_credentials_nothing_is_signed_and_no_key_is_made(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    made = keep(png(), RECIPE_OF, blobs)
    assert blobs.read(made.digest) == embed(png(), RECIPE_OF)
    assert not (tmp_path / "credentials").exists()


def test_what_cannot_be_signed_is_kept_and_says_why(credentials: Credentials, tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    keep(png(), RECIPE_OF, blobs, credentials)
    (tmp_path / "credentials" / "key.pem").write_text("no key")
    made = keep(png(), RECIPE_OF, blobs, credentials)
    assert made.recipe["unsigned"]
    assert blobs.read(made.digest) == embed(png(), RECIPE_OF)


# ------------------------------------------------------------------------------------------ other programs


def with_text(**texts: str) -> bytes:
    info = PngImagePlugin.PngInfo()
    for name, value in texts.items():
        info.add_text(name, value)
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "PNG", pnginfo=info)
    return out.getvalue()


INFO = (
    "a cat, (fluffy:1.2)\nsecond line\nNegative prompt: dog, blurry\n"
    'Steps: 20, Sampler: DPM++ 2M, CFG scale: 7, Seed: 42, Size: 512x768, Model: v1-5, Hint: "a, b: c"'
)


def test_automatic1111s_settings_are_read(credentials: Credentials) -> None:
    found = parameters_of(with_text(parameters=INFO))
    assert found is not None
    assert found.prompt == "a cat, (fluffy:1.2)\nsecond line"
    assert found.negative_prompt == "dog, blurry"
    assert found.settings["Hint"] == "a, b: c"
    assert found.known() == {"steps": "20", "scheduler": "DPM++ 2M", "guidance": "7", "seed": "42", "model": "v1-5",
                             "width": "512", "height": "768"}  # fmt: skip
    told = explain(with_text(parameters=INFO), credentials)
    assert keys(told) == ["explain.other", "explain.unproven"]
    assert ("prompt", found.prompt) in told.parts[0][1]


def test_a_prompt_alone_with_colons_is_all_prompt() -> None:
    assert infotext("a cat: the movie, part 2: again").prompt == "a cat: the movie, part 2: again"


def test_automatic1111s_settings_are_read_from_a_jpegs_comment() -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + INFO.encode("utf-16-be")
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "JPEG", exif=exif)
    found = parameters_of(out.getvalue())
    assert found is not None
    assert found.settings["Seed"] == "42"


def test_comfyuis_graph_is_followed_to_its_prompts() -> None:
    graph: dict[str, Any] = {
        "1": {"class_type": "CLIPTextEncode", "inputs": {"text": "a cat"}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "dog"}},
        "3": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "v1-5.safetensors"}},
        "4": {"class_type": "Combine", "inputs": {"conditioning": ["1", 0]}},
        "5": {"class_type": "KSampler", "inputs": {"seed": 9, "steps": 12, "positive": ["4", 0], "negative": ["2", 0]}},
    }
    found = parameters_of(with_text(prompt=json.dumps(graph)))
    assert found is not None
    assert (found.program, found.prompt, found.negative_prompt) == ("ComfyUI", "a cat", "dog")
    assert (found.settings["seed"], found.settings["ckpt_name"]) == ("9", "v1-5.safetensors")
    circle = {"1": {"class_type": "KSampler", "inputs": {"positive": ["1", 0]}}}
    assert parameters_of(with_text(prompt=json.dumps(circle))) is not None


def test_weights_say_how_many_numbers_they_have_and_whose_they_are(credentials: Credentials) -> None:
    data = embed(generator(), {**RECIPE_OF, "kind": "training"})
    found = explain(data, credentials)
    assert found.format == "safetensors"
    assert keys(found)[:2] == ["explain.ours", "explain.weights"]
    tensor = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}
    foreign = json.dumps({"__metadata__": {"ss_base_model": "sd15"}, "w": tensor})
    told = explain(struct.pack("<Q", len(foreign)) + foreign.encode() + bytes(24), credentials)
    assert told.said[0].sentence.values["count"] == 6
    assert told.parts == [("metadata", [("ss_base_model", "sd15")])]


def test_a_file_that_says_nothing_is_told_so(credentials: Credentials) -> None:
    assert keys(explain(encoded("PNG"), credentials)) == ["explain.nothing"]
    assert explain(b"just words", credentials).format == "text"
    with pytest.raises(StudioError, match="empty"):
        explain(b"", credentials)


def test_a_small_chunk_that_unpacks_to_a_large_text_is_read_in_part() -> None:
    packed = zlib.compress(b"a" * 30_000_000)
    chunk = b"zTXt" + b"parameters\0\0" + packed
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", len(chunk) - 4) + chunk + b"\0\0\0\0"
    assert len(texts_of(data)["parameters"]) == 1_000_000


HEADS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"RIFF0000WEBP", b"0000ftypmp42", b"")


@given(st.sampled_from(HEADS), st.binary(min_size=1, max_size=400))
@settings(max_examples=80, deadline=None)
def test_no_file_whatever_is_in_it_is_more_than_a_few_sentences(head: bytes, body: bytes) -> None:
    found = explain(head + body, Credentials(Path("/nowhere")))
    assert found.said


@pytest.mark.parametrize(
    "header", ["{}", '{"__metadata__": 3}', '{"w": 3}', '{"w": {"shape": [-1, "x"]}}', "{" * 5000, '{"a": 1']
)
def test_a_header_of_nonsense_is_read_as_far_as_it_goes(credentials: Credentials, header: str) -> None:
    assert explain(struct.pack("<Q", len(header)) + header.encode() + b"\0\0", credentials).said
