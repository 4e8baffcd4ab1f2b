"""Requests nobody should send, for every route there is: a list of the classics, and hypothesis' own.

Knows HTTP and how gradio wants to be asked; knows nothing of what is right.
"""

from __future__ import annotations

import json
import math
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st
from starlette.routing import BaseRoute, Mount

#: what a path, a name, an id or a word may turn out to be
WORDS = [
    "", " ", "0", "-1", "1e999", "NaN", "null", "None", "true", "[object Object]", "../../etc/passwd",
    "..\\..\\windows\\win.ini", "/etc/passwd", "file:///etc/passwd", "http://127.0.0.1:1/", "//evil.example/x",
    "%2e%2e%2f", "%00", "a\x00b", "\x1b[31m", "a\r\nSet-Cookie: x=y", "\ufeff", "\u202e\u0661\u200d", "\U0001f600" * 9,
    "e\u0301\u0327" * 20, "\ud800", "x\udfffy", "__proto__", "{0.__class__.__mro__}", "%s%n%x", "{{7*7}}", "${7*7}",
    "' OR 1=1; --", "<script>alert(1)</script>", "a" * 3000, "9" * 400, "constructor", "u1", "local", "studio.db",
]  # fmt: skip
VALUES: list[Any] = [
    None, True, False, 0, -1, 2**31, 2**63, 2**64, -(10**30), 10**400, 0.1, -0.0, 1e308, math.nan, math.inf, -math.inf,
    [], {}, [[]], {"": {"": {}}}, [None] * 40, {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}},
    {"path": None, "url": "http://127.0.0.1:1/x"}, {"__type__": "update", "value": 1}, [["system", "x"]], *WORDS,
]  # fmt: skip
#: bodies that are not what their type says
BODIES: list[bytes] = [
    b"", b"{", b"null", b"[]", b'"x"', b"0", b"NaN", b"{}", b'{"data"', b'{"data":', b'{"data": [', b"\xff\xfe\x00",
    b"[" * 5000, b'{"a":' * 5000, b'{"data": [' + b"9" * 6000 + b"]}", b'{"data": ["\\ud800"]}', b'{"data": {}}',
    b'{"data": [1e999]}', b'{"data": [], "session_hash": 5}', b'{"data": [], "session_hash": {"a": 1}}',
    b'{"data": [], "fn_index": "x", "session_hash": "q"}', b'{"data": [], "fn_index": 10000, "session_hash": "q"}',
    b'{"data": [], "fn_index": -1, "session_hash": "q"}', b'{"data": [], "trigger_id": 99999, "session_hash": "q"}',
    b'{"data": [], "event_data": 5, "session_hash": "q"}', b'{"data": [], "batched": true, "session_hash": "q"}',
    b'{"data": [], "session_hash": "\\ud800"}', b'{"event_id": null}', b'{"session_hash": "q", "fn_index": 0}',
    b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "x", "arguments": 5}}',
    b'{"jsonrpc": "2.0", "id": {}, "method": 5}', b'{"jsonrpc": "1.0"}', b"a=b&c", b"name=%ff%fe&password=%00",
    b'--x\r\nContent-Disposition: form-data; name="files"; filename="../../a"\r\n\r\nx\r\n--x--\r\n',
    b'--x\r\nContent-Disposition: form-data; name="files"\r\n\r\nx\r\n--x--\r\n', b"--x\r\nContent-Dispos", b"--x--",
    b'{"component_id": 1, "fn_name": "__class__", "session_hash": "q", "data": null}',
]  # fmt: skip
TYPES = [
    "application/json", "application/json; charset=utf-7", "text/plain", "multipart/form-data",
    "multipart/form-data; boundary=x", "multipart/form-data; boundary=" + "y" * 300,
    "application/x-www-form-urlencoded", "application/x-pickle", "", "/", "a" * 200,
]  # fmt: skip
HEADERS: list[dict[str, str]] = [
    {"range": "bytes=9-1,a-b"}, {"range": "bytes=0-,0-,0-"}, {"if-none-match": '"'}, {"if-modified-since": "never"},
    {"accept-language": ",;q=x,zh-*-;q=9"}, {"accept": "\xff"}, {"cookie": 'atelier=";;=,\xff'}, {"cookie": "a" * 4000},
    {"authorization": "Bearer"}, {"authorization": "Bearer \xff\xfe"}, {"authorization": "Basic ::::"},
    {"x-forwarded-for": "a, b,"}, {"x-forwarded-proto": "gopher"}, {"x-forwarded-host": "a\\b c"},
    {"x-atelier-owner": "u1"}, {"x-atelier-inside": "\xff"}, {"x-gradio-server": "http://evil.example"},
    {"mcp-session-id": "\xff"}, {"accept-encoding": "br;q=nan"}, {"expect": "nothing"}, {"te": "x"},
    {"x-http-method-override": "DELETE"}, {"last-event-id": "-1"}, {"connection": "upgrade", "upgrade": "x"},
]  # fmt: skip
METHODS = ("GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS")
#: what is no HTTP at all, or none that anybody speaks
HEADS: list[bytes] = [
    b"\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", b"\x00" * 100,
    b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 200_000 + b"\r\n\r\n", b"GET " + b"/" * 100_000 + b" HTTP/1.1\r\n\r\n",
    b"GET //\\..\\ HTTP/1.1\r\nHost: ]\r\n\r\n", b"GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n", b"GET * HTTP/1.1\r\n\r\n",
    b"POST /gradio_api/queue/join HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\nhello",
    b"POST /gradio_api/queue/join HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 9\r\n\r\n{",
    b"POST /gradio_api/upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, x\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    b"POST /gradio_api/queue/join HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{",
    b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nCookie: \xff\xfe\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", b"CONNECT evil.example:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /gradio_api/mcp/ HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
]  # fmt: skip


#: names that some route looks for behind the question mark
FIELDS = ("session_hash", "after", "download", "deep_link", "page", "next", "all_endpoints", "key", "x")


@dataclass(frozen=True)
class Ask:
    """One request. ``path`` is as it goes over the wire, query and all."""

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None


def addresses(routes: Sequence[BaseRoute], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Method and path of every route there is, mounted applications' too; holes in paths are named in braces."""
    for route in routes:
        router = getattr(route, "original_router", None)
        if router is not None:
            yield from addresses(router.routes, prefix)
            continue
        path = prefix + getattr(route, "path", "")
        if isinstance(route, Mount):
            yield from addresses(route.routes, path)
            yield "GET", path + "/{path}"
            yield "POST", path + "/{path}"
        for method in getattr(route, "methods", None) or ():
            yield method, path


def filled(path: str, word: str) -> str:
    """``path`` with ``word`` in each of its holes, as it goes over the wire."""
    parts = [part.partition("}")[2] if "}" in part else part for part in path.split("{")]
    return wire(word).join(parts) or "/"


def wire(word: str) -> str:
    return quote(word.encode("utf-8", "surrogatepass"), safe="")


def listed(routes: Sequence[tuple[str, str]], times: int, dice: random.Random) -> Iterator[Ask]:
    """Every route, ``times`` over, with what the lists above hold."""
    for method, path in routes:
        for turn in range(times):
            query = "&".join(f"{name}={wire(dice.choice(WORDS))}" for name in dice.sample(FIELDS, 3))
            address = filled(path, dice.choice(WORDS)) + (f"?{query}" if turn % 2 else "")
            yield _asked(method if turn % 4 else dice.choice(METHODS), address, dice)
            yield _asked(method, address, dice)


def _asked(method: str, address: str, dice: random.Random) -> Ask:
    headers = dice.choice(HEADERS) if dice.random() < 0.5 else {}
    if method in ("GET", "HEAD", "OPTIONS"):
        return Ask(method, address, headers)
    return Ask(
        method, address, {"content-type": dice.choice([*TYPES, "application/json"])} | headers, dice.choice(BODIES)
    )


def json_bytes(value: Any) -> bytes:
    """As careless programs write it: with NaN, and half characters as escapes."""
    return json.dumps(value).encode()


_junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([*WORDS, *VALUES]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip
_fields = ("data", "session_hash", "fn_index", "event_id", "trigger_id", "event_data", "batched", "simple_format")
_bodies = (
    st.sampled_from(BODIES)
    | st.binary(max_size=60)
    | st.dictionaries(st.sampled_from(_fields) | st.text(max_size=6), _junk, max_size=5).map(json_bytes)
    | _junk.map(json_bytes)
)


@st.composite
def asks(draw: st.DrawFn, routes: Sequence[tuple[str, str]]) -> Ask:
    """A request to one of ``routes``, or near it."""
    method, path = draw(st.sampled_from(routes))
    word = st.sampled_from(WORDS) | st.text(st.characters(), max_size=20)
    query = draw(st.dictionaries(st.sampled_from(FIELDS), word, max_size=3))
    address = filled(path, draw(word)) + "?" * bool(query) + "&".join(f"{k}={wire(v)}" for k, v in query.items())
    if method in ("GET", "HEAD"):
        return Ask(method, address, draw(st.sampled_from(HEADERS)))
    return Ask(method, address, {"content-type": draw(st.sampled_from(["application/json", *TYPES]))}, draw(_bodies))


def main(data: str) -> None:
    """Writes down which addresses a studio with accounts has, and its listeners with the controls each hears."""
    from studio.settings import Settings
    from studio.web import build_app

    app = build_app(Settings(_env_file=None, data=Path(data), auth=True, engine="inline"))  # type: ignore[call-arg]
    page = app.state.page
    functions = [(number, [type(one).__name__ for one in fn.inputs]) for number, fn in page.fns.items()]
    print(json.dumps({"routes": sorted(set(addresses(app.routes))), "functions": functions}))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1])
