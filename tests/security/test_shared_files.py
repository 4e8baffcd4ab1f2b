"""Made files on this machine's disk and in a shared storage: whole, in ranges and by a link, for their owner alone."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from pipelines.base import Artifact
from pipelines.storage import Content, StorageAway
from studio.accounts.roles import owner_name
from studio.entrance.inside import Inside
from studio.library.library import Item, add_items
from studio.library.made import keep
from studio.services import Studio, open_studio
from studio.serving import file_response
from studio.store import shared_blobs
from studio.store.tables import JobRow
from studio.web import build_routes
from tests.library import drawn
from tests.security.conftest import PASSWORD
from tests.studios import settings

#: more than is copied to the web process's disk before it is sent, and no multiple of a piece
LARGE = os.urandom(shared_blobs.SMALL + 1_234_567)


@pytest.fixture(params=["alone", "folder", "s3"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where files lie: an empty address is the data folder."""
    if request.param == "s3":
        return str(request.getfixturevalue("bucket"))
    if request.param == "folder":
        (tmp_path / "shared").mkdir()
        return str(tmp_path / "shared")
    return ""


@pytest.fixture
def studio(tmp_path: Path, address: str) -> Iterator[Studio]:
    opened = open_studio(settings(tmp_path / "web", storage=address, auth=True))
    for name in ("ann", "bob"):
        opened.accounts.add(name, "member", PASSWORD)
    yield opened
    opened.database.close()


def made(studio: Studio, owner: str, data: bytes, media_type: str = "application/octet-stream") -> Item:
    """What a worker on another machine made: its copy is not on the web process's disk."""
    artifact = Artifact("generator.bin", media_type, data, "A generator")
    item = keep(artifact, {"kind": "training"}, studio.library.blobs)
    job = uuid.uuid4().hex
    with studio.database.write() as session:
        session.add(JobRow(id=job, owner=owner, kind="training", request={}, state="done", created=1.0))
    with studio.database.write() as session:
        found = add_items(session, owner, job, "training", [item])[0]
    for copy in (studio.settings.data / "cache" / "blobs").glob("??/*"):
        copy.unlink()
    return found


def visitor(studio: Studio, name: str = "") -> TestClient:
    app: Any = build_routes(studio, Inside())
    headers = {}
    if name:
        person = next(one for one in studio.accounts.everybody() if one.name == name)
        token = studio.accounts.sessions.make_token(person.id, "test")
        headers = {"Authorization": f"Bearer {token}"}
    return TestClient(app, headers=headers, follow_redirects=False)


def owner_of(studio: Studio, name: str) -> str:
    return owner_name(next(one for one in studio.accounts.everybody() if one.name == name).id)


def test_a_large_file_comes_whole_and_in_ranges_without_a_copy_on_the_way(studio: Studio) -> None:
    item, ann = made(studio, owner_of(studio, "ann"), LARGE), visitor(studio, "ann")
    whole = ann.get(item.url)
    assert whole.status_code == 200
    assert whole.content == studio.library.blobs.read(item.digest)
    for copy in (studio.settings.data / "cache" / "blobs").glob("??/*"):
        copy.unlink()
    size, stored = item.bytes, whole.content
    for asked, part in {
        "bytes=0-99": stored[:100],
        "bytes=9000000-9000999": stored[9_000_000:9_001_000],
        f"bytes={size - 5}-": stored[-5:],
        "bytes=-7": stored[-7:],
        f"bytes=5-{size * 2}": stored[5:],
    }.items():
        answer = ann.get(item.url, headers={"range": asked})
        assert (answer.status_code, answer.content == part) == (206, True), asked
        assert answer.headers["content-range"].endswith(f"/{size}")
    assert list((studio.settings.data / "cache" / "blobs").glob("??/*")) == []
    late = {"range": "bytes=0-9", "if-range": '"something else"'}
    assert ann.get(item.url, headers=late).status_code == 200
    assert ann.get(item.url, headers={"range": "bytes=0-9", "if-range": whole.headers["etag"]}).status_code == 206


@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=-0"])
def test_a_range_beyond_the_end_is_refused_with_the_size(studio: Studio, asked: str) -> None:
    item = made(studio, owner_of(studio, "ann"), LARGE)
    answer = visitor(studio, "ann").get(item.url, headers={"range": asked})
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{item.bytes}")


@pytest.mark.parametrize("asked", ["bytes=9-1", "bytes=a-b", "bytes=-", "bytes=0-1,5-6", "lines=1-2", "bytes=9-1,a-b"])
def test_what_is_no_single_range_gets_the_whole(studio: Studio, asked: str) -> None:
    item = made(studio, owner_of(studio, "ann"), b"small enough")
    answer = visitor(studio, "ann").get(item.url, headers={"range": asked})
    assert (answer.status_code, len(answer.content)) == (200, item.bytes)


def test_nobody_else_gets_it_and_a_link_leads_there_until_it_is_taken_back(studio: Studio) -> None:
    item = made(studio, owner_of(studio, "ann"), LARGE)
    assert visitor(studio, "bob").get(item.url).status_code == 404
    assert visitor(studio).get(item.url).status_code in (303, 401)
    link = f"/shared/{studio.shares.make(item.owner, item.id)}"
    stranger = visitor(studio)
    answer = stranger.get(f"{link}/file", headers={"range": "bytes=10-19"})
    assert (answer.status_code, answer.content) == (206, studio.library.blobs.read(item.digest)[10:20])
    assert stranger.get(f"{link}x/file").status_code == 404
    studio.shares.take_back(item.owner, studio.shares.of(item.owner)[0].id)
    assert stranger.get(f"{link}/file").status_code == 404


def test_a_file_that_is_gone_is_404_and_a_storage_that_is_away_503_with_a_sentence(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    item, ann = made(studio, owner_of(studio, "ann"), LARGE), visitor(studio, "ann")

    def away(*_: Any) -> Any:
        raise StorageAway("s3://somewhere", "no route")

    blobs: Any = studio.library.blobs
    with monkeypatch.context() as patched:
        patched.setattr(blobs, "content", away)
        answer = ann.get(item.url, headers={"accept-language": "zh"})
        assert answer.status_code == 503
        assert "s3://somewhere 没有响应" in answer.text
    blobs.remove(item.digest)
    assert [ann.request(method, item.url).status_code for method in ("GET", "HEAD")] == [404, 404]


def test_what_a_browser_has_is_not_sent_again(studio: Studio) -> None:
    item, ann = made(studio, owner_of(studio, "ann"), drawn(), "image/png"), visitor(studio, "ann")
    first = ann.get(item.url)
    assert (first.headers["etag"], first.headers["content-type"]) == (f'"{item.digest}"', "image/png")
    for tags in (f'"{item.digest}"', f'"x", W/"{item.digest}"', "*"):
        again = ann.get(item.url, headers={"if-none-match": tags, "range": "bytes=0-1"})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"]), tags
    for tags in ("", '"x"', item.digest, '"', ","):
        assert ann.get(item.url, headers={"if-none-match": tags}).content == first.content
    assert visitor(studio, "bob").get(item.url, headers={"if-none-match": "*"}).status_code == 404


def test_whoever_asks_for_the_head_alone_gets_what_a_whole_answer_would_say(studio: Studio) -> None:
    item, ann = made(studio, owner_of(studio, "ann"), LARGE), visitor(studio, "ann")
    whole, head = ann.get(item.url), ann.head(item.url, headers={"range": "bytes=0-9"})
    assert (head.status_code, head.content) == (200, b"")
    same = ("content-length", "content-type", "etag", "content-disposition", "accept-ranges", "cache-control")
    assert [head.headers[name] for name in same] == [whole.headers[name] for name in same]
    assert visitor(studio, "bob").head(item.url).status_code == 404
    assert visitor(studio).head(item.url).status_code == 401


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_empty_file_is_sent(studio: Studio, method: str) -> None:
    item = made(studio, owner_of(studio, "ann"), b"", "text/plain")
    answer = visitor(studio, "ann").request(method, item.url)
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "0")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("version", ["2.3", "2.4"])
def test_of_a_large_file_no_more_is_fetched_than_is_taken_and_nothing_stays_open_when_its_taker_goes(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    item, blobs, taken, closed = made(studio, owner_of(studio, "ann"), LARGE), studio.library.blobs, [], []

    class Watched(Content):
        def __iter__(self) -> Generator[bytes]:
            try:
                for piece in super().__iter__():
                    taken.append(len(piece))
                    yield piece
            finally:
                closed.append(True)

    find = blobs.content

    def found(*given: Any) -> Content:
        content = find(*given)
        return Watched(content.size, iter(content), content.close)

    monkeypatch.setattr(blobs, "content", found)
    request = Request({"type": "http", "method": "GET", "headers": []})
    answer = file_response(request, blobs, item.digest, item.bytes, item.media_type, {})
    asyncio.run(_goes_away(answer, version))
    del answer
    assert 0 < sum(taken) < item.bytes / 2
    assert closed == [True]


async def _goes_away(answer: Response, version: str) -> None:
    """Takes the first two pieces of an answer as uvicorn would, which says in two ways that somebody has gone."""
    gone, pieces = asyncio.Event(), 0

    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        nonlocal pieces
        pieces += message["type"] == "http.response.body"
        if pieces == 2:
            gone.set()
            if version == "2.4":
                raise OSError("gone")
            await asyncio.sleep(5)

    with suppress(ClientDisconnect):
        await answer({"type": "http", "method": "GET", "asgi": {"spec_version": version}}, receive, send)
