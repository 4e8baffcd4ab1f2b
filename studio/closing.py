"""Closing while people are connected: their connections are cut after a moment, which is no error.

uvicorn logs each with a traceback as if a handler had failed. Knows its words for that and nothing else.
"""

from __future__ import annotations

import asyncio
import logging


class LetGo(logging.Filter):
    """Passes everything but what uvicorn says of the connections it cuts when it closes."""

    def filter(self, record: logging.LogRecord) -> bool:
        cut = record.exc_info is not None and isinstance(record.exc_info[1], asyncio.CancelledError)
        return not cut and "timeout graceful shutdown exceeded" not in record.getMessage()


def quietly() -> None:
    """Lets the studio close without a word about whoever is still there."""
    logging.getLogger("uvicorn.error").addFilter(LetGo())
