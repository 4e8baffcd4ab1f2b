"""The engine in an actor on a GPU of a Ray cluster: detached, so that it goes on while we are closed or upgraded.

Knows one actor by name, listens to it and starts it again. Which GPUs there are is for ``ray_cluster``. An engine whose
stream broke is given up at once, whatever the reason: what ran there is told so, and goes on elsewhere or here anew.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection
from typing import Any

import ray
from ray.exceptions import RayError, RaySystemError

from studio.engine.hosts import Loss
from studio.engine.hosts.ray_line import RayLine
from studio.engine.hosts.watch import Watch
from studio.engine.messages import Attached, Marked, Message, Order, Ready
from studio.engine.version import PROTOCOL

log = logging.getLogger(__name__)

#: between two tries where also a new engine is not understood: somebody has to upgrade its machine
FOREIGN_SECONDS = 60.0

POLL_SECONDS = 0.5
#: an engine that was up, speaks once a second and says nothing for so long is lost. Ray tells of deaths itself: this is
#: for whoever is cut off, and long, as a machine may be so busy that nobody in it is heard for a while
SILENT_SECONDS = 30.0
#: between two tries to find an actor that is being started again
PAUSE_SECONDS = 0.5


class RayHost:
    """A ``Host``. ``find`` gives a handle of the actor, which it makes where there is none.

    ``build`` is the code that we are of; ``given_up`` are lives of engines whose jobs went elsewhere while we were not
    connected.
    """

    outlives = True

    def __init__(
        self, find: Callable[[], Any], build: str, hang_seconds: float = 0, given_up: Collection[str] = ()
    ) -> None:
        self._find = find
        self._build = build
        self._hang_seconds = hang_seconds
        self._closing = threading.Event()
        self._gone = threading.Event()
        self._listener: threading.Thread | None = None
        self._actor: Any = None
        self._source = ""
        self._line: RayLine | None = None  # to the life of the engine that is listened to
        self._strangers = 0  # how many engines in a row could not be understood
        self._given_up = set(given_up)  # lives of the engine whose jobs were lost to us
        #: set once it was heard what the engine has, or that it is not there to say so
        self.settled = threading.Event()
        self.state = "starting"
        #: it is of other code than we are, and goes on to the end of what it has
        self.outdated = False

    def start(self, receive: Callable[[Message | Marked], None], lost: Callable[[Loss], None]) -> None:
        self._listener = threading.Thread(target=self._listen, args=(receive, lost), name="ray-listener", daemon=True)
        self._listener.start()

    def order(self, order: Order) -> None:
        if (line := self._line) is not None:
            line.order(order)

    def acknowledge(self, number: int) -> None:
        if (line := self._line) is not None:
            line.acknowledge(number)

    def close(self) -> None:
        """Listens no more. What runs goes on, and is there for whoever listens next."""
        self._closing.set()
        if self._listener is not None:
            self._listener.join(timeout=10)
        self.state = "closed"

    def gone(self) -> None:
        """Its machine is no more: what ran is lost, and it is not started again."""
        self._gone.set()
        if self._listener is not None:
            self._listener.join(timeout=10)
        self.state = "closed"

    # ------------------------------------------------------------------------------ listening

    def _listen(self, receive: Callable[[Message | Marked], None], lost: Callable[[Loss], None]) -> None:
        while not self._over():
            loss = Loss("ended", "its machine is gone")
            try:
                self._actor = self._find()
                loss = self._hear(self._actor, receive)
            except RaySystemError as error:  # what it says cannot even be read
                loss = Loss("ended", type(error).__name__) if self._source else self._foreign(str(error))
            except (RayError, ValueError) as error:  # ValueError: no machine is left for it
                loss = Loss("ended", type(error).__name__)
                self.settled.set()
            except Exception:  # a device that nobody listens to would keep its jobs for ever
                log.exception("what an engine says cannot be taken: it is given up")
                loss = Loss("ended", "it could not be heard")
            finally:
                self._lose(loss, lost)
            if loss.cause == "foreign":
                self.settled.set()  # which is known by now, and what ran there is told why
            self._closing.wait(FOREIGN_SECONDS if loss.cause == "foreign" and self._strangers > 1 else PAUSE_SECONDS)

    def _over(self) -> bool:
        return self._closing.is_set() or self._gone.is_set()

    def _lose(self, loss: Loss, lost: Callable[[Loss], None]) -> None:
        """Says that the engine died, if it was there and we are not merely leaving."""
        if not (self._source or loss.cause == "foreign") or self._closing.is_set():
            return
        if self._source:
            self._given_up.add(self._source)
        self._source, self._line, self.state = "", None, "restarting"
        log.warning("the engine of an actor %s (%s) and is started again", loss.cause, loss.reason)
        lost(loss)

    def _hear(self, actor: Any, receive: Callable[[Message | Marked], None]) -> Loss:
        """Listens until the stream breaks, the engine is silent or hangs, or we are closed; why it ended."""
        stream = actor.stream.options(num_returns="streaming", _generator_backpressure_num_objects=64).remote()
        try:
            return self._follow(actor, stream, receive)
        finally:
            ray.cancel(stream)

    def _follow(self, actor: Any, stream: Any, receive: Callable[[Message | Marked], None]) -> Loss:
        watch, heard = Watch(self._hang_seconds), time.monotonic()
        while not self._over():
            ready, _ = ray.wait([stream], timeout=POLL_SECONDS)
            if watch.hung:
                return self._end(actor, Loss("hung", str(int(self._hang_seconds))))
            if not ready:
                if self._source and time.monotonic() - heard > SILENT_SECONDS:
                    return self._end(actor, Loss("hung", str(int(SILENT_SECONDS))))
                continue
            try:
                batch = ray.get(next(stream))
            except StopIteration:  # somebody else listens now
                return Loss("ended", "the stream ended")
            if isinstance(batch, dict):
                if batch.get("protocol") != PROTOCOL:
                    return self._foreign(f"protocol {batch.get('protocol')}, and ours is {PROTOCOL}")
                continue
            for message in batch:
                if isinstance(message, Attached) and message.source in self._given_up:
                    return self._end(actor, Loss("ended", "it was given up"))
                self._take(message, watch, receive)
            heard = time.monotonic()
        return Loss("ended", "its machine is gone")

    def _take(self, message: Message | Marked, watch: Watch, receive: Callable[[Message | Marked], None]) -> None:
        watch.hear(message.message if isinstance(message, Marked) else message)
        if isinstance(message, Attached):
            self._source, self._line = message.source, RayLine(self._actor, message.source)
            self.outdated, self._strangers = message.build != self._build, 0
        elif isinstance(message, Ready):
            self.state = "ready"
        began = time.monotonic()
        receive(message)
        watch.excuse(time.monotonic() - began)
        if isinstance(message, Attached):
            self.settled.set()

    def _foreign(self, reason: str) -> Loss:
        """It was begun by another version of the studio that we do not understand: one of ours takes its place."""
        self._strangers += 1
        log.warning("the engine speaks %s; if that stays so, its machine has another version of the studio", reason)
        ray.kill(self._actor, no_restart=True)
        return Loss("foreign", reason.splitlines()[0][:200])

    def _end(self, actor: Any, loss: Loss) -> Loss:
        """Makes sure that it does not go on unheard; Ray starts it again."""
        ray.kill(actor, no_restart=False)
        return loss
