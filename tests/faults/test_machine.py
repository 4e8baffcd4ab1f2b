"""Whatever people, kills and restarts do in whatever order: an acknowledged job ends exactly once, with its files.

The studio is a process of its own, and so is its worker; both are killed with -9. 20 kills and two short runs of the
state machine here; STUDIO_NIGHTLY=1 makes them 100 and a dozen, which takes some twenty minutes.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pipelines.errors import StudioError
from studio.engine.job import ENDED
from tests.faults.driver import PEOPLE, Driven
from tests.studios import wait_for

NIGHTLY = bool(os.environ.get("STUDIO_NIGHTLY"))
#: kill -9, each second one of the worker and each other of the studio
KILLS = 100 if NIGHTLY else 20
#: seconds until everything has ended once nobody is killed any more: more kills leave more in the line
PATIENCE = 60 + 3 * KILLS
#: of the device that everybody in the state machine has in 24 hours
MINUTES = 1
OVER = ENDED - {"interrupted"}  # from which nothing goes on


def check(looked: list[dict[str, Any]], asked: set[str]) -> None:
    """What holds of all jobs at any moment."""
    assert asked <= {job["id"] for job in looked}, "an acknowledged job is lost"
    for job in looked:
        assert job["in_order"], job
        assert not OVER & set(job["states"][:-1]), f"it went on after its end: {job}"
        assert job["states"][-1] == job["state"], job
        assert sum(state in ENDED for state in job["states"]) <= job["attempt"], job
        assert job["whole"], f"a file is torn: {job}"
        assert bool(job["files"]) == (job["state"] == "done"), f"files without an end, or an end without files: {job}"
        assert job["seconds"] >= 0


def kill_worker(studio: Driven) -> None:
    pid = wait_for(lambda: studio("worker"), 60)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def ask(studio: Driven, chance: random.Random) -> set[str]:
    """The acknowledged job; none where as many wait already as may, which kills bring about."""
    try:
        return {studio("submit", chance.choice(PEOPLE), chance.choice([2, 12, 60]), False)}
    except StudioError as refused:
        if refused.key != "busy.yours":
            raise
        return set()


class Studios(RuleBasedStateMachine):
    """``asked`` are the jobs that were acknowledged."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="atelier-machine-"))
        self.asked: dict[str, str] = {}
        self.studio: Driven | None = None

    @initialize()
    def begin(self) -> None:
        self.studio = Driven(self.folder, MINUTES)

    @property
    def now(self) -> Driven:
        assert self.studio is not None
        return self.studio

    @precondition(lambda self: len(self.asked) < 8)
    @rule(owner=st.sampled_from(PEOPLE), steps=st.sampled_from([2, 12, 1_000_000]), leaves=st.booleans())
    def submit(self, owner: str, steps: int, leaves: bool) -> None:
        try:
            self.asked[self.now("submit", owner, steps, leaves)] = owner
        except StudioError as refused:
            if refused.key != "cap.minutes":
                raise

    @rule(owner=st.sampled_from(PEOPLE), share=st.sampled_from([0.5, 0.999, 1.5]))
    def use(self, owner: str, share: float) -> None:
        """Of the minutes that everybody has: those who use the rest up are stopped."""
        self.now("use", owner, share * MINUTES * 60)

    @precondition(lambda self: self.asked)
    @rule(which=st.integers(0, 99), what=st.sampled_from(["cancel", "finish", "pause", "resume"]))
    def tell(self, which: int, what: str) -> None:
        job_id, owner = list(self.asked.items())[which % len(self.asked)]
        with contextlib.suppress(StudioError):  # it has ended, or has not begun
            self.now("tell", owner, job_id, what)

    @rule(seconds=st.sampled_from([0.05, 0.4]))
    def wait(self, seconds: float) -> None:
        time.sleep(seconds)

    @rule()
    def kill_worker(self) -> None:
        kill_worker(self.now)

    @rule()
    def kill_web(self) -> None:
        self.now.kill()
        self.now.start()

    @rule()
    def restart(self) -> None:
        self.now.close()
        self.now.start()

    @invariant()
    def all_is_well(self) -> None:
        if self.studio is not None:
            check(self.studio("look"), set(self.asked))
            assert min(self.studio("quotas")) >= 0

    def teardown(self) -> None:
        """Everybody stops: then everything ends."""
        if self.studio is None:
            return
        try:
            wait_for(lambda: self.now("finish_all") == 0, PATIENCE)
            self.all_is_well()
            self.studio.close()
        finally:
            self.studio.process.kill()
            shutil.rmtree(self.folder, ignore_errors=True)


def test_in_whatever_order_an_acknowledged_job_ends_exactly_once_and_has_its_files() -> None:
    run_state_machine_as_test(
        Studios,
        settings=settings(
            max_examples=12 if NIGHTLY else 2,
            stateful_step_count=25 if NIGHTLY else 8,
            derandomize=not NIGHTLY,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_random_kills_lose_no_acknowledged_job_double_none_and_tear_no_file(tmp_path: Path) -> None:
    chance, studio, asked = random.Random(5), Driven(tmp_path), set()
    for _ in range(KILLS // 2):
        asked |= ask(studio, chance) | ask(studio, chance)
        time.sleep(chance.uniform(0, 0.6))
        kill_worker(studio)
        time.sleep(chance.uniform(0, 0.6))
        check(studio("look"), asked)
        studio.kill()
        studio.start()
        check(studio("look"), asked)
    wait_for(lambda: all(job["state"] in ENDED for job in studio("look")), PATIENCE)
    check(studio("look"), asked)
    studio.close()
