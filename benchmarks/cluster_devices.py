"""What a Ray cluster of virtual GPUs gives: jobs of four devices over those of one, how soon a machine that joins has
work, and how soon the next job is done after a device or a machine died.

Knows one studio in this process on a cluster; ``cluster`` says what the keys mean.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.virtual import SAVE_EVERY, installed
from pipelines.errors import Busy
from studio.engine.job import Job
from studio.services import Studio
from tests import postgres, ray_cluster
from tests.ray_cluster import RayCluster, kill
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
    follow(studio, job, stop=lambda event: event.kind == "metrics" and event.data["steps"][0] > 2 * SAVE_EVERY)
    for name in names:
        studio.jobs.drain_device(name, False)
    last = studio.jobs.events(OWNER, job.id)[-1].seq
    began = time.monotonic()
    cluster.remove(node)
    follow(studio, job, after=last, stop=lambda event: event.kind == "metrics" and event.data["series"]["from"][0] > 0)
    took = time.monotonic() - began
    studio.jobs.cancel(OWNER, job.id)
    return took


def alone() -> dict[str, float]:
    """The process host's event latency, in milliseconds."""
    with ExitStack() as things:
        folder = Path(things.enter_context(tempfile.TemporaryDirectory(prefix="atelier-alone-")))
        things.enter_context(installed(folder))
        studio = open_in(folder / "data", engine="process")
        things.callback(studio.close)
        return {"event_p50_ms_process": latency(studio)}


def measure(parts: set[str], seconds: float) -> dict[str, float]:
    """``scale``, ``steal`` and how soon the next is done after one of ``kills``, as asked for, on one cluster."""
    programs = postgres.programs()
    if programs is None:
        raise SystemExit("there is no PostgreSQL on this machine")
    found: dict[str, float] = {}
    with ExitStack() as things:
        folder = Path(things.enter_context(tempfile.TemporaryDirectory(prefix="atelier-cluster-")))
        things.enter_context(installed(folder))
        url = things.enter_context(postgres.running(programs, syncing=True)).fresh()
        cluster = things.enter_context(ray_cluster.running(4))
        caps = {"administrator": {"running": 0}}
        studio = open_in(folder / "data", database=url, cluster=cluster.address, running=2, waiting_each=200, caps=caps)
        things.callback(studio.close)
        names = ready(studio, 4)
        if "scale" in parts:
            found["scale_4"] = scale(studio, names, seconds)
        if "steal" in parts:
            found["steal_s"], node = steal(studio, cluster)
        if "kills" in parts:
            node = node if "steal" in parts else cluster.add(1)
            ready(studio, 5)
            found["kill_node_next_s"] = kill_node(studio, cluster, node, names)
            found["kill_worker_next_s"] = kill_worker(studio, names)
    return found
