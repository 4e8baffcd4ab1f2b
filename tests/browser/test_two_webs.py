"""The page at a web process that does not lead, over one PostgreSQL: it shows and does the same, and goes on when the
process that leads is killed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from benchmarks.servers import Server, server
from tests.browser.conftest import NewPerson
from tests.browser.people import SLOW, Person
from tests.browser.test_training import begin, sees_learning, step_of, stop
from tests.postgres import PostgreSQL


@pytest.fixture(scope="module")
def webs(tmp_path_factory: pytest.TempPathFactory, postgresql: PostgreSQL) -> Iterator[tuple[Server, Server]]:
    """Two over one database and one data folder. The first leads."""
    data = tmp_path_factory.mktemp("webs")
    common = ("--threads", "1", "--database", postgresql.fresh())
    with server(data, *common, log=data / "first.txt") as first:
        first.wait_ready()
        with server(data, *common, log=data / "second.txt") as second:
            second.wait_ready()
            yield first, second


def at_both(new_person: NewPerson, webs: tuple[Server, Server]) -> tuple[Person, Person]:
    """One person with a page at each: the cookie is the machine's, whatever the port."""
    leader, other = new_person(webs[0].url), new_person(webs[1].url)
    other.page.goto(other.url)
    leader.context.add_cookies(other.context.cookies())  # type: ignore[arg-type]
    return leader, other


def test_what_is_asked_for_where_nobody_leads_is_seen_at_both_and_outlives_the_one_that_leads(
    new_person: NewPerson, webs: tuple[Server, Server]
) -> None:
    leader, other = at_both(new_person, webs)
    begin(other)
    expect(other("strip-doing")).to_contain_text("Training, second")
    leader.open("training")
    sees_learning(leader, beyond=step_of(other))
    stop(other)
    leader.sees_state("training", "done")
    sees_the_same_library(leader, other)
    makes_something_quick(other)
    goes_on_without_the_leader(leader, other, webs)


def sees_the_same_library(leader: Person, other: Person) -> None:
    for person in (leader, other):
        person.go("library")
        expect(person("library-grid .card")).to_have_count(2)  # a generator, and what it drew
    path = "/trainings"
    listed = [person.context.request.get(f"{person.url}{path}").json() for person in (leader, other)]
    assert listed[0] == listed[1]
    job = listed[0][0]["job"]
    views = [person.context.request.get(f"{person.url}/jobs/{job}/view").json() for person in (leader, other)]
    assert views[0] == views[1]
    assert views[0]["state"] == "done"


def makes_something_quick(other: Person) -> None:
    """Its events come as they do anywhere."""
    other.go("style")
    other("style-example-1").click()
    other.sees_state("style", "done")
    expect(other("style-result img").first).to_be_visible()


def goes_on_without_the_leader(leader: Person, other: Person, webs: tuple[Server, Server]) -> None:
    other.go("training")
    other("training-reset").click()
    other("training-start").click()
    sees_learning(other)
    leader.expect_trouble("ERR_|Failed to|Connection|aborted|EventSource|net::")
    leader.page.close()
    webs[0].process.kill()
    webs[0].process.wait()
    before = step_of(other)
    expect(other("training-samples img").first).to_be_visible()  # what was learned is seen all the time
    other.page.wait_for_function(
        "before => +document.getElementById('training-step').textContent.replace(/\\D/g, '') > before",
        arg=before,
        timeout=SLOW,
    )
    expect(other("strip-doing")).to_contain_text("Training, second")
    stop(other)
    other.sees_idle_device()
