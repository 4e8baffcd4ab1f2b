"""The rule file: words that are not asked for, under a rule's name, by language. Read again when it changes.

Knows TOML and folded words. A file that cannot be read changes nothing: the last good rules hold, and what is wrong is
said in a sentence. Words are looked for as words; * at an end stands for any ending. No patterns beyond that: a rule
can be understood by whoever reads it, and takes no longer than the text is long.
"""

from __future__ import annotations

import logging
import re
import threading
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from pipelines.errors import StudioError
from studio.moderation.folding import Folded, folded, folded_word, is_cjk

log = logging.getLogger(__name__)

NAME = "moderation.toml"
LARGEST = 2_000_000


class Rule(BaseModel):
    """``name`` is said to whom it refuses, ``name_zh`` in Chinese. ``words`` by language; every language is read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=80)
    name_zh: str = Field("", max_length=80)
    words: dict[str, list[str]]

    @field_validator("words")
    @classmethod
    def _some(cls, value: dict[str, list[str]]) -> dict[str, list[str]]:
        for words in value.values():
            for word in words:
                if len(folded_word(word).replace("*", "").replace(" ", "")) < 2 - is_cjk(word):
                    raise ValueError(f"{word!r} has fewer than two letters and would refuse nearly everything")
        return value


class Limit(BaseModel):
    """From which score on a classifier's ``labels`` refuse; ``rule`` is what that is called."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: str = Field(min_length=1, max_length=80)
    labels: list[str] = Field(min_length=1)
    threshold: float = Field(0.8, gt=0, le=1)


class Rules(BaseModel):
    """The whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: list[Rule] = Field(default_factory=list)
    text: Limit | None = None
    picture: Limit | None = None


@dataclass(frozen=True)
class _Pattern:
    """A rule to compare with: words between spaces, words that may stand anywhere, and all without their spaces."""

    rule: Rule
    spoken: re.Pattern[str] | None
    anywhere: tuple[str, ...]
    joined: tuple[str, ...]

    def meets(self, seen: Folded) -> bool:
        if self.spoken is not None and any(self.spoken.search(form) for form in seen.words):
            return True
        return any(word in seen.joined for word in self.anywhere) or any(map(seen.spells, self.joined))


@dataclass(frozen=True)
class _Compiled:
    rules: Rules
    patterns: Sequence[_Pattern]


class RuleFile:
    """``path`` where it is there, else ``example``, which ships with the studio and must be good."""

    def __init__(self, path: Path, example: Path) -> None:
        self.path = path
        self._example = example
        self._lock = threading.Lock()
        self._seen: tuple[str, int, int] | None = None
        self._held = _compiled(_read(example))
        self.problem: StudioError | None = None

    @property
    def rules(self) -> Rules:
        return self._current().rules

    def broken_by(self, text: str) -> Rule | None:
        """The first rule that ``text`` meets."""
        if not text.strip():
            return None
        seen = folded(text)
        return next((one.rule for one in self._current().patterns if one.meets(seen)), None)

    def _current(self) -> _Compiled:
        """The rules as the file says them now. A look at the file's time and size, no more, where it is as it was."""
        with self._lock:
            path = self.path if self.path.is_file() else self._example
            found = path.stat()
            stamp = (str(path), found.st_mtime_ns, found.st_size)
            if stamp != self._seen:
                self._seen = stamp
                try:
                    self._held, self.problem = _compiled(_read(path)), None
                except StudioError as error:
                    self.problem = error
                    log.error("the rules for moderation stay as they were: %s", error)
            return self._held


def _read(path: Path) -> Rules:
    """Raises ``StudioError`` with the place in the file and what is wrong there."""
    if path.stat().st_size > LARGEST:
        raise StudioError("moderation.large", "{file} is larger than {limit} bytes.", file=path.name, limit=LARGEST)
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
        return Rules.model_validate(values)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StudioError(
            "moderation.toml", "{file} is not TOML: {reason}.", file=path.name, reason=str(error)[:200]
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        raise StudioError(
            "moderation.rule",
            "{file}, {place}: {reason}.",
            file=path.name,
            place=".".join(str(part) for part in first["loc"]),
            reason=str(first["msg"])[:200],
        ) from None


def _compiled(rules: Rules) -> _Compiled:
    patterns = []
    for rule in rules.rule:
        words = [folded_word(word) for words in rule.words.values() for word in words]
        anywhere = tuple(word.replace(" ", "").replace("*", "") for word in words if is_cjk(word))
        spoken = [re.escape(word).replace(r"\*", r"\w*").replace(r"\ ", " ") for word in words if not is_cjk(word)]
        joined = tuple(word.replace(" ", "").replace("*", "") for word in words if not is_cjk(word))
        pattern = re.compile(f"(?<= )(?:{'|'.join(spoken)})(?= )") if spoken else None
        patterns.append(_Pattern(rule, pattern, anywhere, joined))
    return _Compiled(rules, patterns)
