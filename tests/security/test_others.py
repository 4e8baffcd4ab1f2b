"""A second person asks a running studio for everything of the first's: by page routes, by the API, as an MCP tool."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from benchmarks.servers import Server, server
from studio.accounts.accounts import Accounts
from studio.settings import ROOT
from studio.store.database import Database
from tests.security.conftest import PASSWORD

SMALL = {"steps": 3, "seconds": 0, "width": 4, "batch": 8, "seed": 1}


@dataclass
class Someone:
    """A person's script: their token, and gradio's client with it."""

    url: str
    token: str
    client: Client

    @property
    def header(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def get(self, path: str, **options: Any) -> httpx.Response:
        return httpx.get(self.url + path, headers=self.header, timeout=60, **options)

    def post(self, path: str, values: Any) -> httpx.Response:
        return httpx.post(self.url + path, json=values, headers=self.header, timeout=60)

    def tool(self, name: str, **arguments: Any) -> str:
        """What an MCP tool answers."""
        asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
        headers = self.header | {"accept": "application/json, text/event-stream"}
        answer = httpx.post(f"{self.url}/gradio_api/mcp/", json=asked, headers=headers, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.text


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("studio")
    for name, role in (("ann", "administrator"), ("bob", "member")):
        command = [sys.executable, "-m", "studio.accounts", "add", name, "--role", role, "--data", str(folder)]
        subprocess.run(command, cwd=ROOT, input=f"{PASSWORD}\n", text=True, check=True, timeout=100)
    return folder


@pytest.fixture(scope="module")
def studio(data: Path) -> Iterator[Server]:
    with server(data, "--auth", "--threads", "1", log=data / "log.txt") as running:
        running.wait_ready()
        yield running


def someone(studio: Server, data: Path, account: int) -> Someone:
    database = Database(f"sqlite:///{data / 'studio.db'}")
    token = Accounts(database, required=True).sessions.make_token(account, "test")
    database.close()
    client = Client(studio.url, headers={"Authorization": f"Bearer {token}"}, verbose=False)
    return Someone(studio.url, token, client)


@pytest.fixture(scope="module")
def ann(studio: Server, data: Path) -> Iterator[Someone]:
    person = someone(studio, data, 1)
    yield person
    person.client.close()


@pytest.fixture(scope="module")
def bob(studio: Server, data: Path) -> Iterator[Someone]:
    person = someone(studio, data, 2)
    yield person
    person.client.close()


@pytest.fixture(scope="module")
def training(ann: Someone) -> dict[str, Any]:
    """A training of Ann's that has ended, with what it made."""
    job = ann.client.predict("r1", "mnist", json.dumps(SMALL), api_name="/start_training")
    list(ann.client.submit(job, 0, api_name="/follow_job"))
    found: dict[str, Any] = ann.client.predict(job, api_name="/get_job")
    assert found["state"] == "done"
    return found


def test_her_files_pictures_and_curves_are_hers(ann: Someone, bob: Someone, training: dict[str, Any]) -> None:
    item, picture = training["items"][0], training["items"][-1]
    paths = [item["url"], item["download_url"], picture["url"], picture["thumbnail_url"]]
    paths += [f"/jobs/{training['id']}/{what}" for what in ("curves", "curves.csv", "snapshots", "samples", "film.gif")]
    samples = ann.get(f"/jobs/{training['id']}/samples").json()
    paths += [sample["url"] for sample in samples[:1]]
    assert samples
    for path in paths:
        assert ann.get(path).status_code == 200, path
        assert bob.get(path).status_code == 404, path
        assert httpx.get(ann.url + path).status_code == 401, path


def test_her_history_is_hers(ann: Someone, bob: Someone, training: dict[str, Any]) -> None:
    assert training["id"] in ann.get("/trainings").text
    for text in (bob.get("/trainings").text, bob.get("/status").text, bob.tool("list_jobs", kind="", limit=500)):
        assert training["id"] not in text
    assert bob.client.predict("", 500, api_name="/list_jobs") == []


@pytest.mark.parametrize("name", ["get_job", "cancel_job", "pause_job", "resume_job", "finish_job", "list_snapshots"])
def test_her_job_is_not_there_for_him(bob: Someone, training: dict[str, Any], name: str) -> None:
    with pytest.raises(AppError, match="no job"):
        bob.client.predict(training["id"], api_name=f"/{name}")
    assert "no job" in bob.tool(name, job_id=training["id"])


def test_he_neither_hears_nor_steers_nor_branches_it(bob: Someone, training: dict[str, Any]) -> None:
    job = training["id"]
    for name, given in (("follow_job", (0,)), ("steer_job", ("{}",)), ("branch_training", (3, "{}"))):
        with pytest.raises(AppError, match="no job"):
            bob.client.predict(job, *given, api_name=f"/{name}")
    assert "no job" in bob.tool("follow_job", job_id=job, after=0)
    assert "no job" in bob.tool("branch_training", job_id=job, step=3, settings_json="{}")


def test_a_digest_is_no_key_to_her_checkpoint(ann: Someone, bob: Someone, training: dict[str, Any]) -> None:
    generator = next(item for item in training["items"] if item["name"].endswith(".safetensors"))
    begin = json.dumps({**SMALL, "begin": generator["digest"]})
    with pytest.raises(AppError, match="no file"):
        bob.client.predict("r1", "mnist", begin, api_name="/start_training")
    assert "no file" in bob.tool("start_training", recipe="r1", dataset="mnist", settings_json=begin)


# ------------------------------------------------------------------------------------- gradio's own files


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photos") / "red.png"
    Image.new("RGB", (64, 48), (200, 30, 30)).save(path)
    return path


def test_what_she_uploads_and_gets_is_hers_in_gradios_cache_too(ann: Someone, bob: Someone, photo: Path) -> None:
    with photo.open("rb") as file:
        sent = httpx.post(f"{ann.url}/gradio_api/upload", files={"files": file}, headers=ann.header, timeout=60)
    (path,) = sent.json()
    assert ann.get(f"/gradio_api/file={path}").content == photo.read_bytes()
    for asked in (f"/gradio_api/file={path}", f"/gradio_api/file/{path}", f"/gradio_api/file={path}?x=1"):
        assert bob.get(asked).status_code == 404, asked
    posted = {"data": [{"path": path, "meta": {"_type": "gradio.FileData"}}, "amber-morning", None, 1, False]}
    answer = bob.post("/gradio_api/call/transfer_style", posted)
    assert (answer.status_code, "not yours" in answer.text) == (403, True)
    assert '"isError":true' in bob.tool("transfer_style", photo=path, style="amber-morning")


def test_a_picture_made_by_the_api_is_hers(ann: Someone, bob: Someone, photo: Path) -> None:
    picture, info = ann.client.predict(
        handle_file(str(photo)), "amber-morning", None, 1, False, api_name="/transfer_style"
    )
    assert Image.open(io.BytesIO(Path(picture).read_bytes())).size == (64, 48)  # she could fetch it
    job = ann.post("/gradio_api/call/get_job", {"data": [info["job_id"]]}).json()["event_id"]
    assert httpx.get(f"{ann.url}/gradio_api/call/get_job/{job}").status_code == 401


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../../etc/passwd",
        "http://127.0.0.1:1/x",
        "https://example.org/x",
        "%00",
        "studio.db",
        "//etc/passwd",
    ],
)
def test_no_file_of_the_server_and_no_other_host_is_read(ann: Someone, path: str) -> None:
    assert ann.get(f"/gradio_api/file={path}").status_code in (403, 404)


@pytest.mark.parametrize(
    "name", ["../../evil.png", "/etc/evil.png", "..%2f..%2fevil.png", "a\\..\\evil.png", "evil.png"]
)
def test_an_uploaded_file_lies_where_uploads_lie_whatever_it_is_called(ann: Someone, data: Path, name: str) -> None:
    sent = httpx.post(f"{ann.url}/gradio_api/upload", files={"files": (name, b"x")}, headers=ann.header, timeout=60)
    (path,) = sent.json()
    assert Path(path).resolve().is_relative_to(data / "temporary")
    assert not list(data.glob("evil*"))


def test_a_small_file_of_a_huge_picture_is_refused_before_it_is_decoded(ann: Someone, tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    Image.new("1", (9000, 9000)).save(path)
    assert path.stat().st_size < 20_000
    with pytest.raises(AppError, match="9000"):
        ann.client.predict(handle_file(str(path)), "amber-morning", None, 1, False, api_name="/transfer_style")


def test_no_page_of_another_origin_may_read_an_answer(ann: Someone) -> None:
    foreign = {"origin": "http://evil.example", "host": "atelier.example"}
    asking = {"access-control-request-method": "POST", "access-control-request-headers": "x-forwarded-host"}
    for path in ("/gradio_api/queue/join", "/config", "/status"):
        answers = [
            httpx.options(ann.url + path, headers=ann.header | foreign | asking, timeout=60),
            httpx.get(ann.url + path, headers=ann.header | foreign, timeout=60),
        ]
        assert [name for one in answers for name in one.headers if name.startswith("access-control-")] == []


def test_the_database_is_not_served(ann: Someone, data: Path) -> None:
    for path in (data / "studio.db", data / "log.txt", ROOT / "app.py"):
        assert ann.get(f"/gradio_api/file={path}").status_code in (403, 404)


def test_her_page_is_hers(ann: Someone, bob: Someone) -> None:
    page = uuid.uuid4().hex[:11]
    posted = {"data": ["", 5], "session_hash": page}
    assert ann.post("/gradio_api/run/list_jobs", posted).status_code == 200
    assert bob.post("/gradio_api/run/list_jobs", posted).status_code == 403
    for path in (f"/gradio_api/queue/data?session_hash={page}", f"/gradio_api/heartbeat/{page}"):
        answer = bob.get(path)
        assert (answer.status_code, "somebody else" in answer.text) == (403, True)


def test_what_she_asked_for_is_answered_to_her_only(ann: Someone, bob: Someone) -> None:
    event = ann.post("/gradio_api/call/list_jobs", {"data": ["", 5]}).json()["event_id"]
    assert bob.get(f"/gradio_api/call/list_jobs/{event}").status_code == 403
    assert bob.get(f"/gradio_api/queue/data?session_hash={event}").status_code == 403
    for posted in ({"session_hash": event, "fn_index": 0, "event_id": event}, {"session_hash": "x1", "fn_index": 0,
                   "event_id": event}):  # fmt: skip
        assert bob.post("/gradio_api/cancel", posted).status_code == 403
    assert bob.post("/gradio_api/reset", {"event_id": event}).status_code == 403
    assert "event: complete" in ann.get(f"/gradio_api/call/list_jobs/{event}").text


# ------------------------------------------------------------------------------------------------- roles


def listener(person: Someone, element: str, event: str) -> int:
    """The number under which gradio keeps a private listener of the page."""
    config = person.get("/config").json()
    (component,) = [one["id"] for one in config["components"] if one["props"].get("elem_id") == element]
    return next(one["id"] for one in config["dependencies"] if [component, event] in one["targets"])


def press(person: Someone, element: str, event: str, message: Any) -> str:
    """What the server says when a message is posted in the page's name."""
    page = uuid.uuid4().hex[:11]
    posted = {"data": [], "event_data": message, "session_hash": page, "fn_index": listener(person, element, event)}
    assert person.post("/gradio_api/queue/join", posted).status_code == 200
    heard = ""
    address = f"{person.url}/gradio_api/queue/data?session_hash={page}"
    with httpx.stream("GET", address, headers=person.header, timeout=60) as stream:
        for line in stream.iter_lines():
            heard += line
            if "process_completed" in line:
                return heard
    raise AssertionError(heard)


def test_who_is_no_administrator_administers_nothing_whatever_is_posted(ann: Someone, bob: Someone, data: Path) -> None:
    invite = {"action": "invite", "role": "administrator", "uses": 1, "days": 7, "minutes": 0}
    for message in (invite, {"action": "role", "account": 2, "role": "administrator"}, {"action": "look"}):
        said = press(bob, "people-panel", "act", message)
        assert "Only an administrator" in said
        assert "invitations" not in said
    assert bob.get("/account/me").json()["role"] == "member"
    assert '"link"' in press(ann, "people-panel", "act", invite)


@pytest.mark.parametrize("message", [
    None, [], "x", {"action": "role"}, {"action": "role", "account": "2", "role": "member"},
    {"action": "role", "account": 10**30, "role": "member"}, {"action": "role", "account": 2, "role": "owner"},
    {"action": "disable", "account": 2, "disabled": "yes"}, {"action": "take back", "invitation": -1},
    {"action": "invite", "role": "guest", "uses": 1, "days": 1, "minutes": 10**9},
])  # fmt: skip
def test_an_administrators_nonsense_is_a_sentence(ann: Someone, message: Any) -> None:
    said = press(ann, "people-panel", "act", message)
    assert "Traceback" not in said
    assert "on our side" not in said  # what a bug is called


def test_only_an_administrator_brings_models_that_are_not_in_the_catalogue(bob: Someone) -> None:
    with pytest.raises(AppError, match="only an administrator adds models"):
        bob.client.predict(prompt="hello", model="somebody/some-model", api_name="/generate_text")
    with pytest.raises(AppError, match="only an administrator adds models"):
        bob.client.predict(prompt="hello", model="somebody/some-model", api_name="/generate_image")
    assert "only an administrator" in bob.tool("generate_image", prompt="hello", model="somebody/some-model")


# ----------------------------------------------------------------------------------------------- sharing


def test_a_link_shows_one_thing_to_anybody_until_it_is_taken_back(
    ann: Someone, bob: Someone, training: dict[str, Any]
) -> None:
    picture = training["items"][-1]
    said = press_courier(ann, {"action": "share", "item": picture["id"], "days": 7})
    link = json.loads(said)["link"]
    address = f"{ann.url}/shared/{link}"
    page = httpx.get(address)
    assert page.status_code == 200
    assert page.headers["x-robots-tag"] == "noindex"
    assert httpx.get(f"{address}/file").content == ann.get(picture["url"]).content
    for path in ("", "/file"):
        assert httpx.get(f"{ann.url}/shared/{link}x{path}").status_code == 404
    assert httpx.get(ann.url + picture["url"]).status_code == 401  # the link opens nothing else
    share = json.loads(said)["links"][0]["id"]
    assert "no such link" in press_courier(bob, {"action": "take back", "share": share})
    assert httpx.get(address).status_code == 200
    press_courier(ann, {"action": "take back", "share": share})
    assert [httpx.get(address + path).status_code for path in ("", "/file")] == [404, 404]


def test_he_cannot_share_what_is_hers(bob: Someone, training: dict[str, Any]) -> None:
    message = {"action": "share", "item": training["items"][0]["id"], "days": 7}
    assert "nothing named" in press_courier(bob, message)


def press_courier(person: Someone, message: dict[str, Any]) -> str:
    """The courier's answer as JSON, else all that was said."""
    page = uuid.uuid4().hex[:11]
    number = listener(person, "courier", "deliver")
    posted = {"data": [], "event_data": message, "session_hash": page, "fn_index": number}
    assert person.post("/gradio_api/queue/join", posted).status_code == 200
    address, heard = f"{person.url}/gradio_api/queue/data?session_hash={page}", ""
    with httpx.stream("GET", address, headers=person.header, timeout=60) as stream:
        for line in stream.iter_lines():
            heard += line
            if "process_completed" in line:
                values = json.loads(line.removeprefix("data: "))["output"].get("data", [])
                answers = [one.get("value", one) for one in values if isinstance(one, dict)]
                found = [one for one in answers if isinstance(one, dict) and one.get("do") == "shared"]
                return json.dumps(found[0]) if found else heard
    raise AssertionError(heard)
