"""Clears away what nobody needs, when the studio starts and every hour: by age, never what is in use or referred to.

Knows who clears what and in which order: rows before files, so that a kill at any moment leaves nothing that is listed
and not there. What was cleared is in the log.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import asdict, dataclass

from studio.accounts.accounts import Accounts
from studio.accounts.roles import owner_name
from studio.accounts.sweep import forget_account, guests_over, sweep_invitations, sweep_sessions
from studio.engine.job import LIVE
from studio.engine.jobs import JobService
from studio.engine.sweep import NEEDED, forget_asked, live_jobs, sweep_folders
from studio.library.bin import KEPT, Bin
from studio.library.library import Library
from studio.library.sweep import sweep_files, sweep_owner, sweep_shares, sweep_uploads
from studio.settings import Settings
from studio.store.database import Database
from studio.store.workspaces import Workspaces

log = logging.getLogger(__name__)

EVERY = 3600.0
DAY, HOUR, MINUTE, MB = 86_400.0, 3600.0, 60.0, 1_000_000
#: whose act it is in the log
ACTOR = "studio"


@dataclass
class Swept:
    """What one round cleared away."""

    uploads: int = 0
    files: int = 0
    folders: int = 0
    bytes: int = 0
    guests: int = 0
    sessions: int = 0
    invitations: int = 0
    links: int = 0
    deleted: int = 0

    def __str__(self) -> str:
        counts = [f"{value} {name}" for name, value in asdict(self).items() if value and name != "bytes"]
        return ", ".join([*counts, f"{self.bytes / MB:.1f} MB"] if self.bytes else counts)


class Sweeper:
    """``round`` clears once; ``start`` does so at once and every hour, in a thread of its own. Of several processes
    the one that leads does."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        library: Library,
        accounts: Accounts,
        jobs: JobService,
        workspaces: Workspaces,
    ) -> None:
        self._settings = settings
        self._database = database
        self._library = library
        self._bin = Bin(database, library)
        self._accounts = accounts
        self._jobs = jobs
        self._workspaces = workspaces
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Waits for the round that is under way."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while True:
            leads = self._jobs.leads
            try:
                if leads:
                    self.round()
            except Exception:  # the next round may do better; nothing depends on this one
                log.exception("could not clear away what is old")
            if self._closing.wait(EVERY if leads else MINUTE):
                return

    def round(self) -> Swept:
        """Clears everything that is due; returns what that was."""
        swept = Swept(sessions=sweep_sessions(self._database))
        if self._settings.guest_hours:
            swept.guests = self._guests(time.time() - self._settings.guest_hours * HOUR)
        before = time.time() - self._settings.keep_days * DAY if self._settings.keep_days else 0.0
        swept.invitations = sweep_invitations(self._database, before)
        swept.links = sweep_shares(self._database, before)
        swept.deleted = self._bin.empty(time.time() - KEPT)
        swept.uploads = sweep_uploads(self._database, before, NEEDED)
        swept.folders, swept.bytes = sweep_folders(self._database, self._workspaces, before)
        if not self._settings.alone:  # else at the start, when nothing runs
            self._workspaces.sweep_previews(live_jobs(self._database))
        swept.files, freed = sweep_files(self._library)
        swept.bytes += freed
        if str(swept):
            log.info("cleared away: %s", swept)
            self._accounts.audit.note("sweep", actor=ACTOR, subject=str(swept))
        return swept

    def _guests(self, before: float) -> int:
        """Ends what guests left running; those with nothing under way go, and what was theirs with them."""
        gone = 0
        for account in guests_over(self._database, before):
            owner = owner_name(account)
            live = self._jobs.list(owner, states=LIVE)
            for job in live:
                self._jobs.cancel(owner, job.id)
            if live:
                continue
            with self._database.write() as session:
                sweep_owner(session, owner)
                forget_asked(session, owner)
                forget_account(session, account)
            gone += 1
        return gone
