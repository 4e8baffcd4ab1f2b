"""Prompts that stand for several: ``a {red|blue} cat`` and ``a __colour__ cat``, with lists of a person's own.

Choices may be nested and weighted (``{3::red|blue}``). A brace without a bar in it is a brace. Every picture chooses by
its own seed, so a seed and a prompt are one picture; or all that a prompt stands for are made. Knows text only.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipelines.errors import StudioError

#: lists within lists, and braces within braces, so deep
DEEPEST = 8
_LIST = re.compile(r"__([A-Za-z0-9][A-Za-z0-9_-]*?)__")
_WEIGHT = re.compile(r"\s*(\d+(?:\.\d+)?)::")

#: a prompt taken apart: words as they are, and between them what there is to choose from
Parts = tuple["str | Choice", ...]


@dataclass(frozen=True)
class Choice:
    """One of ``options``, each again a prompt taken apart, as often as its weight says."""

    options: tuple[Parts, ...]
    weights: tuple[float, ...]


def read_lists(text: str) -> dict[str, tuple[str, ...]]:
    """``colour: red, green, blue``, one list a line. Raises ``StudioError`` for a line that is none."""
    found: dict[str, tuple[str, ...]] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, colon, rest = line.partition(":")
        name = name.strip().strip("_")
        options = tuple(option for part in rest.split(",") if (option := part.strip()))
        if not colon or not options or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
            raise StudioError(
                "image.list",
                "A list is a line such as “colour: red, green, blue”; “{line}” is none. Its name may have letters, "
                "digits, - and _.",
                line=line[:80],
            )
        found[name] = options
    return found


def take_apart(text: str, lists: Mapping[str, Sequence[str]], depth: int = 0) -> Parts:
    """``text`` as words and choices. Raises ``StudioError`` for a list there is not, and for lists without an end."""
    if depth > DEEPEST:
        raise StudioError(
            "image.list_deep", "The lists of this prompt name each other without an end. Take one of the names out."
        )
    parts: list[str | Choice] = []
    rest = text
    while rest:
        named, opened = _LIST.search(rest), _braces(rest)
        if named is not None and (opened is None or named.start() < opened[0]):
            parts += [rest[: named.start()], _listed(named[1], lists, depth)]
            rest = rest[named.end() :]
        elif opened is not None:
            start, end = opened
            parts += [rest[:start], _choice(rest[start + 1 : end], lists, depth)]
            rest = rest[end + 1 :]
        else:
            parts.append(rest)
            rest = ""
    return tuple(part for part in parts if part != "")


def _braces(text: str) -> tuple[int, int] | None:
    """Where the first pair of braces begins and ends that has a bar of its own in it."""
    for start in (place for place, letter in enumerate(text) if letter == "{"):
        depth = 0
        for end in range(start, len(text)):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            if depth == 0:
                if len(_split(text[start + 1 : end])) > 1:
                    return start, end
                break
    return None


def _split(inside: str) -> list[str]:
    """At the bars that stand in no inner pair of braces."""
    depth, pieces = 0, [""]
    for letter in inside:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if letter == "|" and depth == 0:
            pieces.append("")
        else:
            pieces[-1] += letter
    return pieces


def _choice(inside: str, lists: Mapping[str, Sequence[str]], depth: int) -> Choice:
    options, weights = [], []
    for piece in _split(inside):
        weighted = _WEIGHT.match(piece)
        options.append(take_apart(piece[weighted.end() :] if weighted else piece, lists, depth + 1))
        weights.append(float(weighted[1]) if weighted else 1.0)
    return Choice(tuple(options), tuple(weights) if any(weights) else (1.0,) * len(weights))


def _listed(name: str, lists: Mapping[str, Sequence[str]], depth: int) -> Choice:
    if name not in lists:
        raise StudioError(
            "image.list_unknown",
            "The prompt names the list {name}, and there is none of that name; there are: {known}. Write it under "
            "Lists, such as “{name}: one, two”.",
            name=name,
            known=", ".join(lists) or "none",
        )
    options = tuple(take_apart(option, lists, depth + 1) for option in lists[name])
    return Choice(options, (1.0,) * len(options))


def chosen(parts: Parts, seed: int) -> str:
    """One of the prompts that ``parts`` stand for, the same one for the same seed."""
    source = random.Random(f"wildcards {seed}")

    def said(inner: Parts) -> str:
        return "".join(
            part if isinstance(part, str) else said(source.choices(part.options, part.weights)[0]) for part in inner
        )

    return _tidy(said(parts))


def each(parts: Parts) -> Iterator[str]:
    """All the prompts that ``parts`` stand for, the last choice changing fastest, each once."""

    def said(inner: Parts) -> Iterator[str]:
        ways = [[part] if isinstance(part, str) else [w for o in part.options for w in said(o)] for part in inner]
        return ("".join(way) for way in itertools.product(*ways))

    return iter(dict.fromkeys(map(_tidy, said(parts))))


def _tidy(text: str) -> str:
    return re.sub(r"[ \t]+", " ", text).strip()
