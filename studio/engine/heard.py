"""How far each engine that numbers its messages was heard: what was taken, and what of it is written down.

Such an engine outlives us and tells again whatever was not acknowledged. The number is written in the transaction that
writes what the message said, so that whoever listens next takes nothing twice and misses nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from studio.store.database import Database, insert
from studio.store.tables import HeardRow


class Heard:
    """``source`` names one life of one engine: a new one counts from 1 again."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._guard = threading.Lock()
        self._taken: dict[str, int] = {}
        self._written: dict[str, int] = {}
        self._here = threading.local()

    def begin(self) -> None:
        """Somebody else may have listened since we did: only what is written down counts."""
        with self._guard:
            self._taken.clear()
            self._written.clear()

    def known(self, source: str) -> int:
        """Up to which number messages were taken, by us or by whoever listened before."""
        with self._guard:
            if source in self._taken:
                return self._taken[source]
        with self._database.read() as session:
            number = session.scalar(select(HeardRow.number).where(HeardRow.source == source)) or 0
        with self._guard:
            self._written.setdefault(source, number)
            return self._taken.setdefault(source, number)

    def written(self, source: str) -> int:
        """Up to which number everything is written down."""
        with self._guard:
            return self._written.get(source, 0)

    @contextmanager
    def taking(self, source: str, number: int) -> Iterator[None]:
        """What this thread writes within the block is what the message says; after it, the message is taken."""
        self._here.mark = (source, number)
        try:
            yield
            self.mark()
        finally:
            self._here.mark = None

    def mark(self) -> None:
        """What this thread's message says will be written with the next ``ahead``, or is nothing that is written."""
        mark = getattr(self._here, "mark", None)
        if mark is not None:
            with self._guard:
                self._taken[mark[0]] = max(mark[1], self._taken.get(mark[0], 0))

    def ahead(self, own: bool = False) -> Mapping[str, int]:
        """What is taken and not written down, for ``write`` and then ``wrote``; ``own``: and what this thread takes."""
        mark = getattr(self._here, "mark", None)
        with self._guard:
            found = {one: number for one, number in self._taken.items() if number > self._written.get(one, 0)}
        return {**found, mark[0]: mark[1]} if own and mark is not None else found

    def write(self, session: Session, marks: Mapping[str, int]) -> None:
        """Within the transaction that writes what the messages said."""
        for source, number in marks.items():
            row = insert(session, HeardRow).values(source=source, number=number)
            session.execute(row.on_conflict_do_update(index_elements=["source"], set_={"number": number}))

    def wrote(self, marks: Mapping[str, int]) -> None:
        """That transaction is over."""
        with self._guard:
            for source, number in marks.items():
                self._written[source] = max(number, self._written.get(source, 0))
                self._taken[source] = max(number, self._taken.get(source, 0))

    def read_again(self) -> None:
        """Somebody else has listened meanwhile: what is written down counts."""
        with self._guard:
            self._taken.clear()
            self._written.clear()

    def forget(self, source: str) -> None:
        """That engine is gone and says nothing more."""
        with self._guard:
            self._taken.pop(source, None)
            self._written.pop(source, None)
        with self._database.write() as session:
            session.execute(delete(HeardRow).where(HeardRow.source == source))
