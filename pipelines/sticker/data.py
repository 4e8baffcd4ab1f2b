"""Builds the training set: ``python -m pipelines.sticker.data --out DIR``.

Fetches the pinned packages, draws every picture, and writes three files: ``drawings.json`` (name, captions, tags and
style of each), ``pictures-64.npy`` (uint8 [N, 64, 64, 4], colours multiplied by alpha, the mean of 4 x 4 pixels of the
large drawing) and ``pictures-256.zip`` (a PNG of each, named by its number). The same packages give the same files.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import zipfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from pipelines.durable import write_durably
from pipelines.errors import StudioError
from pipelines.sticker.drawings import SMALL, Drawing, Names, draw, drawings_of, premultiplied, shrunk
from pipelines.sticker.packages import DRAWN, fetch

_LIST, _SMALL, _LARGE = "drawings.json", "pictures-64.npy", "pictures-256.zip"


@dataclass(frozen=True)
class StickerData:
    """The training set in ``folder``. Raises ``StudioError`` when read where there is none."""

    folder: Path

    @cached_property
    def drawings(self) -> tuple[Drawing, ...]:
        """What is drawn, in the order of the pictures."""
        return tuple(Drawing.read(facts) for facts in json.loads(self._file(_LIST).read_text("utf-8"))["drawings"])

    @cached_property
    def pictures(self) -> npt.NDArray[np.uint8]:
        """uint8 [N, 64, 64, 4], premultiplied."""
        found: npt.NDArray[np.uint8] = np.load(self._file(_SMALL))
        return found

    def large(self, numbers: list[int]) -> npt.NDArray[np.uint8]:
        """uint8 [len(numbers), 256, 256, 4], premultiplied."""
        with zipfile.ZipFile(self._file(_LARGE)) as archive:
            return np.stack([premultiplied(archive.read(f"{number}.png")) for number in numbers])

    def _file(self, name: str) -> Path:
        path = self.folder / name
        if not path.exists():
            raise StudioError(
                "sticker.data",
                "There is no sticker training set in {folder}. Build it with: python -m pipelines.sticker.data --out "
                "{folder}",
                folder=str(self.folder),
            )
        return path


def build(folder: Path, limit: int = 0, processes: int | None = None) -> StickerData:
    """Fetches, draws and writes; ``limit`` keeps the first so many of each style, for a trial."""
    archives = folder / "packages"
    fetch(archives)
    names = Names(archives)
    found = [pair for package in DRAWN for pair in list(drawings_of(archives, package, names))[: limit or None]]
    small = np.zeros((len(found), SMALL, SMALL, 4), np.uint8)
    partial = folder / f".partial-{_LARGE}"
    with (
        ProcessPoolExecutor(processes or os.cpu_count()) as pool,
        zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as large,
    ):
        drawn = pool.map(_drawn, (svg for _, svg in found), chunksize=16)
        for number, (png, picture) in enumerate(tqdm(drawn, total=len(found), unit="picture")):
            large.writestr(zipfile.ZipInfo(f"{number}.png"), png)
            small[number] = picture
    partial.replace(folder / _LARGE)
    packed = io.BytesIO()
    np.save(packed, small)
    write_durably(folder / _SMALL, packed.getvalue())
    facts = {
        "packages": {package.name: package.version for package in DRAWN},
        "sha256": hashlib.sha256(small.tobytes()).hexdigest(),
        "drawings": [drawing.facts() for drawing, _ in found],
    }
    write_durably(folder / _LIST, json.dumps(facts, ensure_ascii=False, indent=0).encode())
    return StickerData(folder)


def _drawn(svg: str) -> tuple[bytes, npt.NDArray[np.uint8]]:
    png = draw(svg)
    return png, shrunk(premultiplied(png))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.sticker.data", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("data/sticker"), help="the folder to build it in")
    parser.add_argument("--limit", type=int, default=0, help="only the first so many of each style")
    given = parser.parse_args()
    data = build(given.out, given.limit)
    by_style = {drawing.style: 0 for drawing in data.drawings}
    for drawing in data.drawings:
        by_style[drawing.style] += 1
    print(f"{len(data.drawings)} pictures in {given.out}: {by_style}")  # noqa: T201 - a command's answer


if __name__ == "__main__":
    main()
