"""How fast a large library is looked through: ratios to a small one, and to the first page; the last line is JSON.

``python -m benchmarks.library [ROWS]``. One person's things, rows only: no file is read when a library is looked
through. Each figure is the median of nine runs in one process, with one thread.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import insert

from pipelines.looks import LENGTH, MAKER
from studio.library.shelf import Query
from studio.store.shelf import VectorRow, WordsRow
from studio.store.tables import BlobRow, ItemRow
from studio.store.words import spread
from tests.library import Shelves

WORDS = ("red", "fox", "snow", "boat", "sea", "cat", "moon", "night", "garden", "tower", "雪山", "狐狸")
FEW = 100


def fill(home: Shelves, rows: int, owner: str) -> None:
    """``rows`` pictures with prompts of three words, and what they look like."""
    dice = np.random.default_rng(1)
    for start in range(0, rows, 5000):
        names = [f"{owner}{number:08d}" for number in range(start, min(rows, start + 5000))]
        prompts = [" ".join(words) for words in dice.choice(WORDS, (len(names), 3))]
        looks = dice.normal(size=(len(names), LENGTH)).astype(np.float16)
        each: dict[Any, Any] = {BlobRow: [], ItemRow: [], WordsRow: [], VectorRow: []}
        for place, (name, prompt) in enumerate(zip(names, prompts, strict=True)):
            at = float(start + place)
            each[BlobRow].append({"digest": name, "bytes": start + place, "media_type": "image/png", "created": at})
            each[ItemRow].append(_item(owner, name, prompt, at))
            each[WordsRow].append({"item": name, "owner": owner, "title": spread(prompt), "prompt": spread(prompt),
                                   "style": "", "tags": "", "model": "stickers"})  # fmt: skip
            each[VectorRow].append({"item": name, "what": "looks", "owner": owner, "maker": MAKER, "at": at,
                                    "vector": looks[place].tobytes()})  # fmt: skip
        with home.database.write() as session:
            for table, values in each.items():
                session.execute(insert(table), values)


def _item(owner: str, name: str, prompt: str, at: float) -> dict[str, Any]:
    recipe = {"settings": {"prompt": prompt}, "model": "stickers"}
    return {"id": name, "owner": owner, "kind": "image", "title": prompt, "name": "picture.png", "digest": name,
            "media_type": "image/png", "recipe": recipe, "created": at, "width": 0, "height": 0}  # fmt: skip


def seconds(work: Callable[[], Any]) -> float:
    """The median of nine."""
    taken = []
    for _ in range(9):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    with tempfile.TemporaryDirectory() as folder:
        home = Shelves(Path(folder))
        fill(home, FEW, "few")
        fill(home, rows, "many")
        newest, words = Query(), Query(words="red fox")
        late_after = (rows * 0.02, "")  # what a page near the end begins after
        small, first = (seconds(lambda owner=owner: home.shelf.page(owner, newest)) for owner in ("few", "many"))
        second = home.shelf.page("many", newest).after
        further = seconds(lambda: home.shelf.page("many", newest, second))
        print(f"first page of {FEW}: {small * 1e3:.1f} ms, of {rows}: {first * 1e3:.1f} ms")
        late = seconds(lambda: home.shelf.page("many", newest, late_after))
        found, few = (seconds(lambda owner=owner: home.shelf.page(owner, words)) for owner in ("many", "few"))
        alike = seconds(lambda: home.likeness.of_item("many", f"many{rows // 2:08d}"))
        print(f"second page {further * 1e3:.1f} ms, late page {late * 1e3:.1f} ms, words {found * 1e3:.1f} ms, "
              f"likeness {alike * 1e3:.1f} ms")  # fmt: skip
        figures = {"library_rows": rows, "library_first_page": first / small, "library_late_page": late / further,
                   "library_words": found / few, "library_likeness": alike / first, "threads": 1}  # fmt: skip
        print(json.dumps({name: round(value, 2) for name, value in figures.items()}))
        home.close()


if __name__ == "__main__":
    main()
