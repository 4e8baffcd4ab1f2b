"""Ray's own autoscaler at work: machines, here raylets of their own that it starts, come as jobs wait, and go again."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from deploy.demo import CLUSTER, MARK, end_marked, free_port
from studio.engine.hosts.address import answers
from studio.services import Studio, open_studio
from studio.settings import ROOT
from tests.ray_cluster import MEMORY
from tests.studios import OWNER, settings, small_training, wait_for, wait_state

pytest.importorskip("ray", reason="Ray is not installed")

#: what Ray's fake provider calls the head
HEAD = "f" * 51 + "00000"


def config(address: str) -> dict[str, Any]:
    """As ``ray start --autoscaling-config`` wants it: no machine at first, up to two with a GPU each."""
    empty: dict[str, Any] = {name: {} for name in ("auth", "docker", "file_mounts")}
    lists = ("initialization_commands", "setup_commands", "head_setup_commands", "worker_setup_commands")
    more = ("head_start_ray_commands", "worker_start_ray_commands", "cluster_synced_files", "rsync_exclude")
    machine = {"CPU": 1, "GPU": 1, "object_store_memory": MEMORY}
    return {
        **empty,
        **{name: [] for name in (*lists, *more, "rsync_filter")},
        "cluster_name": "tests",
        "max_workers": 2,
        "provider": {
            "type": "external",  # the wheel lacks what Ray reads for its own name of it
            "module": "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider",
            "use_node_id_as_ip": True,
            "disable_node_updaters": True,
            "disable_launch_config_check": True,
            "launch_multiple": True,
            "head_node_id": HEAD,
            "gcs_address": address,
        },
        "available_node_types": {
            "ray.head.default": {"resources": {"CPU": 1}, "node_config": {}, "max_workers": 0},
            "gpu": {"resources": machine, "node_config": {}, "min_workers": 0, "max_workers": 2},
        },
        "head_node_type": "ray.head.default",
        "upscaling_speed": 1.0,
        "idle_timeout_minutes": 0.02,
        "file_mounts_sync_continuously": False,
    }


@contextmanager
def autoscaling(folder: Path) -> Iterator[str]:
    """The address of a head without GPUs whose autoscaler starts machines."""
    from ray._private.services import get_node_ip_address

    address = f"{get_node_ip_address()}:{free_port()}"
    (folder / "autoscaling.json").write_text(json.dumps(config(address)))
    with tempfile.TemporaryDirectory(prefix="ray-") as short:  # sockets want short names
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--num-cpus=1"]
        command += [f"--port={address.rpartition(':')[2]}", f"--autoscaling-config={folder / 'autoscaling.json'}"]
        command += ["--num-gpus=0", f"--object-store-memory={MEMORY}", "--include-dashboard=false"]
        environment = {
            **os.environ,
            **CLUSTER,
            MARK: str(folder),
            "RAY_FAKE_CLUSTER": "1",
            "RAY_USAGE_STATS_ENABLED": "0",
            "AUTOSCALER_UPDATE_INTERVAL_S": "1",
            "RAY_enable_autoscaler_v2": "1",
            "RAY_CLOUD_INSTANCE_ID": HEAD,
            "RAY_OVERRIDE_NODE_ID_FOR_TESTING": HEAD,
        }
        log = (folder / "head").open("wb")
        with (
            log,
            subprocess.Popen([*command, f"--temp-dir={short}"], cwd=ROOT, env=environment, stdout=log, stderr=log),
        ):
            try:
                wait_for(lambda: "Ray runtime started" in (folder / "head").read_text(), 60)
                assert answers(address)
                yield address
            finally:
                end_marked(str(folder))


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
    (tmp_path / "ray").mkdir()
    with autoscaling(tmp_path / "ray") as address:
        growing = {"cluster_devices": 2, "cluster_least": 0, "cluster_idle": 2.0}
        opened = open_studio(settings(tmp_path, cluster=address, **growing))
        opened.start()
        yield opened
        opened.close()


def test_a_machine_comes_as_a_job_waits_and_goes_once_nobody_needs_it(studio: Studio) -> None:
    wait_for(lambda: studio.jobs.status().notice == "resting", 30)
    assert studio.jobs.status().devices == ()
    job = studio.jobs.submit(OWNER, "training", small_training())
    wait_for(lambda: studio.jobs.status().notice == "bringing", 30)
    assert wait_state(studio, job, "done").attempt == 1
    (device,) = studio.jobs.status().devices
    assert device.device
    wait_for(lambda: studio.jobs.status().notice == "resting", 60)
    assert studio.jobs.status().devices == ()
    events = studio.jobs.events(OWNER, job.id)
    assert [event.data["state"] for event in events if event.kind == "state"] == ["queued", "running", "done"]
    wait_for(lambda: machines(studio) == 0, 60)
    again = studio.jobs.submit(OWNER, "training", small_training(seed=2))
    assert wait_state(studio, again, "done").attempt == 1


def machines(studio: Studio) -> int:
    """How many raylets there are beside the head's."""
    count = 0
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            count += process.name() == "raylet" and process.environ().get(MARK) == str(studio.settings.data / "ray")
    return count - 1
