"""The fields that several kinds of request have, with their ranges, and how a title is made of a text.

Knows no kind of request: each of them imports this, so that none has to import another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints

from pipelines.errors import StudioError

MAX_PROMPT_WORDS = 4000
MAX_SEED = 2**32 - 1

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
#: -1 asks for a fresh one; the engine replaces it before the job is written down, so every recipe has a number
Seed = Annotated[int, Field(ge=-1, le=MAX_SEED)]
Size = Annotated[int, Field(ge=64, le=2048, multiple_of=8)]


def _checked_words(text: str) -> str:
    words = len(text.split())
    if words > MAX_PROMPT_WORDS or len(text) > 10 * MAX_PROMPT_WORDS:
        raise StudioError(
            "prompt.long",
            "The prompt has {words} words and {characters} characters; at most {limit} words and "
            "{characters_limit} characters are read. Shorten it; nothing was cut.",
            words=words,
            characters=len(text),
            limit=MAX_PROMPT_WORDS,
            characters_limit=10 * MAX_PROMPT_WORDS,
        )
    return text


def check_said(text: str) -> str:
    """``text``, where it says anything at all; a ``StudioError`` where not."""
    if not text.strip():
        raise StudioError("prompt.empty", "The prompt is empty. Write what you would like to get.")
    return text


#: what a person wrote; empty where that is allowed
Words = Annotated[str, AfterValidator(_checked_words)]
Prompt = Annotated[str, AfterValidator(_checked_words), AfterValidator(check_said)]


def title_of(text: str, limit: int = 60) -> str:
    """The first line of ``text``, at most ``limit`` characters."""
    line = re.sub(r"\s+", " ", text).strip()
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def strings_in(value: Any) -> Iterator[str]:
    """Every string in the value of a field, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from strings_in(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from strings_in(one)


def without_nul(value: Any) -> Any:
    """The value of a field with no NUL character in any of its strings: nobody types one, and no text column of
    PostgreSQL, no file's name and no C string holds one."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, Mapping):
        return {name: without_nul(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(without_nul(one) for one in value)
    return value
