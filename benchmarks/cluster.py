"""A Ray cluster of virtual GPUs on this machine, whose steps hold the device and sleep: what more devices give, how
soon an event is seen, and what becomes of jobs when actors, machines and database connections are killed.

    python -m benchmarks.cluster [--seconds 15] [--kills 12] [--seed 1]

``scale_4``: finished jobs of four devices over those of one in the same time. ``event_p50_ms``: from a step's end to
its event at a follower, over Ray; ``event_p50_ms_process`` of the process host beside it. ``steal_s``: from a machine
that joins while the queue is full to the first job that begins on it, the start of its engine included.
``kill_worker_next_s``: kill -9 of the only device's actor to the next job that is done there. ``kill_node_next_s``: the
same of a machine to the next step of the training that it had, elsewhere. ``lost`` acknowledged jobs that have no end,
and ``doubled`` that have more than one, after ``kills`` random kills of actors, machines and connections to PostgreSQL
under load. No web process is killed here; ``tests/faults/test_web_processes.py`` does that.
One thread a worker; the last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import create_engine, text

from benchmarks.virtual import installed
from pipelines.errors import Busy
from studio.engine.job import ENDED, Job
from studio.services import Studio
from tests import postgres, ray_cluster
from tests.ray_cluster import RayCluster, actor_processes, kill
from tests.studios import OWNER, follow, open_in, wait_for

#: of a job that others are timed by: ten steps
JOB = {"steps": 10, "pause": 0.1}
PEOPLE = tuple(f"person-{number}" for number in range(8))
STARTING = 120.0  # seconds that engines may take to be up; the cores are few


def ready(studio: Studio, count: int) -> list[str]:
    """The names of the devices, once so many are up."""

    def up() -> list[str]:
        return [one.name for one in studio.jobs.status().devices if one.device]

    return wait_for(lambda: (names := up()) and len(names) == count and names, STARTING)  # type: ignore[no-any-return]


def submit(studio: Studio, number: int, kind: str = "virtual", **changes: Any) -> Job | None:
    """None where as much waits as may."""
    with suppress(Busy):
        return studio.jobs.submit(PEOPLE[number % len(PEOPLE)], kind, {**JOB, **changes})
    return None


def finished(studio: Studio, seconds: float, waiting: int = 16) -> int:
    """How many jobs end within ``seconds`` while ``waiting`` are always in the line, once the first has ended."""
    asked: list[Job] = []
    already = done(studio)
    began = before = 0.0
    while not began or time.time() - began < seconds:
        while studio.jobs.status().queued < waiting and (job := submit(studio, len(asked))) is not None:
            asked.append(job)
        if not began and done(studio) > already:
            began, before = time.time(), done(studio)
        time.sleep(0.05)
    found = done(studio) - int(before)
    print(f"{found} jobs in {seconds:.0f} s on {[one.running for one in studio.jobs.status().devices]}", flush=True)
    for job in asked:
        studio.jobs.cancel(job.owner, job.id)
    wait_for(lambda: not studio.jobs.status().running and not studio.jobs.status().queued, 60)
    return found


def done(studio: Studio) -> int:
    """How many virtual jobs are done so far."""
    return sum(count for kind, state, count, _ in studio.jobs.totals() if (kind, state) == ("virtual", "done"))


def everybodys(studio: Studio) -> list[Job]:
    return [job for owner in PEOPLE for job in studio.jobs.list(owner, limit=100_000)]


def scale(studio: Studio, names: list[str], seconds: float) -> float:
    """Four devices over one, the other three being drained."""
    for name in names[1:]:
        studio.jobs.drain_device(name, True)
    one = finished(studio, seconds)
    for name in names[1:]:
        studio.jobs.drain_device(name, False)
    return finished(studio, seconds) / one


def latency(studio: Studio) -> float:
    """Median milliseconds from a step's end to its event at a follower."""
    job = studio.jobs.submit(OWNER, "virtual", {"steps": 200, "pause": 0.02})
    late: list[float] = []

    async def listen() -> None:
        async for batch in studio.jobs.follow(OWNER, job.id):
            now = time.time()
            late.extend(now - float(event.data["text"].split()[0]) for event in batch if event.kind == "token")

    asyncio.run(listen())
    return 1000 * median(late[20:])


def steal(studio: Studio, cluster: RayCluster) -> tuple[float, Any]:
    """Seconds from a machine that joins to the first job on it; the machine."""
    known = {one.name for one in studio.jobs.status().devices}
    asked = [job for number in range(60) if (job := submit(studio, number, steps=40))]
    node = cluster.add(1)
    began = time.monotonic()
    wait_for(lambda: any(one.device not in known for one in studio.jobs.status().running), STARTING)
    took = time.monotonic() - began
    for job in asked:
        studio.jobs.cancel(job.owner, job.id)
    wait_for(lambda: not studio.jobs.status().running, 60)
    return took, node


def kill_worker(studio: Studio, names: list[str]) -> float:
    """Seconds from kill -9 of the only device's actor to the next job that is done."""
    for name in names[1:]:
        studio.jobs.drain_device(name, True)
    running = studio.jobs.submit(OWNER, "virtual", {"steps": 1000, "pause": 0.02})
    said = follow(studio, running, stop=lambda event: event.kind == "token")[-1]
    began = time.monotonic()
    kill(int(said.data["text"].split()[1]))
    following = studio.jobs.submit(OWNER, "virtual", {"steps": 1, "pause": 0.0})
    follow(studio, following)
    took = time.monotonic() - began
    for name in names[1:]:
        studio.jobs.drain_device(name, False)
    return took


def kill_node(studio: Studio, cluster: RayCluster, node: Any, names: list[str]) -> float:
    """Seconds from a machine's death to the next step of the training that it had."""
    for name in names:
        studio.jobs.drain_device(name, True)
    job = studio.jobs.submit(OWNER, "virtual_training", {"steps": 100_000, "pause": 0.02})
    follow(studio, job, stop=lambda event: event.kind == "metrics")
    for name in names:
        studio.jobs.drain_device(name, False)
    last = studio.jobs.events(OWNER, job.id)[-1].seq
    began = time.monotonic()
    cluster.remove(node)
    follow(studio, job, after=last, stop=lambda event: event.kind == "metrics" and event.data["series"]["from"][0] > 0)
    took = time.monotonic() - began
    studio.jobs.cancel(OWNER, job.id)
    return took


def survive(studio: Studio, cluster: RayCluster, url: str, kills: int, chance: random.Random) -> dict[str, int]:
    """Random kills under load; then every acknowledged job is looked at."""
    nodes = [cluster.add(1)]
    asked: dict[str, Job] = {}

    def load(seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            kind = chance.choice(["virtual", "virtual", "virtual_training"])
            job = submit(studio, len(asked), kind, steps=chance.choice([5, 20, 40]), pause=0.05)
            if job is not None:
                asked[job.id] = job
            time.sleep(0.15)

    def node() -> None:
        cluster.remove(nodes.pop())
        nodes.append(cluster.add(1))

    ways: dict[str, Callable[[], None]] = {
        "actor": lambda: kill(chance.choice(actor_processes() or [0])) if actor_processes() else None,
        "node": node,
        "connection": lambda: cut(url, chance),
    }
    count = dict.fromkeys(ways, 0)
    for _ in range(kills):
        load(chance.uniform(1, 3))
        way = chance.choices(list(ways), weights=(4, 1, 3))[0]
        ways[way]()
        count[way] += 1
    print(f"killed: {count}; {len(asked)} jobs were acknowledged", flush=True)
    wait_for(lambda: not studio.jobs.status().running and not studio.jobs.status().queued, 240)
    known = {job.id: job for job in everybodys(studio)}
    lost = sum(one not in known or known[one].state not in ENDED for one in asked)
    doubled = sum(ends(studio, known[one]) > 1 for one in asked if one in known)
    wordless = sum(job.state == "interrupted" and job.error is None for job in known.values())
    return {"lost": lost, "doubled": doubled, "wordless": wordless, "acknowledged": len(asked), "kills": kills}


def ends(studio: Studio, job: Job) -> int:
    """How often a job was said to be done."""
    events = studio.jobs.events(job.owner, job.id)
    return sum(event.kind == "state" and event.data["state"] == "done" for event in events)


def cut(url: str, chance: random.Random) -> None:
    """Ends one of the studio's connections to the database, as a failover would."""
    admin = create_engine(url, isolation_level="AUTOCOMMIT")
    mine = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with admin.connect() as connection:
        pids = [row[0] for row in connection.execute(text(mine))]
        if pids:
            connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": chance.choice(pids)})
    admin.dispose()


def measure(seconds: float, kills: int, chance: random.Random) -> dict[str, Any]:
    """All of them, one after the other, on one cluster."""
    programs = postgres.programs()
    if programs is None:
        raise SystemExit("there is no PostgreSQL on this machine")
    with ExitStack() as things:
        folder = Path(things.enter_context(tempfile.TemporaryDirectory(prefix="atelier-cluster-")))
        things.enter_context(installed(folder))
        alone = open_in(folder / "alone", engine="process")
        found: dict[str, Any] = {"event_p50_ms_process": round(latency(alone), 2)}
        alone.close()
        url = things.enter_context(postgres.running(programs)).fresh()
        cluster = things.enter_context(ray_cluster.running(4))
        caps = {"administrator": {"running": 0}}
        studio = open_in(folder / "data", database=url, cluster=cluster.address, running=2, waiting_each=200, caps=caps)
        things.callback(studio.close)
        names = ready(studio, 4)
        found["event_p50_ms"] = round(latency(studio), 2)
        print(json.dumps(found), flush=True)
        found["scale_4"] = round(scale(studio, names, seconds), 2)
        found["steal_s"], node = steal(studio, cluster)
        found["kill_node_next_s"] = kill_node(studio, cluster, node, names)
        found["kill_worker_next_s"] = kill_worker(studio, names)
        ready(studio, 4)
        print(json.dumps(found), flush=True)
        return {
            **{name: round(value, 2) for name, value in found.items()},
            **survive(studio, cluster, url, kills, chance),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=15, help="of each half of scale_4")
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    began = time.monotonic()
    found = measure(asked.seconds, asked.kills, random.Random(asked.seed))
    print(json.dumps({**found, "threads": 1, "cores": os.cpu_count(), "seconds": round(time.monotonic() - began)}))


if __name__ == "__main__":
    main()
