"""Lines to a PostgreSQL that belong to nobody's pool: one to listen on, one that whoever leads holds a lock by.

Knows psycopg and the server's words for locks. A line that breaks is noticed at once where the server says so, and
within seconds where it cannot. What a notice means is for others.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine

from studio.store.database import Database

if TYPE_CHECKING:
    from psycopg import Connection

log = logging.getLogger(__name__)

#: the number of the lock of whoever leads, the same in every process of a studio: "leads" in ASCII
LEADER = int.from_bytes(b"leads")
#: a peer that went without a word is given up within seconds
_OPTIONS = {
    "connect_timeout": 3,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 4000,
}
_AGAIN_SECONDS = 0.3
_LOOK_SECONDS = 0.5


def dial(engine: Engine) -> Connection[Any]:
    """A new line. Raises ``ConnectionError`` where nobody answers."""
    import psycopg

    arguments, options = engine.dialect.create_connect_args(engine.url)
    try:
        return psycopg.connect(*arguments, **{**options, **_OPTIONS}, autocommit=True)
    except psycopg.Error as error:
        raise ConnectionError(str(error).strip()) from error


class Lock:
    """The lock of whoever leads, on a line of its own: the server takes it back when the line breaks.

    Every method raises ``ConnectionError`` once it has.
    """

    def __init__(self, engine: Engine) -> None:
        self._line = dial(engine)

    def is_free(self) -> bool:
        """Whether nobody has it at this moment."""
        high, low = divmod(LEADER, 1 << 32)
        return not self._ask(
            "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = %s "
            "AND objid = %s AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))",
            (high, low),
        )

    def take(self) -> bool:
        """Takes it if it is free; whether it was."""
        return bool(self._ask("SELECT pg_try_advisory_lock(%s)", (LEADER,)))

    def hold(self, seconds: float) -> None:
        """Waits, and raises as soon as the line is known to be broken."""
        import psycopg

        try:
            for _ in self._line.notifies(timeout=seconds):  # nothing is listened to: it waits for the line's end
                pass
        except psycopg.Error as error:
            raise ConnectionError(str(error).strip()) from error
        self._ask("SELECT true", ())

    def close(self) -> None:
        """Gives it back."""
        self._line.close()

    def _ask(self, query: str, values: Sequence[Any]) -> Any:
        import psycopg

        try:
            row = self._line.execute(query.encode(), values).fetchone()
        except psycopg.Error as error:
            raise ConnectionError(str(error).strip()) from error
        return None if row is None else row[0]


class Listener:
    """``hear`` gets each notice as (channel, words), ``again`` a word after each time that notices may have been
    missed, the first included; both in a thread of its own."""

    def __init__(
        self, database: Database, channels: Sequence[str], hear: Callable[[str, str], None], again: Callable[[], None]
    ) -> None:
        self._engine = database.engine
        self._channels = channels
        self._hear = hear
        self._again = again
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=10)

    def _run(self) -> None:
        import psycopg

        while not self._closing.is_set():
            try:
                with dial(self._engine) as line:
                    self._listen(line)
            except (psycopg.Error, ConnectionError) as error:
                log.warning("what other processes say is not heard for a moment: %s", str(error).strip())
                self._closing.wait(_AGAIN_SECONDS)

    def _listen(self, line: Connection[Any]) -> None:
        for channel in self._channels:
            line.execute(f"LISTEN {channel}".encode())
        self._tell(self._again)
        while not self._closing.is_set():
            for notice in line.notifies(timeout=_LOOK_SECONDS):
                self._tell(self._hear, notice.channel, notice.payload)

    def _tell(self, whom: Callable[..., None], *words: str) -> None:
        try:
            whom(*words)
        except Exception:  # one who cannot take a notice keeps nobody from the next
            log.exception("a notice was not taken: %s", words)
