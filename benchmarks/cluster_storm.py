"""A cluster under load while its parts are killed at random: actors, whole machines, web processes, connections.

Two web processes over one PostgreSQL and one Ray cluster, whose machines each have a virtual GPU and a disk of their
own, which dies with them; one shared folder. People ask either process for short jobs and for trainings with
checkpoints, and follow each of them at both. Knows how to strike; ``cluster_audit`` says what it did to whom.
"""

from __future__ import annotations

import random
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text

from benchmarks.cluster_web import DrivenWeb
from benchmarks.virtual import installed
from pipelines.errors import StudioError
from tests import postgres, ray_cluster
from tests.ray_cluster import kill
from tests.studios import wait_for

PEOPLE = tuple(f"person-{number}" for number in range(6))
#: what is struck, and how often of thirty times
WAYS = {"actor": 10, "node": 4, "leader": 5, "other": 3, "connection": 5, "lock": 2, "all connections": 1}
GPUS = 4
#: seconds in which everything must be up, or over; the cores are few
PATIENCE = 180.0
OURS = "datname = current_database() AND pid <> pg_backend_pid() AND application_name <> 'benchmark'"
LOCKED = f"{OURS} AND pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted)"
HOLDERS = "SELECT id, owner, kind, device FROM jobs WHERE state = 'running'"


@dataclass(frozen=True)
class Strike:
    """``at``: seconds since 1970, just before. ``on``: jobs that ran on what was struck; ``running``: all that did."""

    way: str
    at: float
    on: tuple[str, ...]
    running: tuple[str, ...]


@dataclass
class Cluster:
    """Everything there is. ``ray``: None where whoever leads has its own device. ``asked``: owner of each acknowledged
    job. ``leads``: seconds until somebody led again."""

    folder: Path
    url: str
    ray: ray_cluster.RayCluster | None
    webs: list[DrivenWeb]
    chance: random.Random
    nodes: list[Any] = field(default_factory=list)
    asked: dict[str, str] = field(default_factory=dict)
    strikes: list[Strike] = field(default_factory=list)
    leads: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.database = create_engine(
            self.url, isolation_level="AUTOCOMMIT", connect_args={"application_name": "benchmark"}
        )
        self._starting: list[threading.Thread] = []

    @property
    def storage(self) -> Path:
        return self.folder / "storage"

    # ---------------------------------------------------------------------------------------------- people

    def ask(self, kind: str, **values: Any) -> str | None:
        """Somebody asks at either process and follows at both. None where the answer was lost or was a refusal: then
        nobody was promised anything."""
        owner = self.chance.choice(PEOPLE)
        with suppress(ConnectionError, StudioError):
            job = str(self.chance.choice(self.webs)("submit", owner, kind, values))
            self.asked[job] = owner
            for web in self.webs:
                with suppress(ConnectionError):
                    web("follow", owner, job)
            return job
        return None

    def look_again(self, web: DrivenWeb) -> None:
        """Whoever had a page open at a process that died follows what they had there at its successor."""
        for job in [row[0] for row in self.rows("SELECT id FROM jobs WHERE ended IS NULL")]:
            if job in self.asked:
                with suppress(ConnectionError):
                    web("follow", self.asked[job], job)

    def rows(self, query: str) -> list[Any]:
        with self.database.connect() as connection:
            return list(connection.execute(text(query)))

    # --------------------------------------------------------------------------------------------- machines

    def add_node(self) -> None:
        disk = self.folder / f"node-{time.monotonic_ns()}"
        disk.mkdir()
        assert self.ray is not None
        self.nodes.append((self.ray.add(1, {"STUDIO_NODE_DATA": str(disk)}), disk))

    def end_node(self, number: int) -> None:
        assert self.ray is not None
        node, disk = self.nodes.pop(number)
        self.ray.remove(node)
        shutil.rmtree(disk, ignore_errors=True)

    def actors(self) -> dict[str, int]:
        """The process of each device's engine."""
        import ray
        from ray._private.state import state

        from studio.engine.hosts.ray_head import connect

        assert self.ray is not None
        if not ray.is_initialized():
            connect(self.ray.address, "benchmark")
        found = state.actor_table(None).values()
        return {one["Name"]: one["Pid"] for one in found if one["State"] == "ALIVE"}

    # ---------------------------------------------------------------------------------------------- striking

    def strike(self, way: str) -> Strike:
        """Strikes; whatever it was is replaced at once. Returns once that is begun."""
        target = getattr(self, f"_{way.replace(' ', '_')}")
        hit = target()
        ran = self.rows(HOLDERS)
        one = Strike(way, time.time(), tuple(row[0] for row in ran if hit.on(row[3])), tuple(row[0] for row in ran))
        self.strikes.append(one)
        hit.kill()
        return one

    def _actor(self) -> Hit:
        actors = self.actors()
        busy = [row[3] for row in self.rows(HOLDERS) if row[3] in actors]
        name = self.chance.choice(busy or list(actors))
        return Hit(lambda device: device == name, lambda: kill(actors[name]))

    def _node(self) -> Hit:
        return self._hit(self._busy())

    def _busy(self) -> int:
        """One of the machines on which something runs."""
        busy = {row[3][:6] for row in self.rows(HOLDERS) if row[3]}
        numbers = [at for at, (node, _) in enumerate(self.nodes) if node.node_id[-6:] in busy]
        return self.chance.choice(numbers or list(range(len(self.nodes))))

    def _hit(self, number: int) -> Hit:
        prefix = self.nodes[number][0].node_id[-6:]

        def pull() -> None:
            self.end_node(number)
            self.add_node()

        return Hit(lambda device: device is not None and device.startswith(prefix), pull)

    def _silent(self) -> Hit:
        """A machine whose connections stay and that says nothing: it is given up by Ray, then replaced."""
        number = self._busy()
        hit, node = self._hit(number), self.nodes[number][0]

        def halt() -> None:
            ray_cluster.halt(node)
            wait_for(lambda: not any(hit.on(row[3]) for row in self.rows(HOLDERS)), PATIENCE)
            hit.kill()

        return Hit(hit.on, halt)

    def _leader(self) -> Hit:
        first = self.leader()

        def end() -> None:
            first.kill()
            began, other = time.monotonic(), self._beside(first)
            self._again(first)
            wait_for(lambda: other("leads"), 60)
            self.leads.append(time.monotonic() - began)

        return Hit(lambda _device: self.ray is None, end)

    def _other(self) -> Hit:
        one = self._beside(self.leader())

        def end() -> None:
            one.kill()
            self._again(one)

        return Hit(lambda _device: False, end)

    def _connection(self) -> Hit:
        return Hit(lambda _device: False, lambda: self._cut(OURS, 1))

    def _lock(self) -> Hit:
        return Hit(lambda _device: False, lambda: self._cut(LOCKED, 1))

    def _all_connections(self) -> Hit:
        return Hit(lambda _device: False, lambda: self._cut(OURS, 1000))

    def leader(self) -> DrivenWeb:
        """Once both are up: of two processes that are both dead nobody leads."""
        wait_for(lambda: all(web.up for web in self.webs), PATIENCE)
        return wait_for(lambda: next((web for web in self.webs if web("leads")), None), PATIENCE)  # type: ignore[no-any-return]

    def _beside(self, one: DrivenWeb) -> DrivenWeb:
        return next(web for web in self.webs if web is not one)

    def _again(self, web: DrivenWeb) -> None:
        self._starting.append(web.start_again(lambda: self.look_again(web)))

    def _cut(self, where: str, most: int) -> None:
        pids = [row[0] for row in self.rows(f"SELECT pid FROM pg_stat_activity WHERE {where}")]
        for pid in self.chance.sample(pids, min(most, len(pids))):
            self.rows(f"SELECT pg_terminate_backend({int(pid)})")

    def close(self) -> None:
        for thread in self._starting:
            thread.join(60)
        for web in self.webs:
            web.close()
        self.database.dispose()
        if self.ray is not None:
            import ray

            ray.shutdown()  # else the head would not let itself be ended


@dataclass(frozen=True)
class Hit:
    """Which devices are struck, and the blow."""

    on: Callable[[str | None], bool]
    kill: Callable[[], None]


@contextmanager
def opened(chance: random.Random, gpus: int = GPUS) -> Iterator[Cluster]:
    """A database, machines and two web processes that are up; all are ended with the context. No ``gpus``: no Ray."""
    programs = postgres.programs()
    if programs is None:
        raise SystemExit("there is no PostgreSQL on this machine")
    with ExitStack() as things:
        folder = Path(things.enter_context(tempfile.TemporaryDirectory(prefix="atelier-cluster-")))
        things.enter_context(installed(folder))
        (folder / "storage").mkdir()
        url = things.enter_context(postgres.running(programs, syncing=True)).fresh()
        ray = things.enter_context(ray_cluster.running(0)) if gpus else None
        changes = {"database": url, "storage": str(folder / "storage"), "cluster": ray.address if ray else ""}
        cluster = Cluster(folder, url, ray, [], chance)
        for _ in range(gpus):
            cluster.add_node()
        things.callback(cluster.close)
        for name in ("first", "second"):
            cluster.webs.append(DrivenWeb(folder, name, changes))
        wait_for(lambda: len(cluster.webs[1]("devices")) == max(1, gpus), PATIENCE)
        yield cluster


def quiet(cluster: Cluster, ways: Iterable[str]) -> None:
    """Strikes one after the other, at somebody's short job and somebody's training and nothing else."""
    for way in ways:
        jobs = [cluster.ask(kind, steps=10_000, pause=0.05) for kind in ("virtual", "virtual_training")]
        wait_for(lambda: len(cluster.rows(HOLDERS)) == 2, PATIENCE)
        time.sleep(1)  # something was saved
        cluster.strike(way)
        time.sleep(4)
        wait_for(lambda: cluster.leader(), PATIENCE)
        for job in jobs:
            if job is not None:
                cluster.webs[0]("cancel", cluster.asked[job], job)
        calm(cluster)
        wait_for(lambda: len(cluster.webs[1]("devices")) == max(1, len(cluster.nodes)), PATIENCE)


def storm(cluster: Cluster, kills: int) -> None:
    """So many strikes, in a random order, while people ask for things; then a wait until nothing more goes on."""
    rounds = [way for way, often in WAYS.items() for _ in range(round(often * kills / sum(WAYS.values())))]
    cluster.chance.shuffle(rounds)
    over = threading.Event()
    people = threading.Thread(target=_people, args=(cluster, over), daemon=True)
    people.start()
    for way in rounds:
        time.sleep(cluster.chance.uniform(1.5, 4))
        cluster.strike(way)
        print(f"{len(cluster.strikes)}. {way}: {len(cluster.strikes[-1].on)} jobs were on it", flush=True)
    over.set()
    people.join()
    calm(cluster)


def _people(cluster: Cluster, over: threading.Event) -> None:
    """Up to a dozen jobs at a time, so that devices are busy and little waits."""
    chance = random.Random(cluster.chance.random())
    while not over.wait(chance.uniform(0.1, 0.6)):
        live = cluster.rows("SELECT count(*) FROM jobs WHERE ended IS NULL")[0][0]
        if live < 3 * GPUS:
            kind = chance.choice(["virtual", "virtual", "virtual_training"])
            cluster.ask(kind, steps=chance.choice([5, 20, 60]), pause=0.1)


def calm(cluster: Cluster) -> bool:
    """Waits until every job has ended; whether that was so in time."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if not cluster.rows("SELECT count(*) FROM jobs WHERE ended IS NULL")[0][0]:
            return True
        time.sleep(0.5)
    return False
