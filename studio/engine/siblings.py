"""A sweep: one training begun several times at once, with other seeds or with another value of one setting.

Knows requests and nothing that runs. Where there are several devices each run has its own; on one they take turns.
Every value is tried with the same seeds, so that a difference is the setting's.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.errors import StudioError
from pipelines.fields import MAX_SEED
from pipelines.requests import TrainingRequest
from pipelines.training.recipe_names import RECIPES, SHARED

#: runs of a sweep: no more can be told apart in one chart
MOST = 8
#: fresh seeds begin below this: short enough to be read in a table
FRESH = 10_000


def runs_of(
    values: Mapping[str, Any], seeds: int = 1, setting: str = "", tried: Sequence[Any] = ()
) -> list[dict[str, Any]]:
    """The requests of a sweep of the training ``values``: ``seeds`` of each value of ``setting`` in ``tried``.

    One request, and no sweep, where there is only one seed and nothing to try. Each is checked here. Raises
    ``StudioError`` for what is no setting of the recipe, for values it cannot have and for more runs than may be.
    """
    plain = TrainingRequest.parse(values)
    choices = _choices(plain, values, setting, tried)
    count = seeds * len(choices)
    if seeds < 1 or count > MOST:
        raise StudioError(
            "sweep.count",
            "A sweep has 1 to {most} runs; {seeds} seeds of {values} values would be {count}.",
            most=MOST,
            seeds=seeds,
            values=len(choices),
            count=count,
        )
    if count == 1:
        return [{**values, **choices[0]}]
    first = plain.seed if plain.seed >= 0 else secrets.randbelow(FRESH)
    sweep = uuid.uuid4().hex
    return [
        {**values, **choice, "seed": (first + number) % (MAX_SEED + 1), "sweep": sweep, "varied": setting}
        for choice in choices
        for number in range(seeds)
    ]


def _choices(
    plain: TrainingRequest, values: Mapping[str, Any], setting: str, tried: Sequence[Any]
) -> list[dict[str, Any]]:
    """What is changed in each run, each value once; an empty change where nothing is varied."""
    if not setting:
        return [{}]
    known = sorted({*SHARED, *RECIPES[plain.recipe].settings})
    if setting not in known:
        raise StudioError(
            "sweep.setting",
            "{setting} is no setting of the recipe {recipe} that can be tried with several values; there are {known}.",
            setting=setting[:40],
            recipe=plain.recipe,
            known=", ".join(known),
        )
    if not tried:
        raise StudioError(
            "sweep.values", "Say which values of {setting} to try, such as 0.0005, 0.001, 0.002.", setting=setting
        )
    parsed = [getattr(TrainingRequest.parse({**values, setting: value}), setting) for value in tried]
    return [{setting: value} for value in dict.fromkeys(parsed)]


def differences(requests: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Of each request of a sweep what it has of its own: its seed, and the setting that is varied."""
    varied = [
        name
        for name in TrainingRequest.model_fields
        if name != "seed" and len({str(request.get(name)) for request in requests}) > 1
    ]
    seeded = not varied or len({request.get("seed") for request in requests}) > 1
    return [{name: request[name] for name in (*varied, *(["seed"] if seeded else ()))} for request in requests]
