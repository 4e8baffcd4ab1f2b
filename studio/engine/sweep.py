"""What the folders of jobs hold that nobody needs any more.

Knows what lies in a workspace and when a job is over for good. Each file is of use alone, so a kill in between leaves
less to do and nothing half done.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import delete, exists, select, update
from sqlalchemy.orm import Session

from studio.engine.job import LIVE
from studio.store.database import Database
from studio.store.tables import EventRow, ItemRow, JobRow

#: a job in one of these is under way, or can be taken up again from what it left
NEEDED = frozenset({*LIVE, "interrupted"})
#: only a training that goes on from them needs these; branches begin with its snapshots
RESUMING = "checkpoint-*.safetensors"


def sweep_folders(database: Database, jobs: Path, before: float) -> tuple[int, int]:
    """Removes what is left of jobs that are over; returns how many folders went whole, and the bytes of everything.

    A job that ended for good before a time leaves what its owner can still use as long as something it made lies in
    the library: samples, snapshots, curves. Its checkpoints go, and where nothing lies there the whole folder. A
    folder no job has goes at once, as the row is written before it, and so does one of a job that was forgotten.
    """
    whole = freed = 0
    for folder in _folders(jobs):
        state = _state(database, folder.name, before)
        if state == "kept":
            continue
        gone = list(folder.glob(RESUMING)) if state == "made" else [folder]
        freed += sum(_bytes(path) for path in gone)
        for path in gone:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        whole += state == "over"
    return whole, freed


def _folders(jobs: Path) -> Iterator[Path]:
    return (path for path in jobs.glob("*") if path.is_dir() and not path.is_symlink())


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


def _bytes(path: Path) -> int:
    """What removing it frees: a file under two names (a snapshot is a checkpoint's) frees nothing by one of them."""
    files = path.rglob("*") if path.is_dir() else (path,)
    return sum(file.stat().st_size for file in files if file.is_file() and file.stat().st_nlink == 1)


def forget_asked(session: Session, owner: str) -> None:
    """Forgets what an owner asked for and what happened then. The numbers stay: they are the device's history."""
    mine = select(JobRow.id).where(JobRow.owner == owner)
    session.execute(delete(EventRow).where(EventRow.job_id.in_(mine)))
    session.execute(update(JobRow).where(JobRow.owner == owner).values(request={}, facts=None, error=None))
