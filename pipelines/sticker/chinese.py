"""Chinese to the English the sticker model reads: the dictionary's words, in English order.

What Chinese says before a thing mostly stands before it in English too. Two things do not and are moved: a place
(在月亮上睡觉 is sleeping on the moon), and what a thing does to another (戴着帽子的猫 is a cat wearing a hat). No more
grammar than that, no plurals and no articles: the model was taught with names and tags, and looks at words more than at
how they are joined.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from pipelines.sticker.dictionary import Kind, Word, dictionary

#: what is not Latin: that much is English as far as this goes, with its digits, punctuation and quotation marks
_FOREIGN = re.compile(r"[^\u0000-\u024f\u0300-\u036f\u2010-\u205e\s]+")
_THINGS: tuple[Kind, ...] = ("thing", "unknown")
_SAID_OF_THINGS: tuple[Kind, ...] = ("quality", "small")
_DONE: tuple[Kind, ...] = ("doing", "deed")


@dataclass(frozen=True)
class Translation:
    """``pairs`` of words that were translated, in their order; ``unknown`` words are not in ``english``."""

    english: str
    pairs: tuple[tuple[str, str], ...] = ()
    unknown: tuple[str, ...] = ()


def translate(part: str) -> Translation:
    """``part``, of a text in simplified characters, without commas. English in it stays as it is."""
    words: list[Word] = []
    end = 0
    for run in _FOREIGN.finditer(part):
        between = part[end : run.start()]
        words += _english(between)
        goes_on = bool(words) and between == between.rstrip()
        words += dictionary().cut(run[0], words[-1].kind if goes_on else None)
        end = run.end()
    if not words:
        return Translation(part)
    words += _english(part[end:])
    pairs = {word.written: word.english for word in words if word.english and word.written != word.english}
    unknown = {word.written: None for word in words if word.kind == "unknown"}
    ordered = _linked([word for word in _said_behind(_placed(words)) if word.english])
    space = part[: len(part) - len(part.lstrip())]
    return Translation(space + " ".join(word.english for word in ordered), tuple(pairs.items()), tuple(unknown))


def _english(text: str) -> list[Word]:
    """What stands between Chinese words, as one word; quotation marks alone are none."""
    return [Word(text.strip(), text.strip(), "thing")] if re.search(r"\w", text) else []


def _placed(words: list[Word]) -> list[Word]:
    """Places as English says them: [at, sofa, 上, sleeping] becomes [sleeping, on, sofa]."""
    said: list[Word] = []
    rest = words[::-1]  # the next word is the last
    while rest:
        word = rest.pop()
        if word.kind == "place":
            inside = _taken(said, (*_THINGS, *_SAID_OF_THINGS, "of"))
            if said and said[-1].kind == "at":
                said.pop()
            _put(said, word, inside, rest)
        elif word.kind == "at" and not _has_a_place(rest):
            inside = _taken(rest, (*_THINGS, *_SAID_OF_THINGS))[::-1]
            while inside and inside[-1].kind in _SAID_OF_THINGS:
                rest.append(inside.pop())
            _put(said, word, inside, rest)
        else:
            said.append(word)
    return said


def _has_a_place(rest: list[Word]) -> bool:
    """Whether a word such as 上 comes, before anything is done; then that one says where."""
    return next((word.kind for word in reversed(rest) if word.kind in ("place", "at", "link", *_DONE)), None) == "place"


def _taken(words: list[Word], kinds: tuple[Kind, ...]) -> list[Word]:
    """What ``words`` end with as far as it is of these ``kinds``; it is taken from them."""
    start = len(words)
    while start and words[start - 1].kind in kinds:
        start -= 1
    taken = words[start:]
    del words[start:]
    return taken


def _put(said: list[Word], where: Word, inside: list[Word], rest: list[Word]) -> None:
    """A place after what is done there, unless that was said before: sitting on the sofa. Unknown places are left out.

    Nothing ``inside``: 在 says no more than that something is being done.
    """
    done: list[Word] = []
    if not (said and said[-1].kind == "doing"):
        done = _taken(rest, (*_THINGS, *_SAID_OF_THINGS, *_DONE))[::-1]
        if not (done and (done[0].kind in _DONE or all(word.kind in _SAID_OF_THINGS for word in done))):
            rest += done[::-1]
            done = []
    said += done
    if any(word.english for word in inside):
        said += [replace(where, kind="doing"), *inside]


def _said_behind(words: list[Word]) -> list[Word]:
    """What a thing does to another behind it: [wearing, hat, 的, cat] becomes [cat, wearing, hat]."""
    ordered: list[Word] = []
    begin = 0
    while (end := _end_of_what_is_said(words, begin)) is not None:
        start = next(i for i in range(begin, end) if words[i].kind in _DONE)
        until = next((i for i in range(end + 1, len(words)) if words[i].kind in (*_DONE, "link")), len(words))
        before, said, thing = words[begin:start], words[start:end], words[end + 1 : until]
        subject = any(word.kind in _THINGS for word in before) and before[-1].kind != "link"
        if subject or not any(word.kind in _THINGS for word in thing):
            ordered += words[begin : end + 1]
            begin = end + 1
        else:
            ordered += [*before, *thing, *said]
            begin = until
    return ordered + words[begin:]


def _end_of_what_is_said(words: list[Word], begin: int) -> int | None:
    """The first 的 after something done, but not one that is said of what it is done to: 戴着红色的帽子 goes on."""
    last: Kind | None = None
    for i in range(begin, len(words)):
        kind = words[i].kind
        if kind == "of" and last in (*_THINGS, "deed"):
            return i
        if kind in _DONE or (last is not None and kind not in (*_SAID_OF_THINGS, "of")):
            last = kind
    return None


def _linked(words: list[Word]) -> list[Word]:
    """Without an "and" that joins nothing, as where a word is unknown."""
    joins = [i for i, word in enumerate(words) if word.kind == "link"]
    idle = {i for i in joins if i in (0, len(words) - 1) or words[i - 1].kind == "link"}
    return [word for i, word in enumerate(words) if i not in idle]
