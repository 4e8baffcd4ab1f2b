"""Memory for texts: one too many waits or is refused, and the others notice nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pipelines.base import Cancelled, Progress
from pipelines.errors import StudioError
from pipelines.text_memory import RESERVE, Memory, free_bytes
from tests.unit.test_text import asked, loaded, run
from tests.unit.test_text_company import REQUESTS, WILD, Job, Studio
from tests.unit.test_turns import wait_until
from tests.unit.tiny_language import save_trained
from tests.unit.turns import FreeTurn

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_trained(tmp_path_factory.mktemp("models") / "lines")


def with_room(folder: Path, place: Path, tokens: int) -> Studio:
    """A studio whose device has room for ``tokens`` of all texts together: what is written in is free no more."""
    studio = Studio(loaded(folder), place)
    language = studio.pipeline._language
    assert language is not None
    each = language.bytes_per_token

    def free() -> int:
        written = sum(one.cache.get_seq_length() for one in studio.pipeline._memory._promised)
        return RESERVE + (tokens - written) * each

    studio.pipeline._memory = Memory(free)
    return studio


def test_a_cache_takes_the_bytes_that_are_counted_for_it(folder: Path) -> None:
    language = loaded(folder)._language
    assert language is not None
    cache = language.new_cache(40)
    language.logits([3] * 10, cache)
    buffers = [buffer for layer in cache.layers for buffer in (layer._keys, layer._values)]  # type: ignore[union-attr]
    assert sum(buffer.nbytes for buffer in buffers) == 40 * language.bytes_per_token
    for _ in range(30):
        language.logits([3], cache)
    assert all(buffer.shape[-2] == 40 for buffer in buffers), "made once, so no later step can fail for want of memory"


def test_a_text_larger_than_the_memory_is_refused_and_the_others_go_on(folder: Path, tmp_path: Path) -> None:
    studio = with_room(folder, tmp_path, 200)
    large = Job(studio, "large", asked(max_new_tokens=400))
    studio.once(studio.rows(3), large.start)
    jobs = studio.together(a=REQUESTS["a"], b=REQUESTS["b"])
    expected = {name: run(loaded(folder), REQUESTS[name])[0] for name in jobs}
    assert {name: job.text for name, job in jobs.items()} == expected
    with pytest.raises(StudioError, match=r"takes 1 MB of memory beside the model, and \d MB are free"):
        large.text  # noqa: B018


def test_a_text_waits_for_memory_that_another_gives_back(folder: Path, tmp_path: Path) -> None:
    request = asked("A cat", seed=4, max_new_tokens=40, **WILD)
    studio = with_room(folder, tmp_path, 80)
    jobs = studio.together(x=request, y=request)
    expected = run(loaded(folder), request)[0]
    assert [job.text for job in jobs.values()] == [expected] * 2
    assert {rows for _, rows in studio.steps} == {1}, "there was no room for both"
    assert sum(Progress("waiting") in job.events for job in jobs.values()) == 1
    assert not studio.pipeline._memory._promised


def test_a_text_does_not_wait_for_one_that_rests(folder: Path, tmp_path: Path) -> None:
    request = asked("A cat", seed=4, max_new_tokens=40, **WILD)
    studio = with_room(folder, tmp_path, 80)
    studio.once(lambda: len(studio.steps) > 3, lambda: studio.lease.tell("x", "pause"))
    first = studio.together(x=request)["x"]
    wait_until(lambda: studio.paused == [("x", True)])
    second = Job(studio, "second", request)
    second.start()
    with pytest.raises(StudioError, match="memory"):
        second.text  # noqa: B018
    studio.lease.tell("x", "resume")
    assert first.text


class Keeper:
    """Somebody who has memory, has not written into it, and does not rest."""

    def __init__(self, studio: Studio) -> None:
        language = studio.pipeline._language
        assert language is not None
        self.turn = FreeTurn(studio.place)
        self.cache = language.new_cache()
        assert studio.pipeline._memory.promise(self, 60 * language.bytes_per_token, language.bytes_per_token)


def test_a_text_that_waits_for_memory_can_be_cancelled(folder: Path, tmp_path: Path) -> None:
    studio = with_room(folder, tmp_path, 80)
    Keeper(studio)
    late = Job(studio, "late", asked("A cat", max_new_tokens=40))
    late.start()
    wait_until(lambda: Progress("waiting") in late.events)
    assert studio.lease.tell("late", "cancel")
    assert isinstance(late.ended().error, Cancelled)
    assert not studio.steps


def test_the_free_memory_of_a_cpu_is_that_of_the_machine() -> None:
    assert 0 < free_bytes(torch.device("cpu")) < 1 << 50
