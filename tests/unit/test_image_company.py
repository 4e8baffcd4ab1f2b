"""Pictures of several people in one call, under the engine's own lease: each as it would be alone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipelines.base import Cancelled, Event, Preview, Progress, Result
from pipelines.errors import StudioError
from pipelines.image import company
from pipelines.image.company import Call
from pipelines.image.kinds import kind_of, room
from pipelines.image.loading import fresh_pipeline
from pipelines.image.painting import Painting
from pipelines.image.pipeline import ImagePipeline
from pipelines.image.request import ImageRequest
from pipelines.image.schedulers import fresh_scheduler
from pipelines.image.together import Together, _Watch
from pipelines.sticker.drawings import LARGE
from tests.stickers import tiny_stickers
from tests.unit import tiny_diffusers
from tests.unit.test_image import asked, loaded, paint, pixels
from tests.unit.test_text_company import Job, Studio
from tests.unit.test_turns import Clock, wait_until
from tests.unit.turns import FreeTurn

pytestmark = pytest.mark.usefixtures("one_thread")

REQUESTS = {
    "a": asked(prompt="a red cat", seed=1, steps=8),
    "b": asked(prompt="dog", seed=2, steps=8),
    "c": asked(prompt="the house of an old king", seed=3, steps=8),
}
STICKERS = {
    "a": asked(prompt="a cat", style="glossy", seed=1, steps=8, width=LARGE, height=LARGE),
    "b": asked(prompt="a dog in the house", negative_prompt="red", seed=2, steps=8, width=LARGE, height=LARGE),
    "c": asked(prompt="cat", style="flat", seed=3, steps=8, width=LARGE, height=LARGE),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    return {
        "sd": tiny_diffusers.stable_diffusion(root / "sd"),
        "sdxl": tiny_diffusers.stable_diffusion_xl(root / "sdxl"),
        "sd3": tiny_diffusers.stable_diffusion_3(root / "sd3"),
        "stickers": tiny_stickers(root / "stickers"),
    }


class Easel(Studio):
    """A picture model and a lease. ``calls``: how many pictures each call had; ``at``: what happens after a step.

    Nobody's window ends before all who are lined up are there, however slow the machine.
    """

    def __init__(
        self, model: ImagePipeline, place: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock | None = None
    ) -> None:
        self.calls: list[int] = []
        self.at: dict[int, Callable[[], object]] = {}
        self._patch = monkeypatch
        unmeasured: Any = model
        super().__init__(unmeasured, place, clock)

    def _observe(self) -> None:
        run, alone = Call._run, Painting._alone

        def watched(call: Call, rest: Callable[[], None]) -> None:
            self.calls.append(sum(len(wish.seeds) for wish in call.wishes))

            def looked_at() -> None:
                self.at.pop(call.step.number, lambda: None)()
                rest()

            run(call, looked_at)

        def counted(painting: Painting, read: ImageRequest, seeds: list[int], *more: Any) -> Any:
            made = alone(painting, read, seeds, *more)
            self.calls.append(len(seeds))
            return made

        self._patch.setattr(Call, "_run", watched)
        self._patch.setattr(Painting, "_alone", counted)
        self._patch.setattr(company, "WINDOW", 30.0)

    def paint(self, **requests: ImageRequest) -> dict[str, Job]:
        many: Any = requests
        return self.together(**many)


def model(folder: Path, together: int = 3) -> ImagePipeline:
    found = loaded(folder)
    found.together = together
    return found


@pytest.fixture(scope="module")
def sd(folders: dict[str, Path]) -> ImagePipeline:
    found = model(folders["sd"])
    found._door.proven[3, 64, 64] = True  # looked at in a test of its own
    return found


@pytest.fixture
def easel(sd: ImagePipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Easel:
    return Easel(sd, tmp_path, monkeypatch)


def made(job: Job) -> Result:
    job.ended()
    if job.error is not None:
        raise job.error
    assert isinstance(job.events[-1], Result)
    return job.events[-1]


@pytest.fixture(scope="module")
def alone(folders: dict[str, Path]) -> dict[str, Result]:
    single = loaded(folders["sd"])
    return {name: paint(single, request) for name, request in REQUESTS.items()}


def same(one: Result, other: Result) -> bool:
    """Within 1/255 for at least 99.9 % of the pixels, all pictures."""
    assert len(one.artifacts) == len(other.artifacts)
    return all(
        (np.abs(pixels(x) - pixels(y)).max(-1) <= 1).mean() >= 0.999
        for x, y in zip(one.artifacts, other.artifacts, strict=True)
    )


def steps_told(events: list[Event]) -> list[Progress]:
    return [event for event in events if isinstance(event, Progress) and event.stage == "denoising"]


# ------------------------------------------------------------------------------------- the same together


@pytest.mark.parametrize("name", ["sd", "sdxl", "sd3", "stickers"])
def test_pictures_of_several_people_share_a_call_and_are_those_they_would_be_alone(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    requests = STICKERS if name == "stickers" else REQUESTS
    expected = {who: paint(loaded(folders[name]), request) for who, request in requests.items()}
    easel = Easel(model(folders[name]), tmp_path, monkeypatch)
    for who, job in easel.paint(**requests).items():
        result = made(job)
        assert same(result, expected[who])
        assert [one.facts["seed"] for one in result.artifacts] == [requests[who].seed]
        facts = {key: value for key, value in result.facts.items() if key != "seconds"}
        assert facts == {key: value for key, value in expected[who].facts.items() if key != "seconds"}
        told = steps_told(job.events)
        assert [one.done for one in told] == sorted(one.done for one in told)
        assert told[-1].done == told[-1].total
        assert Progress("decoding") in job.events
        assert any(isinstance(event, Preview) for event in job.events)
    assert easel.calls == [3]
    assert not same(expected["a"], expected["b"])


def test_several_pictures_of_one_person_join_those_of_another(easel: Easel, sd: ImagePipeline) -> None:
    requests = {"a": asked(seed=4, count=2, steps=8), "b": REQUESTS["b"], "c": REQUESTS["c"]}
    expected = {who: paint(sd, request) for who, request in requests.items()}
    easel.calls.clear()
    jobs = easel.paint(**requests)
    assert all(same(made(job), expected[who]) for who, job in jobs.items())
    assert sum(easel.calls) == 4
    assert max(easel.calls) > 1


def test_what_differs_in_more_than_words_and_seed_takes_turns(easel: Easel, sd: ImagePipeline) -> None:
    requests = {
        "a": asked(steps=5),
        "b": asked(steps=6),
        "c": asked(steps=6, guidance=9),
        "d": asked(steps=6, negative_prompt="dog"),
        "e": asked(steps=6, scheduler="euler"),
        "f": asked(steps=6, width=128),
    }
    jobs = easel.paint(**requests)
    for who, job in jobs.items():
        assert same(made(job), paint(sd, requests[who]))
    assert set(easel.calls) == {1}


def test_whoever_is_alone_waits_for_nobody(easel: Easel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Call, "gather", lambda *_: pytest.fail("it waited"))
    assert made(easel.paint(a=REQUESTS["a"])["a"]).artifacts
    assert made(easel.paint(b=REQUESTS["b"])["b"]).artifacts
    assert easel.calls == [1, 1]


def test_whoever_has_painted_for_a_while_does_not_begin_again_for_others(
    easel: Easel, alone: dict[str, Result], sd: ImagePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(company, "WINDOW", 0.05)
    late = [Job(easel, name, REQUESTS[name]) for name in "bc"]  # type: ignore[arg-type]
    begun: list[float] = []

    class First(Job):
        def run(self) -> None:
            def forward(*_: object) -> None:
                begun.append(1)
                if len(begun) == 4:
                    for job in late:
                        job.start()
                        wait_until(partial(lambda job: bool(job.hold.waiting), job))

            hook = sd._pipe.unet.register_forward_pre_hook(forward)  # type: ignore[union-attr]
            super().run()
            hook.remove()

    first = First(easel, "a", REQUESTS["a"])  # type: ignore[arg-type]
    first.start()
    assert same(made(first), alone["a"])
    assert all(same(made(job), alone[job.name]) for job in late)
    assert sorted(easel.calls) == [1, 2]


# ------------------------------------------------------------------------------- each for themselves


@pytest.mark.parametrize("stopped", ["a", "b", "c"])
def test_a_cancel_ends_one_picture_and_the_others_stay_what_they_are(
    easel: Easel, alone: dict[str, Result], stopped: str
) -> None:
    easel.at[2] = lambda: easel.lease.tell(stopped, "cancel")
    jobs = easel.paint(**REQUESTS)
    assert isinstance(jobs.pop(stopped).ended().error, Cancelled)
    assert all(same(made(job), alone[name]) for name, job in jobs.items())
    assert easel.calls == [3], "nobody had to begin again"


def test_when_nobody_wants_it_any_more_the_call_ends(easel: Easel) -> None:
    easel.at[2] = lambda: [easel.lease.tell(name, "cancel") for name in REQUESTS]
    easel.at[5] = lambda: pytest.fail("nobody wanted this step")
    for job in easel.paint(**REQUESTS).values():
        assert isinstance(job.ended().error, Cancelled)
    assert easel.lease.holder is None
    assert not [thread for thread in threading.enumerate() if thread.name.endswith("relay")]


@pytest.mark.parametrize("rests", ["a", "b", "c"])
def test_one_rests_while_the_others_go_on(easel: Easel, alone: dict[str, Result], rests: str) -> None:
    easel.at[2] = lambda: easel.lease.tell(rests, "pause")
    jobs = easel.paint(**REQUESTS)
    paused = jobs.pop(rests)
    assert all(same(made(job), alone[name]) for name, job in jobs.items())
    wait_until(lambda: easel.paused == [(rests, True)])
    assert easel.lease.holder is None
    easel.lease.tell(rests, "resume")
    assert same(made(paused), alone[rests])
    assert easel.calls == [3]


def test_when_all_rest_the_call_rests_and_goes_on_with_whoever_comes_back(
    easel: Easel, alone: dict[str, Result]
) -> None:
    easel.at[2] = lambda: [easel.lease.tell(name, "pause") for name in REQUESTS]
    jobs = easel.paint(**REQUESTS)
    wait_until(lambda: sorted(easel.paused) == [(name, True) for name in REQUESTS])
    assert easel.lease.holder is None
    easel.lease.tell("c", "resume")
    assert same(made(jobs["c"]), alone["c"])
    easel.lease.tell("a", "cancel")
    assert isinstance(jobs["a"].ended().error, Cancelled)
    easel.lease.tell("b", "resume")
    assert same(made(jobs["b"]), alone["b"])
    assert easel.calls == [3]


@pytest.mark.parametrize("name", ["sd", "sd3", "stickers"])
@pytest.mark.parametrize("ends", ["a", "b"])
def test_whoever_ends_early_gets_what_there_is_and_the_others_go_on(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, ends: str
) -> None:
    requests = STICKERS if name == "stickers" else REQUESTS
    requests = {who: request.model_copy(update={"steps": 40}) for who, request in requests.items() if who != "c"}
    easel = Easel(model(folders[name], 2), tmp_path, monkeypatch)
    easel.pipeline._door.proven[2, requests["a"].width, requests["a"].height] = True  # type: ignore[attr-defined]
    easel.at[3] = lambda: easel.lease.tell(ends, "finish")
    jobs = easel.paint(**requests)
    early = made(jobs.pop(ends))
    ((who, job),) = jobs.items()
    others = made(job)
    assert easel.calls == [2]
    said = str(early.facts["ended_early"])
    steps = int(said.split()[1])
    assert 3 <= steps < 40
    single = loaded(folders[name])
    assert same(early, paint(single, requests[ends], FreeTurn(Path(), finish_after=steps + 1)))
    assert same(others, paint(single, requests[who]))


# ------------------------------------------------------------------------------------- what goes wrong


def test_a_call_that_fails_costs_nobody_a_picture_and_from_then_on_each_is_alone(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alone: dict[str, Result]
) -> None:
    easel = Easel(model(folders["sd"]), tmp_path, monkeypatch)

    def fail() -> None:
        raise MemoryError

    easel.at[2] = fail
    jobs = easel.paint(**REQUESTS)
    assert all(same(made(job), alone[name]) for name, job in jobs.items())
    again = easel.paint(**{f"{name} again": request for name, request in REQUESTS.items()})
    assert all(same(made(job), alone[name[0]]) for name, job in again.items())
    assert easel.calls == [3, 1, 1, 1, 1, 1, 1]


def test_pictures_that_would_differ_in_company_are_painted_alone(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alone: dict[str, Result]
) -> None:
    """As they do where half the bits are rounded off: here a network that looks at how many it computes."""
    easel = Easel(model(folders["sd"]), tmp_path, monkeypatch)
    pipe: Any = easel.pipeline._pipe  # type: ignore[attr-defined]
    pipe.unet.register_forward_hook(lambda _net, _given, found: (found[0] + 1e-3 * (len(found[0]) - 2),))
    jobs = easel.paint(**REQUESTS)
    assert all(same(made(job), alone[name]) for name, job in jobs.items())
    assert easel.calls == [3, 1, 1, 1]
    assert easel.pipeline._door.proven == {(3, 64, 64): False}  # type: ignore[attr-defined]


def test_numbers_that_run_over_in_one_picture_are_its_own(
    easel: Easel, alone: dict[str, Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    paint_all = Together.paint

    def spoilt(self: Together, call: Call, rest: Callable[[], None]) -> Any:
        (row,) = [wish.rows.start for wish in call.wishes if wish.words.prompt == "dog"]

        def spoil() -> None:
            if call.step.number == 8:
                call.step.latents[row] = torch.nan
            rest()

        return paint_all(self, call, spoil)

    monkeypatch.setattr(Together, "paint", spoilt)
    jobs = easel.paint(**REQUESTS)
    error = jobs.pop("b").ended().error
    assert isinstance(error, StudioError)
    assert error.key == "image.overflow"
    assert all(same(made(job), alone[name]) for name, job in jobs.items())
    assert easel.calls == [3]


def test_a_picture_that_ran_over_is_known_as_such_in_the_steps_after_it_was_looked_at(
    sd: ImagePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, call = asked(steps=4, width=64, height=64), Call(2, lambda *_: None)
    pipe = fresh_pipeline(sd._pipe, fresh_scheduler(sd._pipe.scheduler, "ddim", 4))
    pipe.scheduler.set_timesteps(4)
    watch = _Watch(call, lambda: None, sd._look, request)
    monkeypatch.setattr(watch._budget, "due", lambda number, _total: number == 2)
    for index in range(3):
        latents = torch.zeros(2, 4, 8, 8)
        if index:
            latents[1] = torch.nan
        left = watch.after_step(pipe, index, None, {"latents": latents})["latents"]
    assert (call.step.number, call.step.shown_at, call.step.finite) == (3, 2, (True, False))
    assert bool(torch.isfinite(left).all())


def test_no_more_pictures_share_a_call_than_there_is_memory_for(sd: ImagePipeline) -> None:
    request = asked(width=512, height=512)
    each = room(sd._pipe, request, 1000, lambda: 10**11)
    assert 1 < each < 1000
    assert room(sd._pipe, request, 4, lambda: 10**11) == 4
    assert room(sd._pipe, asked(width=2048, height=2048), 4, lambda: 10**9) == 1
    assert room(sd._pipe, request, 4, lambda: 0) == 1


# ------------------------------------------------------------------------------------------- what is alike


def test_words_that_are_filled_up_to_another_length_are_another_kind(folders: dict[str, Path]) -> None:
    """A sticker's sentence is read with as many empty places as its longest neighbour asks for."""
    pipe = loaded(folders["stickers"])._pipe
    brief, other = (kind_of(pipe, asked(prompt=prompt)) for prompt in ("a cat", "dog house"))
    long = kind_of(pipe, asked(prompt="a cat " * 12))
    avoided = kind_of(pipe, asked(prompt="a cat", negative_prompt="a cat " * 12))
    assert brief == other
    assert brief is not None
    assert long == avoided
    assert long != brief


def test_the_seconds_of_a_call_are_divided_among_those_it_serves(
    sd: ImagePipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    easel = Easel(sd, tmp_path, monkeypatch, clock)

    def tick(*_: object) -> None:
        clock.now += 1

    hook = sd._pipe.unet.register_forward_hook(tick)  # type: ignore[union-attr]
    jobs = easel.paint(**REQUESTS)
    used = {name: job.ended().hold.used for name, job in jobs.items()}
    hook.remove()
    assert easel.calls == [3]
    assert used == {"a": pytest.approx(1 + 3), "b": pytest.approx(3), "c": pytest.approx(3)}, "of 1 step and 9"
