"""``make cluster-demo``: a whole cluster on this machine, until Ctrl+C.

A PostgreSQL, a shared folder, a Ray head and workers with one virtual GPU each, web processes, and a proxy before them.
Knows how each is started and that all of them end with it: each process bears a mark in its environment, by which also
the children of a part that was killed are found, and what an earlier demonstration left that was itself killed.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import httpx
import psutil
import uvicorn

from deploy.proxy import Sticky

ROOT = Path(__file__).resolve().parent.parent
MARK = "ATELIER_DEMO"
POSTGRESQL = Path("/usr/lib/postgresql")
HERE = "127.0.0.1"
#: what a cluster needs in the environment of all its machines. Ray puts its workers behind whatever else computes, so
#: that a device is not heard. And it asks machines every 3 s, for 10 s, 5 times, whether they are there: with this, one
#: that died is known in 2 s instead of 15, one that is silent and keeps its connections in 10
CLUSTER = {
    "RAY_worker_niceness": "0",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "4",
}
#: bytes of Ray's object store on each node; nothing large goes through it
STORE = 80_000_000


class Demo:
    """All parts, by name. ``close`` ends them, whatever became of them meanwhile."""

    def __init__(self, data: Path, workers: int, webs: int, port: int) -> None:
        self.data, self.workers, self.webs, self.port = data, workers, webs, port
        self._short = Path(tempfile.mkdtemp(prefix="atelier-"))  # sockets want short names
        self._parts: dict[str, subprocess.Popen[bytes]] = {}
        self._told: set[str] = set()
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("STUDIO_", "RAY_"))},
            MARK: str(data),
            "PYTHONPATH": str(ROOT),
            "RAY_AUTH_MODE": "token",  # whoever reaches Ray's ports runs code: they are on loopback, and want a word
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_USAGE_STATS_ENABLED": "0",
            **CLUSTER,
        }

    def start(self) -> None:
        """Starts everything and returns once the page answers. Raises ``RuntimeError`` with the end of a log."""
        end_marked(str(self.data))
        for name in ("log", "storage", *(f"web{number}" for number in range(1, self.webs + 1))):
            (self.data / name).mkdir(parents=True, exist_ok=True)
        database = self.database()
        head = f"{HERE}:{free_port()}"
        self._ray("head", "--head", f"--port={head.rpartition(':')[2]}", "--num-gpus=0", "--include-dashboard=false")
        self._wait("head", lambda: _listens(head))
        for number in range(1, self.workers + 1):
            node = self.data / f"node{number}"
            node.mkdir(exist_ok=True)
            own, name = {"STUDIO_NODE_DATA": str(node)}, f"worker{number}"
            self._ray(name, f"--address={head}", "--num-gpus=1", environment=own)
            self._wait(name, partial(self._says, name, "Ray runtime started"))  # two at once disturb each other
        self.backends = [self._web(number, head, database) for number in range(1, self.webs + 1)]
        for number, backend in enumerate(self.backends, 1):
            self._wait(f"web{number}", partial(_answers, backend))

    def watch(self) -> None:
        """Says once of each part that it has ended. The others go on: that is what is to be seen."""
        for name, process in self._parts.items():
            if process.poll() is not None and name not in self._told:
                self._told.add(name)
                print(f"{name} has ended ({process.returncode}); the others go on", flush=True)

    def close(self) -> None:
        """Ends all parts, the last first, and what is left of any."""
        for process in reversed(list(self._parts.values())):
            if process.poll() is None:
                process.terminate()
        end = time.monotonic() + 15
        for process in self._parts.values():
            try:
                process.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                continue
        end_marked(str(self.data))
        for process in self._parts.values():
            process.wait()
        shutil.rmtree(self._short, ignore_errors=True)

    # -------------------------------------------------------------------------------------------- the parts

    def database(self) -> str:
        """A server in the data folder, reached by a socket and by nothing else; as its own user where we are root."""
        programs = postgresql_programs()
        user = "postgres" if os.geteuid() == 0 else None
        folder, sockets = self.data / "postgresql", self._short / "db"
        for one in (folder, sockets):
            one.mkdir(exist_ok=True)
            if user:
                shutil.chown(one, user)
        self._short.chmod(0o711)
        if not (folder / "PG_VERSION").exists():
            made: list[str | Path] = [
                programs / "initdb",
                "-D",
                folder,
                "-U",
                "atelier",
                "--auth=trust",
                "--encoding=UTF8",
            ]
            done = subprocess.run(made, user=user, cwd="/", capture_output=True, text=True, env=self._environment)
            if done.returncode:
                raise RuntimeError(f"PostgreSQL cannot begin in {folder}, which its user must reach: {done.stderr}")
        options = (f"unix_socket_directories={sockets}", "listen_addresses=")
        command: list[str | Path] = [
            programs / "postgres",
            "-D",
            folder,
            *(part for one in options for part in ("-c", one)),
        ]
        self._start("postgresql", command, user=user)
        ready: list[str | Path] = [programs / "pg_isready", "-q", "-h", sockets]
        self._wait("postgresql", lambda: subprocess.run(ready, check=False).returncode == 0)
        return f"postgresql+psycopg://atelier@/postgres?host={sockets}"

    def _ray(self, name: str, *options: str, environment: Mapping[str, str] | None = None) -> None:
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", f"--node-ip-address={HERE}"]
        command += ["--num-cpus=1", f"--object-store-memory={STORE}", "--disable-usage-stats", *options]
        if "--head" in options:
            command.append(f"--temp-dir={self._short / 'ray'}")
        self._start(name, command, environment)

    def _web(self, number: int, head: str, database: str) -> str:
        port, data = free_port(), self.data / f"web{number}"
        command = [sys.executable, "app.py", "--cluster", head, "--database", database, "--port", str(port)]
        command += ["--storage", str(self.data / "storage"), "--data", str(data), "--threads", "1", "--device", "cpu"]
        self._start(f"web{number}", command)
        return f"http://{HERE}:{port}"

    def _start(
        self,
        name: str,
        command: Sequence[str | Path],
        environment: Mapping[str, str] | None = None,
        user: str | None = None,
    ) -> None:
        with (self.data / "log" / f"{name}.txt").open("wb") as log:
            self._parts[name] = subprocess.Popen(
                command,
                cwd="/" if user else ROOT,
                env={**self._environment, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=user,
                start_new_session=True,  # Ctrl+C is heard by us alone
            )

    def _says(self, name: str, words: str) -> bool:
        return words in (self.data / "log" / f"{name}.txt").read_text("utf-8", "replace")

    def _wait(self, name: str, true: Callable[[], bool], seconds: float = 120) -> None:
        end = time.monotonic() + seconds
        while not true():
            if self._parts[name].poll() is not None or time.monotonic() > end:
                said = (self.data / "log" / f"{name}.txt").read_text("utf-8", "replace")[-2000:]
                raise RuntimeError(f"{name} does not start:\n{said}")
            time.sleep(0.1)


def end_marked(mark: str) -> None:
    """Kills every process that bears the mark in its environment, whoever its parent is by now."""
    for _ in range(3):  # one may have started another meanwhile
        found = [one for one in psutil.process_iter() if one.pid != os.getpid() and _bears(one, mark)]
        for process in found:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(found, timeout=10)
        if not found:
            return


def _bears(process: psutil.Process, mark: str) -> bool:
    try:
        return process.environ().get(MARK) == mark
    except (psutil.Error, OSError):
        return False


def postgresql_programs() -> Path:
    """The folder of ``initdb`` and ``postgres``, the newest. Raises ``RuntimeError`` where there is none."""
    versions = sorted(POSTGRESQL.glob("*/bin/initdb"), key=lambda path: float(path.parent.parent.name))
    found = str(versions[-1]) if versions else shutil.which("initdb")
    if found is None:
        raise RuntimeError("There is no PostgreSQL on this machine: install Debian's postgresql package.")
    return Path(found).parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HERE, 0))
        return int(probe.getsockname()[1])


def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def _answers(backend: str) -> bool:
    try:
        return httpx.get(f"{backend}/healthz", timeout=5, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def main() -> int:
    parser = argparse.ArgumentParser(prog="make cluster-demo", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data/cluster-demo"), help="folder for everything it writes")
    parser.add_argument("--workers", type=int, default=2, help="Ray workers, each with a virtual GPU")
    parser.add_argument("--webs", type=int, default=2, help="web processes behind the one address")
    parser.add_argument("--port", type=int, default=7860)
    asked = parser.parse_args()
    demo, stop = Demo(asked.data.resolve(), asked.workers, asked.webs, asked.port), threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, lambda *_: stop.set())
    try:
        print("Starting PostgreSQL, Ray and the studio; this takes half a minute.", flush=True)
        demo.start()
        config = uvicorn.Config(
            Sticky(demo.backends),
            HERE,
            asked.port,
            log_level="warning",
            lifespan="on",
            proxy_headers=False,
            timeout_graceful_shutdown=1,
            server_header=False,
            date_header=False,
        )
        server = uvicorn.Server(config)
        proxy = threading.Thread(target=server.run, name="proxy", daemon=True)
        proxy.start()
        print(f"Atelier opens at http://{HERE}:{asked.port}  (Ctrl+C ends all of it)", flush=True)
        while not stop.wait(1) and proxy.is_alive():
            demo.watch()
        server.should_exit = True
        proxy.join(5)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        print("Ending all of it.", flush=True)
        demo.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
