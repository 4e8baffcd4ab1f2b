"""The Chinese dictionary as read from ``assets/sticker/words-zh.json``, and a text cut into its words.

A text is cut so that as little as possible is unknown, and then into as few words as possible: 小猫头鹰 is a small owl,
where the longest word first would find a kitten. Knows words; ``chinese`` knows sentences, ``words`` builds the file.
Imports no torch.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

ASSETS = Path(__file__).resolve().parents[2] / "assets" / "sticker"
FILE, HAND = ASSETS / "words-zh.json", ASSETS / "words-hand.toml"

#: what a word does in a sentence; the table written by hand says it of each
Kind = Literal["thing", "quality", "doing", "deed", "place", "link", "at", "of", "small", "unknown"]

_KINDS: Mapping[str, Kind] = {
    "small": "small",
    "of": "of",
    "at": "at",
    "links": "link",
    "places": "place",
    "doings": "doing",
    "deeds": "deed",
    "qualities": "quality",
    "emoji": "thing",
    "things": "thing",
}
_PUNCTUATION = str.maketrans(dict.fromkeys("，、。；：！？", ",") | dict.fromkeys("「」『』《》〈〉【】（）　", " "))
#: the full-width forms of ASCII, which a Chinese keyboard writes
_WIDTHS = {0xFEE0 + code: code for code in range(0x21, 0x7F)}
#: VARIATION SELECTOR-16 and the skin tones, which no name of an emoji has
_MARKS = dict.fromkeys([0xFE0F, *range(0x1F3FB, 0x1F400)])


@dataclass(frozen=True)
class Word:
    """``english`` is empty for a word that vanishes, and for one that is unknown."""

    written: str
    english: str
    kind: Kind


@dataclass(frozen=True)
class Dictionary:
    """``words`` by how they are written, ``styles`` from a style word (either language) to the style.

    ``characters`` are the simplified ones of traditional ones, by code; ``measures`` follow a number.
    """

    words: Mapping[str, Word]
    measures: Mapping[str, str]
    styles: Mapping[str, str]
    characters: Mapping[int, str]
    longest: int

    def plain(self, text: str) -> str:
        """``text`` in simplified characters, with ASCII punctuation. English stays as it is."""
        told = text.translate(_PUNCTUATION).translate(_WIDTHS).translate(_MARKS).translate(self.characters)
        measures = "|".join(sorted(self.measures, key=len, reverse=True))
        told = re.sub(rf"(\d) ?({measures})", lambda found: f"{found[1]} {self.measures[found[2]]} ", told)
        return told if told == text else re.sub(r"\s*,[\s,]*", ", ", told).strip(" ,")

    def cut(self, text: str, before: Kind | None = None) -> list[Word]:
        """``text``, without spaces, as words, the first of which follows a ``before``. Neighbours unknown are one."""
        best: list[tuple[int, int, int]] = [(0, 0, 0)]  # characters unknown, words, start of the last word
        for end in range(1, len(text) + 1):
            unknown, words, _ = best[end - 1]
            choice = (unknown + 1, words + 1, end - 1)
            for start in range(max(0, end - self.longest), end):
                if text[start:end] in self.words:
                    choice = min(choice, (best[start][0], best[start][1] + 1, start))
            best.append(choice)
        return list(_gathered(self._cut_at(text, best), before))

    def _cut_at(self, text: str, best: list[tuple[int, int, int]]) -> list[Word]:
        found: list[Word] = []
        end = len(text)
        while end:
            start = best[end][2]
            written = text[start:end]
            found.append(self.words.get(written, Word(written, "", "unknown")))
            end = start
        return found[::-1]


def _gathered(words: list[Word], before: Kind | None) -> Iterator[Word]:
    """A single character beside an unknown one is taken for a part of the same word: 金 in 金丝猴 is no gold.

    So is a single place that follows no thing: 上 in 上海 is not above anything.
    """
    group: list[Word] = []
    for word in words:
        if word.kind == "place" and before not in ("thing", "unknown"):
            word = replace(word, english="", kind="unknown" if len(word.written) == 1 else "small")
        part = word.kind == "unknown" or (_is_character(word.written) and word.kind in ("thing", "quality"))
        if not part or (group and _is_character(word.written) != _is_character(group[-1].written)):
            yield from _joined(group)
            group = []
        if part:
            group.append(word)
        else:
            yield word
        before = word.kind
    yield from _joined(group)


def _is_character(written: str) -> bool:
    return len(written) == 1 and "\u3400" <= written <= "\u9fff"


def _joined(group: list[Word]) -> list[Word]:
    if any(word.kind == "unknown" for word in group):
        return [Word("".join(word.written for word in group), "", "unknown")]
    return group


@cache
def dictionary() -> Dictionary:
    """The shipped one."""
    tables: dict[str, dict[str, str]] = json.loads(FILE.read_text("utf-8"))
    words: dict[str, Word] = {}
    for name, kind in _KINDS.items():
        words |= {written: Word(written, english, kind) for written, english in tables[name].items()}
    for number, count in tables["numbers"].items():
        for measure, unit in {"": "", **tables["measures"]}.items():
            if (written := number + measure) not in words:
                english = " ".join(filter(None, (count, unit)))
                words[written] = Word(written, english, "quality" if english else "small")
    for written, word in list(words.items()):
        if word.kind == "quality" and len(written) == 1:
            words.setdefault(written * 2, replace(word, written=written * 2))
    characters = {ord(traditional): simplified for traditional, simplified in tables["traditional"].items()}
    return Dictionary(words, tables["measures"], tables["styles"], characters, max(map(len, words)))
