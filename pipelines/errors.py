"""The two errors a person may see. Anything else that is raised is a bug.

Knows how a sentence is kept apart from its values, so that the application can say it in another language.
Does not know the languages.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

Value: TypeAlias = str | int | float


class StudioError(Exception):
    """A person did something we can name; the sentence says the rule, the value and what to do.

    ``key`` names the sentence for translators, ``sentence`` is its English template (``str.format`` fields),
    ``values`` fill the fields. The template is written where the rule is, so both can be read together.

    >>> str(StudioError("steps.range", "Steps must be 1 to {limit}; you asked for {value}.", limit=200, value=0))
    'Steps must be 1 to 200; you asked for 0.'
    """

    def __init__(self, key: str, sentence: str, **values: Value) -> None:
        self.key = key
        self.sentence = sentence
        self.values: Mapping[str, Value] = values
        super().__init__(sentence.format(**values))

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.key, self.sentence, dict(self.values))


class Busy(StudioError):  # noqa: N818 - the design's word, and what the person reads
    """The studio cannot take this now; the sentence says when to try again."""


def _rebuild(kind: type[StudioError], key: str, sentence: str, values: dict[str, Value]) -> StudioError:
    return kind(key, sentence, **values)
