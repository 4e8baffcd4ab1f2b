"""Folders of jobs that several machines share: what was saved is there on another machine, whole or not at all, and two
machines that both believe a job to be theirs do not both save it."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from pipelines.durable import PARTIAL
from pipelines.errors import StudioError
from pipelines.storage import Storage, StorageAway, Taken
from studio.engine.local import LocalEngine
from studio.engine.messages import Emitted, Ended, Message, Run
from studio.engine.options import EngineOptions
from studio.settings import ROOT
from studio.store.job_states import latest
from studio.store.saving import SharedWorkspace
from studio.store.shared_blobs import open_blobs
from studio.store.shared_workspaces import SharedWorkspaces, open_workspaces
from studio.store.storage import open_storage
from tests.studios import small_training, wait_for

ROOM = 10_000_000
JOB = "ab" * 16


@pytest.fixture
def node(storage: Storage, tmp_path: Path) -> Callable[[str], SharedWorkspaces]:
    """A machine by its name, with a disk of its own."""

    def make(name: str) -> SharedWorkspaces:
        found = open_workspaces(tmp_path / name, storage, ROOM)
        assert isinstance(found, SharedWorkspaces)
        return found

    return make


def here(workspace: SharedWorkspace) -> dict[str, bytes]:
    root = workspace.folder
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def in_storage(storage: Storage, kind: str) -> list[str]:
    return sorted(one.name for one in storage.list(f"jobs/{JOB}/{kind}".rstrip("/")))


def work(workspace: SharedWorkspace, step: int) -> None:
    """Writes and saves as a training does: the last two checkpoints, and a snapshot that is one of them."""
    (workspace.folder / "snapshots").mkdir(exist_ok=True)
    checkpoint = workspace.folder / f"checkpoint-{step}"
    checkpoint.write_bytes(b"state after %d" % step)
    os.link(checkpoint, workspace.folder / "snapshots" / f"snapshot-{step}")
    (workspace.folder / f"checkpoint-{step - 2}").unlink(missing_ok=True)
    workspace.saved()


def test_a_job_goes_on_from_what_it_saved_on_another_machine(node: Callable[[str], SharedWorkspaces]) -> None:
    first = node("a").begin(JOB, claim=True)
    for step in (1, 2, 3):
        work(first, step)
    (first.folder / "checkpoint-4").write_bytes(b"never saved")
    (first.folder / f"{PARTIAL}x").write_bytes(b"hal")
    second = node("b").begin(JOB, claim=True)
    assert here(second) == {
        "checkpoint-2": b"state after 2",
        "checkpoint-3": b"state after 3",
        **{f"snapshots/snapshot-{step}": b"state after %d" % step for step in (1, 2, 3)},
    }
    assert (second.folder / "checkpoint-3").stat().st_nlink == 2, "the snapshot is the checkpoint, as it was"


def test_a_checkpoint_and_the_snapshot_that_is_the_same_file_are_stored_once_and_what_is_gone_goes(
    node: Callable[[str], SharedWorkspaces], storage: Storage
) -> None:
    workspace = node("a").begin(JOB, claim=True)
    for step in range(1, 6):
        work(workspace, step)
    assert len(in_storage(storage, "files")) == 5
    for step in range(1, 5):
        (workspace.folder / "snapshots" / f"snapshot-{step}").unlink()
    workspace.saved()
    assert len(in_storage(storage, "files")) == 2
    assert len(in_storage(storage, "state")) == 1
    before = in_storage(storage, "state")
    workspace.saved()
    assert in_storage(storage, "state") == before, "nothing is new, so nothing is sent"


def test_where_the_job_was_before_a_local_file_counts_only_where_it_is_the_same(
    node: Callable[[str], SharedWorkspaces],
) -> None:
    machine = node("a")
    work(machine.begin(JOB, claim=True), 1)
    elsewhere = node("b").begin(JOB, claim=True)
    (elsewhere.folder / "checkpoint-1").unlink()
    (elsewhere.folder / "checkpoint-1").write_bytes(b"after a step 1 again")
    elsewhere.saved()
    (machine.folder / JOB / "left over").write_bytes(b"x")
    assert here(machine.begin(JOB, claim=True))["checkpoint-1"] == b"after a step 1 again"
    assert "left over" not in here(machine.begin(JOB, claim=True))


def test_of_two_machines_that_both_have_a_job_only_the_later_saves(node: Callable[[str], SharedWorkspaces]) -> None:
    thought_dead = node("a").begin(JOB, claim=True)
    work(thought_dead, 1)
    goes_on = node("b").begin(JOB, claim=True)
    with pytest.raises(StudioError, match="goes on on another machine"):
        work(thought_dead, 2)
    thought_dead.end(over=False)
    assert not thought_dead.folder.exists(), "nobody goes on from what lies there"
    work(goes_on, 5)
    assert here(node("c").begin(JOB, claim=True))["checkpoint-5"] == b"state after 5"


def test_however_far_the_other_machine_is_by_then_the_earlier_saves_nothing_and_takes_nothing_away(
    node: Callable[[str], SharedWorkspaces], storage: Storage
) -> None:
    thought_dead = node("a").begin(JOB, claim=True)
    work(thought_dead, 1)
    goes_on = node("b").begin(JOB, claim=True)
    for name in ("checkpoint-1", "snapshots/snapshot-1"):
        (thought_dead.folder / name).unlink()
    for step in (2, 3, 4):
        work(goes_on, step)
        before = in_storage(storage, "")
        with pytest.raises(StudioError, match="goes on on another machine"):
            thought_dead.saved()
        assert in_storage(storage, "") == before
    assert here(node("c").begin(JOB, claim=True))["snapshots/snapshot-1"] == b"state after 1"


def test_what_a_kill_left_of_a_save_does_not_count_and_is_cleared_away(
    node: Callable[[str], SharedWorkspaces], storage: Storage
) -> None:
    work(node("a").begin(JOB, claim=True), 1)
    orphan = hashlib.sha256(b"sent before the kill").hexdigest()
    storage.put(f"jobs/{JOB}/files/{orphan}", b"sent before the kill")
    assert set(here(node("b").begin(JOB, claim=True))) == {"checkpoint-1", "snapshots/snapshot-1"}
    assert not [name for name in in_storage(storage, "files") if orphan in name]


def test_a_save_while_the_storage_is_away_is_made_up_for(
    node: Callable[[str], SharedWorkspaces], storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = node("a").begin(JOB, claim=True)
    work(workspace, 1)

    def away(*_: Any) -> bool:
        raise StorageAway("there", "no route")

    with monkeypatch.context() as patched:
        patched.setattr(storage, "put", away)
        work(workspace, 2)
        assert "checkpoint-2" not in latest(storage, JOB).files
    work(workspace, 3)
    assert {"checkpoint-2", "checkpoint-3"} <= set(latest(storage, JOB).files)


def test_a_save_whose_answer_was_lost_is_not_taken_for_another_machines(
    node: Callable[[str], SharedWorkspaces], storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, put = node("a").begin(JOB, claim=True), storage.put

    def unheard(name: str, *rest: Any) -> bool:
        put(name, *rest)
        raise StorageAway("there", "the answer was lost")

    with monkeypatch.context() as patched:
        patched.setattr(storage, "put", lambda name, *rest: (unheard if "/state/" in name else put)(name, *rest))
        work(workspace, 1)
    work(workspace, 2)
    work(workspace, 3)
    assert set(here(node("b").begin(JOB, claim=True))) >= {"checkpoint-2", "checkpoint-3"}
    assert len(in_storage(storage, "state")) == 1


def test_a_machine_that_is_slow_to_begin_takes_nothing_from_the_one_that_has_the_job_by_now(
    node: Callable[[str], SharedWorkspaces], storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    work(node("a").begin(JOB, claim=True), 1)
    put, begun, later = storage.put, [], []

    def pausing(name: str, *rest: Any) -> bool:
        """Right after c has claimed the job b does, and saves."""
        done = put(name, *rest)
        if "/state/" in name and not begun:
            begun.append(name)
            later.append(node("b").begin(JOB, claim=True))
            work(later[0], 5)
        return done

    monkeypatch.setattr(storage, "put", pausing)
    with pytest.raises(StudioError, match="goes on on another machine"):
        node("c").begin(JOB, claim=True)
    work(later[0], 6)
    assert {"checkpoint-5", "checkpoint-6"} <= set(here(node("d").begin(JOB, claim=True)))


def test_what_a_slow_machine_no_longer_finds_is_a_sentence(
    node: Callable[[str], SharedWorkspaces], storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page, a branch or a job that nobody claims looks at what another one replaces meanwhile."""
    work(node("a").begin(JOB, claim=True), 1)
    get, moved = storage.get, []

    def late(name: str, *rest: Any) -> Any:
        if "/files/" in name and not moved:
            moved.append(name)
            other = node("b").begin(JOB, claim=True)
            for path in other.folder.rglob("*1"):
                path.unlink()
            work(other, 5)
        return get(name, *rest)

    monkeypatch.setattr(storage, "get", late)
    with pytest.raises(StudioError, match="goes on on another machine"):
        node("c").begin(JOB, claim=True)


def test_a_list_that_cannot_be_read_is_not_taken_for_a_job_that_never_saved(
    node: Callable[[str], SharedWorkspaces], storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    work(node("a").begin(JOB, claim=True), 1)
    get = storage.get

    def lost(name: str, *rest: Any) -> Any:
        if "/state/" in name:
            raise FileNotFoundError(name)
        return get(name, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(storage, "get", lost)
        with pytest.raises(StorageAway, match="listed and not there"):
            node("b").begin(JOB, claim=True)
    assert "checkpoint-1" in here(node("b").begin(JOB, claim=True))
    state = in_storage(storage, "state")[-1]
    storage.delete([state])
    storage.put(state, b"{nonsense")
    with pytest.raises(StudioError, match="other contents"):
        node("c").begin(JOB, claim=True)


def test_a_picture_that_cannot_be_sent_stops_neither_the_next_one_nor_the_job(
    node: Callable[[str], SharedWorkspaces], storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, put, failed = node("a").begin(JOB, claim=True), storage.put, []

    def harmed(name: str, *rest: Any) -> bool:
        if name.endswith("sample-1.webp"):
            failed.append(name)
            raise Taken(name)
        if name.endswith("sample-2.webp"):
            failed.append(name)
            raise OSError("what nobody thought of")
        return put(name, *rest)

    monkeypatch.setattr(storage, "put", harmed)
    for number in (1, 2, 3):
        workspace.draw(f"sample-{number}.webp", b"drawn")
    workspace.end(over=False)
    assert in_storage(storage, "pictures") == [f"jobs/{JOB}/pictures/sample-3.webp"]
    assert len(failed) == 3, "the first was tried again"


def test_a_torn_file_is_not_gone_on_from(node: Callable[[str], SharedWorkspaces], storage: Storage) -> None:
    work(node("a").begin(JOB, claim=True), 1)
    name = in_storage(storage, "files")[0]
    storage.delete([name])
    storage.put(name, b"state after X")
    with pytest.raises(StudioError, match="other contents"):
        node("b").begin(JOB, claim=True)


def test_a_log_is_sent_again_once_it_has_grown_and_at_the_end(
    node: Callable[[str], SharedWorkspaces], storage: Storage
) -> None:
    workspace = node("a").begin(JOB, claim=True)
    log = workspace.folder / "tensorboard" / "events"
    log.parent.mkdir()
    sizes = []
    for size in (1000, 1100, 1130):
        with log.open("ab") as file:
            file.write(bytes(size - file.tell()))
        workspace.saved()
        sizes.append(latest(storage, JOB).files["tensorboard/events"].bytes)
    with log.open("ab") as file:
        file.write(b"x")
    workspace.end(over=False)
    assert [*sizes, latest(storage, JOB).files["tensorboard/events"].bytes] == [1000, 1000, 1130, 1131]
    assert node("b").read(JOB, "tensorboard/events") == log.read_bytes()


# ------------------------------------------------------------------------------------------------- looking at it


def test_the_page_finds_files_and_pictures_from_any_machine(node: Callable[[str], SharedWorkspaces]) -> None:
    workspace, page = node("a").begin(JOB, claim=True), node("web")
    work(workspace, 1)
    told: list[bytes] = []
    tell = workspace.after(lambda name: told.append(page.read(JOB, name)))
    for data in (b"first", b"drawn anew after a step back"):
        workspace.draw("sample-0000001.webp", data)
        tell("sample-0000001.webp")
    workspace.draw("preview-0000001.webp", b"passing")
    workspace.rub_out("preview-0000001.webp")
    workspace.end(over=True)
    assert told == [b"first", b"drawn anew after a step back"], "a picture is there for whom its message reaches"
    assert page.files(JOB) == {"checkpoint-1": 13, "snapshots/snapshot-1": 13}
    assert page.read(JOB, "checkpoint-1") == b"state after 1"
    for absent in ("preview-0000001.webp", "checkpoint-9"):
        with pytest.raises(FileNotFoundError):
            page.read(JOB, absent)
    assert page.path(JOB, "checkpoint-1") is None
    assert not workspace.folder.exists(), "what is over lies in the storage alone"


def test_what_is_over_is_dropped_by_name_or_whole(node: Callable[[str], SharedWorkspaces], storage: Storage) -> None:
    workspace, page = node("a").begin(JOB, claim=True), node("web")
    work(workspace, 1)
    (workspace.folder / "attempt").mkdir()
    (workspace.folder / "attempt" / "examples").write_bytes(b"x" * 50)
    workspace.draw("sample-1.webp", b"s")
    workspace.draw("preview-1.webp", b"p")
    workspace.end(over=False)
    page.clear(JOB, "attempt")
    page.close()
    assert page.drop(JOB, ["attempt/*"]) == 0, "it was cleared before"
    assert page.drop(JOB, ["checkpoint-*"]) == 0, "the snapshot is the same file"
    assert set(latest(storage, JOB).files) == {"snapshots/snapshot-1"}
    page.sweep_previews(live={JOB})
    assert len(in_storage(storage, "pictures")) == 2
    page.sweep_previews()
    assert in_storage(storage, "pictures") == [f"jobs/{JOB}/pictures/sample-1.webp"]
    assert list(page.jobs()) == [JOB]
    assert page.drop(JOB) > 0
    assert list(storage.list()) == []


def test_a_job_that_saves_nothing_leaves_nothing(node: Callable[[str], SharedWorkspaces], storage: Storage) -> None:
    workspace = node("a").begin(JOB, claim=False)
    workspace.saved()
    workspace.end(over=True)
    assert list(storage.list()) == []


# -------------------------------------------------------------------------------------------------- a real training


class Machine:
    """An engine with a data folder of its own, on a storage that others have too."""

    def __init__(self, data: Path, address: str) -> None:
        self.heard: list[Message] = []
        self.data = data
        self.engine = LocalEngine(EngineOptions(data, device="cpu", threads=1, storage=address), self.heard.append)
        self.engine.start()

    def train(self, job: str, request: dict[str, Any]) -> Ended:
        self.engine.order(Run(job, "ann", "training", request))
        return wait_for(lambda: next((one for one in self.heard if isinstance(one, Ended)), None), 100)

    def marks(self) -> list[str]:
        return [str(one.data["key"]) for one in self.heard if isinstance(one, Emitted) and one.kind == "mark"]


def weights(machine: Machine, ended: Ended, address: str) -> dict[str, torch.Tensor]:
    assert ended.error is None, ended.error
    made = next(one for one in ended.made if one.name.endswith(".safetensors"))
    blobs = open_blobs(machine.data / "looked at", open_storage(address), ROOM)
    return safetensors.torch.load(blobs.read(made.digest))


def test_a_training_goes_on_on_another_machine_bit_for_bit_after_its_own_was_killed(
    address: str, storage: Storage, tmp_path: Path, one_thread: None
) -> None:
    request = small_training(steps=300, seed=3)
    code = f"""
import json, sys, time
from pathlib import Path
import torch
from pipelines.training import session
from studio.engine.local import LocalEngine
from studio.engine.messages import Run
from studio.engine.options import EngineOptions
torch.set_num_threads(1)
session.SAVE_EVERY, session.SAVE_SHARE = 0.05, 1.0
engine = LocalEngine(EngineOptions(Path({str(tmp_path / "a")!r}), "cpu", 1, storage={address!r}), lambda _: None)
engine.start()
engine.order(Run({JOB!r}, "ann", "training", json.loads({json.dumps(request)!r})))
time.sleep(100)
"""

    def steps() -> list[int]:
        names = [name for name in latest(storage, JOB).files if name.startswith("checkpoint-")]
        return [int(name.removeprefix("checkpoint-").partition(".")[0]) for name in names]

    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT) as child:
        try:
            wait_for(lambda: any(step > 0 for step in steps()), 60)
        finally:
            child.kill()
    reached = max(steps())
    assert 0 < reached < 300, "it was killed in the middle"
    logging.getLogger(__name__).info("killed after step %d", reached)
    second, alone = Machine(tmp_path / "b", address), Machine(tmp_path / "c", "")
    moved = weights(second, second.train(JOB, request), address)
    assert "resumed" in second.marks()
    ended = alone.train("cd" * 16, request)
    made = next(one for one in ended.made if one.name.endswith(".safetensors"))
    whole = safetensors.torch.load(open_blobs(tmp_path / "c", None, ROOM).read(made.digest))
    assert moved.keys() == whole.keys()
    assert all(torch.equal(moved[name], whole[name]) for name in whole)
    assert not (tmp_path / "b" / "jobs" / JOB).exists()
    page = open_workspaces(tmp_path / "web", storage, ROOM)
    assert [name for name in page.files(JOB) if name.startswith("snapshots/")]
    pictures = [
        str(one.data["picture"]["file"]) for one in second.heard if isinstance(one, Emitted) and one.kind == "sample"
    ]
    assert all(page.read(JOB, name).startswith(b"RIFF") for name in pictures)
    for machine in (second, alone):
        machine.engine.close()
