"""The last that stands between a bug and a person: they get a sentence with an id, the log gets the rest.

Knows starlette's ways of failing. Does not know what went wrong.
"""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from python_multipart.exceptions import FormParserError
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipelines.errors import Busy, StudioError
from studio.answers import logged
from studio.locales import language_of, sentence, t


class NobodyListens(Exception):  # noqa: N818 - what has happened
    """The server could not send an answer."""


class LastResort:
    """ASGI middleware: what nobody caught becomes an answer, unless one was begun already."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] in ("http.response.start", "websocket.accept")
            try:
                await send(message)
            except Exception as error:
                raise NobodyListens from error

        try:
            await self._app(scope, receive, sending)
        except NobodyListens:  # whoever asked has hung up: the server has no more to say to them
            return
        except Exception as error:  # noqa: BLE001 - the outermost place: everything becomes an answer
            if scope["type"] != "http" or begun:
                _log_once(error)
            else:
                await said(HTTPConnection(scope), error)(scope, receive, send)


def said(request: HTTPConnection, error: Exception) -> Response:
    """The answer to a request that met a bug, or a database that is away."""
    known = _log_once(error)
    status = 503 if isinstance(known, Busy) else 500
    return JSONResponse({"detail": sentence(known, language_of(request)), "key": known.key}, status)


def _log_once(error: Exception) -> StudioError:
    """What a person is told of ``error``, which passes here twice where gradio's application was the first to fail."""
    known: StudioError | None = getattr(error, "told", None)
    if known is None:
        known = logged(error)
        error.told = known  # type: ignore[attr-defined]
    return known


def speak_plainly(app: FastAPI) -> None:
    """Gives an application of FastAPI's our sentences for its ways of failing."""
    app.add_exception_handler(RequestValidationError, _wrong_value)
    app.add_exception_handler(FormParserError, _no_form)
    app.add_exception_handler(Exception, _bug)


async def _bug(request: Request, error: Exception) -> Response:
    return said(request, error)


async def _no_form(request: Request, error: Exception) -> Response:
    """A body that says to be a form and cannot be taken apart as one."""
    words = t("refused.form", language_of(request), reason=str(error)[:200])
    return JSONResponse({"detail": words, "key": "form"}, 400)


async def _wrong_value(request: Request, error: Exception) -> Response:
    """A value in an address or a form that is not what its name says."""
    first = error.errors()[0] if isinstance(error, RequestValidationError) else {}
    rule = next((kind for kind in ("bool", "int", "missing") if str(first.get("type", "")).startswith(kind)), "other")
    field = ".".join(str(part) for part in first.get("loc", ())[1:]) or "body"
    words = t(f"refused.value.{rule}", language_of(request), field=field, value=str(first.get("input", ""))[:60])
    return JSONResponse({"detail": words, "key": f"value.{rule}"}, 422)
