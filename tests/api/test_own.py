"""Training the sticker model on own pictures over the API: a zip goes in, its stickers come out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from benchmarks.servers import Server
from studio.library.recipe import extract
from tests.own import own_zip


def given(folder: Path, data: bytes) -> Any:
    path = folder / "dogs.zip"
    path.write_bytes(data)
    return handle_file(str(path))


def start(client: Client, folder: Path, data: bytes | None = None, **settings: Any) -> str:
    values = {"seconds": 0, "steps": 3, "batch": 4, "seed": 1, "model": "tiny-stickers"} | settings
    pictures = given(folder, own_zip(20) if data is None else data)
    job_id: str = client.predict(pictures, "My dogs", json.dumps(values), api_name="/start_sticker_training")
    return job_id


def test_a_zip_is_learned_from_and_drawn_with(client: Client, studio: Server, tmp_path: Path) -> None:
    job_id = start(client, tmp_path)
    events = list(client.submit(job_id, 0, api_name="/follow_job"))
    assert events[-1]["data"] == {"state": "done"}
    sample = next(event["data"] for event in events if event["kind"] == "sample")
    assert len(sample["captions"]) == 16
    assert sample["captions"][0] == "sad dog"
    items = client.predict(job_id, api_name="/get_job")["items"]
    weights = next(item for item in items if item["name"].endswith(".safetensors"))
    assert weights["title"] == "My dogs"

    asked = {"prompt": "sad dog", "model": "tiny-stickers", "steps": 2, "seed": 5, "api_name": "/generate_image"}
    (own,), info = client.predict(**asked, weights=weights["digest"])
    assert info["trained_on"] == "My dogs"
    (plain,), _ = client.predict(**asked)
    own_data, plain_data = (Path(one["image"]).read_bytes() for one in (own, plain))
    assert own_data != plain_data
    recipe = extract(own_data)
    assert recipe is not None
    assert recipe["settings"]["weights"] == weights["digest"]

    with pytest.raises(AppError, match="for the sticker model"):
        client.predict(**asked | {"model": "tiny-sd", "width": 64, "height": 64}, weights=weights["digest"])
    stranger = Client(studio.url, headers={"Authorization": "Bearer somebody-else"}, verbose=False)
    with pytest.raises(AppError, match="no file"):
        stranger.predict(**asked, weights=weights["digest"])
    stranger.close()


def test_what_cannot_be_learned_from_is_refused_at_once(client: Client, tmp_path: Path) -> None:
    with pytest.raises(AppError, match="The zip holds 3 pictures with captions; at least 20 are needed"):
        start(client, tmp_path, own_zip(3))
    with pytest.raises(AppError, match="not a zip that can be read"):
        start(client, tmp_path, b"hello")
    with pytest.raises(AppError, match="Begin with must be one of"):
        start(client, tmp_path, start="anything")
