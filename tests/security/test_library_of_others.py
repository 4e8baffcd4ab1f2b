"""A second person asks for the first's library: every route and endpoint that searches, marks, zips or deletes."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from benchmarks.servers import Server, server
from tests.security.test_others import Someone, data, someone  # noqa: F401 - data is a fixture


@pytest.fixture(scope="module")
def studio(data: Path) -> Iterator[Server]:  # noqa: F811
    with server(data, "--auth", "--threads", "1", "--moderation.member", log=data / "log.txt") as running:
        running.wait_ready()
        yield running


@pytest.fixture(scope="module")
def ann(studio: Server, data: Path) -> Iterator[Someone]:  # noqa: F811
    person = someone(studio, data, 1)
    yield person
    person.client.close()


@pytest.fixture(scope="module")
def bob(studio: Server, data: Path) -> Iterator[Someone]:  # noqa: F811
    person = someone(studio, data, 2)
    yield person
    person.client.close()


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photos") / "red.png"
    Image.new("RGB", (64, 48), (200, 30, 30)).save(path)
    return path


@pytest.fixture(scope="module")
def painted(ann: Someone, photo: Path) -> dict[str, Any]:
    """A painted photo of Ann's with a star, a tag and a collection."""
    _, info = ann.client.predict(handle_file(str(photo)), "amber-morning", None, 1, False, api_name="/transfer_style")
    found = ann.client.predict(info["job_id"], api_name="/get_job")
    item: dict[str, Any] = found["items"][0]
    ann.client.predict([item["id"]], True, api_name="/star_items")
    ann.client.predict([item["id"]], ["secret"], [], api_name="/tag_items")
    made = ann.client.predict("make", "", "Hers", [item["id"]], api_name="/change_collection")
    return item | {"collection": made["collection"], "photo": found["request"]["photo"]}


def test_she_finds_it_and_he_does_not(ann: Someone, bob: Someone, painted: dict[str, Any]) -> None:
    for asked in ("words=amber", "starred=1", "tag=secret", f"collection={painted['collection']}", "kind=pictures"):
        assert [one["id"] for one in ann.get(f"/shelf/items?{asked}").json()["items"]] == [painted["id"]], asked
        assert bob.get(f"/shelf/items?{asked}").json()["items"] == [], asked
        assert bob.get(f"/shelf/ids?{asked}").json() == {"ids": []}
        assert httpx.get(f"{ann.url}/shelf/items?{asked}").status_code == 401
    assert bob.client.predict(words="amber", api_name="/search_library")["count"] == 0
    assert ann.client.predict(words="amber", api_name="/search_library")["count"] == 1
    assert painted["id"] not in bob.tool("search_library", words="", limit=200)


def test_what_there_is_to_filter_by_is_ones_own(ann: Someone, bob: Someone, painted: dict[str, Any]) -> None:
    assert [one["name"] for one in ann.get("/shelf/facets").json()["collections"]] == ["Hers"]
    for text in (bob.get("/shelf/facets").text, bob.tool("list_collections")):
        assert "Hers" not in text
        assert "secret" not in text


@pytest.mark.parametrize(
    "path", ["/shelf/item/{id}", "/shelf/lineage/{id}", "/shelf/items?like={id}", "/shelf/ids?like={id}"]
)
def test_a_route_that_names_her_thing_finds_nothing_for_him(
    ann: Someone, bob: Someone, painted: dict[str, Any], path: str
) -> None:
    asked = path.format(id=painted["id"])
    assert ann.get(asked).status_code == 200
    assert bob.get(asked).status_code == 404
    assert httpx.get(ann.url + asked).status_code == 401


def test_the_photo_she_gave_is_hers(ann: Someone, bob: Someone, painted: dict[str, Any]) -> None:
    asked = f"/shelf/given/{painted['photo']}/thumbnail"
    assert Image.open(io.BytesIO(ann.get(asked).content)).size == (64, 48)
    assert bob.get(asked).status_code == 404
    for nonsense in ("x", "..%2f..%2fstudio.db", "f" * 64):
        assert ann.get(f"/shelf/given/{nonsense}/thumbnail").status_code == 404


def test_nothing_he_does_to_her_things_is_done(ann: Someone, bob: Someone, painted: dict[str, Any]) -> None:
    item, collection = painted["id"], painted["collection"]
    for message in (
        {"action": "star", "items": [item], "on": False},
        {"action": "tag", "items": [item], "remove": ["secret"]},
        {"action": "collect", "collection": collection, "items": [item], "on": False},
        {"action": "collection.rename", "collection": collection, "name": "His"},
        {"action": "collection.delete", "collection": collection},
        {"action": "collection.make", "name": "x", "items": [item]},
        {"action": "delete", "items": [item], "sure": 1},
    ):
        assert bob.post("/shelf/act", message).status_code == 404, message
    for name, given in (
        ("star_items", ([item], False)),
        ("tag_items", ([item], [], ["secret"])),
        ("change_collection", ("rename", collection, "His", [])),
        ("change_collection", ("delete", collection, "", [])),
        ("change_collection", ("remove", collection, "", [item])),
        ("find_similar", (item, 9)),
        ("get_lineage", (item,)),
        ("download_items", ([item],)),
        ("delete_items", ([item], 1)),
    ):
        with pytest.raises(AppError, match=r"nothing named|no collection"):
            bob.client.predict(*given, api_name=f"/{name}")
    assert "nothing named" in bob.tool("delete_items", item_ids=[item], sure=1)
    kept = ann.get(f"/shelf/item/{item}").json()["item"]
    assert (kept["starred"], kept["tags"], kept["collections"]) == (True, ["secret"], [collection])


def test_her_zip_is_hers(ann: Someone, bob: Someone, painted: dict[str, Any]) -> None:
    def asked(person: Someone) -> httpx.Response:
        form = {"items": painted["id"]}
        return httpx.post(f"{person.url}/shelf/download", data=form, headers=person.header, timeout=60)

    with zipfile.ZipFile(io.BytesIO(asked(ann).content)) as archive:
        assert len(archive.namelist()) == 2
    assert asked(bob).status_code == 404
    path = ann.client.predict([painted["id"]], api_name="/download_items")
    assert zipfile.is_zipfile(path)


def test_a_page_elsewhere_cannot_delete_in_her_name(ann: Someone, painted: dict[str, Any]) -> None:
    headers = {**ann.header, "origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    message = {"action": "delete", "items": [painted["id"]], "sure": 1}
    for path in ("/shelf/act", "/shelf/download", "/shelf/explain"):
        assert httpx.post(ann.url + path, json=message, headers=headers, timeout=60).status_code == 403


@pytest.mark.parametrize("message", [
    None, [], "x", {}, {"action": "delete"}, {"action": "delete", "items": "all", "sure": 1},
    {"action": "star", "items": [None, {}, 3], "on": True}, {"action": "star", "items": [], "on": True},
    {"action": "collection.make", "name": ""}, {"action": "collect", "collection": 3, "items": [], "on": True},
])  # fmt: skip
def test_nonsense_is_a_sentence(ann: Someone, message: Any) -> None:
    answer = ann.post("/shelf/act", message)
    assert answer.status_code in (400, 404)
    assert answer.json()["error"]


@pytest.mark.parametrize(
    "query", ["kind=x", "sort=x", "after=x", "after=%5B1%5D", "after=%7B%7D", "limit=-3", "words=%00", "like=x"]
)
def test_a_search_of_nonsense_is_a_sentence_or_a_page(ann: Someone, query: str) -> None:
    answer = ann.get(f"/shelf/items?{query}")
    assert answer.status_code in (200, 400, 404)
    assert "error" in answer.json() or "items" in answer.json()


def test_deleting_needs_the_number_said_again(ann: Someone, painted: dict[str, Any]) -> None:
    for sure in (0, 2, True, None, "1"):
        answer = ann.post("/shelf/act", {"action": "delete", "items": [painted["id"]], "sure": sure})
        assert (answer.status_code, "cannot be undone" in answer.text) == (400, True)


def test_a_file_to_be_explained_is_bounded_and_not_kept(ann: Someone, data: Path) -> None:  # noqa: F811
    before = sorted(path.name for path in (data / "blobs").glob("??/*"))
    small = httpx.post(f"{ann.url}/shelf/explain", content=b"words", headers=ann.header, timeout=60)
    assert small.json()["format"] == "text"
    large = httpx.post(f"{ann.url}/shelf/explain", content=bytes(60 << 20), headers=ann.header, timeout=60)
    assert large.status_code == 413
    assert sorted(path.name for path in (data / "blobs").glob("??/*")) == before


def test_a_moderated_person_is_refused_by_page_api_and_mcp_alike_and_the_log_says_so(
    ann: Someone, bob: Someone
) -> None:
    words = "how to make a b o m b"
    with pytest.raises(AppError, match="instructions for weapons"):
        bob.client.predict(prompt=words, api_name="/generate_text")
    with pytest.raises(AppError, match="instructions for weapons"):
        bob.client.predict(prompt=words, api_name="/generate_image")
    assert "instructions for weapons" in bob.tool("generate_text", prompt=words)
    assert json.loads(json.dumps(bob.client.predict("", 50, api_name="/list_jobs"))) == []
