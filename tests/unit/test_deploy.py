"""What a real cluster is begun with: the files are what their readers expect, and nothing of Ray's faces the net."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from studio.settings import ROOT, Settings

DEPLOY = ROOT / "deploy"
OPTIONS = {name.replace("_", "-") for name in Settings.model_fields}


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / name).read_text("utf-8"))
    return found


@pytest.fixture
def compose() -> dict[str, Any]:
    return read("compose.yaml")


def asked_for(words: list[str]) -> set[str]:
    """The studio's own options in a command."""
    line = shlex.split(" ".join(words))
    return {word.removeprefix("--") for word in line[line.index("app.py") :] if word.startswith("--")}


def test_the_compose_file_is_one_by_the_specification(compose: dict[str, Any]) -> None:
    spec = PyCompose.from_yaml(yaml.safe_dump(compose))  # the merges are YAML's; the reader wants them done
    parts = {"database", "storage", "bucket", "head", "worker", "web1", "web2", "proxy"}
    assert set(spec.service_names()) == parts
    for name, service in compose["services"].items():
        assert set(service.get("depends_on", [])) <= parts, name
        assert {volume.partition(":")[0] for volume in service.get("volumes", [])} <= {
            *compose["volumes"],
            "./Caddyfile",
            "/node",
        }


def test_a_compose_file_with_a_word_that_is_none_is_noticed(compose: dict[str, Any]) -> None:
    compose["services"]["web1"]["depend_on"] = ["database"]
    with pytest.raises(ValueError, match="depend_on"):
        PyCompose.from_yaml(yaml.safe_dump(compose))


def test_only_the_proxy_is_published_and_every_part_of_ray_wants_a_token(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert [name for name, service in services.items() if "ports" in service] == ["proxy"]
    for name in ("head", "worker", "web1", "web2"):
        environment = services[name]["environment"]
        assert environment["RAY_AUTH_MODE"] == "token", name
        assert environment["RAY_AUTH_TOKEN"].startswith("${RAY_AUTH_TOKEN:?"), "there is no default for a secret"
    assert "--include-dashboard=false" in services["head"]["command"]
    proxy = services["proxy"]["networks"]["inside"]["ipv4_address"]
    for name in ("web1", "web2"):
        words = services[name]["command"]
        assert asked_for(words) <= OPTIONS
        assert f"--auth-proxies {proxy}" in " ".join(words)
        assert {"auth", "cluster", "database", "storage"} <= asked_for(words)


def test_every_secret_the_compose_file_wants_is_named_in_its_head() -> None:
    text = (DEPLOY / "compose.yaml").read_text("utf-8")
    head = text.partition("name:")[0]
    assert all(name in head for name in re.findall(r"\$\{(\w+):\?", text))


def test_the_proxy_keeps_a_browser_with_its_web_process_and_buffers_nothing() -> None:
    text = (DEPLOY / "Caddyfile").read_text("utf-8")
    assert text.count("{") == text.count("}")
    for line in ("reverse_proxy web1:7860 web2:7860 {", "lb_policy cookie atelier-web", "flush_interval -1"):
        assert line in text


def test_the_values_for_kuberay_keep_ray_inside_and_give_each_worker_a_gpu_and_a_folder() -> None:
    values = read("values.yaml")
    assert set(values) == {"image", "common", "head", "worker", "service"}
    environment = {one["name"]: one for one in values["common"]["containerEnv"]}
    assert environment["RAY_AUTH_MODE"]["value"] == "token"
    assert "secretKeyRef" in environment["RAY_AUTH_TOKEN"]["valueFrom"]
    assert values["service"]["type"] == "ClusterIP"
    assert values["head"]["rayStartParams"]["dashboard-host"] == "127.0.0.1"
    (web,) = values["head"]["sidecarContainers"]
    assert asked_for(web["command"]) <= OPTIONS
    assert {one["name"] for one in web["volumeMounts"]} <= {one["name"] for one in values["head"]["volumes"]}
    worker = values["worker"]
    assert worker["minReplicas"] <= worker["replicas"] <= worker["maxReplicas"]
    assert worker["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert {one["name"]: one.get("value") for one in worker["containerEnv"]}["STUDIO_NODE_DATA"] == "/node"


def test_the_image_is_made_of_files_that_are_there() -> None:
    text = (DEPLOY / "Dockerfile").read_text("utf-8")
    for line in re.findall(r"^COPY (.*) \./?$", text, re.MULTILINE):
        assert all((ROOT / Path(name)).exists() for name in line.split())
    assert ".[cluster]" in text
