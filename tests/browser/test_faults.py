"""A studio that is bare at first, then loses its worker, then dies: what a person at the page sees of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import expect

from benchmarks.servers import Server, server
from tests.browser.conftest import NewPerson
from tests.browser.people import Person
from tests.browser.test_training import begin, first_step_shown, sees_learning, step_of, stop
from tests.studios import wait_for

#: whether the curves of the training that is shown have the mark of a resume
RESUMED = """async () => {
  const job = document.querySelector("#training-result .stage-body").dataset.key;
  const {marks} = await (await fetch(`jobs/${job}/curves`)).json();
  return marks.some(([, , words]) => words.startsWith("resumed"));
}"""


class Mortal:
    """A studio of its own that can be killed and started again, at the same address and with the same data."""

    def __init__(self, data: Path, stack: ExitStack) -> None:
        self.data = data
        self._stack = stack
        self.start()

    def start(self, port: int = 0) -> None:
        options = ("--threads", "1")
        self.server: Server = self._stack.enter_context(server(self.data, *options, log=self.data / "log", port=port))
        self.url = self.server.url
        self.server.wait_ready()

    def kill(self) -> None:
        self.server.process.kill()
        self.server.process.wait()

    def start_again(self) -> None:
        self.start(int(self.url.rpartition(":")[2]))

    def kill_worker(self) -> None:
        """``kill -9`` of the process that holds the device; it is gone when this returns."""
        children = psutil.Process(self.server.process.pid).children()
        (worker,) = (child for child in children if "studio.engine.hosts.worker" in child.cmdline())
        worker.kill()
        wait_for(lambda: not worker.is_running(), 20)

    def checkpoint(self) -> None:
        """Waits for one that is not the very first."""
        wait_for(lambda: any(self.data.glob("jobs/*/checkpoint-*[1-9]*.safetensors")), 60)


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mortal]:
    with ExitStack() as stack:
        yield Mortal(tmp_path_factory.mktemp("mortal"), stack)


def test_with_no_model_fetched_the_image_tab_invites_and_says_what_comes_first_and_how_large_it_is(
    mortal: Mortal, new_person: NewPerson
) -> None:
    person = new_person(mortal.url)
    person.open("image")
    expect(person("image-model input")).to_have_value("Stickers")
    expect(person("image-result .example").first).to_be_visible()
    expect(person("image-to-fetch")).to_contain_text(re.compile(r"\d MB"))
    person.choose("image-model", "SDXL-Turbo")
    expect(person("image-to-fetch")).to_contain_text(re.compile(r"SDXL-Turbo.*\d GB"))


def test_a_training_whose_worker_is_killed_goes_on_by_itself_from_its_last_checkpoint(
    mortal: Mortal, new_person: NewPerson
) -> None:
    person = new_person(mortal.url)
    begin(person)
    mortal.checkpoint()
    first = first_step_shown(person)
    mortal.kill_worker()
    wait_for(lambda: person.page.evaluate(RESUMED), 60)
    sees_learning(person, beyond=step_of(person))
    assert first_step_shown(person) == first, "the curves before the kill are still there"
    stop(person)


def test_a_page_finds_its_studio_again_and_goes_on_with_the_training_that_a_restart_interrupted(
    mortal: Mortal, new_person: NewPerson
) -> None:
    person: Person = new_person(mortal.url)
    person.expect_trouble(
        r"ERR_CONNECTION_(REFUSED|RESET|CLOSED|ABORTED)|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE|Connection errored out"
        r"|network error|Failed to fetch"
    )
    begin(person)
    mortal.checkpoint()
    mortal.kill()
    expect(person("strip-doing")).to_have_text("The studio does not answer; trying again")
    mortal.start_again()
    expect(person("strip-doing")).to_have_text("Idle")
    for _ in range(4):  # all that is to be seen comes in one burst here, which must not lose any of it
        person.reload("training")
        person.sees_state("training", "interrupted", timeout=10_000)
    reached = step_of(person)
    assert reached > 0, "the curves so far are shown"
    person("training-resume").click()
    sees_learning(person, beyond=reached)
    stop(person)
    expect(person("training-result .board-download a[download]")).to_be_visible()
