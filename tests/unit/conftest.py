"""What tests of several modules need."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from studio.engine.events import EventLog
from studio.store.database import Database


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """torch with one thread: what is compared bit for bit must be added up in one order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def log(database: Database) -> Iterator[EventLog]:
    """What happens to jobs, as it is written down."""
    opened = EventLog(database)
    yield opened
    opened.close()
