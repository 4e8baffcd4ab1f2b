"""The public API as its users meet it: gradio_client on a running studio, with real small models."""

from __future__ import annotations

import io
import itertools
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from jsonschema import Draft202012Validator
from PIL import Image
from safetensors.torch import save_file

from benchmarks.servers import Server
from studio.library.recipe import extract

SNAPSHOT = Path(__file__).parent / "endpoints.json"
EXAMPLES = Path(__file__).resolve().parents[2] / "assets" / "examples"


def contract(client: Client) -> dict[str, Any]:
    """Names, order, types and defaults: what a caller relies on."""
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    return {
        name: {
            "parameters": [
                [one["parameter_name"], one["python_type"]["type"], one.get("parameter_default")]
                for one in described["parameters"]
            ],
            "returns": [one["label"] for one in described["returns"]],
        }
        for name, described in sorted(named.items())
    }


def test_the_public_api_is_the_one_we_promised(client: Client) -> None:
    found = contract(client)
    assert found == json.loads(SNAPSHOT.read_text(encoding="utf-8")), (
        "the public API changed; where that is meant and only adds, write the new contract to endpoints.json: "
        + json.dumps(found, indent=1)
    )


def test_every_endpoint_says_what_it_does(client: Client) -> None:
    described = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert all(one.get("description") for one in described.values())


def text(client: Client, **changes: Any) -> tuple[str, dict[str, Any]]:
    values = {"prompt": "Write one sentence about the sea.", "max_new_tokens": 12, "seed": 7} | changes
    found: tuple[str, dict[str, Any]] = client.predict(api_name="/generate_text", **values)
    return found


def test_text_streams_and_the_same_seed_gives_the_same_text(client: Client) -> None:
    job = client.submit(
        prompt="Count from one to twenty in words.", max_new_tokens=40, seed=7, temperature=0, api_name="/generate_text"
    )
    outputs = list(job)
    assert len(outputs) > 2
    assert all(later[0].startswith(earlier[0]) for earlier, later in itertools.pairwise(outputs))
    first, second, other = text(client), text(client), text(client, seed=8)
    assert first[0] == second[0] != other[0]
    assert first[1]["tokens_per_second"] > 0


def test_a_fresh_seed_comes_back_and_makes_the_same_text_again(client: Client) -> None:
    written, info = text(client, seed=-1)
    assert info["seed"] >= 0
    assert text(client, seed=info["seed"])[0] == written


def test_pictures_come_as_png_files_with_their_recipe_inside(client: Client) -> None:
    pictures, info = client.predict(
        prompt="a b c", model="tiny-sd", steps=2, width=64, height=64, count=2, seed=5, api_name="/generate_image"
    )
    assert info["seed"] == 5
    assert len(pictures) == 2
    for shown in pictures:
        data = Path(shown["image"]).read_bytes()
        recipe = extract(data)
        assert recipe is not None
        assert recipe["settings"]["prompt"] == "a b c"
        assert recipe["model_sha256"]
        assert Image.open(io.BytesIO(data)).size == (64, 64)


def test_a_photo_is_painted_at_its_own_size(client: Client) -> None:
    photo = next(EXAMPLES.glob("*.jpg"))
    picture, info = client.predict(
        photo=handle_file(str(photo)), style="", style_picture=handle_file(str(photo)), api_name="/transfer_style"
    )
    assert Image.open(picture).size == Image.open(photo).size
    assert info["state"] == "done"


def start(client: Client, **settings: Any) -> str:
    values = {"seconds": 0, "steps": 20, "width": 4, "batch": 8, "seed": 1} | settings
    job_id: str = client.predict("r1", "mnist", json.dumps(values), api_name="/start_training")
    return job_id


def test_a_training_outlives_its_client_and_is_followed_from_any_number(client: Client, studio: Server) -> None:
    job_id = start(client)
    seen = list(client.submit(job_id, 0, api_name="/follow_job"))
    assert [event["seq"] for event in seen] == list(range(1, len(seen) + 1))
    assert seen[-1]["data"] == {"state": "done"}
    later = Client(studio.url, verbose=False)
    assert list(later.submit(job_id, seen[3]["seq"], api_name="/follow_job")) == seen[4:]
    assert {item["name"] for item in later.predict(job_id, api_name="/get_job")["items"]} >= {"generator.safetensors"}
    assert job_id in [job["id"] for job in later.predict("training", 50, api_name="/list_jobs")]
    later.close()


def test_a_training_is_steered_rewound_and_branched_by_its_id(client: Client) -> None:
    job_id = start(client, steps=1_000_000)
    events = client.submit(job_id, 0, api_name="/follow_job")
    next(event for event in events if event["kind"] == "metrics")
    client.predict(job_id, '{"learning_rate": 0.0005}', api_name="/steer_job")
    told = next(event for event in events if event["kind"] == "mark")
    assert told["data"]["text"] == "learning rate 0.001 → 0.0005"
    with pytest.raises(AppError, match=r"Penalty weight must be at most 100\.0; you gave 101"):
        client.predict(job_id, '{"gamma": 101}', api_name="/steer_job")
    assert client.predict(job_id, api_name="/list_snapshots")[0] == {"step": 0, "seconds": 0.0}
    client.predict(job_id, '{"rewind": 0}', api_name="/steer_job")
    branch = client.predict(job_id, 0, '{"steps": 3, "gamma": 5}', api_name="/branch_training")
    client.predict(job_id, api_name="/cancel_job")
    list(client.submit(branch, 0, api_name="/follow_job"))
    assert client.predict(branch, api_name="/get_job")["facts"]["steps"] == 3


def test_a_training_is_paused_resumed_and_cancelled_by_its_id(client: Client) -> None:
    job_id = start(client, steps=1_000_000)
    events = client.submit(job_id, 0, api_name="/follow_job")
    next(event for event in events if event["kind"] == "metrics")
    client.predict(job_id, api_name="/pause_job")
    next(event for event in events if event["data"].get("state") == "paused")
    client.predict(job_id, api_name="/resume_job")
    next(event for event in events if event["data"].get("state") == "running")
    client.predict(job_id, api_name="/cancel_job")
    assert list(events)[-1]["data"] == {"state": "cancelled"}


def test_a_second_person_sees_neither_jobs_nor_files_of_the_first(client: Client, studio: Server) -> None:
    job_id = start(client, steps=2)
    list(client.submit(job_id, 0, api_name="/follow_job"))
    item = client.predict(job_id, api_name="/get_job")["items"][0]
    assert httpx.get(studio.url + item["url"]).status_code == 200
    other = {"Authorization": "Bearer somebody-else"}
    stranger = Client(studio.url, headers=other, verbose=False)
    for name in ("/get_job", "/cancel_job", "/pause_job", "/resume_job"):
        with pytest.raises(AppError, match="no job"):
            stranger.predict(job_id, api_name=name)
    with pytest.raises(AppError, match="no job"):
        stranger.predict(job_id, 0, api_name="/follow_job")
    assert stranger.predict("", 50, api_name="/list_jobs") == []
    for path in (item["url"], item["thumbnail_url"] or item["url"], f"/jobs/{job_id}/files/sample-0000000.webp"):
        assert httpx.get(studio.url + path, headers=other).status_code == 404
    stranger.close()


def test_the_endpoints_are_mcp_tools_too(studio: Server) -> None:
    schema = httpx.get(studio.url + "/gradio_api/mcp/schema").json()
    named = {tool["name"] for tool in schema}
    assert {"generate_text", "generate_image", "transfer_style", "start_training", "get_job"} <= named
    for tool in schema:  # a client refuses to call what it cannot check
        Draft202012Validator.check_schema(tool["inputSchema"])


def test_stickers_are_made_as_the_model_does_them_best_where_nothing_else_is_asked(client: Client) -> None:
    pictures, info = client.predict(prompt="红色的苹果", model="tiny-stickers", seed=5, api_name="/generate_image")
    assert (info["seed"], info["english"]) == (5, "red apple")
    (shown,) = pictures
    data = Path(shown["image"]).read_bytes()
    picture = Image.open(io.BytesIO(data))
    assert (picture.mode, picture.size) == ("RGBA", (256, 256))
    recipe = extract(data)
    assert recipe is not None
    own = {"steps": 24, "guidance": 4.0, "width": 256, "height": 256, "style": "", "count": 1}
    assert own.items() <= recipe["settings"].items()


def test_a_lora_is_uploaded_and_laid_over_the_model_and_one_for_another_says_so(client: Client, tmp_path: Path) -> None:
    torch.manual_seed(0)
    layer = "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
    laid = {f"{layer}.lora_A.weight": torch.randn(2, 16), f"{layer}.lora_B.weight": torch.randn(16, 2)}
    save_file(laid, tmp_path / "ink.safetensors")
    save_file({name: torch.ones(3, 3) for name in laid}, tmp_path / "other.safetensors")
    asked = {"prompt": "a b", "model": "tiny-sd", "steps": 2, "width": 64, "height": 64, "seed": 3}
    files = [handle_file(str(tmp_path / "ink.safetensors"))]
    pictures, info = client.predict(**asked, loras=files, lora_weights="0.5", api_name="/generate_image")
    assert info["state"] == "done"
    recipe = extract(Path(pictures[0]["image"]).read_bytes())
    assert recipe is not None
    assert [one["weight"] for one in recipe["settings"]["loras"]] == [0.5]
    other = [handle_file(str(tmp_path / "other.safetensors"))]
    with pytest.raises(AppError, match="was made for another kind of model"):
        client.predict(**asked, loras=other, api_name="/generate_image")


def test_a_picture_is_begun_from_another_made_larger_and_its_recipe_read_back(client: Client, tmp_path: Path) -> None:
    Image.new("RGB", (40, 30), (200, 30, 30)).save(tmp_path / "red.png")
    settings = {"strength": 0.5, "x_field": "steps", "x_values": "2, 3"}
    small = {"model": "tiny-sd", "steps": 2, "width": 64, "height": 64, "seed": 3}
    source, more = handle_file(str(tmp_path / "red.png")), json.dumps(settings)
    pictures, info = client.predict(
        prompt="a b", source=source, settings_json=more, api_name="/generate_image", **small
    )
    assert info["state"] == "done"
    assert len(pictures) == 3  # one for each value, and the labelled grid
    recipe = client.predict(picture=handle_file(pictures[1]["image"]), api_name="/read_recipe")
    assert (recipe["from"], recipe["settings"]["method"], recipe["settings"]["steps"]) == ("atelier", "picture", 3)
    larger, _ = client.predict(picture=handle_file(pictures[0]["image"]), factor=2, api_name="/upscale_image")
    assert Image.open(larger).size == tuple(2 * side for side in Image.open(pictures[0]["image"]).size)
