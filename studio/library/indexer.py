"""Finds out about things after they were made: what they mean, what they look like, what they came from.

A thread of the web process with a list on disk (``to_index``), written with each item: a kill costs nothing, and what
was made before there was an index is on the list too. Sentences wait on the list until their encoder is on the machine.
Knows items and vectors; imports no torch. One small step at a time: a page that is asked for meanwhile waits for none.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TypeAlias

from PIL import Image, UnidentifiedImageError
from sqlalchemy import Select, delete, literal, select, tuple_
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from pipelines.durable import DiskFull
from pipelines.looks import MAKER, looks
from studio.library.edges import record
from studio.library.found_by import prompt_of, write_words
from studio.library.library import Library
from studio.library.likeness import Array, Likeness, keep_vector
from studio.store.database import Database, insert
from studio.store.shelf import ToIndexRow, VectorRow
from studio.store.tables import ItemRow

log = logging.getLogger(__name__)

#: seconds between two looks at the list where it was empty
PAUSE = 2.0
_STEP = 16

#: what is done with an item once the database may be written
Done: TypeAlias = Callable[[Session, ItemRow], None]


class Indexer:
    """``start`` and ``close``; ``catch_up`` does all there is now, in the caller's own thread. Of several processes
    the one whose ``turn`` it is goes through the list."""

    def __init__(
        self, database: Database, library: Library, likeness: Likeness, turn: Callable[[], bool] = lambda: True
    ) -> None:
        self._turn = turn
        self._database = database
        self._library = library
        self._likeness = likeness
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="indexer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        if self._thread is not None:
            self._thread.join(timeout=10)

    def catch_up(self) -> int:
        """Does what is on the list; returns how much that was."""
        done = 0
        while (some := self._step()) and not self._closing.is_set():
            done += some
        return done

    def waiting(self) -> int:
        """How much is on the list that can be done on this machine."""
        with self._database.read() as session:
            return len(session.execute(self._next(10_000)).all())

    def _run(self) -> None:
        self._remake()
        while not self._closing.wait(PAUSE):
            try:
                if self._turn():
                    self.catch_up()
            except (DiskFull, OperationalError) as error:  # later: the list stays
                log.warning("the index cannot be written now: %s", error)

    def _remake(self) -> None:
        """Looks that were made in another way than now are made anew."""
        with self._database.write() as session:
            old = select(VectorRow.item, literal("looks")).where(VectorRow.what == "looks", VectorRow.maker != MAKER)
            session.execute(insert(session, ToIndexRow).from_select(["item", "what"], old).on_conflict_do_nothing())

    def _next(self, limit: int) -> Select[str, str]:
        query = select(ToIndexRow.item, ToIndexRow.what).limit(limit)
        return query if self._likeness.ready else query.where(ToIndexRow.what != "words")

    def _step(self) -> int:
        """A few entries: worked out first, written down then."""
        with self._database.read() as session:
            entries = [(item, what) for item, what in session.execute(self._next(_STEP))]
            rows = {item: session.get(ItemRow, item) for item, _ in entries}
        done = [(item, self._work(row, what)) for item, what in entries if (row := rows[item]) is not None]
        if entries:
            with self._database.write() as session:
                for item, write in done:
                    if (row := session.get(ItemRow, item)) is not None:  # else deleted meanwhile, its entries with it
                        write(session, row)
                session.execute(delete(ToIndexRow).where(tuple_(ToIndexRow.item, ToIndexRow.what).in_(entries)))
        return len(entries)

    def _work(self, row: ItemRow, what: str) -> Done:
        if what == "words":
            vector = self._meaning(row)
            return lambda session, item: keep_vector(session, item.owner, item.id, "words", vector)
        if what == "looks":
            seen = self._looks(row)
            return lambda session, item: keep_vector(session, item.owner, item.id, "looks", seen)
        if what == "sources":
            return lambda session, item: record(session, self._library.blobs, item)
        return write_words

    def _meaning(self, row: ItemRow) -> Array | None:
        encoder = self._likeness.encoder
        prompt = str((row.recipe.get("facts") or {}).get("english") or "") or prompt_of(row.recipe)
        return encoder.encode(prompt) if encoder is not None and prompt else None

    def _looks(self, row: ItemRow) -> Array | None:
        if row.thumbnail is None:
            return None
        try:
            return looks(self._library.blobs.read(row.thumbnail))
        except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
            log.warning("the thumbnail of item %s cannot be looked at: %s", row.id, error)
            return None
