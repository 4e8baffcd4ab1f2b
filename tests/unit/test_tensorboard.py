"""What a training writes for TensorBoard is read back by TensorBoard's own reader, whatever happened in between."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from pipelines.base import Metrics, Sample
from pipelines.errors import StudioError
from pipelines.training import event_log, session
from pipelines.training.event_log import CLOSEST, FOLDER, NAME, TensorBoardLog
from pipelines.training.meter import Readings
from pipelines.training.recipe_names import Series
from pipelines.training.tfevents import EventFile, crc32c, masked, record, scalars, whole_records
from tests.unit.training_runs import tiny, train
from tests.unit.turns import FreeTurn

LOSS = (Series("generator", "Generator loss", "生成器损失"),)


def read_back(workspace: Path) -> EventAccumulator:
    """All that TensorBoard sees of a run, nothing thinned."""
    reader = EventAccumulator(str(workspace / FOLDER), size_guidance={"scalars": 0, "images": 0})
    return reader.Reload()


def curve(workspace: Path, tag: str = "loss/generator") -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in read_back(workspace).Scalars(tag)]


def readings(steps: range, value: float = 1.0, pace: float = 1.0) -> Readings:
    return Readings(tuple(steps), tuple(pace * step for step in steps), tuple((value * step,) for step in steps))


@pytest.fixture
def log(tmp_path: Path) -> Iterator[TensorBoardLog]:
    opened = TensorBoardLog(tmp_path, LOSS)
    yield opened
    opened.close()


# -------------------------------------------------------------------------------------------- the format


def test_the_checksum_is_that_of_the_standard() -> None:
    assert crc32c(b"123456789") == 0xE3069283  # the check value of CRC-32C
    assert crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720, appendix B.4
    assert masked(b"123456789") == ((0xE3069283 >> 15 | 0xE3069283 << 17) + 0xA282EAD8) & 0xFFFFFFFF


def test_tensorboard_accepts_every_checksum_and_reads_the_same_messages(tmp_path: Path) -> None:
    file = EventFile(tmp_path / NAME, 12.5)
    file.append([scalars(13.0, 300, {"loss/generator": 0.1, "loss/discriminator": -2.5})])
    file.close()
    first, second = EventFileLoader(str(tmp_path / NAME)).Load()
    assert (first.wall_time, first.file_version) == (12.5, "brain.Event:2")
    values = {value.tag: value.tensor.float_val[0] for value in second.summary.value}
    assert (second.wall_time, second.step) == (13.0, 300)
    assert values == {"loss/generator": struct.unpack("<f", struct.pack("<f", 0.1))[0], "loss/discriminator": -2.5}


@pytest.mark.parametrize("cut", [1, 4, 11, 12, 20])
def test_a_record_torn_by_a_kill_is_cut_off_and_what_follows_is_read(tmp_path: Path, cut: int) -> None:
    path = tmp_path / NAME
    file = EventFile(path, 0.0)
    file.append([scalars(1.0, 1, {"a": 1.0})])
    file.close()
    whole = path.stat().st_size
    path.write_bytes(path.read_bytes() + record(scalars(2.0, 2, {"a": 2.0}))[:cut])
    assert whole_records(path) == whole
    again = EventFile(path, 0.0)
    again.append([scalars(3.0, 3, {"a": 3.0})])
    again.close()
    assert [event.step for event in EventFileLoader(str(path)).Load()] == [0, 1, 3]


def test_a_file_that_a_power_cut_filled_with_zeros_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_bytes(bytes(4096))
    EventFile(path, 1.0).close()
    assert [event.file_version for event in EventFileLoader(str(path)).Load()] == ["brain.Event:2"]


# ------------------------------------------------------------------------------------------ what is in it


def test_a_training_leaves_all_its_curves_and_grids(tmp_path: Path) -> None:
    events = train(tiny(), FreeTurn(tmp_path))
    metrics = [event for event in events if isinstance(event, Metrics)]
    found = read_back(tmp_path)
    assert set(found.Tags()["scalars"]) == {
        *("loss/generator", "loss/discriminator", "accuracy/real_accuracy", "accuracy/fake_accuracy"),
        *("penalty/penalty", "gradient/generator_gradient", "gradient/discriminator_gradient"),
    }
    for tag in found.Tags()["scalars"]:
        name = tag.split("/")[1]
        told = [pair for event in metrics for pair in zip(event.steps, event.series[name], strict=True)]
        assert set(curve(tmp_path, tag)) <= set(told), "to the last bit"
    assert curve(tmp_path)[0][0] == 1
    grids = found.Images("samples")
    assert [grid.step for grid in grids] == [event.step for event in events if isinstance(event, Sample)]
    with Image.open(io.BytesIO(grids[-1].encoded_image_string)) as picture:
        assert (picture.format, picture.size) == ("PNG", (grids[-1].width, grids[-1].height))


def test_a_training_that_goes_on_tells_the_rest_in_the_same_file(tmp_path: Path) -> None:
    train(tiny(steps=6), FreeTurn(tmp_path))
    events = train(tiny(steps=12), FreeTurn(tmp_path))
    assert [path.name for path in (tmp_path / FOLDER).iterdir()] == [NAME]
    steps = [step for step, _ in curve(tmp_path)]
    assert steps == sorted(set(steps))
    assert steps[0] == 1
    told = [pair for one in events if isinstance(one, Metrics) for pair in zip(one.steps, one.seconds, strict=True)]
    assert told[-1][0] == 12
    assert steps[-1] > 6
    # every step that is far enough from the last one written is written, to the end
    written = dict(told)[steps[-1]]
    assert all(seconds - written < CLOSEST for step, seconds in told if step > steps[-1])


def test_what_a_training_went_back_over_is_void(log: TensorBoardLog, tmp_path: Path) -> None:
    log.read(readings(range(1, 9)))
    log.goes_on(5, 5.0)
    log.read(readings(range(6, 8), value=10.0))
    assert curve(tmp_path) == [(1, 1.0), (2, 2.0), (3, 3.0), (4, 4.0), (5, 5.0), (6, 60.0), (7, 70.0)]


def test_a_divergence_leaves_one_value_a_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "READ_EVERY", 0.0)
    monkeypatch.setattr(event_log, "CLOSEST", 0.0)
    events = train(tiny(learning_rate=0.1, steps=40), FreeTurn(tmp_path))
    told = {step: None for event in events if isinstance(event, Metrics) for step in event.steps}
    assert [step for step, _ in curve(tmp_path)] == sorted(told)


def test_values_that_are_no_numbers_are_left_out(log: TensorBoardLog, tmp_path: Path) -> None:
    log.read(Readings((1, 2), (1.0, 2.0), ((float("nan"),), (2.0,))))
    assert curve(tmp_path) == [(2, 2.0)]


# --------------------------------------------------------------------------------------------- its bounds


def test_of_a_long_training_ever_fewer_steps_are_written(
    log: TensorBoardLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "WHOLE", 100)
    for first in range(1, 12_800, 320):
        log.read(readings(range(first, first + 320), pace=0.1))
    steps = [step for step, _ in curve(tmp_path)]
    assert steps[:99] == list(range(1, 100))
    assert steps[-1] == 12_800
    assert len(steps) == 99 + 50 * 7 + 1, "each doubling costs the same"


def test_a_training_of_hundreds_of_steps_a_second_writes_fifty_of_them(log: TensorBoardLog, tmp_path: Path) -> None:
    log.read(readings(range(1, 5001), pace=0.001))
    assert 200 <= len(curve(tmp_path)) <= 251


def test_grids_become_rarer_and_end_before_the_disk_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = TensorBoardLog(tmp_path, LOSS)
    grid = Image.new("RGB", (8, 8), "white")
    for step in range(10_000):
        log.drawn(step, 2.5 * step, grid)
    assert 40 < len(read_back(tmp_path).Images("samples")) < 400
    monkeypatch.setattr(event_log, "MOST_BYTES", 0)
    log.drawn(10_001, 1e9, grid)
    log.close()
    assert read_back(tmp_path).Images("samples")[-1].step < 10_001


def test_a_disk_that_is_full_is_said_as_such(log: TensorBoardLog, monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("ab", buffering=0) as full:
        monkeypatch.setattr(log._file, "_file", full)
        with pytest.raises(StudioError, match="No space left on device"):
            log.read(readings(range(1, 3)))
        monkeypatch.undo()
