"""Makes gradio lighter, in two places where it does what nobody here needs.

At import it writes an editor stub beside every component: about a second of every start, and a write into the
installed package, which may be read-only. At every event it looks for matplotlib along the whole path: a fifth of the
work of passing an event on.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def no_stubs() -> Iterator[None]:
    """While the block runs, ``inspect.getfile`` knows no file for gradio's component classes, nor for ours.

    gradio skips the stub of a class without a source file.
    """
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


def no_matplotlib() -> None:
    """Says once and for all that there is no matplotlib in this process; the page draws its own curves."""
    sys.modules.setdefault("matplotlib", None)  # type: ignore[arg-type]  # None is Python's own word for "not there"
