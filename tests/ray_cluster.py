"""A Ray cluster of the tests' own on this machine: nodes with virtual GPUs, which no work may leave running."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import psutil

from deploy.demo import CLUSTER

#: of a node; work is small here, and the cores are others' too
MEMORY = 80_000_000


class RayCluster:
    """``address`` is what ``--cluster`` takes; ``add`` begins a machine with so many virtual GPUs."""

    def __init__(self, gpus: int) -> None:
        for name, value in CLUSTER.items():
            os.environ.setdefault(name, value)
        from ray.cluster_utils import Cluster

        self._cluster = Cluster(initialize_head=True, head_node_args={**_node(gpus), "include_dashboard": False})
        self.address = str(self._cluster.address)

    def add(self, gpus: int, environment: Mapping[str, str] | None = None) -> Any:
        return self._cluster.add_node(wait=True, **_node(gpus), env_vars=dict(environment or {}))

    def remove(self, node: Any) -> None:
        """As if somebody pulled the plug: the node's processes are killed, and those of its actors with them."""
        for process in processes(node):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._cluster.remove_node(node, allow_graceful=False)

    def end_head(self) -> None:
        """Kills the head: its store, its raylet and whatever ran there."""
        kill_all(self._cluster.head_node)

    def begin_head(self, gpus: int) -> None:
        """Begins another one at the same address, which knows nothing of the first."""
        from ray.cluster_utils import Cluster

        port = int(self.address.rpartition(":")[2])
        head = {**_node(gpus), "include_dashboard": False, "gcs_server_port": port}
        self._cluster = Cluster(initialize_head=True, head_node_args=head)
        if str(self._cluster.address) != self.address:
            raise RuntimeError(f"the head began at {self._cluster.address}")

    def end_actors(self) -> None:
        """Detached actors would keep their GPUs from the next studio."""
        import ray

        ray.init(address=self.address, log_to_driver=False, logging_level="ERROR")
        for one in ray.util.list_named_actors(all_namespaces=True):
            with suppress(ValueError):
                ray.kill(ray.get_actor(one["name"], namespace=one["namespace"]), no_restart=True)
        ray.shutdown()

    def close(self) -> None:
        self._cluster.shutdown()


def processes(node: Any) -> list[psutil.Process]:
    """Those of a machine, its actors' included."""
    raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
    return [raylet, *raylet.children(recursive=True)]


def halt(node: Any) -> None:
    """Its connections stay, and it says nothing any more."""
    for process in processes(node):
        with suppress(psutil.NoSuchProcess):
            process.suspend()


def kill_all(node: Any) -> None:
    """Every process of a node, and those that they started."""
    doomed = [one.process.pid for several in node.all_processes.values() for one in several]
    for pid in doomed:
        with suppress(psutil.NoSuchProcess):
            for process in [*psutil.Process(pid).children(recursive=True), psutil.Process(pid)]:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
    node.kill_all_processes(check_alive=False, allow_graceful=False, wait=True)


def _node(gpus: int) -> dict[str, Any]:
    return {"num_cpus": 1, "num_gpus": gpus, "object_store_memory": MEMORY}


def actor_processes() -> list[int]:
    """The processes of actors that hold an engine, on whatever node of ours: others may have a cluster here too."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if process.name().startswith("ray::RayEngine") or "ray::RayEngine" in " ".join(process.cmdline()):
                found.append(process.pid)
    return found


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@contextmanager
def running(gpus: int = 1) -> Iterator[RayCluster]:
    cluster = RayCluster(gpus)
    try:
        yield cluster
    finally:
        cluster.close()
