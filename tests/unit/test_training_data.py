"""Data sets as they lie in the repository, the idx reader, and the order in which a training sees its pictures."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pipelines.errors import StudioError
from pipelines.training import data as data_module
from pipelines.training.data import Order, floats, load_dataset, to_bytes
from pipelines.training.datasets import DATASETS
from pipelines.training.idx import read_idx, write_idx
from pipelines.training.randomness import Randomness
from pipelines.training.sheets import halved, levelled, read_sheet, write_sheet

CPU = torch.device("cpu")
ROOT = Path(__file__).resolve().parents[2]


PICTURES = [name for name, info in DATASETS.items() if not info.plane]


@pytest.mark.parametrize("name", PICTURES)
def test_a_data_set_is_what_its_entry_says(name: str) -> None:
    info, data = DATASETS[name], load_dataset(name)
    assert data.images.shape == (info.count, info.channels, info.size, info.size)
    assert data.images.dtype == torch.uint8
    assert data.sha256 == info.sha256
    counts = torch.bincount(data.labels, minlength=len(info.classes))
    even = [info.count // len(info.classes)] * len(info.classes)
    assert counts.tolist() == ([count for _, count in info.sheets] or even)


@pytest.mark.parametrize("name", DATASETS)
def test_a_data_set_has_a_preview_and_its_licence_is_in_the_folder(name: str) -> None:
    info = DATASETS[name]
    with Image.open(info.preview) as preview:
        assert preview.format == "WEBP"
        assert preview.width == pytest.approx(2 * preview.height, abs=4)
    assert f"## {name}\n" in (info.preview.parent / "LICENCES.md").read_text(encoding="utf-8")


def test_a_sheet_gives_back_the_pictures_and_another_is_refused(tmp_path: Path) -> None:
    pictures = levelled(np.random.default_rng(1).integers(0, 256, (41, 8, 8, 3), np.uint8))
    path = tmp_path / "sheet.webp"
    path.write_bytes(write_sheet(pictures))
    assert (read_sheet(path, 41, 8) == pictures).all()
    with pytest.raises(StudioError, match="320 x 16 pixels, not those of the 40 pictures"):
        read_sheet(path, 40, 8)


def test_colours_come_at_32_levels_and_halves_are_means() -> None:
    values = np.arange(256, dtype=np.uint8)[None, :, None, None]
    assert len(np.unique(levelled(values))) == 32
    assert np.abs(levelled(values).astype(int) - values).max() == 4
    assert levelled(values).flatten()[[0, 255]].tolist() == [0, 255]
    square = np.array([[[[0], [1]], [[0], [1]]]], np.uint8)
    assert halved(square).tolist() == [[[[1]]]]
    assert halved(255 - 0 * square).tolist() == [[[[255]]]]


def test_an_unknown_data_set_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        StudioError, match="There is no data set named cifar; there are fashion-mnist, mnist, stickers-32"
    ):
        load_dataset("cifar")


def test_changed_data_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_module, "digest_of", lambda images, labels: "0" * 64)
    with pytest.raises(StudioError, match="have changed since"):
        load_dataset("mnist")


def test_idx_comes_back_as_it_was_written() -> None:
    images = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    assert (read_idx(write_idx(images), 3) == images).all()
    assert write_idx(images) == write_idx(images.copy())


PACKED = write_idx(np.zeros((2, 3, 4), np.uint8))
PLAIN = gzip.decompress(PACKED)


@pytest.mark.parametrize(
    ("packed", "reason"),
    [
        (b"", "does not begin with an idx header"),
        (b"not gzip at all", "does not unpack"),
        (PACKED[:-12], "does not unpack"),
        (gzip.compress(b"PK\3\4"), "does not begin with an idx header"),
        (gzip.compress(PLAIN[:2] + b"\x0d" + PLAIN[3:]), "of type 13"),
        (gzip.compress(PLAIN[:6]), "ends inside its header"),
        (gzip.compress(PLAIN[:-1]), "promises 24 values and it holds 23"),
        (gzip.compress(PLAIN + b"x"), "promises 24 values and it holds more"),
        (gzip.compress(PLAIN[:4] + b"\xff" * 12), "at most"),
        (write_idx(np.zeros(3, np.uint8)), "1 dimensions, not 3"),
    ],
)
def test_the_idx_reader_refuses_garbage(packed: bytes, reason: str) -> None:
    with pytest.raises(StudioError, match="not an idx data file") as caught:
        read_idx(packed, 3)
    assert reason in str(caught.value)


def test_bytes_survive_the_way_to_floats_and_back() -> None:
    values = torch.arange(256, dtype=torch.uint8)
    assert floats(values).min() == -1
    assert floats(values).max() == 1
    assert (to_bytes(floats(values)) == values).all()
    assert to_bytes(torch.tensor([-7.0, 7.0])).tolist() == [0, 255]


def test_every_picture_is_seen_once_before_any_is_seen_twice() -> None:
    order = Order(rows=10, batch=4, randomness=Randomness(1, CPU))
    seen = torch.cat([order.rows(step) for step in range(5)])
    assert sorted(seen[:10].tolist()) == sorted(seen[10:].tolist()) == list(range(10))
    assert seen[:10].tolist() != seen[10:].tolist()


def test_the_order_of_a_step_does_not_depend_on_where_one_began() -> None:
    fresh = Order(10, 4, Randomness(1, CPU))
    used = Order(10, 4, Randomness(1, CPU))
    for step in range(7):
        used.rows(step)
    assert used.rows(7).tolist() == fresh.rows(7).tolist()
    assert Order(3, 8, Randomness(1, CPU)).rows(0).shape == (8,)  # a batch larger than the data set


def test_noise_differs_by_purpose_step_and_seed_and_is_the_same_again() -> None:
    def draw(seed: int, purpose: str, step: int) -> tuple[float, ...]:
        return tuple(Randomness(seed, CPU).noise(purpose, step, 2, 3).flatten().tolist())

    assert draw(1, "a", 1) == draw(1, "a", 1)
    assert len({draw(1, "a", 1), draw(1, "a", 2), draw(1, "b", 1), draw(2, "a", 1)}) == 4


def test_what_the_page_needs_of_training_imports_no_torch() -> None:
    program = (
        "import sys, pipelines.requests, pipelines.training.datasets, pipelines.training.recipe_names\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0
