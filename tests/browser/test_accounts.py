"""People with accounts at one studio, by mouse and keyboard: coming in, making, sharing, inviting, leaving."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from benchmarks.servers import Server, server
from studio.settings import ROOT
from tests.browser.conftest import NewPerson
from tests.browser.people import LEAVING, SLOW, Person

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A studio with accounts and its first administrator."""
    data = tmp_path_factory.mktemp("guarded")
    command = [sys.executable, "-m", "studio.accounts", "add", "Ann", "--role", "administrator", "--data", str(data)]
    subprocess.run(command, cwd=ROOT, input=f"{PASSWORD}\n", text=True, check=True, timeout=100)
    with server(data, "--auth", "--threads", "1", log=data / "log.txt") as running:
        running.wait_ready()
        yield running


def sign_in(person: Person, password: str, label: str = "Password", button: str = "Sign in") -> None:
    person.page.get_by_label(label).fill(password)
    person.page.get_by_role("button", name=button).click()


def paint(person: Person) -> None:
    """The quickest thing there is to make."""
    person.go("style")
    person("style-example-1").click()
    person.sees_state("style", "done", SLOW)


def test_a_person_is_refused_signs_in_makes_something_shares_it_and_signs_out(
    new_person: NewPerson, guarded: Server
) -> None:
    ann = new_person(guarded.url)
    ann.expect_trouble("401")
    ann.page.goto(guarded.url)
    expect(ann.page).to_have_url(f"{guarded.url}/sign-in")
    ann.page.get_by_label("Name").fill("ann")
    sign_in(ann, "wrong password")
    expect(ann.page.get_by_role("alert")).to_contain_text("do not belong together")
    sign_in(ann, PASSWORD)
    expect(ann("account-link")).to_have_text("Ann")
    paint(ann)
    link = share(ann)
    sees_what_is_shared(new_person(guarded.url), link)
    ann("item-close").click()
    ann("shared-list summary").click()
    ann("shared-list").get_by_role("button", name="Take back").click()
    expect(ann("shared-list")).to_have_count(0)
    assert ann.context.request.get(link).status == 404
    before = len(ann.troubles)
    ann("sign-out").click()
    expect(ann.page).to_have_url(f"{guarded.url}/sign-in")
    ann.troubles[before:] = [one for one in ann.troubles[before:] if not LEAVING.search(one)]
    ann.page.goto(f"{guarded.url}/account")
    expect(ann.page).to_have_url(f"{guarded.url}/sign-in?next=%2Faccount")


def share(person: Person) -> str:
    person.go("library")
    person("library-grid .card").first.click()
    person("item-share").click()
    person("share-make").click()
    expect(person("share-link")).to_be_visible()
    return person("share-link").input_value()


def sees_what_is_shared(stranger: Person, link: str) -> None:
    stranger.page.goto(link)
    picture = stranger.page.locator(".shared-thing img")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 100
    stranger.page.get_by_role("link", name="Atelier").click()
    expect(stranger.page).to_have_url(f"{stranger.url}/sign-in")


def test_a_guest_comes_by_an_administrators_link_and_sees_only_their_own(
    new_person: NewPerson, guarded: Server
) -> None:
    ann, guest = new_person(guarded.url), new_person(guarded.url, locale="zh-CN")
    ann.page.goto(f"{guarded.url}/sign-in")
    ann.page.get_by_label("Name").fill("Ann")
    sign_in(ann, PASSWORD)
    ann("page-administration-button").click()
    ann("invite-role").select_option("guest")
    ann("invite-make").click()
    expect(ann("invite-link")).to_be_visible()
    guest.page.goto(ann("invite-link").input_value())
    guest.page.get_by_role("button", name="进入").click()
    expect(guest("account-link")).to_contain_text("guest-")
    expect(guest("page-administration-button")).to_have_count(0)
    guest.go("library")
    expect(guest("library-grid .card")).to_have_count(0)
    closes_the_guest(ann, guest)


def closes_the_guest(ann: Person, guest: Person) -> None:
    """What the guest's page says of it in the console is no trouble: it asks on and is refused."""
    guest.expect_trouble("401|Connection|aborted|Failed to (fetch|load)")
    ann.page.get_by_role("tab", name="Library").click()
    ann("page-administration-button").click()
    row = ann("people-table tr[data-name^=guest]")
    row.get_by_role("button", name="Close account").click()
    expect(row).to_contain_text("Closed")
    guest.page.goto(guest.url)
    expect(guest.page).to_have_url(f"{guest.url}/sign-in")
