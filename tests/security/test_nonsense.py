"""Bad requests to every route of a running studio, hundreds of them, with accounts and without: no 500, no traceback
for anybody to read, nothing in the log that looks like a bug, and the studio is there afterwards."""

from __future__ import annotations

import contextlib
import json
import random
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.servers import server
from studio.accounts.accounts import Accounts
from studio.settings import ROOT
from studio.store.database import Database
from tests.nonsense import HEADS, VALUES, Ask, asks, json_bytes, listed
from tests.security.conftest import PASSWORD
from tests.studios import small_training, wait_for

ENDPOINTS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "api" / "endpoints.json").read_text("utf-8"))
#: with these nothing is made whatever one other value is: each kind of work is refused twice over
NOTHING: dict[str, Any] = {
    "prompt": "", "model": "no-such-model", "recipe": "alchemy", "dataset": "nowhere", "photo": None, "pictures": None,
    "style_picture": None, "limit": 5, "step": -5,
}  # fmt: skip
#: whoever is given one text and nothing else finds sense in almost any
TOO_LONG = "word " * 10_000
#: of an answer that streams, enough to judge it
ENOUGH = 200_000


@dataclass
class Asked:
    """A running studio, and everything that was wrong with what it said."""

    url: str
    log: Path
    headers: dict[str, str]
    routes: list[tuple[str, str]]
    functions: list[tuple[int, list[str]]]
    job: str = ""
    count: int = 0
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.client = httpx.Client(timeout=20)

    def send(self, ask: Ask) -> str:
        """Sends it as it is, judges the answer and returns its text."""
        self.count += 1
        self.client.cookies.clear()
        headers = [(name.encode(), value.encode("latin-1")) for name, value in (self.headers | ask.headers).items()]
        request = self.client.build_request(ask.method, self.url, headers=headers, content=ask.body)
        request.url = httpx.URL(self.url).copy_with(raw_path=ask.path.encode())
        try:
            with contextlib.closing(self.client.send(request, stream=True)) as answer:
                text = _beginning(answer, listening="heartbeat" in ask.path)
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            return ""  # hung up on, which is an answer too; whether the studio lives is asked at the end
        busy = answer.status_code == 503 and ask.path.startswith("/readyz")
        if (answer.status_code >= 500 and not busy) or _is_ours_to_blame(text):
            self.wrong.append(f"{answer.status_code} {ask.method} {ask.path[:150]} {ask.body!r:.200}: {text[-300:]}")
        return text

    def post(self, path: str, values: Any, **headers: str) -> str:
        return self.send(Ask("POST", path, {"content-type": "application/json"} | headers, json_bytes(values)))

    def listen(self, path: str) -> str:
        return self.send(Ask("GET", path))


def _beginning(answer: httpx.Response, listening: bool) -> str:
    got = b""
    for part in answer.iter_raw():
        got += part
        if len(got) > ENOUGH or listening:
            break
    return got.decode("utf-8", "replace")


def _is_ours_to_blame(text: str) -> bool:
    return "Traceback (most recent" in text or re.search("in the log as [0-9a-f]{8}", text) is not None


@pytest.fixture(scope="module")
def surface(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """All there is to ask, as the program itself has it."""
    command = [sys.executable, "-m", "tests.nonsense", str(tmp_path_factory.mktemp("surface"))]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=True)
    found: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module", params=["alone", "accounts"])
def asked(
    request: pytest.FixtureRequest, surface: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Asked]:
    data, with_accounts = tmp_path_factory.mktemp("studio"), request.param == "accounts"
    headers: dict[str, str] = {}
    if with_accounts:
        database = Database(f"sqlite:///{data / 'studio.db'}")
        accounts = Accounts(database, required=True)
        ann = accounts.add("Ann", "administrator", PASSWORD)
        headers = {"authorization": f"Bearer {accounts.sessions.make_token(ann.account, 'test')}"}
        database.close()
    options = ["--auth"] if with_accounts else []
    with server(data, "--threads", "1", *options, log=data / "log.txt") as running:
        running.wait_ready()
        found = Asked(running.url, data / "log.txt", headers, surface["routes"], surface["functions"])
        found.job = _trained(found)
        yield found
        found.client.close()


def _trained(asked: Asked) -> str:
    """A real training that has ended: something to ask nonsense of."""
    values = json.dumps(small_training(steps=2))
    job: str = json.loads(asked.post("/gradio_api/run/start_training", {"data": ["r1", "mnist", values]}))["data"][0]
    state = {"data": [job]}
    wait_for(lambda: json.loads(asked.post("/gradio_api/run/get_job", state))["data"][0]["state"] == "done", 100)
    return job


@pytest.fixture(autouse=True)
def judged(asked: Asked) -> Iterator[None]:
    asked.wrong.clear()
    yield
    assert not asked.wrong, "\n".join(asked.wrong)


def test_every_route_is_asked_what_nobody_should_ask(asked: Asked) -> None:
    assert len(asked.routes) > 100
    for ask in listed(asked.routes, 1, random.Random(5)):
        asked.send(ask)


def test_every_route_is_asked_what_hypothesis_thinks_of(asked: Asked) -> None:
    calm = settings(
        max_examples=250, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )

    @calm
    @given(st.data())
    def ask(data: st.DataObject) -> None:
        asked.send(data.draw(asks(asked.routes)))

    ask()


def _base(asked: Asked, parameters: list[list[Any]]) -> dict[str, Any]:
    known = NOTHING | {"job_id": asked.job}
    return {name: known.get(name, default) for name, _, default in parameters}


@pytest.mark.parametrize("name", ENDPOINTS)
def test_every_parameter_of_the_api_gets_what_it_is_not(asked: Asked, name: str) -> None:
    dice = random.Random(name)
    parameters = ENDPOINTS[name]["parameters"]
    for parameter, *_ in parameters:
        for value in dice.sample(VALUES, 2):
            values = _base(asked, parameters) | {parameter: value}
            way = dice.choice(["run", "call", "call/v2"])
            body = values if way == "call/v2" else {"data": list(values.values())}
            said = asked.post(f"/gradio_api/{way}{name}", body)
            if way != "run" and "event_id" in said:
                asked.listen(f"/gradio_api/call{name}/{json.loads(said)['event_id']}")
    asked.post(f"/gradio_api/call{name}", {"data": [None]})
    asked.post(f"/gradio_api/run{name}", {"data": VALUES[:30]})
    asked.post(f"/gradio_api/call/v2{name}", {"no such parameter": 1})


def test_every_listener_of_the_page_gets_what_it_does_not_expect(asked: Asked) -> None:
    """Made-up pages with made-up values, in the place of what the browser would send."""
    dice = random.Random(7)
    junk = [{"a": [None]}, "x", -1, [[]], {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}]
    for number, inputs in asked.functions:
        page, value = f"page{number}", dice.choice(junk) if inputs != ["Textbox"] else TOO_LONG
        posted = {"data": [value] * len(inputs), "event_data": value, "fn_index": number, "session_hash": page}
        if "event_id" in asked.post("/gradio_api/queue/join", posted):
            asked.listen(f"/gradio_api/queue/data?session_hash={page}")


def test_tools_get_what_they_do_not_take(asked: Asked) -> None:
    dice = random.Random(3)
    for name in ENDPOINTS:
        arguments = {parameter: dice.choice(VALUES) for parameter, *_ in ENDPOINTS[name]["parameters"]} | NOTHING
        called = {"name": name[1:], "arguments": arguments}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": called}
        asked.post("/gradio_api/mcp/", message, accept="application/json, text/event-stream")


@pytest.mark.parametrize("head", HEADS)
def test_what_is_no_http_is_no_crash(asked: Asked, head: bytes) -> None:
    host, port = asked.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=1) as line, contextlib.suppress(OSError):
        line.sendall(head)
        line.shutdown(socket.SHUT_WR)
        said = line.recv(1000)
        assert not said.startswith(b"HTTP/1.1 5"), said


def test_what_is_too_large_is_refused_however_it_comes(asked: Asked) -> None:
    def parts() -> Iterator[bytes]:
        yield b'{"data": ["'
        for _ in range(6):
            yield b"x" * (1 << 20)

    for path in ("/gradio_api/queue/join", "/gradio_api/run/get_job"):
        with contextlib.suppress(httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
            asked.client.cookies.clear()
            headers = asked.headers | {"content-type": "application/json"}
            assert asked.client.post(asked.url + path, content=parts(), headers=headers).status_code == 413


def test_a_form_that_cannot_be_taken_apart_is_refused_with_the_reason(asked: Asked) -> None:
    kind = {"content-type": f"multipart/form-data; boundary={'y' * 300}", **asked.headers}
    answer = asked.client.post(f"{asked.url}/gradio_api/upload", content=b"--y", headers=kind)
    assert (answer.status_code, "exceeds maximum of 256" in answer.json()["detail"]) == (400, True)


def test_the_studio_is_well_afterwards(asked: Asked) -> None:
    assert asked.count > 500
    assert httpx.get(f"{asked.url}/healthz").json() == {"status": "ok", "worker": "ready", "devices": "1 of 1 ready"}
    assert '"done"' in asked.post("/gradio_api/run/get_job", {"data": [asked.job]})
    log = asked.log.read_text("utf-8", "replace")
    assert "Traceback" not in log, log[max(log.find("Traceback") - 500, 0) :][:3000]
    assert "bug" not in log.lower()
