"""Searching by likeness: which of a person's things mean nearly the same, or look nearly the same.

Knows vectors in rows, and how the words of a search become one. A person's vectors are compared in memory (fifty
thousand take some ten milliseconds) and read again once there are others.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pipelines.catalog import Catalog
from pipelines.errors import StudioError
from pipelines.looks import MAKER
from pipelines.sentences import ENCODER, SentenceEncoder
from studio.store.database import Database, insert
from studio.store.shelf import VectorRow

What = Literal["words", "looks"]
WHATS: tuple[What, ...] = ("looks", "words")
Array = npt.NDArray[np.float32]

#: how alike things must be to be shown, as a cosine: below it, what is found has little to do with what was asked
LEAST = {"words": 0.33, "looks": 0.5}
MOST = 200
_REMEMBERED = 8


@dataclass(frozen=True)
class _Known:
    """One person's vectors, float16 [N, D], as they were when there were ``stamp`` of them."""

    stamp: tuple[int, float]
    items: list[str]
    vectors: npt.NDArray[np.float16]


class Likeness:
    """``of_words`` and ``of_item`` find; ``encoder`` is None where its weights are not on this machine."""

    def __init__(self, database: Database, catalog: Catalog) -> None:
        self._database = database
        self._catalog = catalog
        self._lock = threading.Lock()
        self._encoder: tuple[Path, SentenceEncoder] | None = None
        self._known: OrderedDict[tuple[str, What], _Known] = OrderedDict()

    @property
    def ready(self) -> bool:
        """Whether sentences can be compared on this machine."""
        entry = self._catalog.named(ENCODER)
        return entry is not None and self._catalog.is_ready(entry)

    @property
    def encoder(self) -> SentenceEncoder | None:
        """The sentence encoder, opened when it is first needed; it may be fetched while the studio runs."""
        entry = self._catalog.named(ENCODER)
        if entry is None or not self._catalog.is_ready(entry):
            return None
        path = self._catalog.path(entry)
        with self._lock:
            if self._encoder is None or self._encoder[0] != path:
                self._encoder = (path, SentenceEncoder(path))
            return self._encoder[1]

    def of_words(self, owner: str, words: str) -> list[str]:
        """``owner``'s things whose prompts mean nearly what ``words`` say, the nearest first."""
        encoder = self.encoder
        if encoder is None:
            raise StudioError(
                "likeness.encoder",
                "The sentence encoder is not on this machine, so things are found by their words only. It is fetched "
                "with the first sticker, or with: python -m studio.models fetch {name}",
                name=ENCODER,
            )
        wanted = encoder.encode(words)
        return self._nearest(owner, "words", wanted) if wanted.any() else []

    def of_item(self, owner: str, item: str) -> list[str]:
        """What looks like a picture of ``owner``'s, or means what a text does; itself first. Empty: not indexed yet."""
        for what in WHATS:
            known = self._of(owner, what)
            if item in known.items:
                return self._nearest(owner, what, known.vectors[known.items.index(item)].astype(np.float32))
        return []

    def _nearest(self, owner: str, what: What, wanted: Array) -> list[str]:
        known = self._of(owner, what)
        if not known.items:
            return []
        alike = np.concatenate([part.astype(np.float32) @ wanted for part in _parts(known.vectors)])
        order = np.argsort(-alike, kind="stable")[:MOST]
        return [known.items[place] for place in order if alike[place] >= LEAST[what]]

    def _of(self, owner: str, what: What) -> _Known:
        maker = MAKER if what == "looks" else ENCODER
        mine = (VectorRow.owner == owner, VectorRow.what == what, VectorRow.maker == maker)
        with self._database.read() as session:
            stamp = _stamp(session, owner, what)
            with self._lock:
                known = self._known.get((owner, what))
            if known is None or known.stamp != stamp:
                rows = session.execute(select(VectorRow.item, VectorRow.vector).where(*mine)).all()
                rows = [row for row in rows if row[1]]
                vectors = np.frombuffer(b"".join(vector for _, vector in rows), np.float16)
                known = _Known(stamp, [item for item, _ in rows], vectors.reshape(max(1, len(rows)), -1))
        with self._lock:
            self._known[owner, what] = known
            self._known.move_to_end((owner, what))
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return known


def keep_vector(session: Session, owner: str, item: str, what: What, vector: Array | None) -> None:
    """Keeps a vector, or that there is nothing to encode."""
    maker = MAKER if what == "looks" else ENCODER
    data = b"" if vector is None or not vector.any() else vector.astype(np.float16).tobytes()
    row = {"item": item, "what": what, "owner": owner, "maker": maker, "vector": data, "at": time.time()}
    session.execute(
        insert(session, VectorRow).values(row).on_conflict_do_update(index_elements=["item", "what"], set_=row)
    )


def _stamp(session: Session, owner: str, what: What) -> tuple[int, float]:
    """Changes whenever a vector comes or goes: how many there are, and when the newest came."""
    mine = select(func.count(), func.max(VectorRow.at)).where(VectorRow.owner == owner, VectorRow.what == what)
    count, last = session.execute(mine).one()
    return int(count), float(last or 0)


def _parts(vectors: npt.NDArray[np.float16]) -> Iterable[npt.NDArray[np.float16]]:
    """Some at a time, so that widening them to float32 takes little memory."""
    return (vectors[start : start + 8192] for start in range(0, len(vectors), 8192))
