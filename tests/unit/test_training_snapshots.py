"""The states a training keeps for a person: thinned, bounded, gone back to, branched from."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch

from pipelines.base import Mark, Metrics
from pipelines.errors import StudioError
from pipelines.training.checkpoints import CheckpointFolder
from pipelines.training.session import Session
from pipelines.training.snapshots import MOST, Snapshots, least_missed, position_in
from tests.unit.test_training_steering import HeldTurn, marks, save_always, values
from tests.unit.training_runs import CPU, state, tiny, weights


def checkpoint(folder: Path, size: int = 100) -> Path:
    path = folder / "checkpoint"
    path.write_bytes(b"x" * size)
    return path


def test_snapshots_are_thinned_evenly_and_first_and_last_stay(tmp_path: Path) -> None:
    kept = Snapshots(tmp_path, room=10**9)
    for step in range(100):
        kept.keep(checkpoint(tmp_path), step, step * 3.5)
    steps = [one.step for one in kept.listing()]
    assert len(steps) == MOST
    assert (steps[0], steps[-1]) == (0, 99)
    gaps = [after - before for before, after in itertools.pairwise(steps)]
    assert max(gaps) <= 2 * 100 / MOST + 2


def test_snapshots_stay_below_their_size_and_the_newest_is_there_whatever_its_size(tmp_path: Path) -> None:
    kept = Snapshots(tmp_path, room=1000)
    for step in range(20):
        kept.keep(checkpoint(tmp_path, 300), step, float(step))
        assert sum(one.bytes for one in kept.listing()) <= 1000
        assert kept.listing()[-1].step == step
    kept.keep(checkpoint(tmp_path, 5000), 20, 20.0)
    assert [one.step for one in kept.listing()] == [20]


def test_no_room_keeps_none(tmp_path: Path) -> None:
    Snapshots(tmp_path, room=0).keep(checkpoint(tmp_path), 1, 1.0)
    assert list(tmp_path.iterdir()) == [tmp_path / "checkpoint"]


def test_the_one_that_leaves_the_smallest_gap_is_least_missed() -> None:
    assert least_missed([0, 10, 11, 20, 30]) == 2
    assert least_missed([0, 8, 16, 20, 21]) == 3
    assert least_missed([0, 10]) == 0


def test_a_snapshot_says_where_it_is_without_its_tensors(tmp_path: Path) -> None:
    HeldTurn(tmp_path, {}).run(tiny(steps=2))
    last = Snapshots(tmp_path).listing()[-1]
    found = position_in(last.path.read_bytes())
    assert (found["step"], found["request"]["width"]) == (2, 4)
    assert last.seconds == pytest.approx(found["seconds"], abs=1e-3)
    with pytest.raises(ValueError, match="no checkpoint"):
        position_in(b"\x80\x04 this is a pickle")


def test_rewound_it_learns_again_what_it_had_learned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_always(monkeypatch)
    straight = HeldTurn(tmp_path / "straight", {}).run(tiny(steps=8))
    turn = HeldTurn(tmp_path / "back", {4: {"gamma": 9}, 6: {"rewind": 3}})
    events = turn.run(tiny(steps=8))
    assert marks(events) == ["penalty weight 1 → 9", "rewound from step 6 to 3"]
    steps = [step for event in events if isinstance(event, Metrics) for step in event.steps]
    assert steps == [*range(1, 7), *range(4, 9)]
    assert [now["gamma"] for now in values(events)] == [1, 9, 1]  # the settings are those of the snapshot
    assert [one.step for one in Snapshots(tmp_path / "back").listing()] == list(range(9))
    assert all(torch.equal(value, weights(events)[name]) for name, value in weights(straight).items())


def test_a_rewind_leaves_no_checkpoint_of_what_never_happened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_always(monkeypatch)
    turn = HeldTurn(tmp_path, {6: {"rewind": 3, "gamma": 5}})
    seen: list[list[int]] = []
    turn.session = Session(tiny(steps=8), turn, CPU)
    for event in turn.session.events():
        if isinstance(event, Mark) and event.key == "rewound":
            seen.append([int(path.stem.partition("-")[2]) for path in CheckpointFolder(tmp_path).paths()])
            seen.append([one.step for one in Snapshots(tmp_path).listing()])
    assert seen == [[3], [0, 1, 2, 3]]


def test_a_snapshot_that_has_gone_costs_nothing_but_a_mark(tmp_path: Path) -> None:
    events = HeldTurn(tmp_path, {2: {"rewind": 1}}).run(tiny(steps=4))
    assert marks(events) == ["the snapshot of step 1 is not there any more"]


def test_a_branch_goes_on_from_the_snapshot_with_its_own_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_always(monkeypatch)
    parent = HeldTurn(tmp_path / "parent", {5: {"gamma": 4.0}})
    parent.run(tiny(steps=8))
    data = Snapshots(tmp_path / "parent").listing()[5].path.read_bytes()
    turn = HeldTurn(tmp_path / "branch", {})
    turn.files["a" * 64] = data
    events = turn.run(tiny(steps=8, gamma=4.0, begin="a" * 64, parent="p"))
    assert marks(events) == ["branched at step 5"]
    assert [step for event in events if isinstance(event, Metrics) for step in event.steps] == [6, 7, 8]
    ends = state(tmp_path / "parent"), state(tmp_path / "branch")
    assert all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())
    other = HeldTurn(tmp_path / "other", {})
    other.files["a" * 64] = data
    other.run(tiny(steps=8, gamma=4.0, learning_rate=0.01, begin="a" * 64))
    assert not torch.equal(state(tmp_path / "other")["d/conv1.weight"], ends[0]["d/conv1.weight"])


def test_an_interrupted_branch_goes_on_from_its_own_checkpoint(tmp_path: Path) -> None:
    HeldTurn(tmp_path / "parent", {}).run(tiny(steps=2))
    data = Snapshots(tmp_path / "parent").listing()[-1].path.read_bytes()
    turn = HeldTurn(tmp_path / "branch", {})
    turn.files["a" * 64] = data
    turn.run(tiny(steps=4, begin="a" * 64))
    again = HeldTurn(tmp_path / "branch", {}).run(tiny(steps=6, begin="a" * 64))  # without the file
    assert marks(again) == ["resumed at step 4"]


def test_a_branch_of_another_shape_or_of_no_snapshot_is_refused(tmp_path: Path) -> None:
    HeldTurn(tmp_path / "parent", {}).run(tiny(steps=1))
    data = Snapshots(tmp_path / "parent").listing()[-1].path.read_bytes()
    turn = HeldTurn(tmp_path / "branch", {})
    turn.files = {"a" * 64: data, "b" * 64: b"nothing of the kind"}
    with pytest.raises(StudioError, match="with latent 4, and what goes on from it cannot have 5"):
        turn.run(tiny(latent=5, begin="a" * 64))
    with pytest.raises(StudioError, match="is no snapshot"):
        turn.run(tiny(begin="b" * 64))
