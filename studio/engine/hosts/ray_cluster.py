"""The GPUs of a Ray cluster as devices: one actor each, on every machine that is there, as machines come and go.

Knows Ray, which this process is connected to. Does not know jobs. Actors have a namespace of their own, told by the
database: two studios share a cluster without hearing of each other, and whoever leads next finds those of whoever led
before.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from typing import Any

import ray
from ray._private.state import state as cluster_state  # draining machines are told nowhere else
from ray.autoscaler.sdk import request_resources
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from studio.engine.hosts import Members, Notice
from studio.engine.hosts.cluster_messages import ClusterOptions
from studio.engine.hosts.growing import Growing
from studio.engine.hosts.ray_actor import RayEngine
from studio.engine.hosts.ray_host import RayHost

log = logging.getLogger(__name__)

WATCH_SECONDS = 1.0
#: for which an engine that was there before us may take to say what it has; then it is ended and its jobs go elsewhere
ATTACH_SECONDS = 10.0


class RayHosts:
    """``members`` are told which devices there are once it ``begin``s."""

    def __init__(self, options: ClusterOptions, members: Members) -> None:
        self._options = options
        self._members = members
        self._given_up: frozenset[str] = frozenset()
        self._hosts: dict[str, RayHost] = {}
        self._nodes: dict[str, str] = {}  # of each device, the machine it is in
        self._leaving: set[str] = set()
        self._resting: set[str] = set()  # given back, until something waits again
        self._renewed: set[str] = set()  # once: a machine may have no other code than it had
        self._growing = Growing(options.most, options.least)
        self._asked = -1
        self._noticed: Notice | None = None
        self._closing = threading.Event()
        self._watcher: threading.Thread | None = None

    def begin(self, given_up: frozenset[str]) -> None:
        """Returns once every engine that was running already has said what it has, or is ended; those ``given_up``
        are."""
        self._given_up = given_up
        before = self._alive()
        self._look()
        end = time.monotonic() + ATTACH_SECONDS
        for name, host in list(self._hosts.items()):
            if name in before and not host.settled.wait(max(0.0, end - time.monotonic())):
                log.warning("the engine of %s does not say what it has and is started anew", name)
                self._kill(name)
        self._watcher = threading.Thread(target=self._watch, name="ray-nodes", daemon=True)
        self._watcher.start()

    def close(self) -> None:
        """Listens to nobody any more. What runs goes on."""
        self._closing.set()
        if self._watcher is not None:
            self._watcher.join(timeout=10)
        for host in self._hosts.values():
            host.close()

    def _alive(self) -> set[str]:
        """The engines that are up. One that is being started has nothing to say of earlier jobs."""
        found = set()
        for one in ray.util.list_named_actors(all_namespaces=True):
            with suppress(ValueError):  # it is gone
                if (
                    one["namespace"] == self._options.namespace
                    and _state(one["name"], self._options.namespace) == "ALIVE"
                ):
                    found.add(one["name"])
        return found

    def _watch(self) -> None:
        while True:
            try:
                self._look()
                self._renew()
                wanted = self._scale() if self._growing.grows else 0
                self._notice(wanted)
            except (ray.exceptions.RayError, ConnectionError, RuntimeError) as error:
                log.warning("the cluster does not say which machines it has: %s", error)
            if self._closing.wait(WATCH_SECONDS):
                return

    def _look(self) -> None:
        """Takes in who came and who went."""
        alive = {node["NodeID"]: node for node in ray.nodes() if node["Alive"]}  # type: ignore[no-untyped-call]
        for name in [name for name, node in self._nodes.items() if node not in alive]:
            host = self._hosts.pop(name)
            del self._nodes[name]
            host.gone()
            self._members.part(name)
        for node_id, node in alive.items():
            for number in range(int(node["Resources"].get("GPU", 0))):
                self._meet(node_id, node, f"{node_id[-6:]}-{number}")
        going = set(cluster_state.get_draining_nodes())
        for name, node_id in self._nodes.items():
            if (node_id in going) != (node_id in self._leaving):
                self._members.leaving(name, node_id in going)
        self._leaving = going

    def _meet(self, node_id: str, node: dict[str, Any], name: str) -> None:
        if name in self._hosts or name in self._resting:
            return
        options = self._options
        host = RayHost(lambda: self._actor(name, node_id), options.build, options.hang_seconds, self._given_up)
        self._hosts[name], self._nodes[name] = host, node_id
        self._members.join(name, node["NodeManagerHostname"], host)

    def _scale(self) -> int:
        """Asks Ray's autoscaler for as many GPUs as what waits could use, and leaves those that nobody uses for long.
        How many were asked for."""
        demand = self._members.demand()
        if demand.jobs:
            self._resting.clear()
        else:
            self._release()
        wanted = self._growing.wanted(len(self._hosts), demand.devices)
        if wanted != self._asked:
            log.info("the cluster is asked for %d devices", wanted)
            request_resources(bundles=[{"GPU": 1}] * wanted)
            self._asked = wanted
        return wanted

    def _release(self) -> None:
        """Leaves the GPUs of which nobody makes use to others, or their machines to the autoscaler, which stops what
        is idle; the newest first."""
        for name in reversed(list(self._hosts)):
            if not self._growing.spare(len(self._hosts)):
                return
            if self._members.retire(name, self._options.idle_seconds):
                log.info("device %s has had nothing to do for long and is let go", name)
                self._rest(name)

    def _renew(self) -> None:
        """Starts an engine anew that is of other code than we are and has nothing to do: one at a time, and once."""
        if any(host.state != "ready" for host in self._hosts.values()):
            return
        for name, host in self._hosts.items():
            if host.outdated and name not in self._renewed and self._members.retire(name, 0):
                log.info("the engine of %s is of other code than we are and is started anew", name)
                self._renewed.add(name)
                self._kill(name)
                return

    def _rest(self, name: str) -> None:
        self._resting.add(name)
        host = self._hosts.pop(name)
        del self._nodes[name]
        host.gone()
        self._kill(name)
        self._members.part(name)

    def _notice(self, wanted: int) -> None:
        """Says why there is no device where there is none."""
        notice: Notice = ""
        if not self._hosts:
            notice = "empty" if not self._growing.grows else "bringing" if wanted else "resting"
        if notice != self._noticed:
            self._members.notice(notice)
            self._noticed = notice

    def _kill(self, name: str) -> None:
        with suppress(ValueError):
            ray.kill(ray.get_actor(name, namespace=self._options.namespace), no_restart=True)

    def _actor(self, name: str, node_id: str) -> Any:
        """The actor of a device, made where there is none. Ray starts it again, on its machine, when it dies."""
        return (
            ray.remote(RayEngine)
            .options(
                name=name,
                namespace=self._options.namespace,
                lifetime="detached",
                get_if_exists=True,
                num_gpus=1,
                num_cpus=0,
                max_restarts=-1,
                max_task_retries=0,
                max_concurrency=1000,
                scheduling_strategy=NodeAffinitySchedulingStrategy(node_id, soft=False),
            )
            .remote(self._options.engine)
        )


def _state(name: str, namespace: str) -> str:
    """What Ray says of an actor. Raises ``ValueError`` where there is none."""
    actor = ray.get_actor(name, namespace=namespace)
    return str(cluster_state.actor_table(actor._actor_id.hex()).get("State", ""))
