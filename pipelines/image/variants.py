"""What one request stands for: prompts line by line, their choices, and grids over one setting or two.

Each ``Shot`` is one picture, with nothing left to choose: made alone it is the same. Knows requests; runs nothing.
"""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pipelines.errors import StudioError
from pipelines.fields import MAX_SEED
from pipelines.image.request import ImageRequest
from pipelines.image.wildcards import chosen, each, read_lists, take_apart

#: pictures of one request
MOST = 64
_NUMBERS = ("seed", "steps", "guidance", "strength", "width", "height")
_RANGE = re.compile(r"(-?\d+(?:\.\d+)?)\s*-\s*(-?\d+(?:\.\d+)?)\s*(?:\(\s*\+?\s*(\d+(?:\.\d+)?)\s*\))?")
_SINGLE = {
    "lines": False,
    "wildcards": "each",
    "lists": "",
    "x_field": "",
    "x_values": "",
    "y_field": "",
    "y_values": "",
}


@dataclass(frozen=True)
class Shot:
    """One picture of a request. ``sheet``, ``row`` and ``column`` are its place in a labelled grid."""

    request: ImageRequest
    sheet: int = 0
    row: int = 0
    column: int = 0


@dataclass(frozen=True)
class Plan:
    """All pictures of a request, and the labels of its grids; no labels where there is no grid."""

    shots: tuple[Shot, ...]
    columns: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    #: whether the pictures are more than one request with seeds that follow each other
    several: bool = False

    @property
    def sheets(self) -> int:
        """How many grids there are."""
        return max(shot.sheet for shot in self.shots) + 1 if self.columns or self.rows else 0


def plan(request: ImageRequest, first: int) -> Plan:
    """The pictures of ``request``, the first of each prompt with the seed ``first``.

    Raises ``StudioError`` where they are more than ``MOST``, or where a value is none of its setting.
    """
    xs, ys = axis(request.x_field, request.x_values), axis(request.y_field, request.y_values)
    cells = list(itertools.product(enumerate(ys or [""]), enumerate(xs or [""])))
    shots: list[Shot] = []
    for sheet, (prompt, place) in enumerate(itertools.product(prompts(request), range(request.count))):
        # a picture's seed must be one that can be asked for, so that it can be made again alone
        seed = (first + place) % (MAX_SEED + 1)
        for (row, y), (column, x) in cells:
            values = {**_single(request), "prompt": prompt, "seed": seed}
            values = _with(_with(values, request.x_field, x, xs), request.y_field, y, ys)
            values["prompt"] = _one_prompt(request, values["prompt"], int(values["seed"]))
            shots.append(Shot(ImageRequest.parse(values), sheet, row, column))
        _check_count(len(shots))
    plain = ImageRequest.parse({**_single(request), "seed": 0})
    several = bool(xs or ys) or any(shot.request.model_copy(update={"seed": 0}) != plain for shot in shots)
    return Plan(tuple(shots), _labels(request.x_field, xs), _labels(request.y_field, ys), several)


def _single(request: ImageRequest) -> dict[str, Any]:
    return {**request.model_dump(), **_SINGLE, "count": 1}


def own_settings(whole: ImageRequest, one: ImageRequest) -> dict[str, Any]:
    """What of the request of one picture is other than in the whole one, its seed apart."""
    ours, theirs = one.model_dump(mode="json"), whole.model_dump(mode="json")
    return {name: value for name, value in ours.items() if value != theirs[name] and name != "seed"}


def prompts(request: ImageRequest) -> Iterator[str]:
    """The prompts, one after the other; choices are still in them where each picture chooses for itself."""
    lines = [line.strip() for line in request.prompt.splitlines() if line.strip()] if request.lines else []
    for text in lines or [request.prompt]:
        if request.wildcards == "all":
            found = list(itertools.islice(each(take_apart(text, read_lists(request.lists))), MOST + 1))
            _check_count(len(found))
            yield from found
        else:
            yield text


def _one_prompt(request: ImageRequest, text: str, seed: int) -> str:
    parts = take_apart(text, read_lists(request.lists))
    return text if parts in ((text,), ()) else chosen(parts, seed)


def axis(field: str, text: str) -> list[str]:
    """The values of an axis: separated by commas, quoted where one has a comma in it; numbers also as 10-30 (+5).

    Empty where there is no axis. Raises ``StudioError`` where there are no values, or too many.
    """
    if not field:
        return []
    rows = list(csv.reader(text.splitlines(), skipinitialspace=True))
    values = [value.strip() for row in rows for value in row if value.strip()]
    if field in _NUMBERS:
        values = [one for value in values for one in _spread(value)]
    if field == "words":
        values = values if len(values) > 1 else []
    if not values:
        raise StudioError(
            "image.axis",
            "The grid over {field} has no values. Give them with commas between, such as 10, 20, 30; of words the "
            "first is looked for in the prompt, and each takes its place.",
            field=field,
        )
    _check_count(len(values))
    return values


def _spread(value: str) -> list[str]:
    """10-30 (+5) -> 10, 15, 20, 25, 30; without a step in ones."""
    found = _RANGE.fullmatch(value)
    if found is None:
        return [value]
    low, high, step = float(found[1]), float(found[2]), float(found[3] or 1)
    count = int((high - low) / step + 1e-9) + 1 if step > 0 and high >= low else 0
    _check_count(count)
    return [f"{low + place * step:g}" for place in range(count)]


def _with(values: dict[str, Any], field: str, value: str, all_of_it: list[str]) -> dict[str, Any]:
    if not field:
        return values
    if field != "words":
        return {**values, field: value}
    prompt = str(values["prompt"])
    if all_of_it[0] not in prompt:
        raise StudioError(
            "image.axis_words",
            "The grid replaces “{words}”, which the prompt does not have. Write first what stands in the prompt, "
            "then what takes its place.",
            words=all_of_it[0][:80],
        )
    return {**values, "prompt": prompt.replace(all_of_it[0], value)}


def _labels(field: str, values: list[str]) -> tuple[str, ...]:
    plain = field in ("words", "prompt", "style", "scheduler", "negative_prompt", "")
    return tuple(value if plain else f"{field} {value}" for value in values)


def _check_count(count: int) -> None:
    if count > MOST:
        raise StudioError(
            "image.many",
            "This stands for {count} pictures or more; one request makes at most {limit}. Take fewer values or "
            "choices.",
            count=count,
            limit=MOST,
        )
