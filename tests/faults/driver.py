"""A studio in a process of its own that does what it is told over its standard input: something that can be killed.

``python -m tests.faults.driver DATA MINUTES [DATABASE]``, MINUTES being the cap on everybody's device minutes a day, 0
for none; each line in is a JSON array (command, arguments), each line out its answer. An answer is an acknowledgement:
what it says was done must be there whatever is killed afterwards.
"""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from sqlalchemy.exc import OperationalError

from pipelines.errors import StudioError
from studio.engine.job import ENDED
from studio.services import Studio, open_studio
from tests.studios import only_host, settings, small_training

ROOT = Path(__file__).resolve().parents[2]
PEOPLE = ("ann", "bob")


class Driver:
    """The studio's side."""

    def __init__(self, data: Path, minutes: int, database: str = "") -> None:
        caps = {"administrator": {"device_minutes": minutes}}  # which everybody is where there are no accounts
        self.studio: Studio = open_studio(settings(data, engine="process", running=2, caps=caps, database=database))
        self.studio.start()

    def leads(self) -> bool:
        return self.studio.jobs.leads

    def submit(self, owner: str, steps: int, leaves: bool) -> str:
        return self.studio.jobs.submit(owner, "training", small_training(steps=steps), ends_with_page=leaves).id

    def tell(self, owner: str, job_id: str, what: str) -> str:
        return str(getattr(self.studio.jobs, what)(owner, job_id).state)

    def names(self, owner: str) -> list[str]:
        """Somebody's jobs."""
        return [job.id for job in self.studio.jobs.list(owner, limit=1000)]

    def use(self, owner: str, seconds: float) -> None:
        """Somebody has used the device for so long, just now."""
        now = time.time()
        self.studio.jobs._dispatch.usage._day.add(owner, now - seconds, now, seconds)

    def worker(self) -> int | None:
        """The worker's process, None while it is being started again."""
        ready = only_host(self.studio).state == "ready"
        return only_host(self.studio).pid if ready else None

    def look(self) -> list[dict[str, Any]]:
        """Every job there is, with its events and its files as they lie on the disk."""
        return [self._job(owner, job.id) for owner in PEOPLE for job in self.studio.jobs.list(owner, limit=1000)]

    def quotas(self) -> list[float]:
        """Everything that is counted of anybody."""
        day, caps = self.studio.jobs._dispatch.usage.day, self.studio.caps
        used = {owner: day(owner) for owner in PEOPLE}
        left = [caps.minutes_left(owner, seconds) for owner, seconds in used.items()]
        return [*used.values(), *(min(one, 1e9) for one in left), *(self.studio.library.stored(one) for one in PEOPLE)]

    def finish_all(self) -> int:
        """Tells everything to end; how much has not yet."""
        live = [job for owner in PEOPLE for job in self.studio.jobs.list(owner, limit=1000) if job.state not in ENDED]
        for job in live:
            self.studio.jobs.finish(job.owner, job.id)
        return len(live)

    def close(self) -> bool:
        self.studio.close()
        return True

    def _job(self, owner: str, job_id: str) -> dict[str, Any]:
        job, events = self.studio.jobs.get(owner, job_id), self.studio.jobs.events(owner, job_id)
        items = self.studio.library.of_job(owner, job_id)
        files = [(item.digest, self.studio.library.blobs.read(item.digest)) for item in items]
        return {
            "id": job_id,
            "state": job.state,
            "attempt": job.attempt,
            "seconds": job.device_seconds,
            "states": [event.data["state"] for event in events if event.kind == "state"],
            "in_order": [event.seq for event in events] == list(range(1, len(events) + 1)),
            "files": len(files),
            "whole": all(hashlib.sha256(data).hexdigest() == digest for digest, data in files),
        }


class Driven:
    """Our side of it."""

    def __init__(self, data: Path, minutes: int = 0, database: str = "") -> None:
        self.data = data
        self.minutes = minutes
        self.database = database
        self.start()

    def command(self) -> list[str]:
        return ["tests.faults.driver", str(self.data), str(self.minutes), self.database]

    def start(self) -> None:
        command = [sys.executable, "-m", *self.command()]
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._answer() == "ready"

    def __call__(self, command: str, *arguments: Any) -> Any:
        """What the studio answers; a refusal is raised."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([command, *arguments]) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self._gone()

    def close(self) -> None:
        self("close")
        assert self.process.stdin is not None
        self.process.stdin.close()
        self._gone()

    def _gone(self) -> None:
        self.process.wait(60)
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            if not stream.closed:
                stream.close()

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the studio ended by itself with {self.process.poll()}"
        answer = json.loads(line)
        if "refused" in answer:
            raise StudioError(answer["key"], "{text}", text=answer["refused"])
        return answer["answer"]


def main() -> None:
    serve(Driver(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]))


def serve(driver: object) -> None:
    """Does what is asked, line by line, until nobody asks any more."""
    print(json.dumps({"answer": "ready"}), flush=True)  # noqa: T201
    for line in sys.stdin:
        command, *arguments = json.loads(line)
        try:
            answer = {"answer": getattr(driver, command)(*arguments)}
        except StudioError as error:
            answer = {"refused": str(error), "key": error.key}
        except OperationalError as error:  # what the page says in a sentence (studio.answers)
            answer = {"refused": str(error), "key": "database.moment"}
        print(json.dumps(answer), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
