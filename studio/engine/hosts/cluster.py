"""The devices of a Ray cluster as the web process sees them: through a process of its own that is connected to Ray.

Ray ends whatever is connected to it when the head stays away or the raylet beside it dies, and knows nothing of us once
the head is begun anew. So what is connected may die, and is started again until the cluster answers; the engines go on
without it and are heard on where they were. Imports no ray.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import threading
import time
from collections.abc import Callable

from pipelines.errors import StudioError
from studio.engine.hosts import Loss, Members
from studio.engine.hosts.address import answers, check_there, unanswered
from studio.engine.hosts.cluster_line import ClusterLine
from studio.engine.hosts.cluster_messages import (
    Acknowledge,
    Answer,
    Begin,
    Begun,
    ClusterOptions,
    Connected,
    Down,
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
from studio.engine.messages import Attached, Marked, Message, Order, Ready, Run
from studio.engine.options import EngineOptions
from studio.engine.version import build
from studio.settings import Settings

log = logging.getLogger(__name__)

#: for which jobs are left with engines while nobody is connected; then they go elsewhere, or wait
GRACE_SECONDS = 20.0
#: for which the start of a studio waits for what runs in the cluster already
BEGIN_SECONDS = 60.0
#: between two looks whether the head is back, and after how long it is looked for elsewhere
PAUSE_SECONDS, ELSEWHERE_SECONDS = 1.0, 15.0
POLL_SECONDS = 0.5


class ClusterHost:
    """A ``Host`` whose engine is heard through whoever is connected; ``send`` says something to that one."""

    outlives = True

    def __init__(self, name: str, send: Callable[[Down], None]) -> None:
        self.name = name
        self._send = send
        self._receive: Callable[[Message | Marked], None] = lambda _message: None
        self._lost: Callable[[Loss], None] = lambda _loss: None
        self._kept: list[Order] | None = None  # what was ordered while nobody was connected
        self._source = ""
        #: whether whoever is connected knows of it, and says that its machine is about to go
        self.here, self.leaving = True, False
        self.state = "starting"

    def start(self, receive: Callable[[Message | Marked], None], lost: Callable[[Loss], None]) -> None:
        self._receive, self._lost = receive, lost

    def order(self, order: Order) -> None:
        """A job that is given away while nobody is connected does not come to the engine; which shows once it says
        what it has."""
        if self._kept is None:
            self._send(Give(self.name, order))
        elif not isinstance(order, Run):
            self._kept.append(order)

    def acknowledge(self, number: int) -> None:
        self._send(Acknowledge(self.name, number))

    def close(self) -> None:
        self.state = "closed"

    def hear(self, message: Message | Marked) -> str:
        """What that life of its engine was called of which we now know that it has ended, mostly none."""
        ended = ""
        if isinstance(message, Ready):
            self.state = "ready"
        elif isinstance(message, Attached):
            if self._source not in ("", message.source):
                ended = self.lose(Loss("ended", "it was started again"))
            self._source = message.source
        self._receive(message)
        if isinstance(message, Attached):
            kept, self._kept = self._kept or [], None
            for order in kept:
                self._send(Give(self.name, order))
        return ended

    def lose(self, loss: Loss) -> str:
        """The engine died. What that life of it was called."""
        ended, self._source, self.state = self._source, "", "restarting"
        self._lost(loss)
        return ended

    def unheard(self) -> None:
        """Nobody is connected."""
        self.here, self._kept = False, self._kept or []


class ClusterHosts:
    """See ``Hosts``. Connected once made; raises ``StudioError`` where nobody answers at the address."""

    def __init__(self, settings: Settings, options: EngineOptions) -> None:
        if importlib.util.find_spec("ray") is None:
            raise StudioError(
                "cluster.extra",
                "--cluster needs Ray, and {name} is not installed: pip install -e '.[cluster]'",
                name="ray",
            )
        self._options = ClusterOptions(
            settings.cluster,
            "atelier-" + hashlib.sha256(settings.database_url.encode()).hexdigest()[:12],
            options,
            build(),
            settings.hang_seconds,
            settings.cluster_devices,
            settings.cluster_least,
            settings.cluster_idle,
        )
        self._hosts: dict[str, ClusterHost] = {}
        self._given_up: set[str] = set()  # lives of engines whose jobs went elsewhere
        self._unheard_since: float | None = None
        self._closing = threading.Event()
        self._begun = threading.Event()
        self._thread: threading.Thread | None = None
        self._head = settings.cluster
        if settings.cluster != "auto":
            check_there(settings.cluster)
        self._line: ClusterLine | None = self._connected()

    def _connected(self) -> ClusterLine:
        line = ClusterLine(self._options)
        try:
            word = line.hear()
        except EOFError:
            word = None
        if isinstance(word, Connected):
            self._head = word.head
            return line
        line.end()
        raise word.why.as_error() if isinstance(word, Refused) else unanswered(self._options.address, "Ray gave up")

    @property
    def pid(self) -> int | None:
        """The process that is connected, None while there is none."""
        line = self._line
        return None if line is None else line.pid

    def start(self, members: Members) -> None:
        self._closing.clear()
        self._begun.clear()
        self._hosts.clear()  # those of before have been closed: we led, and another process did meanwhile
        self._unheard_since = None
        if self._line is not None:
            self._begin(self._line)
        self._thread = threading.Thread(target=self._run, args=(members,), name="cluster", daemon=True)
        self._thread.start()
        if not self._begun.wait(BEGIN_SECONDS):
            log.warning("the cluster does not say what runs in it")

    def close(self) -> None:
        self._closing.set()
        self._send(Leave())
        if self._thread is not None:
            self._thread.join(timeout=10)
        if self._line is not None:
            self._line.end()
            self._line = None

    def _send(self, word: Down) -> None:
        if (line := self._line) is not None:
            line.send(word)

    def _begin(self, line: ClusterLine) -> None:
        line.send(Begin(frozenset(self._given_up)))

    # ------------------------------------------------------------------------------ in our own thread

    def _run(self, members: Members) -> None:
        """Hears whoever is connected out, and sees to it that somebody is, until we close."""
        while not self._closing.is_set():
            if (line := self._line) is not None:
                try:
                    self._hear_out(line, members)
                except Exception:  # what is not acknowledged is told again: one mistake must not leave us deaf
                    log.exception("what the cluster says could not be taken in")
                self._line = None
                line.end(8 if self._closing.is_set() else 0.5)
                if not self._closing.is_set():
                    log.warning("nobody is connected to the cluster any more; that is tried again until it answers")
                    self._unheard(members)
            elif self._wait_for_head(members):
                self._line = ClusterLine(self._options)

    def _hear_out(self, line: ClusterLine, members: Members) -> None:
        while True:
            self._give_up_in_time(members)
            try:
                word = line.hear(POLL_SECONDS)
            except EOFError:
                return
            if word is not None:
                self._take(word, line, members)

    def _wait_for_head(self, members: Members) -> bool:
        """Whether to try to connect. Where its address was not given, a head may be elsewhere than it was."""
        end = time.monotonic() + (ELSEWHERE_SECONDS if self._options.address == "auto" else float("inf"))
        while not self._closing.wait(PAUSE_SECONDS):
            self._give_up_in_time(members)
            if time.monotonic() > end or answers(self._head):
                return True
        return False

    def _take(self, word: Up, line: ClusterLine, members: Members) -> None:
        match word:
            case Connected(head):
                self._head = head
                self._begin(line)
            case Refused(why):
                log.warning("%s", why.as_error())
            case Joined(name, node):
                self._joined(name, node, members)
            case Leaving(name, on) if host := self._hosts.get(name):
                host.leaving = on
                members.leaving(name, on)
            case Parted(name):
                self._hosts.pop(name, None)
                members.part(name)
            case Begun():
                self._unheard_since = None
                self._part("its machine is gone", members)
                self._begun.set()
            case Said(name, message) if host := self._hosts.get(name):
                self._given_up.add(host.hear(message))
                if isinstance(message, Attached):
                    members.leaving(name, host.leaving)
            case Lost(name, loss) if host := self._hosts.get(name):
                self._given_up.add(host.lose(loss))
            case Noticed(notice):
                members.notice(notice)
            case Question(number, "demand"):
                line.send(Answer(number, members.demand()))
            case Question(number, "retire", name, seconds):
                line.send(Answer(number, members.retire(name, seconds)))

    def _joined(self, name: str, node: str, members: Members) -> None:
        host = self._hosts.get(name)
        if host is None:
            self._hosts[name] = ClusterHost(name, self._send)
            members.join(name, node, self._hosts[name])
        else:
            host.here, host.leaving = True, False

    def _unheard(self, members: Members) -> None:
        """What runs may go on; nothing new is begun."""
        self._unheard_since = self._unheard_since or time.monotonic()
        members.notice("away")
        for name, host in self._hosts.items():
            host.unheard()
            members.leaving(name, True)

    def _give_up_in_time(self, members: Members) -> None:
        if self._unheard_since is not None and time.monotonic() - self._unheard_since > GRACE_SECONDS:
            self._part("the cluster does not answer", members)

    def _part(self, reason: str, members: Members) -> None:
        """Devices of which whoever is connected knows nothing are gone."""
        for host in [host for host in self._hosts.values() if not host.here]:
            self._given_up.add(host.lose(Loss("ended", reason)))
            del self._hosts[host.name]
            members.part(host.name)
