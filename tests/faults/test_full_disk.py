"""A full disk: a sentence to who asks for something new, nothing lost of what was there, and on it goes afterwards."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.durable import DiskFull
from studio.engine import events, hearing
from studio.services import Studio
from tests.studios import OWNER, endless_training, follow, open_in, small_training, wait_for, wait_state


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    opened = open_in(tmp_path)
    yield opened
    opened.close()


def set_room(studio: Studio, pages: int | None) -> None:
    """Lets the database grow by ``pages`` more; None: as far as it likes. A limit holds for a connection."""
    studio.database.engine.dispose()
    with studio.database.read() as session:
        used = session.connection().exec_driver_sql("PRAGMA page_count").scalar_one()
    limit = 2**31 if pages is None else used + pages

    from sqlalchemy import event

    @event.listens_for(studio.database.engine, "connect")
    def _limit(connection: object, _record: object) -> None:
        connection.execute(f"PRAGMA max_page_count={limit}").close()  # type: ignore[attr-defined]

    studio.database.engine.dispose()


def fill(studio: Studio) -> None:
    """Uploads until the database takes no more."""
    set_room(studio, 0)
    for _ in range(10_000):
        studio.library.keep_upload(OWNER, os.urandom(8))


def test_what_does_not_fit_in_the_database_is_refused_in_a_sentence_and_works_once_there_is_room(
    studio: Studio,
) -> None:
    with pytest.raises(DiskFull, match="disk is full"):
        fill(studio)
    set_room(studio, None)
    job = studio.jobs.submit(OWNER, "training", small_training())
    follow(studio, job)
    assert studio.jobs.get(OWNER, job.id).state == "done"


def test_a_training_goes_on_while_the_database_is_full_and_is_written_down_afterwards(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(events, "RETRY_SECONDS", 0.1)
    monkeypatch.setattr(hearing, "RETRY_SECONDS", 0.1)
    job = studio.jobs.submit(OWNER, "training", endless_training())
    follow(studio, job, stop=lambda event: event.kind == "metrics")
    with pytest.raises(DiskFull):
        fill(studio)
    wait_for(lambda: "cannot be written yet" in caplog.text)
    last = studio.jobs.events(OWNER, job.id)[-1].seq
    follow(studio, job, after=last, stop=lambda event: event.kind == "metrics")
    studio.jobs.finish(OWNER, job.id)
    wait_for(lambda: "Ended cannot be written down" in caplog.text)
    assert studio.jobs.get(OWNER, job.id).state == "running"
    set_room(studio, None)
    wait_state(studio, job, "done")
    seen = studio.jobs.events(OWNER, job.id)
    assert [event.seq for event in seen] == list(range(1, len(seen) + 1))


def test_a_result_that_cannot_be_kept_fails_in_a_sentence_and_leaves_no_half_file(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def full(handle: int) -> None:
        if "blobs" in str(Path(f"/proc/self/fd/{handle}").readlink()):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    monkeypatch.setattr(os, "fsync", full)
    job = studio.jobs.submit(OWNER, "training", small_training())
    failed = wait_state(studio, job, "failed")
    assert failed.error is not None
    assert failed.error.key == "disk.full"
    assert studio.library.of_job(OWNER, job.id) == []
    assert [path for path in (studio.settings.data / "blobs").rglob("*") if path.is_file()] == []
