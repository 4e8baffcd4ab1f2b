"""What may differ between a training and the state it goes on from. No torch, so that the page can refuse."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

from pipelines.errors import StudioError
from pipelines.requests import TrainingRequest
from pipelines.training.recipe_names import STEERABLE

#: these may differ between a checkpoint and the request that resumes from it: a training may go on for longer
BUDGET = frozenset({"seconds", "steps"})
#: what a training takes over from its checkpoint where the machine has chosen
CHOSEN = ("fit", "width", "batch", "averaging", "cooling")
#: and these between a snapshot and a training that branches from it
BRANCHED = BUDGET | set(STEERABLE) | {"seed", "begin", "parent", "beside", "sweep", "varied", "name"}


def difference(
    request: TrainingRequest, earlier: Mapping[str, Any], free: Set[str] = BUDGET
) -> tuple[str, object, object] | None:
    """The first setting, with both values, in which ``request`` is another training than ``earlier``; ``free`` aside.

    A setting that there was not yet when ``earlier`` was written had no effect, which is what its default has.
    """
    for name, value in request.model_dump().items():
        before = earlier.get(name, TrainingRequest.model_fields[name].default)
        if name not in free and before != value:
            return name, before, value
    return None


def check_branch(request: TrainingRequest, earlier: Mapping[str, Any]) -> None:
    """Raises ``StudioError`` where ``request`` is of other networks, data or recipe than ``earlier``."""
    other = difference(request, earlier, BRANCHED)
    if other is not None:
        raise StudioError(
            "training.branch",
            "The snapshot is of a training with {setting} {old}, and what goes on from it cannot have {new}; its "
            "networks, data and recipe stay.",
            setting=other[0],
            old=str(other[1]),
            new=str(other[2]),
        )
