"""A web process of a cluster that does what it is told over its standard input, and can be killed: no page, but people
who follow jobs, as pages do.

``python -m benchmarks.cluster_web SETTINGS``, a JSON object; see ``tests.faults.driver`` for how it is talked to. What
its followers see goes into a file of its own, one JSON array a line, written as it is seen: a kill takes none of it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import threading
import time
from pathlib import Path
from typing import Any

from sqlalchemy.exc import OperationalError

from pipelines.errors import StudioError
from studio.engine.job import Numbered
from studio.services import Studio, open_studio
from tests.faults.driver import Driven, serve
from tests.studios import settings

#: nobody is held back by how much they run or have waiting
PLENTY: dict[str, Any] = {"running": 2, "waiting_each": 500, "waiting": 5000, "caps": {"administrator": {"running": 0}}}


class Web:
    """The studio's side. ``seen`` is the file for what followers see."""

    def __init__(self, data: Path, seen: Path, changes: dict[str, Any]) -> None:
        self.studio: Studio = open_studio(settings(data, engine="process", **PLENTY, **changes))
        self._seen = seen.open("a", buffering=1)
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="followers", daemon=True).start()
        self.studio.start()

    def leads(self) -> bool:
        return self.studio.jobs.leads

    def devices(self) -> list[str]:
        """The names of those that are up, as whoever leads says."""
        return [one.name for one in self.studio.jobs.status().devices if one.device]

    def running(self) -> int:
        return len(self.studio.jobs.status().running)

    def submit(self, owner: str, kind: str, values: dict[str, Any]) -> str:
        return self.studio.jobs.submit(owner, kind, values).id

    def resume(self, owner: str, job_id: str) -> str:
        return str(self.studio.jobs.resume(owner, job_id).state)

    def cancel(self, owner: str, job_id: str) -> str:
        return str(self.studio.jobs.cancel(owner, job_id).state)

    def follow(self, owner: str, job_id: str) -> bool:
        """From now on somebody follows this job here, to its end."""
        asyncio.run_coroutine_threadsafe(self._follow(owner, job_id), self._loop)
        return True

    def close(self) -> bool:
        self.studio.close()
        return True

    async def _follow(self, owner: str, job_id: str) -> None:
        """A page whose connection is answered with an error asks again from where it was."""
        last = 0
        while True:
            try:
                async for batch in self.studio.jobs.follow(owner, job_id, last):
                    now = time.time()
                    for event in batch:
                        self._seen.write(
                            json.dumps([job_id, event.seq, event.at, now, event.kind, _said(event)]) + "\n"
                        )
                        last = event.seq
                return
            except (OperationalError, StudioError):
                await asyncio.sleep(0.2)
            except Exception:
                logging.exception("nobody follows job %s any more", job_id)
                raise

    def _write(self, job_id: str, batch: list[Numbered]) -> None:
        now = time.time()
        for event in batch:
            self._seen.write(json.dumps([job_id, event.seq, event.at, now, event.kind, _said(event)]) + "\n")


def _said(event: Numbered) -> Any:
    """Of a state, with the sentence's key; of progress, the stage; of a step, when it was."""
    match event.kind:
        case "state":
            return [event.data["state"], (event.data.get("error") or {}).get("key")]
        case "progress":
            return event.data["stage"]
        case "token":
            return float(event.data["text"].split()[0])
    return None


class DrivenWeb(Driven):
    """Our side of it. Several threads may ask; one is answered at a time."""

    def __init__(self, folder: Path, name: str, changes: dict[str, Any]) -> None:
        self._folder, self._name, self._changes = folder, name, changes
        self._lock = threading.Lock()
        self._lives = 0
        self.up = False
        self.seen: list[tuple[Path, float]] = []  # of each life, its file and its end; 0: it goes on
        super().__init__(folder / name)

    def command(self) -> list[str]:
        self._lives += 1
        path = self._folder / f"seen-{self._name}-{self._lives}.jsonl"
        self.seen.append((path, 0.0))
        told = {"data": str(self.data), "seen": str(path), "changes": self._changes}
        return ["benchmarks.cluster_web", json.dumps(told)]

    def start(self) -> None:
        super().start()
        self.up = True

    def __call__(self, command: str, *arguments: Any) -> Any:
        """Raises ``ConnectionError`` where it is killed meanwhile."""
        with self._lock:
            if not self.up:
                raise ConnectionError("it is not up")
            try:
                return super().__call__(command, *arguments)
            except (AssertionError, OSError, ValueError) as error:
                raise ConnectionError("it is gone") from error

    def kill(self) -> None:
        """At once, whoever waits for an answer."""
        self.up = False
        self.process.kill()
        self.seen[-1] = (self.seen[-1][0], time.time())
        with self._lock:
            self._gone()

    def start_again(self, then: Any) -> threading.Thread:
        """Without anybody waiting for it; ``then`` is called once it is up."""

        def again() -> None:
            self.start()
            then()

        thread = threading.Thread(target=again, daemon=True)
        thread.start()
        return thread


def main() -> None:
    told = json.loads(sys.argv[1])
    serve(Web(Path(told["data"]), Path(told["seen"]), told["changes"]))


if __name__ == "__main__":
    main()
