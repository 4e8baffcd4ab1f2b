"""Draws the entrance's pages: plain HTML from a template, in the person's language, with nothing that needs a script.

Knows jinja, which escapes whatever a person typed. Does not know what the pages are for.
"""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse

from studio.locales import Language, language_of, t

TEMPLATES = Path(__file__).parent / "templates"


@cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def page(request: Request, root: str, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """The page named ``template`` as an answer that no one keeps. ``root``: the prefix before our addresses."""
    language = language_of(request)
    drawn = (
        _templates()
        .get_template(f"{template}.html")
        .render({"root": root, "language": language, "t": _words(language), "day": _day(language), **values})
    )
    headers = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex"}
    return HTMLResponse(drawn, status, headers=headers)


def _words(language: Language) -> Any:
    def words(key: str, **values: object) -> str:
        return t(f"entrance.{key}", language, **values)

    return words


def _day(language: Language) -> Any:
    shape = "%Y年%-m月%-d日 %H:%M" if language == "zh" else "%-d %b %Y, %H:%M"

    def day(seconds: float | None) -> str:
        return t("entrance.never", language) if seconds is None else time.strftime(shape, time.localtime(seconds))

    return day


def safe_next(wanted: str) -> str:
    """An address of ours to go on to, or the first page: what is in a link may be anybody's words."""
    parts = urlsplit(wanted)
    plain = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and wanted.isprintable()
    return wanted if plain and not parts.scheme and not parts.netloc and "\\" not in wanted else "/"
