"""The events of a job as somebody who follows it gets them: at once what there is, then as they come, to its end.

Knows the event log and rows. Does not know who follows, or whether they may.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import TypeAlias

from studio.engine.events import EventLog
from studio.engine.job import ENDED, Numbered
from studio.engine.rows import JobRows

Batch: TypeAlias = list[Numbered]


async def followed(log: EventLog, rows: JobRows, job_id: str, after: int) -> AsyncGenerator[Batch]:
    """Those above ``after``; an empty batch about once a second while nothing happens."""
    async for known in log.changes(job_id):
        last: Numbered | None = None
        while batch := await _next(log, job_id, after, known):
            last = batch[-1]
            after = last.seq
            yield batch
        if last is None:
            job = rows.get(job_id)
            if job is None or job.state in ENDED:
                yield await asyncio.to_thread(log.read, job_id, after)  # said since we looked
                return
            yield []
        elif last.kind == "state" and last.data["state"] in ENDED:
            return


async def _next(log: EventLog, job_id: str, after: int, known: bool) -> Batch:
    """From memory at once, else from the database. ``known``: we were told that there are some."""
    recent = log.recent(job_id, after, told=known)
    return recent if recent is not None else await asyncio.to_thread(log.read, job_id, after)
