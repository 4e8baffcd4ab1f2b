"""``python -m benchmarks.cluster_plan``: the figures that ``deploy/PLAN.md`` reckons with, measured on this machine.

How long it takes to find the next job and its device among many, how many events a second get into a PostgreSQL with
its syncing on, how long a web process takes to read what is new of a job, and how long a small file takes into and out
of a shared folder. No model is run. One thread each; the last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from sqlalchemy import select

from deploy.demo import Demo
from pipelines.storage import Storage
from studio.engine.caps import Caps
from studio.engine.events import EventLog
from studio.engine.fleet import Device, Fleet
from studio.engine.hosts.inline import InlineHost
from studio.engine.job import Job
from studio.engine.messages import Ready
from studio.engine.options import EngineOptions
from studio.engine.roster import Roster
from studio.settings import Settings
from studio.store.choices import Choices
from studio.store.database import Database
from studio.store.folder import FolderStorage
from studio.store.tables import EventRow, JobRow

#: devices, jobs that wait and people they are of: a box, a lab, and the plan's
SIZES = ((8, 100, 20), (100, 1_000, 200), (1_000, 10_000, 2_000))
READY = Ready("virtual", "cuda", "float16", "a made-up device", 80_000_000_000, 1)
MODELS = 20
#: as many as make a training of some hours, and what one of them holds
EVENTS, JOBS = 20_000, 50
TOKENS = {"text": "a few words of a text that is being written", "tokens": 9}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster_plan", description=__doc__)
    parser.parse_args()
    print(json.dumps(measure()))


def measure() -> dict[str, float]:
    """All figures; each is told as it is found."""
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="plan-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL's own user must reach its part where we are root
        for devices, waiting, people in SIZES:
            first, place, size = placement(folder, devices, waiting, people)
            found |= {f"placement_ms_{devices}": round(first, 2), f"places_ms_{devices}": round(place, 2)}
            found[f"status_bytes_{devices}"] = size
            told = f"{first:.2f} ms to find the next, {place:.2f} ms to say where each stands, a status of {size} bytes"
            print(f"{devices} devices, {waiting} jobs waiting: {told}", flush=True)
        demo = Demo(folder / "demo", 0, 0, 0)
        (folder / "demo" / "log").mkdir(parents=True)
        try:
            found |= events(demo.database())
        finally:
            demo.close()
        (folder / "shared").mkdir()
        found |= files(FolderStorage(folder / "shared"))
    return found


def placement(folder: Path, devices: int, waiting: int, people: int) -> tuple[float, float, int]:
    """Where every device has two jobs inside: milliseconds for one job to be chosen and placed and for all to be told
    where they stand, the median of several; and the bytes of the devices in what the status strip asks for."""
    database = Database(f"sqlite:///{folder / f'{devices}.db'}")
    settings = Settings(_env_file=None, data=folder)  # type: ignore[call-arg]
    fleet = Fleet()
    for number in range(devices):
        fleet.add(Device(f"device-{number}", "node", InlineHost(EngineOptions(folder)), READY))
    roster = Roster(
        settings, Caps(settings.caps, Choices(database), lambda owners: dict.fromkeys(owners, "administrator")), fleet
    )
    for number in range(2 * devices + waiting):
        roster.queue.append(_job(number, f"person-{number % people}"))
    for number in range(2 * devices):
        roster.begin(roster.queue[0], f"device-{number % devices}")
    taken = []
    for _ in range(5):
        began = time.perf_counter()
        chosen = roster.next(True)
        taken.append(time.perf_counter() - began)
        if chosen is None:
            raise RuntimeError("nobody goes next although there is room")
        roster.begin(*chosen)
    place, _ = _times(roster.places, 5)
    database.close()
    return (
        statistics.median(taken) * 1000,
        place,
        len(json.dumps([asdict(one) for one in roster.status(False).devices])),
    )


def _job(number: int, owner: str) -> Job:
    return Job(f"{number:032x}", owner, "image", {}, f"model-{number % MODELS}", 0, "queued", float(number))


def events(url: str) -> dict[str, float]:
    """Rows a second as the event log writes them, and milliseconds to read ten new ones of a job, p50 and p95."""
    database = Database(url)
    with database.write() as session:
        for number in range(JOBS):
            session.add(JobRow(id=str(number), owner="a", kind="text", request={}, state="running", created=0.0))
    log, began = EventLog(database), time.perf_counter()
    for number in range(EVENTS):
        log.append(str(number % JOBS), "token", TOKENS)
    log.close()
    rate = EVENTS / (time.perf_counter() - began)
    each = EVENTS // JOBS

    def read() -> None:
        query = select(EventRow).where(EventRow.job_id == "7", EventRow.seq > each - 10).order_by(EventRow.seq)
        with database.read() as session:
            if len(session.scalars(query.limit(500)).all()) != 10:
                raise RuntimeError("not all events were written")

    p50, p95 = _times(read, 300)
    database.close()
    print(
        f"{rate:.0f} events a second into PostgreSQL; new ones of a job read in {p50:.2f} ms (p95 {p95:.2f})",
        flush=True,
    )
    return {"event_rows_s": round(rate), "event_read_p50_ms": round(p50, 2), "event_read_p95_ms": round(p95, 2)}


def files(storage: Storage) -> dict[str, float]:
    """Milliseconds for a picture of 50 kB into a shared folder on this disk and out of it."""
    data = [os.urandom(50_000) for _ in range(100)]
    names = iter(range(len(data)))
    put, _ = _times(lambda: storage.put(f"blobs/{(number := next(names))}", data[number]), len(data))
    numbers = iter(range(len(data)))
    get, _ = _times(lambda: storage.get(f"blobs/{next(numbers)}").read(), len(data))
    print(f"a picture is put in {put:.2f} ms and read in {get:.2f} ms", flush=True)
    return {"folder_put_ms": round(put, 2), "folder_get_ms": round(get, 2)}


def _times(act: Callable[[], object], count: int) -> tuple[float, float]:
    """Milliseconds of one: the median and the 95th of a hundred."""
    taken = []
    for _ in range(count):
        began = time.perf_counter()
        act()
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken), statistics.quantiles(taken, n=20)[-1]


if __name__ == "__main__":
    main()
