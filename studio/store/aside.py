"""Does things one after the other beside what goes on: what is sent to a storage must keep no device waiting."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

from pipelines.errors import StudioError

log = logging.getLogger(__name__)


class Aside:
    """Does things one after the other in a thread of its own; whoever is far ahead of it waits. What fails is logged:
    nobody needs it for going on."""

    def __init__(self) -> None:
        self._todo: queue.Queue[Callable[[], object] | None] = queue.Queue(maxsize=64)
        self._thread: threading.Thread | None = None

    def do(self, what: Callable[[], object]) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="aside", daemon=True)
            self._thread.start()
        self._todo.put(what)

    def close(self) -> None:
        """Waits until all is done."""
        if self._thread is not None:
            self._todo.put(None)
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while (what := self._todo.get()) is not None:
            try:
                what()
            except StudioError as error:
                log.warning("not done: %s", error)
            except Exception:  # what comes after it is not to wait for ever
                log.exception("not done")
