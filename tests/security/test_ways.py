"""The entrance's own pages on a whole studio, as a browser without scripts uses them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from pipelines.errors import StudioError
from studio.entrance.agents import browser_named
from studio.entrance.gate import SESSION
from studio.entrance.inside import Inside
from studio.services import Studio, open_studio
from studio.settings import ROOT
from studio.web import build_routes
from tests.security.conftest import PASSWORD
from tests.studios import settings

OURS = {"sec-fetch-site": "same-origin", "accept": "text/html"}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, module_database_url: str) -> Iterator[FastAPI]:
    """All but gradio's page. The engine is not started, as nothing is made here."""
    studio = open_studio(
        settings(tmp_path_factory.mktemp("studio"), auth=True, engine="inline", database=module_database_url)
    )
    yield build_routes(studio, Inside())
    studio.database.close()


@pytest.fixture(scope="module")
def studio(app: FastAPI) -> Studio:
    found: Studio = app.state.studio
    return found


@pytest.fixture
def name(studio: Studio, request: pytest.FixtureRequest) -> str:
    """Somebody new."""
    name = f"p{abs(hash(request.node.nodeid)) % 10**8}"
    studio.accounts.add(name, "member", PASSWORD)
    return name


@pytest.fixture
def browser(app: FastAPI) -> TestClient:
    return TestClient(app, follow_redirects=False, headers=OURS)


def sign_in(browser: TestClient, name: str, password: str = PASSWORD, onward: str = "/") -> str:
    """Where one is led."""
    answer = browser.post("/sign-in", data={"name": name, "password": password, "next": onward})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def test_a_wrong_password_is_said_and_the_name_stays(browser: TestClient, name: str) -> None:
    answer = browser.post("/sign-in", data={"name": name, "password": "wrong password"})
    assert answer.status_code == 401
    assert "do not belong together" in answer.text
    assert f'value="{name}"' in answer.text
    assert "set-cookie" not in answer.headers


def test_what_was_typed_comes_back_as_text(browser: TestClient) -> None:
    typed = '"><script>alert(1)</script>'
    answer = browser.post("/sign-in", data={"name": typed, "password": "x", "next": typed})
    assert "<script>alert" not in answer.text
    assert "&lt;script&gt;alert(1)" in answer.text


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(browser: TestClient, name: str) -> None:
    answer = browser.post("/sign-in", data={"name": name, "password": PASSWORD})
    cookie = answer.headers["set-cookie"].lower()
    assert all(word in cookie for word in ("httponly", "samesite=lax", "path=/"))
    assert "secure" not in cookie
    secured = TestClient(browser.app, "https://testserver", follow_redirects=False, headers=OURS)
    assert "secure" in secured.post("/sign-in", data={"name": name, "password": PASSWORD}).headers["set-cookie"].lower()


def test_a_session_that_somebody_planted_is_not_taken_over(browser: TestClient, name: str, studio: Studio) -> None:
    browser.cookies.set(SESSION, "planted", domain="testserver.local", path="/")
    sign_in(browser, name)
    first = browser.cookies[SESSION]
    assert first != "planted"
    sign_in(browser, name)
    assert browser.cookies[SESSION] != first
    assert studio.accounts.sessions.person(first) is None  # the one before has ended


def test_one_is_led_to_where_one_wanted_and_nowhere_else(browser: TestClient, name: str) -> None:
    assert sign_in(browser, name, onward="/account") == "/account"
    assert sign_in(browser, name, onward="//evil.example") == "/"
    assert browser.get("/sign-in?next=https://evil.example").headers["location"] == "/"


def test_signing_out_ends_the_session_on_the_server(browser: TestClient, name: str) -> None:
    sign_in(browser, name)
    kept = browser.cookies[SESSION]
    assert browser.get("/account").status_code == 200
    assert browser.post("/sign-out", headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert browser.post("/sign-out").headers["location"] == "/sign-in"
    assert browser.get("/account").status_code == 303
    browser.cookies.set(SESSION, kept, domain="testserver.local", path="/")
    assert browser.get("/account").status_code == 303


def test_a_new_password_leaves_this_browser_in_and_no_other(browser: TestClient, name: str) -> None:
    other = TestClient(browser.app, follow_redirects=False, headers=OURS)
    sign_in(browser, name)
    sign_in(other, name)
    wrong = browser.post("/account/password", data={"old": "wrong password", "new": "another horse battery"})
    assert (wrong.status_code, other.get("/account").status_code) == (422, 200)
    done = browser.post("/account/password", data={"old": PASSWORD, "new": "another horse battery"})
    assert done.status_code == 200
    assert (browser.get("/account").status_code, other.get("/account").status_code) == (200, 303)


def test_a_token_is_shown_once_and_taken_back(browser: TestClient, name: str) -> None:
    sign_in(browser, name)
    page = browser.post("/account/tokens", data={"name": "my <b>script</b>"}).text
    token = re.search(r'id="new-token" readonly value="([^"]+)"', page)
    assert token is not None
    assert token[1] not in browser.get("/account").text
    assert "my &lt;b&gt;script" in page
    script = TestClient(browser.app, headers={"Authorization": f"Bearer {token[1]}"})
    assert script.get("/account/me").json()["name"] == name
    take_back = re.search(r"/account/tokens/\d+/take-back", page)
    assert take_back is not None
    assert browser.post(take_back[0]).status_code == 303
    assert script.get("/account/me").status_code == 401


def test_an_invitation_is_accepted_in_a_browser(browser: TestClient, studio: Studio) -> None:
    boss = studio.accounts.add("boss", "administrator", PASSWORD)
    link = f"/invitation/{studio.accounts.invite(boss, 'member', 1, 1, 0)}"
    assert 'name="password"' in browser.get(link).text
    refused = browser.post(link, data={"name": "BOSS", "password": PASSWORD})
    assert (refused.status_code, "called BOSS already" in refused.text) == (422, True)
    assert browser.post(link, data={"name": "carl", "password": PASSWORD}).headers["location"] == "/"
    assert browser.get("/account/me").json() == {"name": "carl", "role": "member", "ends": None}
    assert browser.get(link).status_code == 404


def test_a_guest_comes_by_a_link_and_gets_no_token(browser: TestClient, studio: Studio) -> None:
    link = f"/invitation/{studio.accounts.invitations.make(None, 'guest', 2, 1, 30)}"
    page = browser.get(link)  # looking at it, as a preview of the link does, lets nobody in
    assert ('name="password"' in page.text, "set-cookie" in page.headers) == (False, False)
    assert browser.post(link).status_code == 303
    assert browser.get("/account/me").json()["role"] == "guest"
    assert browser.post("/account/tokens", data={"name": "x"}).status_code == 422


def test_the_page_before_the_studio_speaks_chinese(browser: TestClient) -> None:
    assert "登录" in browser.get("/sign-in", headers={"accept-language": "zh-CN"}).text


def test_nobody_keeps_these_pages_nor_shows_them_in_a_frame(browser: TestClient) -> None:
    answer = browser.get("/sign-in")
    assert answer.headers["cache-control"] == "no-store"
    assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_form_that_is_no_form_is_no_crash(browser: TestClient) -> None:
    for body, kind in ((b"\xff\xfe", "application/x-www-form-urlencoded"), (b"{}", "application/json"),
                       (b"--x", "multipart/form-data; boundary=x"), (b"", "multipart/form-data")):  # fmt: skip
        assert browser.post("/sign-in", content=body, headers={"content-type": kind}).status_code in (400, 401)


def test_only_the_look_is_served_to_strangers(browser: TestClient) -> None:
    assert browser.get("/assets/studio/css/entrance.css").status_code == 200
    for path in (
        "/assets/studio/css/../catalog.toml",
        "/assets/studio/css/%2e%2e/catalog.toml",
        "/assets/studio/js/main.js",
    ):
        answer = browser.get(path, headers={"accept": "*/*"})
        assert answer.status_code == 401, path


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", ""])
def test_without_accounts_the_studio_listens_on_its_own_machine_only(tmp_path: Path, host: str) -> None:
    with pytest.raises(StudioError, match="--auth"):
        settings(tmp_path, host=host).check_reach()
    settings(tmp_path, host=host, auth=True).check_reach()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.2", "[::1]"])
def test_its_own_machine_is_any_address_of_it(tmp_path: Path, host: str) -> None:
    settings(tmp_path, host=host).check_reach()


def test_the_refusal_is_one_sentence_and_no_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "app.py", "--host", "0.0.0.0", "--data", str(tmp_path / "data")]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert run.returncode != 0
    assert run.stderr.startswith("Without accounts the studio listens on this machine only, and --host is 0.0.0.0: ")
    assert len(run.stderr.splitlines()) == 1
    assert not (tmp_path / "data").exists()


def test_a_proxys_header_without_accounts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudioError, match="--auth"):
        settings(tmp_path, auth_header="X-Forwarded-User").check_reach()


@pytest.mark.parametrize("proxies", ["proxy.example", "10.0.0.5;10.0.0.6", "10.0.0.0/99"])
def test_a_proxy_is_named_by_its_address(tmp_path: Path, proxies: str) -> None:
    with pytest.raises(StudioError, match="neither"):
        settings(tmp_path, auth=True, auth_proxies=proxies).check_reach()
    settings(tmp_path, auth=True, auth_proxies="10.0.0.5, 10.1.0.0/16, ::1").check_reach()


def test_the_figures_are_for_administrators(browser: TestClient, name: str, studio: Studio) -> None:
    chief = studio.accounts.add("chief", "administrator", PASSWORD)
    sign_in(browser, name)
    refused = browser.get("/metrics", headers={"accept-language": "zh"})
    assert (refused.status_code, "管理员" in refused.json()["detail"]) == (403, True)
    member = next(one.id for one in studio.accounts.everybody() if one.name == name)
    for account, status in ((chief.account, 200), (member, 403)):
        token = studio.accounts.sessions.make_token(account, "prometheus")
        asked = TestClient(browser.app, headers={"Authorization": f"Bearer {token}"}).get("/metrics")
        assert asked.status_code == status
    sign_in(browser, "chief")
    assert "atelier_worker_ready" in browser.get("/metrics").text
    assert name not in browser.get("/metrics").text


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130 Safari/537.36",
            "Chrome, Linux",
        ),
        ("Mozilla/5.0 (Windows NT 10.0; Win64) AppleWebKit/537.36 Chrome/130 Safari/537.36 Edg/130", "Edge, Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile Safari/604.1", "Safari, iPhone"),
        ("Mozilla/5.0 (Android 14; Mobile; rv:130.0) Gecko/130.0 Firefox/130.0", "Firefox, Android"),
        ("curl/8.5.0", "curl/8.5.0"),
        ("", "–"),
    ],
)
def test_where_one_is_signed_in_is_said_in_two_words(agent: str, name: str) -> None:
    assert browser_named(agent) == name
