"""Two web processes over one PostgreSQL, killed at random and cut off from it under load: what is lost, what is done
twice, and how soon the other leads.

    python -m benchmarks.webs [--kills 30] [--seed 1]

Killed with SIGKILL: the process that leads or the other one, each started again at once, and the worker of whoever
leads; cut off: one connection to the database, the one that leading hangs on, or all. The load are small trainings of
two people, asked for at either process. ``lost``: acknowledged jobs that are not done at the end; ``doubled``: done
more than once, or with their files listed twice; ``torn``: files that are not what their name says, or events with a
gap. ``leads_s``: from a leader's death to the next one, median and longest. No page is opened. One thread a process;
the last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import create_engine, text

from pipelines.errors import StudioError
from studio.engine.job import ENDED
from tests import postgres
from tests.faults.driver import PEOPLE, Driven
from tests.studios import wait_for

LOCKED = "pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted)"
WAYS = {"leader": 4, "other": 2, "worker": 3, "line": 3, "lock": 2, "all lines": 1}
#: of a small training: a generator and its curves
FILES = 2


class Storm:
    """The two processes, what they have acknowledged, and everything that can happen to them."""

    def __init__(self, folder: Path, url: str, chance: random.Random) -> None:
        self._chance = chance
        self._engine = create_engine(url, isolation_level="AUTOCOMMIT")
        self.webs = [Driven(folder, database=url), Driven(folder, database=url)]
        self.asked: list[str] = []
        self.took: list[float] = []

    def ask(self) -> None:
        """Who is refused because the database is away for the moment has no job, and knows it."""
        for _ in range(self._chance.randint(1, 3)):
            with suppress(StudioError):
                steps = self._chance.choice([20, 60, 150])
                self.asked.append(self._any()("submit", self._chance.choice(PEOPLE), steps, False))

    def strike(self, way: str) -> None:
        leader = self._leader()
        other = next(one for one in self.webs if one is not leader)
        match way:
            case "leader":
                leader.kill()
                began = time.monotonic()
                wait_for(lambda: other("leads"), 60)
                self.took.append(time.monotonic() - began)
                leader.start()
            case "other":
                other.kill()
                other.start()
            case "worker":
                if (pid := leader("worker")) is not None:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            case "line":
                self._cut("true", 1)
            case "lock":
                self._cut(LOCKED, 1)
            case _:
                self._cut("true", 1000)

    def look(self) -> list[dict[str, Any]]:
        """Every job, once all have ended; one that was left to its owner is resumed."""

        def ended() -> list[dict[str, Any]] | None:
            time.sleep(2)  # looking at everything takes a core
            with suppress(StudioError):
                found = self.webs[0]("look")
                for job in found:
                    if job["state"] == "interrupted":
                        owner = next(one for one in PEOPLE if job["id"] in self._of(one))
                        self.webs[0]("tell", owner, job["id"], "resume")
                states = {job["state"] for job in found}
                return found if states <= ENDED - {"interrupted"} else None
            return None

        return wait_for(ended, 300)  # type: ignore[no-any-return]

    def close(self) -> None:
        for one in self.webs:
            one.close()
        self._engine.dispose()

    def _of(self, owner: str) -> list[str]:
        return list(self.webs[0]("names", owner))

    def _any(self) -> Driven:
        return self._chance.choice(self.webs)

    def _leader(self) -> Driven:
        return wait_for(lambda: next((one for one in self.webs if one("leads")), None), 60)  # type: ignore[no-any-return]

    def _cut(self, where: str, most: int) -> None:
        ours = "datname = current_database() AND pid <> pg_backend_pid()"
        query = f"SELECT pid FROM pg_stat_activity WHERE {ours} AND {where}"
        with self._engine.connect() as connection:
            pids = [row[0] for row in connection.execute(text(query))]
            for pid in self._chance.sample(pids, min(most, len(pids))):
                connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})


def measure(kills: int, chance: random.Random) -> dict[str, Any]:
    programs = postgres.programs()
    if programs is None:
        raise SystemExit("there is no PostgreSQL on this machine")
    with ExitStack() as things:
        folder = Path(things.enter_context(tempfile.TemporaryDirectory(prefix="atelier-webs-")))
        storm = Storm(folder, things.enter_context(postgres.running(programs)).fresh(), chance)
        things.callback(storm.close)
        count = dict.fromkeys(WAYS, 0)
        for _ in range(kills):
            storm.ask()
            time.sleep(chance.uniform(0.2, 2))
            way = chance.choices(list(WAYS), weights=list(WAYS.values()))[0]
            storm.strike(way)
            count[way] += 1
        print(f"{count}; {len(storm.asked)} jobs were acknowledged", flush=True)
        found = {job["id"]: job for job in storm.look()}
        asked = [found[name] for name in storm.asked if name in found]
        return {
            "kills": kills,
            "acknowledged": len(storm.asked),
            "lost": len(storm.asked) - sum(job["state"] == "done" for job in asked),
            "doubled": sum(job["states"].count("done") > 1 or job["files"] > FILES for job in asked),
            "torn": sum(not (job["whole"] and job["in_order"]) for job in asked),
            "leads_s": [round(median(storm.took), 2), round(max(storm.took), 2)] if storm.took else None,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    began = time.monotonic()
    found = measure(asked.kills, random.Random(asked.seed))
    print(json.dumps({**found, "threads": 1, "cores": os.cpu_count(), "seconds": round(time.monotonic() - began)}))


if __name__ == "__main__":
    main()
