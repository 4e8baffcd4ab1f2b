"""What the folders of jobs hold that nobody needs any more.

Knows what lies in a workspace and when a job is over for good. Each file is of use alone, so a kill in between leaves
less to do and nothing half done.
"""

from __future__ import annotations

from sqlalchemy import delete, exists, select, update
from sqlalchemy.orm import Session

from pipelines.base import ATTEMPT
from studio.engine.job import LIVE
from studio.store.database import Database
from studio.store.tables import EventRow, ItemRow, JobRow
from studio.store.workspaces import Workspaces

#: a job in one of these is under way, or can be taken up again from what it left
NEEDED = frozenset({*LIVE, "interrupted"})
#: only a training that goes on from them needs these; branches begin with its snapshots
RESUMING = ("checkpoint-*.safetensors", f"{ATTEMPT}/*")


def sweep_folders(database: Database, workspaces: Workspaces, before: float) -> tuple[int, int]:
    """Removes what is left of jobs that are over; returns how many folders went whole, and the bytes of everything.

    A job that ended for good before a time leaves what its owner can still use as long as something it made lies in
    the library: samples, snapshots, curves. Its checkpoints go, and where nothing lies there the whole folder. A
    folder no job has goes at once, as the row is written before it, and so does one of a job that was forgotten.
    """
    whole = freed = 0
    for job_id in list(workspaces.jobs()):
        state = _state(database, job_id, before)
        if state != "kept":
            freed += workspaces.drop(job_id, RESUMING if state == "made" else ())
        whole += state == "over"
    return whole, freed


def _state(database: Database, job_id: str, before: float) -> str:
    """``kept`` as it is, ``made``: something lies in the library, or ``over``."""
    made = exists().where(ItemRow.job_id == JobRow.id)
    with database.read() as session:
        query = select(JobRow.state, JobRow.ended, JobRow.request, made).where(JobRow.id == job_id)
        row = session.execute(query).first()
    if row is None or not row.request:
        return "over"
    state, ended, _, has_made = row
    if state in NEEDED or ended is None or ended >= before:
        return "kept"
    return "made" if has_made else "over"


def live_jobs(database: Database) -> set[str]:
    """The ids of those that have not ended."""
    with database.read() as session:
        return set(session.scalars(select(JobRow.id).where(JobRow.state.in_(LIVE))))


def forget_asked(session: Session, owner: str) -> None:
    """Forgets what an owner asked for and what happened then. The numbers stay: they are the device's history."""
    mine = select(JobRow.id).where(JobRow.owner == owner)
    session.execute(delete(EventRow).where(EventRow.job_id.in_(mine)))
    session.execute(update(JobRow).where(JobRow.owner == owner).values(request={}, facts=None, error=None))
