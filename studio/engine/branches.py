"""From the snapshots of a training to the request of one that goes on from there.

Knows files and requests; nothing is run here, and there is no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.errors import StudioError
from pipelines.requests import TrainingRequest
from pipelines.training.kinship import CHOSEN, check_branch
from pipelines.training.snapshots import FOLDER, Snapshot, in_order, position_in
from studio.engine.job import Job
from studio.store.workspaces import Workspaces


def snapshots_of(workspaces: Workspaces, job: Job) -> list[Snapshot]:
    """What there is to go back to or to branch from, oldest first; nothing for other kinds of job."""
    return in_order(Path(name) for name in workspaces.files(job.id) if name.startswith(f"{FOLDER}/"))


def snapshot_of(workspaces: Workspaces, job: Job, step: int) -> Snapshot:
    """The one after ``step`` updates. Raises ``StudioError`` that names those there are."""
    kept = snapshots_of(workspaces, job)
    for one in kept:
        if one.step == step:
            return one
    raise StudioError(
        "snapshot.unknown",
        "There is no snapshot of step {step}; there are those of {known}.",
        step=step,
        known=", ".join(str(one.step) for one in kept) or "0 steps",
    )


def branch_of(job: Job, snapshot: bytes, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The request of a training that goes on from a ``snapshot`` of ``job`` as it stood there, but for ``changes``.

    All but the ``begin``. Raises ``StudioError`` for what cannot change, and where no time would be left.
    """
    position = position_in(snapshot)
    chosen = {name: position["request"][name] for name in CHOSEN} if job.request.get("fit") else {}
    asked = {**job.request, **chosen, **position.get("steered", {}), **changes}
    values = {**asked, "parent": job.id, "beside": "", "sweep": "", "varied": "", "begin": None}
    request = TrainingRequest.parse(values)
    check_branch(request, position["request"])
    for name, used in (("seconds", position["seconds"]), ("steps", position["step"])):
        if 0 < getattr(request, name) <= used:
            raise StudioError(
                "training.used",
                "The snapshot has {used} {field} of training in it already; give it more than {given}.",
                field=name,
                used=round(used),
                given=round(getattr(request, name)),
            )
    return values
