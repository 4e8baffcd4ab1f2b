"""How much memory the texts on one model may take, so that one too many harms nobody but itself.

A text's cache is made at once as large as it may become; here it is decided whether that fits beside those that are
being written. Knows bytes and who was promised how many; not models.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

import psutil
import torch
from transformers.cache_utils import DynamicCache

from pipelines.base import Turn
from pipelines.errors import StudioError

#: bytes that texts leave free: what a step computes with has to lie somewhere
RESERVE = 256_000_000
#: seconds between two looks at whether the person still wants a text that waits
LOOK = 0.1


class Holder(Protocol):
    """A text that has, or would like, memory."""

    turn: Turn
    cache: DynamicCache


class Memory:
    """Promises of memory. ``free`` says how many bytes the device has that nothing lies in."""

    def __init__(self, free: Callable[[], int]) -> None:
        self._free = free
        self._changed = threading.Condition()
        self._promised: dict[Holder, tuple[int, int]] = {}  # bytes in all and for a token, by whom

    def promise(self, holder: Holder, need: int, each: int) -> bool:
        """Sets ``need`` bytes aside, ``each`` for a token; 0 where the model does not say, and then it is always True.

        False where others have them, who will give them back. Raises ``StudioError`` where waiting does not help: it
        would not fit alone, or those who have them rest.
        """
        if not need:
            return True
        with self._changed:
            free = max(0, self._free() - RESERVE - self._outstanding())
            if need <= free:
                self._promised[holder] = need, each
                return True
            others = sum(need for need, _ in self._promised.values())
            if need > free + others or all(one.turn.called for one in self._promised):
                raise StudioError(
                    "text.memory",
                    "With the room its answer may need this text takes {need} MB of memory beside the model, and "
                    "{free} MB are free. Ask for a shorter answer, or shorten what the model has to read.",
                    need=-(-need // 1_000_000),
                    free=free // 1_000_000,
                )
            return False

    def release(self, holder: Holder) -> None:
        """What was set aside for ``holder`` is free again."""
        with self._changed:
            self._promised.pop(holder, None)
            self._changed.notify_all()

    def wait(self, holder: Holder) -> None:
        """Lasts until somebody gives memory back, or ``holder`` is wanted otherwise, or a moment has passed."""
        with self._changed:
            self._changed.wait_for(lambda: holder.turn.called or holder.turn.finishing, LOOK)

    def _outstanding(self) -> int:
        """Bytes promised that nobody has written to yet, so that they still count as free."""
        return sum(
            max(0, need - holder.cache.get_seq_length() * each) for holder, (need, each) in self._promised.items()
        )


def free_bytes(device: torch.device) -> int:
    """Memory of the device that nothing lies in."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + unused
    return int(psutil.virtual_memory().available)
