"""Imports gradio without the editor stubs it writes beside every component, each time, at import.

They cost about a second of every start and write into the installed package, which may be read-only. gradio skips
them for classes without a source file; for the length of its import its own classes are said to have none.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def no_stubs() -> Iterator[None]:
    """While the block runs, ``inspect.getfile`` knows no file for gradio's component classes, nor for ours."""
    original = inspect.getfile

    def getfile(object: Any) -> str:  # noqa: A002 - the name it has in inspect
        module = getattr(object, "__module__", "") or ""
        if isinstance(object, type) and module.startswith(("gradio.", "studio.")):
            raise OSError(f"no stub is wanted for {object.__qualname__}")
        return original(object)

    inspect.getfile = getfile
    try:
        yield
    finally:
        inspect.getfile = original
