"""Without accounts the studio answers to its own machine's names: a foreign name that leads here is no page of ours."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from studio.entrance.inside import Inside
from studio.services import open_studio
from studio.web import build_routes
from tests.studios import settings


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    studio = open_studio(
        settings(
            tmp_path_factory.mktemp("studio"), engine="inline", host="127.0.0.2", host_names="atelier.lan, Box.lan"
        )
    )
    yield build_routes(studio, Inside())
    studio.database.close()


def asked(app: FastAPI, host: str, path: str = "/status") -> int:
    return TestClient(app).get(path, headers={"host": host}).status_code


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:7860", "LOCALHOST", "127.0.0.1:7860", "127.9.9.9", "127.0.0.2:7860", "[::1]:7860", "[::1]",
     "studio.localhost:1", "localhost.", "atelier.lan", "box.lan:8080"],
)  # fmt: skip
def test_its_own_names_and_those_it_was_told_are_answered(app: FastAPI, host: str) -> None:
    assert asked(app, host) == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:7860", "localhost.evil.example", "127.0.0.1.evil.example", "notlocalhost", "0.0.0.0",
     "192.168.1.5:7860", "user@localhost", "localhost/x", "localhost#x", "[::1", "", "evil.example,localhost",
     "localhost evil.example", "atelier.lan.evil.example"],
)  # fmt: skip
def test_any_other_is_refused_with_a_sentence(app: FastAPI, host: str) -> None:
    answer = TestClient(app).get("/status", headers={"host": host})
    assert answer.status_code == 421
    assert "--host-names" in answer.json()["detail"]


def test_the_refusal_names_the_name_and_is_said_in_chinese_too(app: FastAPI) -> None:
    headers = {"host": "evil.example", "accept-language": "zh"}
    assert "不认 evil.example" in TestClient(app).get("/", headers=headers).json()["detail"]


@pytest.mark.parametrize("path", ["/", "/gradio_api/queue/data", "/gradio_api/mcp/", "/library/x/y", "/healthz"])
def test_no_route_is_left_out(app: FastAPI, path: str) -> None:
    assert asked(app, "evil.example", path) == 421
    assert TestClient(app).post(path, headers={"host": "evil.example"}).status_code == 421


def test_a_websocket_is_closed(app: FastAPI) -> None:
    with pytest.raises(WebSocketDisconnect):
        TestClient(app).websocket_connect("/x", headers={"host": "evil.example"}).__enter__()


def test_two_names_at_once_are_none(app: FastAPI) -> None:
    twice = [("host", "localhost"), ("host", "evil.example")]
    assert TestClient(app).get("/status", headers=twice).status_code == 421


def test_with_accounts_any_name_will_do(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A foreign name has none of our cookies, so nobody is signed in there."""
    studio = open_studio(settings(tmp_path_factory.mktemp("studio"), engine="inline", auth=True))
    assert asked(build_routes(studio, Inside()), "atelier.example", "/sign-in") == 200
    studio.database.close()
