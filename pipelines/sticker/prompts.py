"""What a person wrote, turned into what the sticker model reads: English, and a drawing style.

The model's text encoder knows English only. Chinese is translated by a dictionary (everyday words and the names of
emoji, ``words``), an emoji by its name, simplified and traditional characters alike; what is in no dictionary is handed
back and never guessed, and so is every other script. A style is taken from the words where they plainly name one: as a
part of its own ("a happy cat, glossy"), or with the word style (flat style, 扁平风格). Imports no torch.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from pipelines.errors import StudioError
from pipelines.sticker.chinese import Translation, translate
from pipelines.sticker.dictionary import dictionary


@dataclass(frozen=True)
class Prompt:
    """``english`` to encode and ``style`` (None: the model's choice); what was ``translated``, what is ``unknown``."""

    english: str
    style: str | None
    translated: tuple[tuple[str, str], ...] = ()
    unknown: tuple[str, ...] = ()


def read_prompt(text: str, style: str | None = None) -> Prompt:
    """Reads ``text``. A ``style`` that was chosen wins over one that is written, which leaves the text all the same.

    Raises ``StudioError`` where nothing is left for the model to read.
    """
    if not text.strip():
        raise StudioError("prompt.empty", "The prompt is empty. Write what you would like to get.")
    wanted, written = _without_style(dictionary().plain(text))
    if written and not wanted:
        raise StudioError(
            "sticker.style_only",
            "“{text}” says how the sticker is drawn, but not what it shows. Add that.",
            text=" ".join(text.split()),
        )
    read = _translated(wanted)
    if not re.search(r"\w", read.english):
        raise StudioError(
            "sticker.unread",
            "The sticker model reads English and everyday Chinese, and knows none of this: {words}. Try other words.",
            words=", ".join(read.unknown) or " ".join(text.split()),
        )
    return Prompt(read.english, style or written, read.pairs, read.unknown)


def _translated(text: str) -> Translation:
    """Part by part. One of which nothing is left takes its comma with it."""
    read = [(comma, part, translate(part)) for comma, part in _parts(text)]
    kept = [(comma, done.english) for comma, part, done in read if done.english.strip() or not part.strip()]
    pairs = dict(pair for _, _, done in read for pair in done.pairs)
    unknown = dict.fromkeys(word for _, _, done in read for word in done.unknown)
    return Translation(_put_together(kept), tuple(pairs.items()), tuple(unknown))


def _parts(text: str) -> list[tuple[str, str]]:
    """Every part with what divides it from the one before."""
    pieces = re.split(r"([,;\n])", text)
    return list(zip(["", *pieces[1::2]], pieces[::2], strict=True))


def _put_together(parts: list[tuple[str, str]]) -> str:
    """One text again, without what divided the first part from one that is gone."""
    return " ".join("".join(comma * (i > 0) + part for i, (comma, part) in enumerate(parts)).split())


def _without_style(text: str) -> tuple[str, str | None]:
    """``text`` without its style words, and the style they name; the last one where they name several."""
    whole, inside = _style_words()
    said: str | None = None
    kept: list[tuple[str, str]] = []
    for comma, part in _parts(text):
        found = [match] if (match := whole.fullmatch(part)) else list(inside.finditer(part))
        rest = "" if match else inside.sub(" ", part)
        if found:
            said = dictionary().styles[(found[-1]["english"] or found[-1]["chinese"]).casefold()]
        if rest.strip() or not found:
            kept.append((comma, rest))
    return _put_together(kept), said


@cache
def _style_words() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What is a style as a part of its own, and what is one anywhere."""
    words = sorted(dictionary().styles, key=len, reverse=True)
    english = f"(?P<english>{'|'.join(word for word in words if word.isascii())})"
    chinese = f"(?P<chinese>{'|'.join(words)})"  # "flat风格" too
    lead = r"(?P<of>(?:in\s+)?(?:the\s+)?style\s+of\s+)?(?:(?:in|with)\s+(?:an?\s+|the\s+)?)?"
    kind = r"(?:风格|画风|样式|风(?=的|\s*$))"
    whole = rf"\s*(?:{lead}{english}(?:[ -](?:style|look|emoji))*|用?{chinese}{kind}?的?)[\s.!]*"
    inside = rf"(?<![\w-]){lead}{english}(?(of)|[ -]style)(?!\w)|用?{chinese}{kind}的?"
    return re.compile(whole, re.IGNORECASE), re.compile(inside, re.IGNORECASE)
