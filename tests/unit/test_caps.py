"""Caps by role: each refusal says which cap, its value and when it frees; administrators change them while it runs."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from pipelines.errors import Busy, StudioError
from studio.accounts.accounts import Accounts
from studio.accounts.roles import Role, owner_name
from studio.engine.caps import Caps
from studio.engine.usage import DAY, Day
from studio.entrance.room import Room
from studio.services import Studio, open_studio
from studio.settings import Caps as CapSettings
from studio.store.choices import Choices
from studio.store.database import Database
from tests.studios import OWNER, endless_training, follow, open_in, settings, small_training, wait_state

ROLES: dict[str, Role] = {"guest": "guest", "ann": "member", "root": "administrator"}


def roles_of(owners: Collection[str]) -> dict[str, Role]:
    return {owner: ROLES[owner] for owner in owners}


@pytest.fixture
def choices(database_url: str) -> Iterator[Choices]:
    database = Database(database_url)
    yield Choices(database)
    database.close()


def caps(choices: Choices, **member: int) -> Caps:
    return Caps(CapSettings.model_validate({"member": member}), choices, roles_of)


def test_a_refusal_says_which_cap_its_value_and_when_it_frees(choices: Choices) -> None:
    limits = caps(choices, waiting=3, stored_mb=5, device_minutes=10)
    with pytest.raises(Busy, match=r"3 jobs waiting, and 3 is the cap of your role, member. One more .* first of them"):
        limits.check_waiting("ann", 3)
    with pytest.raises(StudioError, match=r"take 6 MB, and 5 MB is the cap .* once you delete something"):
        limits.check_stored("ann", 5_500_000)
    with pytest.raises(Busy, match=r"used 10 minutes .* 10 is the cap .* free again in 1 h 31 min"):
        limits.check_minutes("ann", 600, lambda seconds: 90.5)
    limits.check_waiting("ann", 2)
    limits.check_stored("ann", 4_999_999)
    limits.check_minutes("ann", 599, lambda seconds: 0)


def test_an_administrator_is_held_by_no_cap_unless_one_is_set(choices: Choices) -> None:
    limits = caps(choices)
    limits.check_waiting("root", 10_000)
    limits.check_minutes("root", 1e9, lambda seconds: 0)
    limits.check_running("root", 60)
    with pytest.raises(Busy, match=r"1 of your jobs are running, and 1 is the cap of your role, guest"):
        limits.check_running("guest", 1)
    limits.change("administrator", {"running": 2})
    with pytest.raises(Busy, match="2 is the cap"):
        limits.check_running("root", 2)


def test_what_is_changed_while_it_runs_is_kept_and_goes_before_the_settings(choices: Choices) -> None:
    caps(choices).change("guest", {"device_minutes": 5})
    again = caps(choices)
    assert again.of("guest").device_minutes == 5
    assert again.of("guest").waiting == CapSettings().guest.waiting


@pytest.mark.parametrize(
    ("role", "values", "words"),
    [
        ("queen", {}, "no role queen; there are guest, member, administrator"),
        ("guest", {"running": -1}, "running cannot be -1: it is a whole number from 0"),
        ("guest", {"running": 65}, "cannot be 65: .* to 64"),
        ("guest", {"waiting": "many"}, "waiting cannot be many"),
        ("guest", {"sleeping": 1}, "sleeping cannot be 1"),
    ],
)
def test_what_is_no_cap_is_refused_and_changes_nothing(
    choices: Choices, role: str, values: dict[str, object], words: str
) -> None:
    limits = caps(choices)
    before = limits.all()
    with pytest.raises(StudioError, match=words):
        limits.change(role, values)
    assert limits.all() == before == caps(choices).all()


@given(st.lists(st.tuples(st.floats(0, 2 * DAY), st.floats(0, 3600), st.floats(0, 1)), max_size=20), st.integers(0, 60))
def test_no_quota_is_ever_below_zero_and_it_frees_when_it_says(
    spells: list[tuple[float, float, float]], minutes: int
) -> None:
    now, day = 2 * DAY, Day()
    for since, length, busy in sorted(spells, key=lambda one: one[0] + one[1]):
        until = min(now, since + length)
        day.add("ann", min(since, until), until, busy * (until - min(since, until)))
    used = day.used("ann", now)
    limits = Caps(CapSettings.model_validate({"member": {"device_minutes": minutes}}), Nothing(), roles_of)
    left = limits.minutes_left("ann", used)
    assert left >= 0
    if left == 0:
        assert day.used("ann", day.frees("ann", minutes * 60, now) + 1) < minutes * 60 + 1e-6


class Nothing(Choices):
    def __init__(self) -> None:
        """No database: nothing was ever chosen."""

    def get(self, name: str) -> None:
        return None


def test_roles_are_asked_for_together_and_remembered_until_somebody_is_changed(choices: Choices) -> None:
    asked: list[set[str]] = []
    changes = [0]

    def ask(owners: Collection[str]) -> dict[str, Role]:
        asked.append(set(owners))
        return roles_of(owners)

    limits = Caps(CapSettings(), choices, ask, lambda: changes[0])
    limits.look_up(ROLES)
    assert [limits.role_of(owner) for owner in ROLES] == list(ROLES.values())
    assert asked == [set(ROLES)]
    changes[0] += 1
    assert limits.role_of("ann") == "member"
    assert asked == [set(ROLES), {"ann"}]


def test_a_closed_account_has_no_role_from_that_moment(tmp_path: Path) -> None:
    studio = open_studio(settings(tmp_path, engine="inline", auth=True))
    accounts = studio.accounts
    root, ann = accounts.add("root", "administrator", None), accounts.add("ann", "member", None)
    mine = owner_name(ann.account)
    assert studio.caps.role_of(mine) == "member"
    for change, role in (
        (lambda: accounts.set_role(root, ann.account, "administrator"), "administrator"),
        (lambda: accounts.set_disabled(root, ann.account, True), "guest"),
        (lambda: accounts.set_disabled(root, ann.account, False), "administrator"),
    ):
        change()
        assert studio.caps.role_of(mine) == role
    studio.database.close()


# ------------------------------------------------------------------------------------ in a studio


@pytest.fixture
def _members(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody is a member."""
    monkeypatch.setattr(Accounts, "roles_of", lambda self, owners: dict.fromkeys(owners, "member"))


def open_with(data: Path, **member: int) -> Studio:
    return open_in(data, caps={"member": member})


@pytest.mark.usefixtures("_members")
def test_a_person_over_the_cap_on_running_jobs_waits_while_another_begins(tmp_path: Path) -> None:
    studio = open_with(tmp_path, running=1)
    first = studio.jobs.submit(OWNER, "training", endless_training())
    held = studio.jobs.submit(OWNER, "training", small_training(steps=3))
    other = studio.jobs.submit("bob", "training", small_training(steps=3))
    assert wait_state(studio, other, "done").state == "done"
    assert studio.jobs.get(OWNER, held.id).state == "queued"
    studio.jobs.finish(OWNER, first.id)
    assert wait_state(studio, held, "done").state == "done"
    studio.close()


@pytest.mark.usefixtures("_members")
def test_device_minutes_that_run_out_stop_a_training_which_can_be_resumed_later(tmp_path: Path) -> None:
    studio = open_with(tmp_path, device_minutes=10)
    job = studio.jobs.submit(OWNER, "training", endless_training())
    follow(studio, job, stop=lambda event: event.kind == "metrics")
    studio.jobs._dispatch.usage._day.add(OWNER, time.time() - 60, time.time(), 599.9)
    stopped = wait_state(studio, job, "interrupted")
    assert stopped.error is not None
    assert stopped.error.key == "cap.stopped"
    told = [one for one in studio.jobs.events(OWNER, job.id) if one.kind == "metrics"]
    with pytest.raises(Busy, match="10 is the cap"):
        studio.jobs.resume(OWNER, job.id)
    studio.caps.change("member", {"device_minutes": 20})
    studio.jobs.resume(OWNER, job.id)
    events = follow(studio, job, after=studio.jobs.events(OWNER, job.id)[-1].seq, stop=lambda one: one.kind == "mark")
    assert events[-1].data["key"] == "resumed"
    assert events[-1].data["step"] == told[-1].data["steps"][-1] > 1, "it is saved as it was at its very last step"
    studio.jobs.cancel(OWNER, job.id)
    wait_state(studio, job, "cancelled")
    studio.close()


@pytest.mark.usefixtures("_members")
def test_a_full_library_takes_nothing_more_until_something_is_deleted(tmp_path: Path) -> None:
    studio = open_with(tmp_path, stored_mb=1)
    studio.library.keep_upload(OWNER, bytes(1_000_001))
    assert studio.library.stored(OWNER) == 1_000_001
    with pytest.raises(StudioError, match="take 2 MB, and 1 MB is the cap"):
        studio.jobs.submit(OWNER, "training", small_training())
    assert studio.jobs.submit("bob", "training", small_training(steps=1)).state == "queued"
    studio.close()


@pytest.mark.usefixtures("_members")
def test_what_there_is_no_room_for_is_not_kept(tmp_path: Path) -> None:
    studio = open_studio(settings(tmp_path, engine="inline", caps={"member": {"stored_mb": 1}}))
    studio.keep_upload(OWNER, bytes(700_000))
    with pytest.raises(StudioError, match=r"has 0\.4 MB.*take 0\.7 MB, and 1 MB is the cap.*delete something"):
        studio.keep_upload(OWNER, bytes(400_000))
    assert studio.library.stored(OWNER) == 700_000
    assert not list(studio.library.blobs.folder.glob(f"??/{hashlib.sha256(bytes(400_000)).hexdigest()}"))
    studio.keep_upload(OWNER, bytes(700_000))  # the same once more takes no room
    studio.keep_upload("bob", bytes(400_000))
    studio.database.close()


@pytest.mark.usefixtures("_members")
def test_a_file_there_is_no_room_for_is_refused_before_it_is_read(tmp_path: Path) -> None:
    studio = open_studio(settings(tmp_path, engine="inline", caps={"member": {"stored_mb": 1}}))
    read: list[int] = []

    async def upload(request: Request) -> JSONResponse:
        read.append(len(await request.body()))
        return JSONResponse([])

    routes = [Route(path, upload, methods=["POST"]) for path in ("/gradio_api/upload", "/gradio_api/call/x")]
    client = TestClient(Room(Starlette(routes=routes), studio))
    answer = client.post("/gradio_api/upload", content=bytes(1_200_000), headers={"accept-language": "zh"})
    assert (answer.status_code, answer.json()["key"]) == (413, "cap.upload")
    assert "1.2 MB" in answer.json()["detail"]
    assert read == []
    assert client.post("/gradio_api/upload", content=bytes(900_000)).status_code == 200
    assert client.post("/gradio_api/call/x", content=bytes(1_200_000)).status_code == 200
    studio.database.close()


@pytest.mark.usefixtures("_members")
def test_a_branch_counts_the_snapshot_it_begins_with(tmp_path: Path) -> None:
    studio = open_with(tmp_path, stored_mb=20)
    done = wait_state(studio, studio.jobs.submit(OWNER, "training", small_training()), "done")
    studio.keep_upload(OWNER, bytes(20_000_000 - studio.library.stored(OWNER) - 10))
    step = studio.jobs.snapshots(OWNER, done.id)[-1].step
    with pytest.raises(StudioError, match="20 MB is the cap"):
        studio.jobs.branch(OWNER, done.id, step, {"steps": step + 2})
    studio.close()
