"""The GPUs of a Ray cluster as devices: one actor each, on every machine that is there, as machines come and go.

Knows Ray, and connects to it quietly. Does not know jobs. Actors have a namespace of their own, told by the database:
two studios share a cluster without hearing of each other, and whoever leads next finds those of whoever led before.
"""

from __future__ import annotations

import hashlib
import logging
import os
import signal
import socket
import threading
import time
from contextlib import suppress
from typing import Any

from pipelines.errors import StudioError
from studio.engine.hosts import Members
from studio.engine.hosts.growing import Growing
from studio.engine.options import EngineOptions
from studio.settings import Settings

os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"  # a call after the cluster went would begin one of its own
try:
    import ray
    from ray._private import worker
    from ray._private.state import state as cluster_state  # draining machines are told nowhere else
    from ray.autoscaler.sdk import request_resources
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    from studio.engine.hosts.ray_actor import RayEngine
    from studio.engine.hosts.ray_host import RayHost
except ImportError as error:
    raise StudioError(
        "cluster.extra",
        "--cluster needs Ray, and {name} is not installed: pip install 'atelier-studio[cluster]'",
        name=error.name or "ray",
    ) from error

log = logging.getLogger(__name__)

WATCH_SECONDS = 1.0
#: for which an engine that was there before us may take to say what it has; then it is ended and its jobs go elsewhere
ATTACH_SECONDS = 10.0


class RayHosts:
    """See ``Hosts``. Connected once made; raises ``StudioError`` where nobody answers at the address."""

    def __init__(self, settings: Settings, options: EngineOptions) -> None:
        self._settings = settings
        self._options = options
        self._hosts: dict[str, RayHost] = {}
        self._nodes: dict[str, str] = {}  # of each device, the machine it is in
        self._leaving: set[str] = set()
        self._resting: set[str] = set()  # given back, until something waits again
        self._growing = Growing(settings.cluster_devices, settings.running)
        self._asked = 0
        self._closing = threading.Event()
        self._watcher: threading.Thread | None = None
        self.namespace = "atelier-" + hashlib.sha256(settings.database_url.encode()).hexdigest()[:12]
        _connect(settings.cluster, self.namespace)

    def start(self, members: Members) -> None:
        self._closing.clear()
        for known in (self._hosts, self._nodes, self._leaving, self._resting):
            known.clear()  # those of before have been closed: we led, and another process did meanwhile
        before = self._alive()
        self._look(members)
        end = time.monotonic() + ATTACH_SECONDS
        for name, host in list(self._hosts.items()):
            if name in before and not host.settled.wait(max(0.0, end - time.monotonic())):
                log.warning("the engine of %s does not say what it has and is started anew", name)
                with suppress(ValueError):
                    ray.kill(ray.get_actor(name, namespace=self.namespace), no_restart=True)
        self._watcher = threading.Thread(target=self._watch, args=(members,), name="ray-nodes", daemon=True)
        self._watcher.start()

    def close(self) -> None:
        self._closing.set()
        if self._watcher is not None:
            self._watcher.join(timeout=10)

    def _alive(self) -> set[str]:
        """The engines that are up. One that is being started has nothing to say of earlier jobs."""
        found = set()
        for one in ray.util.list_named_actors(all_namespaces=True):
            with suppress(ValueError):  # it is gone
                if one["namespace"] == self.namespace and _state(one["name"], self.namespace) == "ALIVE":
                    found.add(one["name"])
        return found

    def _watch(self, members: Members) -> None:
        while not self._closing.wait(WATCH_SECONDS):
            try:
                self._look(members)
                if self._growing.grows:
                    self._scale(members)
            except (ray.exceptions.RayError, ConnectionError, RuntimeError) as error:
                log.warning("the cluster does not say which machines it has: %s", error)

    def _look(self, members: Members) -> None:
        """Takes in who came and who went."""
        alive = {node["NodeID"]: node for node in ray.nodes() if node["Alive"]}  # type: ignore[no-untyped-call]
        for name in [name for name, node in self._nodes.items() if node not in alive]:
            host = self._hosts.pop(name)
            del self._nodes[name]
            host.gone()
            members.part(name)
        for node_id, node in alive.items():
            for number in range(int(node["Resources"].get("GPU", 0))):
                self._meet(members, node_id, node, f"{node_id[:6]}-{number}")
        going = set(cluster_state.get_draining_nodes())
        for name, node_id in self._nodes.items():
            if (node_id in going) != (node_id in self._leaving):
                members.leaving(name, node_id in going)
        self._leaving = going

    def _meet(self, members: Members, node_id: str, node: dict[str, Any], name: str) -> None:
        if name in self._hosts or name in self._resting:
            return
        host = RayHost(lambda: self._actor(name, node_id), self._settings.hang_seconds)
        self._hosts[name], self._nodes[name] = host, node_id
        members.join(name, node["NodeManagerHostname"], host)

    def _scale(self, members: Members) -> None:
        """Asks Ray's autoscaler for as many GPUs as what waits could use, and leaves those that nobody uses."""
        waiting = members.waiting()
        wanted = self._growing.wanted(len(self._hosts), waiting)
        if waiting:
            self._resting.clear()
        elif self._growing.calm:
            for name in [name for name in list(self._hosts)[1:] if members.retire(name)]:
                self._rest(members, name)
            wanted = len(self._hosts)
        if wanted != self._asked:
            request_resources(bundles=[{"GPU": 1}] * wanted)
            self._asked = wanted

    def _rest(self, members: Members, name: str) -> None:
        """Leaves a GPU to others, or its machine to the autoscaler, which stops what is idle."""
        self._resting.add(name)
        host = self._hosts.pop(name)
        del self._nodes[name]
        host.gone()
        with suppress(ValueError):
            ray.kill(ray.get_actor(name, namespace=self.namespace), no_restart=True)
        members.part(name)

    def _actor(self, name: str, node_id: str) -> Any:
        """The actor of a device, made where there is none. Ray starts it again, on its machine, when it dies."""
        return (
            ray.remote(RayEngine)
            .options(
                name=name,
                namespace=self.namespace,
                lifetime="detached",
                get_if_exists=True,
                num_gpus=1,
                num_cpus=0,
                max_restarts=-1,
                max_task_retries=0,
                max_concurrency=1000,
                scheduling_strategy=NodeAffinitySchedulingStrategy(node_id, soft=False),
            )
            .remote(self._options)
        )


def _state(name: str, namespace: str) -> str:
    """What Ray says of an actor. Raises ``ValueError`` where there is none."""
    actor = ray.get_actor(name, namespace=namespace)
    return str(cluster_state.actor_table(actor._actor_id.hex()).get("State", ""))


def _connect(address: str, namespace: str) -> None:
    """Joins the cluster without a word of Ray's in our console, and leaves SIGTERM to us."""
    if not ray.is_initialized():
        _check_there(address)
        worker.print_to_stdstream = _told
        before = signal.getsignal(signal.SIGTERM)
        try:
            ray.init(
                address=address,
                namespace=namespace,
                log_to_driver=False,
                configure_logging=False,
                logging_level=logging.ERROR,
            )
        except (ray.exceptions.RayError, ConnectionError, ValueError, RuntimeError, AssertionError) as error:
            raise _unanswered(address, str(error)) from error
        finally:
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, before)


def _told(data: dict[str, Any], ignore_prefix: bool = False) -> None:  # noqa: ARG001 - as Ray calls it
    """What Ray would print of a worker or a machine that died, whatever it was told about logs."""
    log.debug("%s: %s", data.get("pid"), " ".join(map(str, data.get("lines", ()))))


def _check_there(address: str) -> None:
    """Whether somebody answers; Ray itself would try for a minute."""
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except (OSError, ValueError) as error:
        raise _unanswered(address, str(error)) from error


def _unanswered(address: str, reason: str) -> StudioError:
    return StudioError(
        "cluster.address",
        "No Ray cluster answers at --cluster {address} ({reason}). On this machine, ray start --head begins one and "
        "ray start --address HOST:6379 joins one; then --cluster auto finds it.",
        address=address,
        reason=reason.splitlines()[0][:200] if reason else "no reason given",
    )
