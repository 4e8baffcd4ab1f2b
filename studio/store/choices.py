"""What administrators have chosen while the studio ran, by name. Knows the table; what a choice means is for others."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from studio.store.database import CHANGED, Database, insert
from studio.store.tables import ChoiceRow


class Choices:
    """Plain JSON values that outlive a restart."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: str) -> Mapping[str, Any] | None:
        """The value, None where nothing was chosen."""
        with self._database.read() as session:
            row = session.get(ChoiceRow, name)
            return None if row is None else row.value

    def set(self, name: str, value: Mapping[str, Any]) -> None:
        """Keeps a value in the place of what was chosen before."""
        row = {"name": name, "value": dict(value), "changed": time.time()}
        with self._database.write() as session:
            session.execute(
                insert(session, ChoiceRow).values(row).on_conflict_do_update(index_elements=["name"], set_=row)
            )
            self._database.notify(session, CHANGED, "choices")
