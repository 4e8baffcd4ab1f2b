"""The process that is connected to Ray for the web process, and the line to it: started, spoken to, ended.

Knows no devices. When our end of the line closes, however we die, it exits.
"""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import threading
from multiprocessing.connection import Connection
from pickle import UnpicklingError

from studio.engine.hosts.cluster_messages import ClusterOptions, Down, Up
from studio.settings import ROOT

log = logging.getLogger(__name__)

#: for how long Ray is patient with a head that is away; the engines are heard on meanwhile, if their machines live on
PATIENCE = {"RAY_gcs_rpc_server_reconnect_timeout_s": "600"}


class ClusterLine:
    """One process. ``send`` may be called from any thread, ``hear`` and then ``end`` from one."""

    def __init__(self, options: ClusterOptions) -> None:
        self._sending = threading.Lock()
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "studio.engine.hosts.cluster_process", str(theirs.fileno())]
            environment = {**PATIENCE, **os.environ}
            self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], cwd=ROOT, env=environment)
        self._connection = Connection(ours.detach())
        self._connection.send(options)

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, word: Down) -> None:
        """To a process that is gone nothing is said; whoever hears is about to see that."""
        with self._sending:
            try:
                self._connection.send(word)
            except OSError:
                log.debug("%s was not delivered", type(word).__name__)

    def hear(self, seconds: float | None = None) -> Up | None:
        """The next word, None where there is none for so long. Raises ``EOFError`` where the process has ended."""
        try:
            if not self._connection.poll(seconds):
                return None
            word: Up = self._connection.recv()
        except (OSError, UnpicklingError) as error:  # a kill may cut a word in two
            raise EOFError from error
        return word

    def end(self, seconds: float = 0.5) -> None:
        """Gives the process so long to go by itself."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        with self._sending:
            self._connection.close()
