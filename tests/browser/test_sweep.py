"""Several trainings at once on two devices: asked for, seen over each other, one of them stopped, or refused whole; and
what the strip and the administrators' tab show of the devices."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import expect

from benchmarks.servers import Server, server
from studio.settings import ROOT
from tests.browser.conftest import NewPerson
from tests.browser.people import Person
from tests.browser.test_accounts import PASSWORD, sign_in
from tests.browser.test_training import sees_learning
from tests.studios import wait_for

TWO = ("--threads", "1", "--devices", "2")


def wait_for_both(running: Server) -> None:
    """Its health is for everybody, also where there are accounts."""
    wait_for(lambda: httpx.get(f"{running.url}/healthz").json()["devices"] == "2 of 2 ready", 120)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A studio on two devices, in which a person may have five jobs waiting."""
    data = tmp_path_factory.mktemp("two")
    with server(data, *TWO, "--caps.administrator.waiting", "5", log=data / "log.txt") as running:
        wait_for_both(running)
        yield running


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The same with accounts, and Ann is the administrator."""
    data = tmp_path_factory.mktemp("guarded-two")
    command = [sys.executable, "-m", "studio.accounts", "add", "Ann", "--role", "administrator", "--data", str(data)]
    subprocess.run(command, cwd=ROOT, input=f"{PASSWORD}\n", text=True, check=True, timeout=100)
    with server(data, *TWO, "--auth", log=data / "log.txt") as running:
        wait_for_both(running)
        yield running


def ask(person: Person, seconds: int = 600) -> None:
    """The settings of a tiny training, not begun."""
    person("training-dataset [data-value=mnist]").click()
    person.number("training-seconds", seconds)
    person.more("training")
    person.number("training-width", 4)
    person.number("training-batch", 8)
    person("training-fold-several > button").click()
    expect(person("sweep-plan")).to_contain_text("One training.")


def rows(person: Person, state: str = "") -> int:
    return person(f"sweep-rows tbody tr{f'[data-state={state}]' if state else ''}").count()


def test_seeds_and_values_run_over_each_other_and_one_of_them_is_stopped(new_person: NewPerson, two: Server) -> None:
    person = new_person(two.url)
    person.open("training")
    expect(person("strip-devices")).to_have_text("2 devices · 0 busy")
    ask(person)
    person.choose("sweep-setting", "Learning rate")
    expect(person("sweep-plan")).to_contain_text("Say which values of Learning rate to try")
    person("sweep-values textarea, #sweep-values input").first.fill("0.0005, 0.002")
    expect(person("sweep-plan")).to_have_text(
        "2 trainings, each on a device of its own. About 10 min until all are done; longer while others are at work."
    )
    person.number("sweep-seeds", 2)
    expect(person("sweep-plan")).to_contain_text("4 trainings on 2 devices, up to 2 in turn on each. About 20 min")
    expect(person("training-start")).to_have_text("Start 4 trainings")
    person("training-start").click()
    sees_learning(person)
    expect(person("sweep-rows tbody tr[data-state=running]")).to_have_count(4, timeout=60_000)
    expect(person("sweep-rows")).to_contain_text("device 2")
    expect(person("training-curves .curves-runs .curves-key")).to_have_count(4, timeout=60_000)
    expect(person("training-samples .samples-frame-of:visible")).to_have_count(4, timeout=60_000)
    expect(person("strip-doing")).to_have_text(re.compile(r"Training, second \d+ of 600 · 3 more"))
    sees_on_a_phone_how_much_more_goes_on(person)
    sees_devices(person)
    stops_one_and_then_all(person)


def sees_on_a_phone_how_much_more_goes_on(person: Person) -> None:
    """Whatever is cut off for want of room."""
    size = person.page.viewport_size
    assert size is not None
    person.page.set_viewport_size({"width": 400, "height": 800})
    more = person("strip-doing > :last-child")
    expect(more).to_have_text("· 3 more")
    assert more.evaluate(
        "one => one.getBoundingClientRect().right <= one.parentElement.getBoundingClientRect().right + 1"
    )
    person.page.set_viewport_size(size)


def sees_devices(person: Person) -> None:
    """The strip's list, opened and closed by mouse and by keyboard."""
    expect(person("strip-devices")).to_have_text("2 devices · 2 busy", timeout=30_000)
    person("strip-devices").click()
    expect(person("strip-list li")).to_contain_text(["2 running", "2 running"])
    person("strip-devices").press("Escape")
    expect(person("strip-list")).to_be_hidden()


def stops_one_and_then_all(person: Person) -> None:
    here = person("sweep-rows tr.here")
    first = here.get_attribute("data-job")
    here.locator(".sweep-stop").click()
    person.sees_state("training", "done", timeout=60_000)
    expect(person("sweep-rows tbody tr[data-state=done]")).to_have_count(1)
    expect(person("sweep-rows tbody tr[data-state=running]")).to_have_count(3)
    expect(person("training-start")).to_be_hidden()
    person("sweep-rows tr[data-state=running] .sweep-open").first.click()
    sees_learning(person)
    assert here.get_attribute("data-job") != first
    expect(person("training-curves .curves-runs .curves-key")).to_have_count(4)
    person("training-stop").click()
    expect(person("sweep-rows tbody tr[data-state=done]")).to_have_count(4, timeout=60_000)
    expect(person("training-start")).to_be_visible()
    expect(person("training-film .card")).to_have_count(8)  # of each the generator and what it drew last
    person.go("library")
    expect(person("library-grid")).to_contain_text(re.compile(r"Digits \(MNIST\) · Learning rate 0\.002 · Seed \d+"))
    person.sees_idle_device()


def test_more_than_may_wait_is_refused_whole_before_and_after_the_click(new_person: NewPerson, two: Server) -> None:
    person = new_person(two.url)
    person.open("training")
    ask(person)
    person.number("sweep-seeds", 9)
    expect(person("sweep-plan")).to_contain_text("A sweep has 1 to 8 runs; 9 seeds of 1 values would be 9.")
    person.number("sweep-seeds", 6)
    said = re.compile("6 jobs at once, and none of them was begun: the cap of your role, .*, lets 5 wait at a time")
    expect(person("sweep-plan")).to_have_text(said)
    expect(person("training-start")).to_have_text("Start training")
    person("training-start").click()
    person.sees_toast(said)
    expect(person("training-start")).to_be_visible()
    assert person.status()["running"] == []
    assert person.context.request.get(f"{two.url}/trainings").json() == []


def test_only_settings_of_the_recipe_are_offered_to_be_varied(new_person: NewPerson, two: Server) -> None:
    person = new_person(two.url)
    person.open("training")
    ask(person)
    person.choose("sweep-setting", "Penalty weight")
    person.choose("training-recipe", "VAE (variational autoencoder)")
    expect(person("sweep-setting input")).to_have_value("Nothing")
    expect(person("sweep-values")).to_be_hidden()
    person.choose("sweep-setting", "Beta")
    person("sweep-values textarea, #sweep-values input").first.fill("1, 0.5, 1.0")
    expect(person("sweep-plan")).to_contain_text("2 trainings, each on a device of its own.")


def test_a_drained_device_begins_nothing_and_others_take_what_comes(new_person: NewPerson, guarded: Server) -> None:
    ann = new_person(guarded.url)
    ann.page.goto(f"{guarded.url}/sign-in")
    ann.page.get_by_label("Name").fill("Ann")
    sign_in(ann, PASSWORD)
    ann("page-administration-button").click()
    expect(ann("devices-fleet tbody tr")).to_have_count(2)
    ann.page.get_by_role("button", name="Drain device 1", exact=True).click()
    expect(ann("devices-fleet tbody tr").first).to_contain_text("Drained")
    ann("strip-devices").click()
    expect(ann("strip-list li")).to_contain_text(["Drained", "Idle"])
    trains_on(ann, "2")
    ann("page-administration-button").click()
    ann.page.get_by_role("button", name="Drain device 2", exact=True).click()
    expect(ann("administration-bench")).to_contain_text("All devices are drained")
    ann.page.get_by_role("button", name="Use device 1 again", exact=True).click()
    expect(ann("devices-fleet tbody tr").first).to_contain_text("Idle")
    trains_on(ann, "1")
    ann("page-administration-button").click()
    ann.page.get_by_role("button", name="Use device 2 again", exact=True).click()
    expect(ann("devices-fleet tbody tr").last).to_contain_text("Idle")


def trains_on(ann: Person, device: str) -> None:
    """A training of hers, seen by the device it runs on in the administrators' table."""
    ann.go("training")
    ann("training-dataset [data-value=mnist]").click()
    ann.number("training-seconds", 600)
    ann("training-start").click()
    sees_learning(ann)
    ann("page-administration-button").click()
    expect(ann("devices-running tbody tr")).to_have_count(1)
    expect(ann("devices-running tbody td").nth(3)).to_have_text(device)
    ann.go("training")
    ann("training-stop").click()
    ann.sees_state("training", "done", timeout=60_000)
