"""How a handler's errors reach a person: a sentence in their language, or an id that is in the log.

Knows gradio's error and our two. Does not know any handler.
"""

from __future__ import annotations

import functools
import html
import inspect
import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar, cast

import gradio as gr
from sqlalchemy.exc import OperationalError

from pipelines.errors import Busy, StudioError
from studio.locales import Language, language_of, sentence

log = logging.getLogger(__name__)

F = TypeVar("F", bound=Callable[..., Any])

#: where a request's scope keeps what was refused with a sentence, for whoever passes the answer on
REFUSALS = "atelier.refusals"


class OnOurSide(gr.Error):
    """What a person sees of a bug."""


def logged(error: Exception) -> StudioError:
    """Puts a bug into the log under an id; returns the sentence that names it. A database that is away is none."""
    if isinstance(error, OperationalError):
        log.error("the database did not answer: %s", str(error.orig).strip())
        return Busy(
            "database.moment",
            "The studio could not reach its database just now. Try again in a moment; nothing you typed is lost.",
        )
    number = uuid.uuid4().hex[:8]
    log.error("bug %s", number, exc_info=error)
    return StudioError(
        "bug", "Something went wrong on our side. It is in the log as {id}; nothing you typed is lost.", id=number
    )


def as_gradio(error: Exception, language: Language) -> gr.Error:
    """What a person sees of ``error``. Values are escaped: gradio shows an error's text as HTML."""
    if isinstance(error, gr.Error):
        error.print_exception = False  # whatever it is about was posted
        return error
    error = error if isinstance(error, StudioError) else logged(error)
    kind = OnOurSide if error.key == "bug" else gr.Error
    return kind(html.escape(sentence(error, language), quote=False), print_exception=False, title="")


def answered(handler: F) -> F:
    """Decorates an async handler, plain or streaming, that takes ``request: gr.Request``."""
    place = list(inspect.signature(handler).parameters).index("request")

    def language(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Language:
        return language_of(kwargs["request"] if "request" in kwargs else args[place])

    if inspect.isasyncgenfunction(handler):

        @functools.wraps(handler)
        async def stream(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            try:
                async for value in handler(*args, **kwargs):
                    yield value
            except Exception as error:  # noqa: BLE001 - the outermost place: everything becomes an answer
                raise as_gradio(error, language(args, kwargs)) from None

        return cast(F, stream)

    @functools.wraps(handler)
    async def once(*args: Any, **kwargs: Any) -> Any:
        try:
            return await cast(Awaitable[Any], handler(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - the outermost place: everything becomes an answer
            raise as_gradio(error, language(args, kwargs)) from None

    return cast(F, once)
