"""What is cleared away and what stays, with real rows and files that are made old by their dates."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from pipelines.errors import StudioError
from studio.accounts.person import Person
from studio.engine.job import Job
from studio.library.library import add_items
from studio.library.made import Made
from studio.services import Studio, open_studio
from studio.store.people import AccountRow, InvitationRow, SessionRow, ShareRow
from studio.store.shelf import CollectionRow, EdgeRow, TagRow, WordsRow
from studio.store.tables import BlobRow, EventRow, ItemRow, JobRow, UploadRow
from studio.sweeping import Swept
from tests.studios import OWNER, endless_training, open_in, settings, small_training, wait_state

LONG_AGO = time.time() - 100 * 86_400


@pytest.fixture
def studio(tmp_path: Path, database_url: str) -> Iterator[Studio]:
    """Not started: nothing runs, and a round is held where a test wants one."""
    opened = open_studio(settings(tmp_path, engine="inline", database=database_url))
    yield opened
    opened.database.close()


def upload(studio: Studio, data: bytes, owner: str = OWNER) -> str:
    """A file that was given long ago and not asked for since."""
    digest = studio.library.keep_upload(owner, data)
    with studio.database.write() as session:
        session.execute(update(UploadRow).where(UploadRow.digest == digest).values(created=LONG_AGO))
    os.utime(studio.library.blobs.path(digest), (LONG_AGO, LONG_AGO))
    return digest


def job(studio: Studio, state: str, request: dict[str, Any], ended: float | None = LONG_AGO, owner: str = OWNER) -> str:
    """A job as its row and its folder are found."""
    number = f"{abs(hash((state, str(request), owner))):032x}"[:32]
    row = JobRow(id=number, owner=owner, kind="style", request=request | {"n": 1}, state=state, created=LONG_AGO)
    row.ended = ended
    with studio.database.write() as session:
        session.add(row)
    folder = studio.settings.data / "jobs" / number
    (folder / "snapshots").mkdir(parents=True)
    for name in ("sample-0000000.webp", "checkpoint-000000001.safetensors", "snapshots/snapshot-1.safetensors"):
        (folder / name).write_bytes(b"x" * 100)
    return number


def item(studio: Studio, job_id: str, recipe: dict[str, Any], owner: str = OWNER) -> str:
    """Something of that job in the library."""
    digest = studio.library.blobs.put(f"made of {recipe}".encode())
    made = Made(digest, "a.png", "a", "image/png", 10, None, 0, 1, 1, recipe)
    with studio.database.write() as session:
        return add_items(session, owner, job_id, "style", [made])[0].id


def folder(studio: Studio, job_id: str) -> set[str]:
    root = studio.settings.data / "jobs" / job_id
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def has(studio: Studio, digest: str, owner: str = OWNER) -> bool:
    try:
        studio.library.check_owned(owner, [digest])
    except StudioError:
        return False
    return studio.library.blobs.path(digest).exists()


# ----------------------------------------------------------------------------------------------- uploads


def test_an_old_upload_that_nothing_names_goes_with_its_file(studio: Studio) -> None:
    digest = upload(studio, b"a photo")
    swept = studio.sweeper.round()
    assert (swept.uploads, swept.files, swept.bytes) == (1, 1, len(b"a photo"))
    assert not studio.library.blobs.path(digest).exists()
    assert not has(studio, digest)
    assert studio.library.stored(OWNER) == 0
    assert studio.sweeper.round() == Swept()


def test_a_new_upload_stays_and_one_that_is_named_again_is_new(studio: Studio) -> None:
    new, again, twice = studio.library.keep_upload(OWNER, b"new"), upload(studio, b"again"), upload(studio, b"twice")
    studio.library.check_owned(OWNER, [again])
    studio.library.keep_upload(OWNER, b"twice")
    assert studio.sweeper.round().uploads == 0
    assert [has(studio, digest) for digest in (new, again, twice)] == [True] * 3


@pytest.mark.parametrize("state", ["queued", "running", "paused", "interrupted"])
def test_what_a_job_still_needs_stays(studio: Studio, state: str) -> None:
    digest = upload(studio, b"begins with")
    name = job(studio, state, {"begin": digest}, None)
    assert studio.sweeper.round() == Swept()
    assert has(studio, digest)
    assert len(folder(studio, name)) == 3


def test_a_snapshot_that_a_branch_began_with_goes_when_the_branch_is_over_and_nothing_of_it_is_kept(
    studio: Studio,
) -> None:
    over, kept, lately = (upload(studio, name) for name in (b"over", b"kept", b"lately"))
    job(studio, "done", {"begin": over})
    item(studio, job(studio, "done", {"begin": kept}), {"settings": {"begin": kept}})
    job(studio, "failed", {"begin": lately}, time.time() - 60)
    assert studio.sweeper.round().uploads == 1
    assert [has(studio, digest) for digest in (over, kept, lately)] == [False, True, True]


def test_what_somebody_else_names_keeps_the_file_but_gives_nobody_else_a_right_to_it(studio: Studio) -> None:
    digest = upload(studio, b"the same photo")
    upload(studio, b"the same photo", "bob")
    item(studio, job(studio, "done", {}, owner="bob"), {"settings": {"photo": digest}}, "bob")
    assert studio.sweeper.round().uploads == 1
    assert has(studio, digest, "bob")
    assert not has(studio, digest)


def test_a_file_that_is_also_in_the_library_stays(studio: Studio) -> None:
    made = item(studio, job(studio, "done", {}), {"a": 1})
    digest = studio.library.get(OWNER, made).digest
    upload(studio, studio.library.blobs.read(digest))
    assert studio.sweeper.round().uploads == 1
    assert studio.library.blobs.path(digest).exists()
    assert studio.library.get(OWNER, made).digest == digest


def test_a_file_whose_row_is_on_its_way_stays(studio: Studio) -> None:
    """The worker writes it, the job's end lists it: an hour may lie between."""
    digest = studio.library.blobs.put(b"just made")
    old = studio.library.blobs.put(b"left by a kill")
    os.utime(studio.library.blobs.path(old), (LONG_AGO, LONG_AGO))
    assert studio.sweeper.round().files == 1
    assert studio.library.blobs.path(digest).exists()
    os.utime(studio.library.blobs.path(digest), (LONG_AGO, LONG_AGO))
    assert studio.library.blobs.put(b"just made") == digest  # made once more: it is new again
    assert studio.sweeper.round().files == 0


# ----------------------------------------------------------------------------------------------- folders


def test_of_a_job_that_is_over_the_checkpoints_go_and_without_anything_in_the_library_the_folder(
    studio: Studio,
) -> None:
    over, made = job(studio, "cancelled", {"a": 1}), job(studio, "done", {"a": 2})
    item(studio, made, {})
    lately = job(studio, "done", {"a": 3}, time.time() - 60)
    swept = studio.sweeper.round()
    assert (swept.folders, swept.bytes) == (1, 400)
    assert not (studio.settings.data / "jobs" / over).exists()
    assert folder(studio, made) == {"sample-0000000.webp", "snapshots/snapshot-1.safetensors"}
    assert len(folder(studio, lately)) == 3


def test_a_folder_no_job_has_goes(studio: Studio) -> None:
    """As a kill leaves it between a guest's rows and their files."""
    (studio.settings.data / "jobs" / "nobodys").mkdir(parents=True)
    assert studio.sweeper.round().folders == 1


def test_nothing_goes_by_age_where_the_setting_is_0(tmp_path: Path) -> None:
    studio = open_studio(settings(tmp_path, engine="inline", keep_days=0))
    digest, name = upload(studio, b"a photo"), job(studio, "done", {})
    assert studio.sweeper.round() == Swept()
    assert has(studio, digest)
    assert len(folder(studio, name)) == 3
    studio.database.close()


# ---------------------------------------------------------------------------------------------- accounts


def guest(studio: Studio, ended: float) -> Person:
    secret = studio.accounts.invitations.make(None, "guest", 5, 7, 30)
    person = studio.accounts.enter_as_guest(secret)
    studio.accounts.sessions.begin(person, "")
    with studio.database.write() as session:
        session.execute(update(AccountRow).where(AccountRow.id == person.account).values(ends=ended))
        session.execute(update(SessionRow).where(SessionRow.account == person.account).values(expires=ended))
    return person


def rows(studio: Studio, table: Any) -> int:
    with studio.database.read() as session:
        return len(session.scalars(select(table)).all())


def test_a_guest_who_is_long_gone_leaves_nothing_but_device_seconds(studio: Studio) -> None:
    person, other = guest(studio, LONG_AGO), guest(studio, time.time() + 600)
    digest = upload(studio, b"a guest's photo", person.owner)
    name = job(studio, "done", {"prompt": "a secret"}, time.time() - 60, person.owner)
    made = item(studio, name, {"settings": {"photo": digest}}, person.owner)
    os.utime(studio.library.blobs.path(studio.library.get(person.owner, made).digest), (LONG_AGO, LONG_AGO))
    studio.shares.make(person.owner, made)
    with studio.database.write() as session:
        session.add(EventRow(job_id=name, seq=1, at=0.0, kind="state", data={"state": "done"}))
        session.add(EdgeRow(owner=person.owner, made="a", source="b", role="photo", title="", kind="", at=0.0))
    studio.marks.make_collection(person.owner, "mine")
    studio.marks.tag(person.owner, [made], ["red"])
    swept = studio.sweeper.round()
    assert (swept.guests, swept.files, swept.folders) == (1, 2, 1)
    gone = (ItemRow, UploadRow, BlobRow, ShareRow, EventRow, EdgeRow, CollectionRow, TagRow, WordsRow)
    assert [rows(studio, table) for table in gone] == [0] * len(gone)
    with studio.database.read() as session:
        assert session.get_one(JobRow, name).request == {}
        assert session.get(AccountRow, person.account) is None
        assert session.get(AccountRow, other.account) is not None


def test_a_guest_who_has_just_gone_keeps_everything_for_the_hours_of_the_setting(studio: Studio) -> None:
    person = guest(studio, time.time() - 3600)
    made = item(studio, job(studio, "done", {}, owner=person.owner), {}, person.owner)
    assert studio.sweeper.round().guests == 0
    assert studio.library.get(person.owner, made)


def test_what_a_guest_left_running_is_ended_before_the_guest_goes(tmp_path: Path) -> None:
    studio = open_in(tmp_path)
    studio.sweeper.close()  # the round of the start is over: the next are ours
    person = guest(studio, LONG_AGO)
    running = studio.jobs.submit(person.owner, "training", endless_training())
    wait_state(studio, running, "running")
    assert studio.sweeper.round().guests == 0
    wait_state(studio, running, "cancelled")
    assert studio.sweeper.round().guests == 1
    studio.close()


def test_sessions_invitations_and_links_that_are_over_go(studio: Studio) -> None:
    ann = studio.accounts.add("ann", "member", None)
    for _ in range(2):
        studio.accounts.sessions.begin(ann, "")
        studio.accounts.invitations.make(ann, "member")
        studio.shares.make(OWNER, item(studio, job(studio, "done", {"n": rows(studio, JobRow)}), {}), 7)
    with studio.database.write() as session:
        for table, column in ((SessionRow, "expires"), (InvitationRow, "expires"), (ShareRow, "expires")):
            first = session.scalars(select(table).limit(1)).one()
            setattr(first, column, LONG_AGO)
    swept = studio.sweeper.round()
    assert (swept.sessions, swept.invitations, swept.links) == (1, 1, 1)
    assert [rows(studio, table) for table in (SessionRow, InvitationRow, ShareRow)] == [1, 1, 1]


# ------------------------------------------------------------------------------------------- as a whole


def test_a_round_is_held_at_the_start_and_says_in_the_log_what_it_did(tmp_path: Path) -> None:
    studio = open_studio(settings(tmp_path, engine="inline"))
    upload(studio, b"a photo")
    studio.sweeper.start()
    studio.sweeper.close()
    (entry,) = studio.accounts.audit.last()
    assert (entry.what, entry.actor, entry.subject) == ("sweep", "studio", "1 uploads, 1 files, 0.0 MB")
    studio.database.close()


def test_a_training_that_was_swept_of_its_checkpoints_can_still_be_branched(tmp_path: Path) -> None:
    studio = open_in(tmp_path)
    done: Job = wait_state(studio, studio.jobs.submit(OWNER, "training", small_training()), "done")
    with studio.database.write() as session:
        session.execute(update(JobRow).values(ended=LONG_AGO))
    studio.sweeper.round()
    assert not list((tmp_path / "jobs" / done.id).glob("checkpoint-*"))
    newest = studio.jobs.snapshots(OWNER, done.id)[-1]
    branch = studio.jobs.branch(OWNER, done.id, newest.step, {"steps": newest.step + 2})
    assert wait_state(studio, branch, "done", "failed").state == "done"
    studio.close()
