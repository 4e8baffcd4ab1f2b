"""The process that is connected to Ray: ``python -m studio.engine.hosts.cluster_process FD``.

It says to the web process, on the other end of a socket, what the engines of the cluster say. Ray may end it at any
time; it ends by itself when the line closes, or when the cluster it knows is no more.
"""

from __future__ import annotations

import itertools
import logging
import os
import queue
import signal
import sys
import threading
import time
from multiprocessing.connection import Connection
from typing import Literal, cast

from pipelines.errors import StudioError
from studio.engine.hosts import Demand, Host, Notice
from studio.engine.hosts.cluster_messages import (
    Acknowledge,
    Answer,
    Begin,
    Begun,
    ClusterOptions,
    Connected,
    Give,
    Joined,
    Leave,
    Leaving,
    Lost,
    Noticed,
    Parted,
    Question,
    Refused,
    Said,
    Up,
)
from studio.engine.job import ErrorSentence

log = logging.getLogger(__name__)

#: for which an answer may take: whoever answers may be writing down what it heard
ANSWER_SECONDS = 60.0
#: for which we may take to go
LEAVING_SECONDS = 5.0


class Told:
    """``Members`` at the other end of the line; ``hosts`` are the devices it was told of."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sending = threading.Lock()
        self._asking = threading.Lock()
        self._noticing = threading.Lock()
        self._notices: dict[str, Notice] = {"head": "", "fleet": ""}
        self._numbers = itertools.count()
        self.answers: queue.Queue[Answer] = queue.Queue()
        self.hosts: dict[str, Host] = {}
        self._leaving: set[str] = set()

    def say(self, word: Up) -> None:
        with self._sending:
            try:
                self._connection.send(word)
            except OSError:  # the web process is gone: nobody is left to tell
                os._exit(0)

    def join(self, name: str, node: str, host: Host) -> None:
        self.hosts[name] = host
        self.say(Joined(name, node))
        host.start(lambda message: self.say(Said(name, message)), lambda loss: self.say(Lost(name, loss)))

    def leaving(self, name: str, on: bool) -> None:
        (self._leaving.add if on else self._leaving.discard)(name)
        self.say(Leaving(name, on))

    def part(self, name: str) -> None:
        del self.hosts[name]
        self._leaving.discard(name)
        self.say(Parted(name))

    def notice(self, notice: Notice) -> None:
        self.note("fleet", notice)

    def note(self, by: str, notice: Notice) -> None:
        """What is to be known of the head goes before what is to be known of the devices."""
        with self._noticing:
            self._notices[by] = notice
            self.say(Noticed(self._notices["head"] or self._notices["fleet"]))

    def demand(self) -> Demand:
        return cast(Demand, self._ask("demand"))

    def retire(self, name: str, seconds: float) -> bool:
        try:
            return cast(bool, self._ask("retire", name, seconds))
        except ConnectionError:
            self.say(Leaving(name, name in self._leaving))  # it stays: a yes that comes too late is taken back
            raise

    def _ask(self, what: Literal["demand", "retire"], name: str = "", seconds: float = 0.0) -> Demand | bool:
        """Raises ``ConnectionError`` where that takes too long."""
        with self._asking:
            question = Question(next(self._numbers), what, name, seconds)
            self.say(question)
            end = time.monotonic() + ANSWER_SECONDS
            while True:
                try:
                    answer = self.answers.get(timeout=max(0.0, end - time.monotonic()))
                except queue.Empty:
                    raise ConnectionError(f"the studio did not answer for {ANSWER_SECONDS:g} s") from None
                if answer.number == question.number:  # not to one that was given up
                    return answer.value


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s cluster %(levelname)s %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the studio tells us what to do
    connection = Connection(int(sys.argv[1]))
    try:
        options = connection.recv()
    except (EOFError, OSError):  # the studio went before it could say anything
        return
    if not isinstance(options, ClusterOptions):
        raise TypeError(f"the first word must be ClusterOptions, not {type(options).__name__}")
    told = Told(connection)
    from studio.engine.hosts.ray_cluster import RayHosts  # brings Ray in
    from studio.engine.hosts.ray_head import connect, disconnect

    try:
        head = connect(options.address, options.namespace)
    except StudioError as error:
        told.say(Refused(ErrorSentence.of(error)))
        return
    told.say(Connected(head.address))
    head.watch(lambda away: told.note("head", "away" if away else ""))
    hosts = RayHosts(options, told)

    def begin(given_up: frozenset[str]) -> None:
        try:
            hosts.begin(given_up)
        except Exception:  # without it we would be connected for nothing: whoever is started next may do better
            log.exception("the cluster does not say what it has")
            os._exit(1)
        told.say(Begun())

    while True:
        try:
            word = connection.recv()
        except (EOFError, OSError):
            os._exit(0)
        match word:
            case Begin(given_up):
                threading.Thread(target=begin, args=(given_up,), name="beginning", daemon=True).start()
            case Give(name, order) if host := told.hosts.get(name):
                host.order(order)
            case Acknowledge(name, number) if host := told.hosts.get(name):
                host.acknowledge(number)
            case Answer():
                told.answers.put(word)
            case Leave():
                threading.Timer(LEAVING_SECONDS, os._exit, (0,)).start()  # without its head Ray takes its time
                hosts.close()
                disconnect()
                os._exit(0)


if __name__ == "__main__":
    main()
