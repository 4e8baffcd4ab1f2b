"""The gate and what stands beside it, around an application that only says who is there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from studio.accounts.accounts import Accounts
from studio.accounts.person import Person
from studio.entrance.gate import SESSION, Gate, is_open
from studio.entrance.inside import HEADER, Inside
from studio.entrance.limits import MB, BodyLimit
from studio.entrance.origins import SameOrigin
from studio.entrance.pages import safe_next
from studio.entrance.proxies import Proxies
from studio.owners import OWNER_HEADER, owner_of

INSIDE = Inside()


async def whose(request: Request) -> JSONResponse:
    body = await request.body() if request.method == "POST" else b""
    client = request.client.host if request.client else ""
    return JSONResponse({"owner": owner_of(request), "bytes": len(body), "client": client})


async def endless(request: Request) -> StreamingResponse:
    async def ticking() -> Any:
        for number in range(1000):
            yield f"{number}\n"
            await asyncio.sleep(0.01)

    return StreamingResponse(ticking())


def guarded(accounts: Accounts, header: str = "", proxies: str = "127.0.0.1") -> Any:
    routes = [Route("/endless", endless), Route("/{path:path}", whose, methods=["GET", "POST", "DELETE"])]
    app: Any = BodyLimit(Starlette(routes=routes), upload_mb=2)
    app = Gate(app, accounts, INSIDE, header=header)
    return Proxies(SameOrigin(app, INSIDE, header), proxies, header)


def client(app: Any, peer: str = "192.0.2.1", **options: Any) -> TestClient:
    return TestClient(app, client=(peer, 5000), follow_redirects=False, **options)


@pytest.fixture
def app(accounts: Accounts) -> Any:
    return guarded(accounts)


@pytest.fixture
def bobs(app: Any, accounts: Accounts, bob: Person) -> TestClient:
    """Bob's browser."""
    return client(app, cookies={SESSION: accounts.sessions.begin(bob, "")})


PATHS = [
    "/", "/config", "/status", "/metrics", "/library/x/y.png", "/jobs/x/files/sample-1.webp", "/account", "/trainings",
    "/gradio_api/info", "/gradio_api/file=/etc/passwd", "/gradio_api/queue/data", "/gradio_api/heartbeat/x",
    "/gradio_api/mcp/", "/gradio_api/mcp/schema", "/theme.css", "/assets/studio/catalog.toml",
    "/assets/studio/css/../catalog.toml", "/assets/studio/css/..%2f..%2fcatalog.toml", "//sign-in",
    "/sign-in/../status", "/shared/../status", "/invitation/..%5c..%5cstatus", "/static/js/x.js", "/sign-inx",
    "/healthz/x",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_nobody_comes_further_than_the_sign_in_page(app: Any, path: str) -> None:
    stranger = client(app)
    answer = stranger.get(path)
    assert answer.status_code == 401
    assert "Sign in first" in answer.json()["detail"]
    for header in ({"Authorization": "Bearer guess"}, {OWNER_HEADER: "u1"}, {HEADER: "guess", OWNER_HEADER: "u1"}):
        assert stranger.get(path, headers=header).status_code == 401
    assert client(app, cookies={SESSION: "guess"}).get(path).status_code == 401
    assert stranger.post(path).status_code == 401


def test_a_person_is_led_to_the_sign_in_page_and_back(app: Any) -> None:
    answer = client(app).get("/jobs/1?a=b&c=d", headers={"accept": "text/html,*/*"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=%2Fjobs%2F1%3Fa%3Db%26c%3Dd")
    assert client(app).get("/gradio_api/info", headers={"accept": "text/html"}).status_code == 401


def test_the_sentence_comes_in_the_persons_language(app: Any) -> None:
    assert "请先登录" in client(app).get("/status", headers={"accept-language": "zh-CN"}).json()["detail"]


@pytest.mark.parametrize("path", ["/sign-in", "/invitation/x", "/shared/x", "/healthz", "/readyz", "/static/fonts/a"])
def test_what_is_needed_to_come_in_is_open(app: Any, path: str) -> None:
    assert is_open(path)
    assert client(app).get(path).status_code == 200


def test_a_websocket_needs_a_session_too(app: Any) -> None:
    from starlette.websockets import WebSocketDisconnect

    with pytest.raises(WebSocketDisconnect), client(app).websocket_connect("/gradio_api/ws"):
        pass


def test_a_session_and_a_token_say_whose_request_it_is(
    app: Any, bobs: TestClient, accounts: Accounts, bob: Person
) -> None:
    assert bobs.get("/x").json()["owner"] == bob.owner
    token = {"Authorization": f"Bearer {accounts.sessions.make_token(bob.account, 'script')}"}
    assert client(app).post("/x", headers=token).json()["owner"] == bob.owner


def test_nobody_says_themselves_whose_request_it_is(app: Any, bobs: TestClient, bob: Person, database: Any) -> None:
    assert bobs.get("/x", headers={OWNER_HEADER: "u999"}).json()["owner"] == bob.owner
    alone = guarded(Accounts(database, required=False))
    assert client(alone).get("/x", headers={OWNER_HEADER: "u1"}).json()["owner"] == "local"


def test_a_wrong_token_is_not_made_good_by_a_cookie(bobs: TestClient) -> None:
    assert bobs.get("/x", headers={"Authorization": "Bearer guess"}).status_code == 401


def test_what_the_studio_asks_of_itself_keeps_whose_it_is(app: Any) -> None:
    answer = client(app).post("/x", headers={HEADER: INSIDE.secret, OWNER_HEADER: "u7"})
    assert answer.json()["owner"] == "u7"


def test_a_long_answer_ends_when_the_account_is_closed(app: Any, accounts: Accounts, ann: Person, bob: Person) -> None:
    """The client of the other tests would read the whole answer first, so the application is asked directly."""
    cookie = f"{SESSION}={accounts.sessions.begin(bob, '')}".encode()
    heard: list[bytes] = []
    scope = {"type": "http", "method": "GET", "path": "/endless", "query_string": b"", "client": ("192.0.2.1", 1)}

    async def asked() -> None:
        asking, over = [{"type": "http.request", "body": b"", "more_body": False}], asyncio.Event()

        async def receive() -> dict[str, Any]:
            if asking:
                return asking.pop()
            await over.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.body":
                heard.append(message["body"])
                if len(heard) == 3:
                    accounts.set_disabled(ann, bob.account, True)
                if not message.get("more_body"):
                    over.set()

        await asyncio.wait_for(app({**scope, "headers": [(b"cookie", cookie)]}, receive, send), 60)

    asyncio.run(asked())
    assert heard == [b"0\n", b"1\n", b"2\n", b""]


# ------------------------------------------------------------------------------------------ other sites


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://testserver.evil.example"},
        {"origin": "http://testserver@evil.example"},
        {"origin": "http://testserver:81"},
        {"sec-fetch-site": "cross-site", "origin": "http://testserver"},
        {},
    ],
)
def test_another_site_cannot_act_in_a_persons_name(bobs: TestClient, headers: dict[str, str]) -> None:
    for ask in (bobs.post, bobs.delete):
        answer = ask("/x", headers=headers)
        assert answer.status_code == 403
        assert "another site" in answer.json()["detail"]


@pytest.mark.parametrize("headers", [{"sec-fetch-site": "same-origin"}, {"origin": "http://testserver"}])
def test_our_own_page_can(bobs: TestClient, headers: dict[str, str]) -> None:
    assert bobs.post("/x", headers=headers).status_code == 200


def test_another_site_cannot_act_on_a_machine_of_ones_own_either(database: Any) -> None:
    alone = client(guarded(Accounts(database, required=False)))
    assert alone.post("/x", headers={"origin": "http://evil.example"}).status_code == 403
    assert alone.post("/x", headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert alone.post("/x").status_code == 200  # a script without a cookie
    assert alone.post("/x", headers={"cookie": "atelier=1"}).status_code == 403
    assert alone.post("/x", headers={"cookie": "atelier=1", "authorization": "Bearer mine"}).status_code == 200


def test_behind_a_proxy_the_forwarded_host_is_ours(bobs: TestClient) -> None:
    headers = {"origin": "https://atelier.example", "x-forwarded-host": "atelier.example"}
    assert bobs.post("/x", headers=headers).status_code == 200


# ------------------------------------------------------------------------------------------------- sizes


def test_a_body_that_says_it_is_too_large_is_not_read(bobs: TestClient) -> None:
    ours = {"sec-fetch-site": "same-origin"}
    answer = bobs.post("/x", content=b"", headers={**ours, "content-length": str(5 * MB)})
    assert (answer.status_code, "4 MB" in answer.json()["detail"]) == (413, True)
    assert bobs.post("/x", content=b"a" * 4 * MB, headers=ours).json()["bytes"] == 4 * MB
    assert (
        bobs.post("/gradio_api/upload", content=b"", headers={**ours, "content-length": "4000000"}).status_code == 413
    )
    assert bobs.post("/x", content=b"", headers={**ours, "content-length": "-1"}).status_code == 413


def test_a_body_that_does_not_say_how_large_it_is_is_cut_off(bobs: TestClient) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(6):
            yield b"a" * MB

    assert bobs.post("/x", content=pieces(), headers={"sec-fetch-site": "same-origin"}).status_code == 413


# ----------------------------------------------------------------------------------------------- proxies

SSO = {"X-Forwarded-User": "carl"}


def test_a_proxy_signs_people_in_from_its_own_address_only(accounts: Accounts) -> None:
    app = guarded(accounts, header="X-Forwarded-User", proxies="10.0.0.5, 10.1.0.0/16")
    assert client(app, "192.0.2.1").get("/x", headers=SSO).status_code == 401
    assert accounts.everybody() == []
    first = client(app, "10.0.0.5").get("/x", headers=SSO).json()["owner"]
    assert client(app, "10.1.2.3").get("/x", headers={"x-forwarded-user": "CARL"}).json()["owner"] == first
    assert [(one.name, one.role) for one in accounts.everybody()] == [("carl", "member")]


def test_the_header_is_nothing_unless_it_was_asked_for(app: Any) -> None:
    assert client(app, "127.0.0.1").get("/x", headers=SSO).status_code == 401


def test_another_site_cannot_act_through_a_proxy_that_signs_in(accounts: Accounts) -> None:
    """Whatever the browser says to the proxy, the header comes along by itself, without any cookie of ours."""
    proxied = client(guarded(accounts, header="X-Forwarded-User"), "127.0.0.1")
    assert proxied.post("/x", headers=SSO).status_code == 403
    assert proxied.post("/x", headers=SSO | {"origin": "http://evil.example"}).status_code == 403
    assert proxied.post("/x", headers=SSO | {"origin": "http://testserver"}).status_code == 200


def test_a_forwarded_address_is_no_trusted_one(accounts: Accounts) -> None:
    """The peer counts, not what it says of whom it forwards."""
    app = guarded(accounts, header="X-Forwarded-User", proxies="10.0.0.5")
    headers = SSO | {"X-Forwarded-For": "10.0.0.5"}
    assert client(app, "192.0.2.1").get("/x", headers=headers).status_code == 401
    answer = client(app, "10.0.0.5").get("/x", headers=SSO | {"X-Forwarded-For": "192.0.2.1"})
    assert answer.json()["client"] == "192.0.2.1"


def test_a_header_that_comes_twice_is_no_ones(accounts: Accounts) -> None:
    app = guarded(accounts, header="X-Forwarded-User")
    twice = [("X-Forwarded-User", "carl"), ("X-Forwarded-User", "ann")]
    assert client(app, "127.0.0.1").get("/x", headers=twice).status_code == 401


def test_a_closed_account_is_closed_to_the_proxy_too(accounts: Accounts, ann: Person, bob: Person) -> None:
    app = guarded(accounts, header="X-Forwarded-User")
    accounts.set_disabled(ann, bob.account, True)
    assert client(app, "127.0.0.1").get("/x", headers={"X-Forwarded-User": "bob"}).status_code == 401


def test_an_address_that_is_not_forwarded_by_a_trusted_proxy_stays(bobs: TestClient) -> None:
    """Otherwise guessing passwords from a fresh address each time would be a header away."""
    assert bobs.get("/x", headers={"X-Forwarded-For": "203.0.113.9"}).json()["client"] == "192.0.2.1"


# ----------------------------------------------------------------------------------------------- onward


@pytest.mark.parametrize(
    "wanted",
    ["//evil.example", "https://evil.example", "/\\evil.example", "\\\\evil.example", "javascript:alert(1)", "evil",
     "/\tx", "/x\r\nSet-Cookie: a=b", "", "/x\\@evil.example"],
)  # fmt: skip
def test_the_way_on_leads_nowhere_else(wanted: str) -> None:
    assert safe_next(wanted) == "/"


def test_the_way_on_leads_to_where_one_was() -> None:
    assert safe_next("/jobs/1?a=b&c=d") == "/jobs/1?a=b&c=d"
