"""The ledger: what is loaded once, what leaves first, what never leaves, and two who want the same at once."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from pipelines.base import Event, Pipeline, Report, Request, Result, Turn
from pipelines.devices import Device
from pipelines.errors import StudioError
from studio.engine.residency import Ledger, Wanted

CPU = Device("cpu", "CPU", "float32", "a test", 1000, 1)


class Shelf(Pipeline):
    """A shareable pipeline of as many bytes as its weights' name says."""

    shareable: ClassVar[bool] = True
    loads: ClassVar[list[str]] = []
    tensor: torch.Tensor | None = None

    def load(self, weights: Path | None, device: Device, report: Report) -> None:
        assert weights is not None
        if weights.name == "broken":
            raise StudioError("broken", "This folder is broken.")
        report("loading")
        self.tensor = torch.zeros(int(weights.name), dtype=torch.uint8)
        self.loads.append(weights.name)

    def run(self, request: Request, turn: Turn) -> Iterator[Event]:
        yield Result(())

    def unload(self) -> None:
        self.tensor = None

    def bytes_held(self) -> int:
        return 0 if self.tensor is None else self.tensor.nbytes


class Alone(Shelf):
    shareable: ClassVar[bool] = False


@pytest.fixture(autouse=True)
def _fresh() -> None:
    Shelf.loads.clear()


def wanted(size: int | str, model: str, make: type[Pipeline] = Shelf, report: Any = lambda *_: None) -> Wanted:
    expected = size if isinstance(size, int) else 0
    return Wanted("text", model, make, Path(str(size)), expected, report, lambda event: event.wait() and None)


def test_a_model_is_loaded_once_and_lent_to_several() -> None:
    ledger = Ledger(CPU, 100)
    with ledger.lend(wanted(40, "a")) as first, ledger.lend(wanted(40, "a")) as second:
        assert first is second
    with ledger.lend(wanted(40, "a")) as third:
        assert third is first
    assert Shelf.loads == ["40"]
    assert ledger.used() == 40


def test_the_least_recently_used_leaves_first() -> None:
    ledger = Ledger(CPU, 100)
    for model in ("a", "b", "a"):
        with ledger.lend(wanted(40, model)):
            pass
    with ledger.lend(wanted(50, "c")):
        assert [model for model, _ in ledger.listing()] == ["c", "a"]


def test_what_is_in_use_never_leaves_and_what_does_not_fit_says_how_much_is_free() -> None:
    ledger = Ledger(CPU, 100 * 1_000_000)
    with (
        ledger.lend(wanted(60 * 1_000_000, "a")),
        pytest.raises(StudioError, match="about 50 MB of memory; 40 MB of 100 MB"),
        ledger.lend(wanted(50 * 1_000_000, "b")),
    ):
        pass
    with ledger.lend(wanted(50 * 1_000_000, "b")):
        assert [model for model, _ in ledger.listing()] == ["b"]


def test_a_load_that_fails_leaves_nothing_and_may_be_tried_again() -> None:
    ledger = Ledger(CPU, 100)
    for _ in range(2):
        with pytest.raises(StudioError, match="broken"), ledger.lend(wanted("broken", "a")):
            pass
    assert ledger.used() == 0


def test_a_pipeline_that_cannot_be_shared_is_made_for_each_job_and_goes_with_it() -> None:
    ledger = Ledger(CPU, 100)
    with ledger.lend(wanted(30, "a", Alone)) as first, ledger.lend(wanted(30, "a", Alone)) as second:
        assert first is not second
        assert ledger.used() == 60
    assert ledger.used() == 0


def test_two_who_want_the_same_model_at_once_share_one_load() -> None:
    ledger = Ledger(CPU, 100)
    loading, go_on = threading.Event(), threading.Event()

    def slow(*_: Any) -> None:
        loading.set()
        assert go_on.wait(5)

    lent: list[Pipeline] = []

    def use(report: Any) -> None:
        with ledger.lend(wanted(40, "a", report=report)) as pipeline:
            lent.append(pipeline)

    first = threading.Thread(target=use, args=(slow,))
    first.start()
    assert loading.wait(5)
    second = threading.Thread(target=use, args=(lambda *_: None,))
    second.start()
    with ledger.lend(wanted(10, "b")):
        assert ledger.used() == 50, "the table is free while a model loads, and the expected bytes are kept for it"
    go_on.set()
    for thread in (first, second):
        thread.join(5)
    assert lent[0] is lent[1]
    assert Shelf.loads == ["10", "40"]


def test_what_was_imported_is_set_aside_once_and_not_looked_through_whenever_a_model_goes() -> None:
    ledger = Ledger(CPU, 100)
    gc.unfreeze()
    with ledger.lend(wanted(40, "a", Alone)):
        frozen = gc.get_freeze_count()
        assert frozen > 1000
    with ledger.lend(wanted(40, "a", Alone)):
        assert gc.get_freeze_count() <= frozen, "nothing was imported meanwhile"
    gc.unfreeze()
