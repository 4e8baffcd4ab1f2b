"""The engine: owns one device, runs jobs on it in turns, and tells what happens in messages.

Knows the lease, the ledger, pipelines and the files of a job. Does not know the database, the web or which process
it is in: a host hands it orders and takes its messages (see ``hosts``).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from pipelines.base import Artifact, Cancelled, Event, Kept, Preview, Request, Result, Sample
from pipelines.catalog import Catalog, Entry
from pipelines.devices import Device, on_device, pick_device
from pipelines.durable import DiskFull, is_full
from pipelines.errors import StudioError
from pipelines.moderation import PICTURES, TEXTS, Judges, Look, Policy, words_of
from pipelines.registry import Registration, registration
from pipelines.storage import StorageAway
from studio.engine.job import ErrorSentence
from studio.engine.keeping import Keeping
from studio.engine.memory import with_memory
from studio.engine.messages import Added, Close, Ended, Message, Order, Ready, Run, Steer, Tell, Turned, Unload, Vitals
from studio.engine.options import EngineOptions
from studio.engine.residency import Ledger, Wanted
from studio.engine.telling import Telling
from studio.engine.turn import EngineTurn
from studio.engine.turns import Hold, Lease
from studio.library.credentials import Credentials
from studio.settings import ASSETS
from studio.store.shared_blobs import open_blobs
from studio.store.shared_workspaces import open_workspaces
from studio.store.storage import open_storage
from studio.store.workspaces import Workspace

log = logging.getLogger(__name__)

VITALS_EVERY = 1.0
#: seconds for which a storage that does not answer is asked again: longer than a page would wait, as hours may be lost
PATIENCE = 120.0


class LocalEngine:
    """``start``, then ``order`` as often as wanted; messages come by ``send``, from several threads."""

    def __init__(self, options: EngineOptions, send: Callable[[Message], None]) -> None:
        self._options = options
        self._send = send
        storage = open_storage(options.storage, PATIENCE)
        self._blobs = open_blobs(options.data, storage, options.cache)
        self._workspaces = open_workspaces(options.data, storage, options.cache)
        self._catalog = Catalog(ASSETS, options.data, storage)
        self._judges = Judges()
        self._credentials = Credentials(options.data / "credentials", storage) if options.content_credentials else None
        self._threads: dict[str, threading.Thread] = {}
        self._told: dict[str, list[Tell | Steer]] = {}  # orders for jobs that have not reached the lease yet
        self._closing = threading.Event()
        self._guard = threading.Lock()

    def start(self) -> None:
        """Finds the device and says that the engine is ready."""
        found = pick_device(self._options.device, self._options.threads)
        device = replace(found, offload=self._options.image_offload, compiled=self._options.image_compile)
        self._device = device
        if device.threads:
            import torch

            torch.set_num_threads(device.threads)
        self._lease = Lease(self._options.training_share, _synchronise(device), self._on_pause)
        self._ledger = Ledger(device, int(device.total_bytes * self._options.memory_share))
        self._send(Ready(device.name, device.kind, device.dtype, device.reason, device.total_bytes, device.threads))
        threading.Thread(target=self._tell_vitals, name="vitals", daemon=True).start()

    def order(self, order: Order) -> None:
        """Takes an order; returns at once."""
        match order:
            case Run():
                thread = threading.Thread(target=self._run, args=(order,), name=f"job-{order.job_id[:8]}", daemon=True)
                with self._guard:
                    self._threads[order.job_id] = thread
                    self._told[order.job_id] = []
                thread.start()
            case Tell() | Steer():
                with self._guard:
                    early = self._told.get(order.job_id)
                    if early is not None:
                        early.append(order)
                        return
                self._pass_on(order)
            case Unload(model):
                self._ledger.evict_idle(model)
            case Close():
                self.close()

    def close(self) -> None:
        """Interrupts everything and waits briefly; what runs is left for the service to mark interrupted."""
        self._closing.set()
        with self._guard:
            threads = dict(self._threads)
        for job_id in threads:
            self.order(Tell(job_id, "interrupt"))
        for thread in threads.values():
            thread.join(timeout=5)
        self._ledger.evict_idle()

    def _pass_on(self, order: Tell | Steer) -> None:
        if isinstance(order, Tell):
            self._lease.tell(order.job_id, order.what)
        else:
            self._lease.steer(order.job_id, order.changes)

    # --------------------------------------------------------------------------- one job

    def _run(self, order: Run) -> None:
        """The whole life of a job, in its own thread: whatever happens, exactly one ``Ended`` is sent."""
        hold: Hold | None = None
        workspace: Workspace | None = None
        try:
            kind = registration(order.kind)
            hold = self._enter(order, kind)
            self._send(Turned(order.job_id, "running"))
            workspace = self._workspaces.begin(order.job_id, claim=not kind.interactive)
            ended = self._perform(order, kind, hold, workspace)
        except Cancelled:
            later = self._closing.is_set() or (hold is not None and hold.interrupted)
            ended = Ended(order.job_id, "interrupted" if later else "cancelled", 0.0)
        except StorageAway as error:  # what there is is safe, and can be taken up once the storage is back
            ended = Ended(order.job_id, "interrupted", 0.0, error=ErrorSentence.of(error))
        except StudioError as error:
            ended = Ended(order.job_id, "failed", 0.0, error=ErrorSentence.of(error))
        except OSError as error:
            failed = ErrorSentence.of(DiskFull()) if is_full(error) else _bug(order, error)
            ended = Ended(order.job_id, "failed", 0.0, error=failed)
        except Exception as error:  # noqa: BLE001 - the one place where a bug in a pipeline must not take the engine with it
            ended = Ended(order.job_id, "failed", 0.0, error=_bug(order, error))
        finally:
            with self._guard:
                self._threads.pop(order.job_id, None)
                self._told.pop(order.job_id, None)
        seconds = order.device_seconds
        if hold is not None:
            self._lease.leave(hold)
            seconds = hold.used
        if workspace is not None:
            workspace.end(over=ended.state != "interrupted")
        self._send(Ended(ended.job_id, ended.state, seconds, ended.made, ended.facts, ended.error))

    def _enter(self, order: Run, kind: Registration) -> Hold:
        with self._guard:
            hold = self._lease.enter(order.job_id, order.owner, kind.interactive, order.device_seconds)
            for early in self._told.pop(order.job_id, []):
                self._pass_on(early)
        return hold

    def _perform(self, order: Run, kind: Registration, hold: Hold, workspace: Workspace) -> Ended:
        request = kind.request.parse(order.request)
        turn = EngineTurn(self._lease, hold, workspace, self._blobs, self._options.room)
        policy = self._here(order.policy or Policy())
        order = replace(order, policy=policy)
        if policy.text is not None:
            self._judges.check_text(policy.text, list(words_of(order.request)))
        telling = Telling(order.job_id, workspace, self._send, self._shown(policy))
        weights, entry = self._fetch(kind, request, hold, telling)

        def attempt() -> Ended:
            return self._attempt(order, kind, request, turn, telling, weights, entry)

        return with_memory(attempt, telling.again, self._ledger, request.model)

    def _here(self, policy: Policy) -> Policy:
        """``policy`` with the classifiers of this machine, where it was written on another."""
        return replace(policy, text=self._judge(policy.text, TEXTS), picture=self._judge(policy.picture, PICTURES))

    def _judge(self, look: Look | None, task: str) -> Look | None:
        entry = self._catalog.default(task)
        if look is None or entry is None or Path(look.folder).exists():
            return look
        return replace(look, folder=str(self._catalog.fetch(entry)))

    def _fetch(
        self, kind: Registration, request: Request, hold: Hold, telling: Telling
    ) -> tuple[Path | None, Entry | None]:
        """The verified weights of the request's model, fetched if need be; the device is not held meanwhile."""
        if not kind.task:
            return None, None
        entry = self._catalog.resolve(request.model, kind.task)

        def report(stage: str, done: float = 0, total: float | None = None, unit: str = "", /) -> None:
            if hold.cancelled:
                raise Cancelled
            telling.progress(stage, done, total, unit)

        if self._catalog.is_ready(entry):
            return self._catalog.path(entry), entry
        return self._catalog.fetch(entry, report), entry

    def _attempt(
        self,
        order: Run,
        kind: Registration,
        request: Request,
        turn: EngineTurn,
        telling: Telling,
        weights: Path | None,
        entry: Entry | None,
    ) -> Ended:
        def report(stage: str, done: float = 0, total: float | None = None, unit: str = "", /) -> None:
            telling.progress(stage, done, total, unit)
            turn.checkpoint()

        turn.begin()
        name, expected = (entry.name, entry.min_memory_bytes) if entry else ("", 0)
        if kind.task == "image":
            expected = on_device(self._device, expected)
        parts = self._catalog.parts(entry) if entry else {}
        wanted = Wanted(order.kind, name, kind.pipeline_class(), weights, expected, report, turn.wait, parts)
        keeping = self._keeping(order, request, entry, turn)

        def kept(event: Kept) -> None:
            if made := keeping.now(event.artifacts):
                self._send(Added(order.job_id, made))

        with self._ledger.lend(wanted) as pipeline:
            try:
                result = _follow(pipeline.run(request, turn), telling, kept)
            except Cancelled:
                turn.end()  # others need not wait until what it held is swept up
                raise
        if result is None:
            raise RuntimeError(f"{kind.pipeline} ended without a result")
        turn.end()
        made = keeping.rest(result.artifacts, result.facts)
        return Ended(order.job_id, "done", 0.0, made, dict(result.facts))

    def _keeping(self, order: Run, request: Request, entry: Entry | None, turn: EngineTurn) -> Keeping:
        """Writes the files, each with its recipe inside; none of those where one may not be shown."""
        digest = self._catalog.hash(entry) if entry else None
        credited = [credit.line() for credit in self._catalog.credits(entry)] if entry else []
        settings = request.model_dump(mode="json")
        check = self._checking(order.policy)
        return Keeping(order.kind, settings, digest, credited, self._blobs, turn.saving, self._credentials, check)

    def _checking(self, policy: Policy | None) -> Callable[[Sequence[Artifact]], None]:
        """What raises a ``StudioError`` where a finished picture may not be kept."""
        look = None if policy is None else policy.picture
        return (lambda _made: None) if look is None else (lambda made: self._judges.check_pictures(look, made))

    def _shown(self, policy: Policy) -> Callable[[Event], bool]:
        """Which pictures on the way may be seen. Where they are looked at, previews are not: a picture shows in them
        before it can be judged. Samples of a training are judged as they come."""
        look = policy.picture
        if look is None:
            return lambda _event: True

        def shown(event: Event) -> bool:
            if isinstance(event, Sample):
                return self._judges.may_show(look, event.picture)
            return not isinstance(event, Preview)

        return shown

    # --------------------------------------------------------------------------- telling

    def _on_pause(self, job_id: str, paused: bool) -> None:
        self._send(Turned(job_id, "paused" if paused else "running"))

    def _tell_vitals(self) -> None:
        """Also while nothing happens: the supervisor goes by it."""
        while not self._closing.wait(VITALS_EVERY):
            holder, beats = self._lease.pulse()
            seconds = self._lease.all_seconds()
            self._send(Vitals(self._ledger.used(), self._ledger.listing(), holder, seconds, beats))


def _follow(events: Iterator[Event], telling: Telling, kept: Callable[[Kept], None]) -> Result | None:
    """Passes events on as they come; the last one is the result. Whatever happens, the work behind them has ended."""
    result: Result | None = None
    try:
        for event in events:
            if isinstance(event, Result):
                result = event
            elif isinstance(event, Kept):
                kept(event)
            else:
                telling.event(event)
    finally:
        if isinstance(events, Generator):  # now, in this thread: the collector may come by in another
            events.close()
    telling.flush()
    return result


def _synchronise(device: Device) -> Callable[[], None]:
    if device.kind != "cuda":
        return lambda: None
    import torch

    return torch.cuda.synchronize


def _bug(order: Run, error: Exception) -> ErrorSentence:
    """Logged in full under an id; the person sees the id."""
    number = f"{int(time.time()) & 0xFFFFFF:06x}"
    log.exception("bug %s in job %s (%s)", number, order.job_id, order.kind, exc_info=error)
    return ErrorSentence(
        "bug", "Something went wrong on our side. It is in the log as {id}; nothing you typed is lost.", {"id": number}
    )
