"""Reading a request's body on its way to whoever it is for, and giving it back whole. For what is known to be small."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any, NoReturn

from starlette.types import Message, Receive


async def hold(receive: Receive) -> tuple[bytes, Receive]:
    """The whole body, or what there is of it before the client goes, and a ``receive`` that tells it once more."""
    held = [message async for message in _messages(receive)]
    return b"".join(message.get("body", b"") for message in held), _again(held, receive)


async def _messages(receive: Receive) -> AsyncIterator[Message]:
    while True:
        message = await receive()
        yield message
        if message["type"] != "http.request" or not message.get("more_body"):
            return


def _again(held: list[Message], receive: Receive) -> Receive:
    waiting = list(held)

    async def receiving() -> Message:
        return waiting.pop(0) if waiting else await receive()

    return receiving


def parsed(body: bytes) -> Any:
    """The JSON in ``body``, None where there is none: RFC 8259 knows no NaN, and half a character is no text."""
    try:
        found = json.loads(body, parse_constant=_none_such)
        json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError):  # also numbers of thousands of digits, and bytes or escapes that are no text
        return None
    return found


def _none_such(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
