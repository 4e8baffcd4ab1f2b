"""The engine in a supervised process of its own: a fault, an out-of-memory kill or ``kill -9`` costs only that.

Knows how to start, watch, restart and end the worker. The worker is a plain ``python -m studio.engine.hosts.worker``
with one end of a socket pair, so it imports nothing of the page; when our end closes, however we die, it exits.
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection

from studio.engine.hosts import Loss
from studio.engine.hosts.watch import Watch
from studio.engine.messages import Close, Message, Order, Ready
from studio.engine.options import EngineOptions
from studio.settings import ROOT

log = logging.getLogger(__name__)

#: a worker that dies young is started again ever more slowly, up to this many seconds between two starts
SLOWEST_RESTART = 30.0
POLL_SECONDS = 1.0


class ProcessHost:
    """A ``Host`` that keeps one worker process alive. One that gives no sign of life for ``hang_seconds`` is killed.

    ``environment``: variables that the worker has besides ours, such as the one that says which GPU it sees.
    """

    outlives = False

    def __init__(
        self, options: EngineOptions, hang_seconds: float = 0, environment: Mapping[str, str] | None = None
    ) -> None:
        self._options = options
        self._environment = dict(environment or {})
        self._hang_seconds = hang_seconds
        self._closing = threading.Event()
        self._sending = threading.Lock()
        self._connection: Connection | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._supervisor: threading.Thread | None = None
        self.state = "starting"

    @property
    def pid(self) -> int | None:
        """The worker's process id, None while there is none."""
        return None if self._process is None else self._process.pid

    def start(self, receive: Callable[[Message], None], lost: Callable[[Loss], None]) -> None:
        self._closing.clear()
        self.state = "starting"
        self._supervisor = threading.Thread(
            target=self._supervise, args=(receive, lost), name="supervisor", daemon=True
        )
        self._supervisor.start()

    def order(self, order: Order) -> None:
        with self._sending:
            if self._connection is None:
                return
            try:
                self._connection.send(order)
            except OSError as error:  # the worker is gone; the supervisor is about to say so
                log.info("order %s not delivered: %s", type(order).__name__, error)

    def acknowledge(self, number: int) -> None:
        """There is nothing to acknowledge: the engine goes with us and numbers nothing."""

    def close(self) -> None:
        self._closing.set()
        self.order(Close())
        process = self._process
        if process is not None:
            try:
                process.wait(timeout=8)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._supervisor is not None:
            self._supervisor.join(timeout=5)
        self.state = "closed"

    def _supervise(self, receive: Callable[[Message], None], lost: Callable[[Loss], None]) -> None:
        """Starts the worker, hears it out, says when it died, and begins again until we close."""
        pause = 0.0
        while not self._closing.wait(pause):
            began = time.monotonic()
            connection = self._spawn()
            hung = self._listen(connection, receive)
            with self._sending:
                self._connection = None
                connection.close()
            code = self._reap()
            if self._closing.is_set():
                return
            self.state = "restarting"
            loss = Loss("hung", str(self._hang_seconds)) if hung else _loss(code)
            log.warning("the worker %s (%s) and is started again", loss.cause, loss.reason)
            lost(loss)
            pause = 0.0 if time.monotonic() - began > 10 else min(SLOWEST_RESTART, 2 * pause + 0.5)

    def _spawn(self) -> Connection:
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "studio.engine.hosts.worker", str(theirs.fileno())]
            environment = {**os.environ, **self._environment}
            self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], cwd=ROOT, env=environment)
        connection = Connection(ours.detach())
        connection.send(self._options)
        with self._sending:
            self._connection = connection
        return connection

    def _listen(self, connection: Connection, receive: Callable[[Message], None]) -> bool:
        """To the end of the line, which is cut where the worker gives no sign of life. Whether it was."""
        watch = Watch(self._hang_seconds)
        while True:
            try:
                if not connection.poll(POLL_SECONDS):
                    if watch.hung:
                        return self._kill()
                    continue
                message = connection.recv()
            except (EOFError, OSError, pickle.UnpicklingError):  # a kill may cut a message in two
                return False
            if isinstance(message, Ready):
                self.state = "ready"
            watch.hear(message)
            if watch.hung:
                return self._kill()
            began = time.monotonic()
            receive(message)
            watch.excuse(time.monotonic() - began)

    def _kill(self) -> bool:
        if self._process is not None:
            self._process.kill()
        return True

    def _reap(self) -> int:
        process = self._process
        if process is None:
            return 0
        try:
            return process.wait(timeout=10)
        except subprocess.TimeoutExpired:  # it closed the line and will not go
            process.kill()
            return process.wait()


def _loss(code: int) -> Loss:
    """An exit code in words."""
    if code >= 0:
        return Loss("ended", f"exit code {code}")
    try:
        name = f", {signal.Signals(-code).name}"
    except ValueError:
        name = ""
    return Loss("killed" if -code == signal.SIGKILL else "ended", f"signal {-code}{name}")
