"""A page of the studio without its drawing: opens what the page opens, asks what it asks, reads what it is sent.

Seen in chromium and done the same here: the page itself, a heartbeat that stays open, the handlers that run when a page
is loaded, the strip's question every second, and for Make a place in gradio's queue, its stream of changes to the end
and what the page asks for once that is over. Knows gradio's queue; not what is measured. A hundred browsers would
measure themselves.
"""

from __future__ import annotations

import asyncio
import json
import random
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import httpx

STATUS_EVERY = 1.0


@dataclass(frozen=True)
class Layout:
    """What a page is told of itself: which handler is which, and what is in each field before anybody writes."""

    config: Mapping[str, Any]

    @classmethod
    async def of(cls, url: str) -> Self:
        async with httpx.AsyncClient(timeout=60) as client:
            return cls((await client.get(f"{url}/config")).raise_for_status().json())

    def component(self, elem_id: str) -> int:
        """The number of the component that the page's scripts know as ``elem_id``."""
        return next(one["id"] for one in self.config["components"] if one["props"].get("elem_id") == elem_id)

    def opens(self, tab: str) -> list[int]:
        """The handlers that run when a page is opened on a tab: those of the widgets that are drawn."""
        drawn = set(_inside(self.config["layout"], self.component(tab)))
        found = self.config["dependencies"]
        return [one["id"] for one in found if any(e == "mounted" and n in drawn for n, e in one["targets"])]

    def click(self, elem_id: str) -> int:
        """The handler of a button."""
        number = self.component(elem_id)
        return next(one["id"] for one in self.config["dependencies"] if [number, "click"] in one["targets"])

    def after(self, handler: int) -> list[int]:
        """The handlers that run once another has ended; what only the page's scripts do is passed over."""
        then = [one for one in self.config["dependencies"] if one.get("trigger_after") == handler]
        return [n for one in then for n in ([one["id"]] if one["backend_fn"] else self.after(one["id"]))]

    def values(self, handler: int, given: Mapping[int, Any]) -> list[Any]:
        """What the page sends along: what is in the fields, and nothing for what the server keeps."""
        known = {one["id"]: one["props"].get("value") for one in self.config["components"]}
        (inputs,) = [one["inputs"] for one in self.config["dependencies"] if one["id"] == handler]
        return [given.get(number, known.get(number)) for number in inputs]


@dataclass
class Visitor:
    """One page. ``errors`` are all that a person would have seen, or missed: refusals, broken streams, bad answers."""

    url: str
    layout: Layout
    errors: list[str] = field(default_factory=list)
    answers: int = 0

    async def __aenter__(self) -> Self:
        limits = httpx.Limits(max_connections=None)
        own = {"origin": self.url, "sec-fetch-site": "same-origin"}  # what a browser says with each request
        self._client = httpx.AsyncClient(base_url=self.url, headers=own, timeout=60, limits=limits, verify=False)
        self._session = secrets.token_hex(6)
        (await self._client.get("/", headers={"accept": "text/html"})).raise_for_status()
        self._tasks = [asyncio.create_task(self._heartbeat()), asyncio.create_task(self._strip())]
        await self.run(*self.layout.opens("page-text"))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.aclose()

    async def run(self, *handlers: int, given: Mapping[int, Any] | None = None) -> None:
        """Runs handlers and what follows on them, to the end."""
        async for _ in self.streamed(*handlers, given=given):
            pass
        for follower in [one for handler in handlers for one in self.layout.after(handler)]:
            await self.run(follower)

    async def streamed(self, *handlers: int, given: Mapping[int, Any] | None = None) -> AsyncIterator[Any]:
        """Joins the queue with handlers; everything they change, as it comes."""
        for handler in handlers:
            values = self.layout.values(handler, given or {})
            asked = {"data": values, "event_data": None, "fn_index": handler, "session_hash": self._session}
            (await self._client.post("/gradio_api/queue/join", json=asked)).raise_for_status()
        where = f"/gradio_api/queue/data?session_hash={self._session}"
        async with self._client.stream("GET", where, timeout=120) as stream:
            async for line in stream.aiter_lines():
                if not line.startswith("data: "):
                    continue
                message = json.loads(line[6:])
                self._check(message)
                if message["msg"] == "close_stream":
                    return
                if message["msg"] in ("process_generating", "process_completed") and message["success"]:
                    yield message["output"]["data"]

    def _check(self, message: Mapping[str, Any]) -> None:
        if message["msg"] == "process_completed" and not message["success"]:
            self.errors.append(f"a handler failed: {message['output']}")
        if message["msg"] == "log" and message.get("level") in ("warning", "error"):
            self.errors.append(f"a toast: {message['log']}")
        if message["msg"] == "unexpected_error":
            self.errors.append(f"the queue failed: {message}")

    async def _heartbeat(self) -> None:
        try:
            async with self._client.stream("GET", f"/gradio_api/heartbeat/{self._session}", timeout=None) as beats:
                async for _ in beats.aiter_raw():
                    pass
            self.errors.append("the heartbeat ended")
        except httpx.HTTPError as error:
            self.errors.append(f"the heartbeat broke: {error!r}")

    async def _strip(self) -> None:
        await asyncio.sleep(random.random() * STATUS_EVERY)
        while True:
            try:
                (await self._client.get("/status")).raise_for_status()
                self.answers += 1
            except httpx.HTTPError as error:
                self.errors.append(f"the strip has no answer: {error!r}")
            await asyncio.sleep(STATUS_EVERY)


def _inside(tree: Mapping[str, Any], root: int, found: bool = False) -> Iterator[int]:
    """The components that lie in ``root``."""
    found = found or tree["id"] == root
    if found:
        yield tree["id"]
    for child in tree.get("children", ()):
        yield from _inside(child, root, found)
