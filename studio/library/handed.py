"""Which of gradio's temporary files belong to whom: those a person uploaded, and those an answer handed to them.

Knows paths, for as long as this process lives: a file of before a restart is uploaded again. Of several processes each
knows its own: a browser stays at one by its cookie, as gradio's pages, their streams and their files live in the one
they were opened at. gradio itself gives a file to whoever knows its path.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from threading import Lock

_REMEMBERED = 50_000


class Handed:
    """``give`` when a file is handed over, ``has`` when it is asked for."""

    def __init__(self) -> None:
        self._files: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._lock = Lock()

    def give(self, owner: str, path: str) -> None:
        with self._lock:
            self._files[owner, _whole(path)] = None
            self._files.move_to_end((owner, _whole(path)))
            while len(self._files) > _REMEMBERED:
                self._files.popitem(last=False)

    def has(self, owner: str, path: str) -> bool:
        return (owner, _whole(path)) in self._files


def _whole(path: str) -> str:
    try:
        return str(Path(path).resolve())
    except (OSError, ValueError):  # a null character, a name no disk takes
        return ""
