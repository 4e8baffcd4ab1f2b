"""Whether what is posted to gradio's queue has the shape its handlers count on: they would stumble, not refuse.

ASGI middleware around gradio's application. Knows which functions the page has, and gradio's names for things; does
not know what the functions take.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import gradio as gr
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from studio.answers import REFUSALS
from studio.entrance.answers import refuse
from studio.entrance.bodies import hold, parsed
from studio.locales import language_of, t

_POSTED = re.compile(r"/gradio_api/(queue/join|cancel|reset|call/v2|call|run|api)(?:/([^/]*))?/?", re.DOTALL)
_LISTENING = re.compile(r"/gradio_api/(queue/data|call)(?:/(?:v2/)?[^/]+/([^/]+))?", re.DOTALL)
_LONGEST_NAME = 200


class Refused(Exception):  # noqa: N818 - what becomes of the request
    """Why, by the key of a sentence, and its values."""

    def __init__(self, key: str, status: int = 422, **values: object) -> None:
        super().__init__(key)
        self.key, self.status, self.values = key, status, values


class Shapes:
    """``page``: whose functions may be asked for."""

    def __init__(self, app: ASGIApp, page: gr.Blocks) -> None:
        self._app = app
        self._page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["method"] == "POST" and (found := _POSTED.fullmatch(scope["path"])):
            await self._posted(found.group(1), found.group(2) or "", scope, receive, send)
        elif scope["method"] == "GET" and (heard := self._nobody(scope)) is not None:
            await heard(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    # ------------------------------------------------------------------------------------ what is posted

    async def _posted(self, way: str, name: str, scope: Scope, receive: Receive, send: Send) -> None:
        body, receive = await hold(receive)
        try:
            self._check(way, name, parsed(body))
        except Refused as why:
            await refuse(scope, receive, send, why.status, why.key, **why.values)
            return
        refusals: list[object] = []
        scope[REFUSALS] = refusals
        direct = way in ("run", "api")
        await self._app(scope, receive, _Saying(send, refusals).send if direct else send)

    def _check(self, way: str, name: str, asked: Any) -> None:
        if not isinstance(asked, dict):
            raise Refused("shape.object", 400)
        if way not in ("queue/join", "cancel", "reset") and name not in self._named():
            raise Refused("shape.endpoint", 404, name=name[:60])
        if way == "call/v2":
            self._check_named(name, asked)
            return
        for field in ("session_hash", "event_id"):
            _check_name(field, asked.get(field))
        self._check_numbers(asked)
        if way in ("cancel", "reset"):
            _check_there(asked, ("event_id",) if way == "reset" else ("session_hash", "fn_index", "event_id"))
            return
        if not isinstance(asked.get("data"), list):
            raise Refused("shape.data")
        if way == "queue/join":
            _check_there(asked, ("session_hash", "fn_index"))

    def _check_numbers(self, asked: Mapping[str, Any]) -> None:
        function, trigger = asked.get("fn_index"), asked.get("trigger_id")
        if function is not None and not (type(function) is int and self._is_listener(function)):
            raise Refused("shape.endpoint", 404, name=str(function)[:60])
        if trigger is not None and type(trigger) is not int:  # the page itself has a number too
            raise Refused("shape.field", field="trigger_id", value=str(trigger)[:60])
        if asked.get("batched"):
            raise Refused("shape.field", field="batched", value=str(asked["batched"])[:60])

    def _is_listener(self, function: int) -> bool:
        """Whether there is something to call; a script of the page has a number too."""
        found = self._page.fns.get(function)
        return found is not None and found.fn is not None

    def _check_named(self, name: str, asked: Mapping[str, Any]) -> None:
        """For values that come by their names."""
        wanted = self._parameters(name)
        for field in asked:
            if field not in wanted:
                raise Refused("shape.unknown", field=field[:60], known=", ".join(wanted))
        _check_there(asked, [field for field, has_default in wanted.items() if not has_default])

    def _parameters(self, name: str) -> dict[str, bool]:
        described: Any = self._page.get_api_info()["named_endpoints"].get(f"/{name}", {"parameters": []})
        return {one["parameter_name"]: bool(one.get("parameter_has_default")) for one in described["parameters"]}

    def _named(self) -> set[str]:
        return {fn.api_name for fn in self._page.fns.values() if isinstance(fn.api_name, str)}

    # --------------------------------------------------------------------------------- who listens

    def _nobody(self, scope: Scope) -> Response | None:
        """What gradio says to whoever listens where nothing is said; left to itself it says so and then breaks."""
        found = _LISTENING.fullmatch(scope["path"])
        if found is None:
            return None
        request, queue = HTTPConnection(scope), self._page._queue
        plain = found.group(1) == "call"
        page = found.group(2) if plain else request.query_params.get("session_hash")
        known = page in queue.pending_messages_per_session or page in queue.event_ids_to_events
        if page is None or known or any(page in ids for ids in queue.pending_event_ids_session.values()):
            return None
        said = t("refused.shape.over", language_of(request))
        message = {"msg": "unexpected_error", "message": said, "session_not_found": True, "success": False}
        told = f"event: error\ndata: {json.dumps(said)}\n\n" if plain else f"data: {json.dumps(message)}\n\n"
        return Response(told, media_type="text/event-stream")


class _Saying:
    """Passes the answer on. A value that was refused with a sentence is the asker's affair: 422, not gradio's 500."""

    def __init__(self, send: Send, refusals: list[object]) -> None:
        self._send, self._refusals = send, refusals

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == 500 and self._refusals:
            message = {**message, "status": 422}
        await self._send(message)


def _check_name(field: str, value: object) -> None:
    if value is not None and not (isinstance(value, str) and 0 < len(value) <= _LONGEST_NAME):
        raise Refused("shape.field", field=field, value=str(value)[:60])


def _check_there(asked: Mapping[str, Any], fields: Any) -> None:
    for field in fields:
        if field not in asked or (asked[field] is None and field != "fn_index"):
            raise Refused("shape.missing", field=field)
