"""What is done where the device runs out of memory: everything idle goes, and the job is tried once more.

Knows what running out looks like and the ledger. It may happen while a model loads, at the first step or at the last.
Whatever the failed attempt held must be gone before the second: an exception keeps the frames it went through, and they
keep their tensors, so nothing here runs inside an ``except`` block.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pipelines.errors import StudioError
from studio.engine.residency import Ledger

T = TypeVar("T")


def with_memory(attempt: Callable[[], T], again: Callable[[], None], ledger: Ledger, model: str) -> T:
    """What ``attempt`` returns, the second time if memory ran out the first; ``again`` is called in between.

    Raises ``StudioError`` where there is too little all the same. Any other error is the attempt's own.
    """
    for last in (False, True):
        try:
            return attempt()
        except Exception as error:
            if not _ran_out(error):
                raise
        ledger.collect()
        ledger.evict_idle()
        if not last:
            again()
    raise StudioError(
        "memory.run",
        "The device ran out of memory ({total} MB for models) even with everything idle removed. Make the picture, the "
        "batch or the text smaller, or choose a smaller model than {model}.",
        total=ledger.budget // 1_000_000,
        model=model or "this one",
    )


def _ran_out(error: Exception) -> bool:
    """torch's own error on a GPU; on a CPU torch raises a RuntimeError from its allocator, Python a MemoryError."""
    import torch

    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "DefaultCPUAllocator" in str(error)
