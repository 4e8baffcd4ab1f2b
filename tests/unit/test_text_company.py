"""Several texts on one model at once, under the engine's own lease: each is the one it would be alone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from pipelines import text
from pipelines.base import Cancelled, Event, Result, Token
from pipelines.requests import TextRequest
from pipelines.text import TextPipeline
from pipelines.text_loading import load_language_model
from studio.engine.turn import EngineTurn
from studio.engine.turns import Hold, Lease
from studio.store.blobs import Blobs
from studio.store.workspaces import Workspace
from tests.unit.test_text import GREEDY, asked, generated, loaded, run
from tests.unit.test_turns import Clock, wait_until
from tests.unit.tiny_language import BFLOAT16, FLOAT32, save, save_trained

PATIENCE = 120  # seconds until a test says that something hangs


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_trained(tmp_path_factory.mktemp("models") / "lines")


class Job(threading.Thread):
    """One text as the engine runs it: in a thread of its own, in its turn. It ends after ``tokens`` events if told."""

    def __init__(self, studio: Studio, name: str, request: TextRequest, reads: int | None = None) -> None:
        super().__init__(name=name, daemon=True)
        self.studio, self.request, self.reads = studio, request, reads
        self.hold: Hold = studio.lease.enter(name, f"owner of {name}", True)
        self.events: list[Event] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        turn = EngineTurn(self.studio.lease, self.hold, Workspace(self.studio.place / self.name), self.studio.blobs, 0)
        try:
            turn.begin()
            events: Any = self.studio.pipeline.run(self.request, turn)
            for event in events:
                self.events.append(event)
                if self.reads is not None and sum(isinstance(one, Token) for one in self.events) >= self.reads:
                    events.close()
        except BaseException as error:  # noqa: BLE001 - looked at in the test
            self.error = error
        finally:
            self.studio.lease.leave(self.hold)

    def ended(self) -> Job:
        self.join(PATIENCE)
        assert not self.is_alive(), f"{self.name} hangs"
        return self

    @property
    def text(self) -> str:
        self.ended()
        if self.error is not None:
            raise self.error
        result = self.events[-1]
        assert isinstance(result, Result)
        text = result.artifacts[0].data.decode()
        assert "".join(event.text for event in self.events if isinstance(event, Token)) == text
        return text


class Studio:
    """A model, a lease, and what happened in each step: who computed it, and how many rows it had."""

    def __init__(self, pipeline: TextPipeline, place: Path, clock: Clock | None = None) -> None:
        self.pipeline, self.place = pipeline, place
        self.blobs = Blobs(place / "blobs")
        self.paused: list[tuple[str, bool]] = []
        on_pause: Callable[[str, bool], None] = lambda job, rests: self.paused.append((job, rests))  # noqa: E731
        self.lease = Lease(on_pause=on_pause, clock=clock) if clock else Lease(on_pause=on_pause)
        self.steps: list[tuple[str, int]] = []
        self.after: Callable[[], None] = lambda: None
        self._observe()

    def _observe(self) -> None:
        language = self.pipeline._language
        assert language is not None
        rows = language.rows
        assert rows is not None
        rows.prove(lambda: None)  # or its passes would be among the steps
        forward = rows._forward

        def observed(tokens: Any, caches: Any) -> torch.Tensor:
            logits = forward(tokens, caches)
            self.steps.append((threading.current_thread().name, len(tokens)))
            self.after()
            return logits

        rows._forward = observed  # type: ignore[method-assign]

    def together(self, **requests: TextRequest) -> dict[str, Job]:
        """Lines all up behind a first holder, so that they begin in one company."""
        first = self.lease.enter("before all", "nobody", True)
        self.lease.take(first)
        jobs = {name: Job(self, name, request) for name, request in requests.items()}
        for job in jobs.values():
            job.start()
            wait_until(lambda job=job: job.hold.waiting)
        self.lease.leave(first)
        return jobs

    def once(self, due: Callable[[], bool], act: Callable[[], object]) -> None:
        """After the first step for which ``due``, while whoever computed it still has the device."""
        done: list[bool] = []

        def look() -> None:
            if not done and due():
                done.append(True)
                act()

        self.after = look

    def rows(self, steps: int) -> Callable[[], bool]:
        """True once there were so many steps of more than one row."""
        return lambda: sum(count > 1 for _, count in self.steps) >= steps


WILD: dict[str, Any] = {"temperature": 1.5, "top_k": 0}
REQUESTS = {
    "a": asked(seed=7, max_new_tokens=48, **WILD),
    "b": asked("Rain", seed=8, max_new_tokens=40, temperature=0.9, top_p=0.8, repetition_penalty=1.3),
    "c": asked("A cat sleeps in the warm", temperature=0, max_new_tokens=44),
    "d": asked("狐狸", seed=7, max_new_tokens=36, top_k=3, temperature=2),
    "e": asked("The fox runs over the long bridge. " * 3, seed=9, max_new_tokens=30, **WILD),
}


@pytest.fixture(scope="module")
def alone(folder: Path) -> dict[str, str]:
    pipeline = loaded(folder)
    return {name: run(pipeline, request)[0] for name, request in REQUESTS.items()}


@pytest.fixture
def studio(folder: Path, tmp_path: Path) -> Studio:
    return Studio(loaded(folder), tmp_path)


# ------------------------------------------------------------------------------- the same in company


@pytest.mark.parametrize("kind", ["llama", "gpt2", "qwen2", "mistral"])
@pytest.mark.parametrize("device", [FLOAT32, BFLOAT16], ids=lambda device: device.dtype)
def test_no_bit_of_a_logit_depends_on_the_company(tmp_path: Path, kind: str, device: Any) -> None:
    language = load_language_model(save(tmp_path, kind), device, lambda *_: None)
    assert language.rows is not None
    prompts = [list(range(3, 3 + length)) for length in (1, 4, 9, 17, 30, 2, 5)]
    caches = [[language.new_cache() for _ in prompts] for _ in range(2)]
    for prompt, one, other in zip(prompts, *caches, strict=True):
        language.logits(prompt, one)
        language.logits(prompt, other)
    for count, step in zip((7, 2, 3, 7, 4, 7), range(6), strict=True):
        tokens = [50 + step + place for place in range(count)]
        together = language.rows.step(tokens, caches[0][:count])
        for row, token, cache in zip(together, tokens, caches[1], strict=False):
            assert torch.equal(row, language.step(token, cache))


def test_the_second_text_has_it_proven_that_company_changes_nothing(folder: Path, tmp_path: Path) -> None:
    studio = unobserved(loaded(folder), tmp_path)
    language = studio.pipeline._language
    assert language is not None
    assert language.rows is not None
    assert studio.together(c=REQUESTS["c"])["c"].text
    assert language.rows.proven is None, "nobody alone has to wait for it"
    for job in studio.together(a=REQUESTS["a"], b=REQUESTS["b"]).values():
        assert job.text
    assert language.rows.proven


def test_others_may_have_the_device_while_it_is_proven(folder: Path) -> None:
    language = loaded(folder)._language
    assert language is not None
    assert language.rows is not None
    passes: list[bool] = []
    language.rows.prove(lambda: passes.append(True))
    assert len(passes) == language.rows.width + 1


@pytest.mark.parametrize("device", [FLOAT32, BFLOAT16], ids=lambda device: device.dtype)
def test_the_same_seed_gives_the_same_text_alone_or_in_company(folder: Path, tmp_path: Path, device: Any) -> None:
    pipeline = loaded(folder, device)
    expected = {name: run(pipeline, request)[0] for name, request in REQUESTS.items()}
    studio = Studio(pipeline, tmp_path)
    jobs = studio.together(**REQUESTS)
    assert {name: job.text for name, job in jobs.items()} == expected
    assert max(count for _, count in studio.steps) == len(REQUESTS)


def test_the_likeliest_text_in_company_is_that_of_generate(folder: Path, studio: Studio) -> None:
    prompts = ("The fox", "A cat sleeps in the", "Rain falls on the quiet garden of the old king and")
    requests = {str(place): asked(prompt, **GREEDY) for place, prompt in enumerate(prompts)}
    for name, job in studio.together(**requests).items():
        assert job.text == generated(folder, requests[name], torch.float32)


@pytest.mark.parametrize("kind", ["gpt2", "mistral", "mamba"])
def test_other_families_write_the_same_in_company(tmp_path: Path, kind: str) -> None:
    pipeline = loaded(save(tmp_path / kind, kind))
    requests = {name: asked(name * 3, seed=3, max_new_tokens=24, **WILD) for name in ("x", "yz", "fox")}
    expected = {name: run(pipeline, request)[0] for name, request in requests.items()}
    if kind == "mamba":  # keeps a running state that cannot be stepped with others', so it takes turns
        assert pipeline._company is None
    studio = Studio(pipeline, tmp_path) if pipeline._company else unobserved(pipeline, tmp_path)
    jobs = studio.together(**requests)
    assert {name: job.text for name, job in jobs.items()} == expected


def unobserved(pipeline: TextPipeline, place: Path) -> Studio:
    class Plain(Studio):
        def _observe(self) -> None:
            pass

    return Plain(pipeline, place)


def test_texts_that_would_differ_in_company_take_turns(studio: Studio, alone: dict[str, str]) -> None:
    language = studio.pipeline._language
    assert language is not None
    assert language.rows is not None
    language.rows._proven = False
    jobs = studio.together(a=REQUESTS["a"], b=REQUESTS["b"])
    assert {name: job.text for name, job in jobs.items()} == {name: alone[name] for name in jobs}
    assert {count for _, count in studio.steps} == {1}


def test_more_texts_than_a_step_takes_all_get_on(studio: Studio, alone: dict[str, str]) -> None:
    requests = {f"{name}{copy}": request for name, request in REQUESTS.items() for copy in range(2)}
    jobs = studio.together(**requests)
    assert {name: job.text for name, job in jobs.items()} == {name: alone[name[0]] for name in jobs}
    assert max(count for _, count in studio.steps) == 8 < len(requests)


def test_each_text_has_its_own_stop_strings(studio: Studio) -> None:
    whole = run(studio.pipeline, asked(**GREEDY))[0]
    stops = {"x": whole[5:8], "y": whole[20:22], "z": "not there"}
    jobs = studio.together(**{name: asked(stop=(stop,), **GREEDY) for name, stop in stops.items()})
    assert jobs["x"].text == whole[: whole.find(stops["x"])]
    assert jobs["y"].text == whole[: whole.find(stops["y"])]
    assert jobs["z"].text == whole


# ---------------------------------------------------------------------------------- coming and going


def test_a_text_joins_while_another_is_being_written(studio: Studio, alone: dict[str, str]) -> None:
    late = Job(studio, "b", REQUESTS["b"])
    studio.once(lambda: len(studio.steps) >= 10, late.start)
    first = studio.together(a=REQUESTS["a"])["a"]
    assert first.text == alone["a"]
    assert late.text == alone["b"]
    assert [count for _, count in studio.steps[:10]] == [1] * 10
    assert 2 in [count for _, count in studio.steps]


def test_when_the_leader_ends_another_leads(folder: Path, studio: Studio, alone: dict[str, str]) -> None:
    brief = asked(seed=7, max_new_tokens=6, **WILD)
    later = [Job(studio, name, REQUESTS[name]) for name in "ab"]

    def join() -> None:
        for job in later:
            job.start()
            wait_until(lambda job=job: job.hold.waiting)

    studio.once(lambda: True, join)
    assert studio.together(brief=brief)["brief"].text == run(loaded(folder), brief)[0]
    assert [job.text for job in later] == [alone["a"], alone["b"]]
    leaders = [name for name, _ in studio.steps]
    assert leaders == sorted(leaders, key=leaders.index), "nobody who still writes hands the lead on"
    assert leaders[0] == "brief"
    assert leaders[-1] in "ab"


@pytest.mark.parametrize("stopped", ["a", "b", "c"])
def test_a_cancel_ends_one_text_and_leaves_the_others_as_they_are(
    studio: Studio, alone: dict[str, str], stopped: str
) -> None:
    studio.once(studio.rows(3), lambda: studio.lease.tell(stopped, "cancel"))
    jobs = studio.together(**{name: REQUESTS[name] for name in "abc"})
    with pytest.raises(Cancelled):
        jobs.pop(stopped).text  # noqa: B018
    assert {name: job.text for name, job in jobs.items()} == {name: alone[name] for name in jobs}
    assert len(studio.pipeline._memory._promised) == 0


@pytest.mark.parametrize("what", ["cancel", "finish"])
def test_who_is_computed_by_another_hears_of_a_stop_after_the_step_and_not_at_his_next_look(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(text, "PAUSE", 3600.0)
    jobs: dict[str, Job] = {}
    told: list[Job] = []

    def look() -> None:
        if told:
            wait_until(lambda: not told[0].is_alive(), PATIENCE)
        elif studio.rows(3)():
            told.append(next(job for name, job in jobs.items() if name != threading.current_thread().name))
            studio.lease.tell(told[0].name, what)

    studio.after = look
    jobs |= {name: Job(studio, name, REQUESTS[name]) for name in "abc"}
    for job in jobs.values():
        job.start()
    for job in jobs.values():
        job.ended()
    assert [type(job.error) for job in told] == [Cancelled if what == "cancel" else type(None)]
    assert all(job.error is None for job in jobs.values() if job not in told)


@pytest.mark.parametrize("finished", ["a", "b"])
def test_ending_one_early_keeps_its_text_and_the_others_go_on(
    studio: Studio, alone: dict[str, str], finished: str
) -> None:
    studio.once(studio.rows(3), lambda: studio.lease.tell(finished, "finish"))
    jobs = studio.together(a=REQUESTS["a"], b=REQUESTS["b"])
    text, result = jobs[finished].text, jobs[finished].events[-1]
    assert isinstance(result, Result)
    assert result.facts["stopped_by"] == "finished"
    assert text
    assert text != alone[finished]
    assert alone[finished].startswith(text)
    (other,) = {"a", "b"} - {finished}
    assert jobs[other].text == alone[other]


@pytest.mark.parametrize("rests", ["a", "b", "c"])
def test_a_paused_text_leaves_the_company_and_comes_back(studio: Studio, alone: dict[str, str], rests: str) -> None:
    studio.once(studio.rows(3), lambda: studio.lease.tell(rests, "pause"))
    jobs = studio.together(**{name: REQUESTS[name] for name in "abc"})
    paused = jobs.pop(rests)
    assert {name: job.text for name, job in jobs.items()} == {name: alone[name] for name in jobs}
    wait_until(lambda: studio.paused == [(rests, True)])
    assert paused.is_alive()
    assert studio.lease.holder is None
    studio.lease.tell(rests, "resume")
    assert paused.text == alone[rests]
    assert studio.paused == [(rests, True), (rests, False)]


def test_a_paused_text_that_comes_back_joins_whoever_is_there(studio: Studio, alone: dict[str, str]) -> None:
    late = Job(studio, "c", REQUESTS["c"])
    studio.once(studio.rows(4), lambda: studio.lease.tell("a", "pause"))
    jobs = studio.together(a=REQUESTS["a"], b=REQUESTS["b"])
    assert jobs["b"].text == alone["b"]
    steps = len(studio.steps)
    studio.once(lambda: True, lambda: studio.lease.tell("a", "resume"))
    late.start()
    assert late.text == alone["c"]
    assert jobs["a"].text == alone["a"]
    assert 2 in [count for _, count in studio.steps[steps:]]


@pytest.mark.parametrize("closed", ["a", "b"])
def test_nobody_reading_a_text_any_more_leaves_the_others_as_they_are(
    studio: Studio, alone: dict[str, str], closed: str
) -> None:
    jobs = {name: Job(studio, name, REQUESTS[name], reads=1 if name == closed else None) for name in "ab"}
    first = studio.lease.enter("before all", "nobody", True)
    studio.lease.take(first)
    for job in jobs.values():
        job.start()
        wait_until(lambda job=job: job.hold.waiting)
    studio.lease.leave(first)
    assert jobs.pop(closed).ended().error is None
    assert all(job.text == alone[name] for name, job in jobs.items())


# ------------------------------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize("unlucky", ["a", "b"])
def test_an_error_in_one_text_is_its_own(
    studio: Studio, alone: dict[str, str], unlucky: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = studio.pipeline._writing

    def writing(request: TextRequest, turn: Any) -> Any:
        made = begin(request, turn)
        if request is REQUESTS[unlucky]:
            choose = made._chooser.choose
            made._chooser.choose = lambda row: choose(row if made._count < 9 else row * torch.nan)
        return made

    monkeypatch.setattr(studio.pipeline, "_writing", writing)
    jobs = studio.together(a=REQUESTS["a"], b=REQUESTS["b"], c=REQUESTS["c"])
    with pytest.raises(Exception, match="is not a number"):
        jobs.pop(unlucky).text  # noqa: B018
    assert {name: job.text for name, job in jobs.items()} == {name: alone[name] for name in jobs}


@pytest.mark.parametrize("kind", ["llama", "mistral"])
def test_a_step_that_fails_costs_the_leader_his_text_and_the_others_not_a_token(tmp_path: Path, kind: str) -> None:
    pipeline = loaded(save(tmp_path / kind, kind))
    requests = {name: asked(name * 9, seed=3, max_new_tokens=24, **WILD) for name in "xyz"}
    expected = {name: run(pipeline, request)[0] for name, request in requests.items()}
    studio = Studio(pipeline, tmp_path)
    fell: list[str] = []

    def fail() -> None:
        fell.append(threading.current_thread().name)
        raise MemoryError

    studio.once(studio.rows(3), fail)
    jobs = studio.together(**requests)
    for job in jobs.values():
        job.ended()
    with pytest.raises(MemoryError):
        jobs.pop(fell[0]).text  # noqa: B018
    assert {name: job.text for name, job in jobs.items()} == {name: expected[name] for name in jobs}


# ------------------------------------------------------------------------------------- device seconds


def test_the_seconds_of_a_step_are_divided_among_those_it_served(folder: Path, tmp_path: Path) -> None:
    clock = Clock()
    studio = Studio(loaded(folder), tmp_path, clock)
    served: dict[str, float] = dict.fromkeys("abc", 0.0)

    def tick() -> None:
        clock.now += 1

    studio.after = tick
    jobs = studio.together(**{name: asked(seed=5, max_new_tokens=20, **WILD) for name in served})
    used = {name: job.ended().hold.used for name, job in jobs.items()}
    assert sum(used.values()) == pytest.approx(len(studio.steps))
    shared = [count for _, count in studio.steps if count == 3]
    assert len(shared) >= 5
    assert max(used.values()) - min(used.values()) <= len(studio.steps) - len(shared) + 1e-6
    assert min(used.values()) >= len(shared) / 3 - 1e-6
