"""The demonstration's proxy: a browser stays with its web process, and what is streamed is passed on as it comes."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from deploy.demo import free_port
from deploy.proxy import COOKIE, Sticky
from tests.studios import wait_for

HUNG_UP: list[str] = []


def backend(name: str) -> Starlette:
    async def who(request: Request) -> Response:
        body = (await request.body()).decode()
        told = [request.headers.get(one, "-") for one in ("x-forwarded-for", "x-forwarded-host", "x-mine")]
        return PlainTextResponse(f"{name} {request.method} {request.url.query} {body} {' '.join(told)}")

    async def endless(_: Request) -> Response:
        async def words() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"word "
                    await asyncio.sleep(0.02)
            finally:
                HUNG_UP.append(name)

        return StreamingResponse(words())

    return Starlette(routes=[Route("/who", who, methods=["GET", "POST"]), Route("/endless", endless)])


@contextmanager
def serving(app: object) -> Iterator[str]:
    port = free_port()
    quiet = {"log_level": "error", "proxy_headers": False, "timeout_graceful_shutdown": 1}
    server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", port, **quiet))  # type: ignore[arg-type]
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_for(lambda: server.started, 10)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def webs() -> Iterator[list[str]]:
    with serving(backend("one")) as one, serving(backend("two")) as two:
        yield [one, two]


def test_a_browser_stays_with_the_process_it_was_sent_to(webs: list[str]) -> None:
    with serving(Sticky(webs)) as url:
        firsts = [httpx.get(f"{url}/who") for _ in range(4)]
        assert {answer.text.split()[0] for answer in firsts} == {"one", "two"}
        for first in firsts:
            again = httpx.get(f"{url}/who", cookies={COOKIE: first.cookies[COOKIE]})
            assert again.text.split()[0] == first.text.split()[0]
        assert httpx.get(f"{url}/who", cookies={COOKIE: "99"}).status_code == 200


def test_a_request_arrives_as_it_was_and_says_whose_it_is(webs: list[str]) -> None:
    with serving(Sticky(webs)) as url:
        sent = {"x-mine": "yes", "x-forwarded-for": "10.1.1.1"}
        answer = httpx.post(f"{url}/who?a=1&b=%2F", content=b"some words", headers=sent)
        _, *said = answer.text.split(" ")
        assert said == ["POST", "a=1&b=%2F", "some", "words", "127.0.0.1", url.removeprefix("http://"), "yes"]


def test_where_its_process_is_gone_a_browser_is_sent_to_another(webs: list[str]) -> None:
    gone = f"http://127.0.0.1:{free_port()}"
    with serving(Sticky([gone, webs[0]])) as url:
        answer = httpx.get(f"{url}/who", cookies={COOKIE: "0"})
        assert (answer.text.split()[0], answer.cookies[COOKIE]) == ("one", "1")
    with serving(Sticky([gone])) as url:
        assert httpx.get(f"{url}/who").status_code == 502


def test_what_is_streamed_comes_at_once_and_a_hung_up_browser_is_noticed_behind_it(webs: list[str]) -> None:
    HUNG_UP.clear()
    with serving(Sticky(webs[:1])) as url:
        with httpx.stream("GET", f"{url}/endless") as answer:
            pieces = answer.iter_raw()
            assert next(pieces).startswith(b"word")
            time.sleep(0.1)
            assert HUNG_UP == []
        wait_for(lambda: HUNG_UP == ["one"], 10)
