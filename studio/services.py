"""Puts the studio's services together from its settings: the one place where they are made and meet.

Knows everything below the page; knows no page, no route and no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.catalog import Catalog
from pipelines.errors import StudioError
from studio.accounts.accounts import Accounts
from studio.accounts.sessions import ENDED
from studio.engine.caps import Caps
from studio.engine.hosts import Hosts
from studio.engine.hosts.cluster import ClusterHosts
from studio.engine.hosts.local import local_hosts
from studio.engine.job import Job
from studio.engine.jobs import JobService
from studio.engine.options import EngineOptions
from studio.library.bin import Bin
from studio.library.credentials import Credentials
from studio.library.handed import Handed
from studio.library.indexer import Indexer
from studio.library.library import Library
from studio.library.likeness import Likeness
from studio.library.lineage import Lineage
from studio.library.marks import Marks
from studio.library.moving_files import check_listed, check_moved
from studio.library.shares import Shares
from studio.library.shelf import Shelf
from studio.live import Live
from studio.moderation.moderation import Moderation
from studio.moderation.rules import NAME, RuleFile
from studio.settings import ASSETS, Settings
from studio.store.choices import Choices
from studio.store.database import Database
from studio.store.shared_blobs import open_blobs
from studio.store.shared_workspaces import open_workspaces
from studio.store.storage import check, open_storage
from studio.store.workspaces import Workspaces
from studio.sweeping import Sweeper


@dataclass(frozen=True)
class Studio:
    """What tabs and routes are built on."""

    settings: Settings
    catalog: Catalog
    library: Library
    jobs: JobService
    database: Database
    hosts: Hosts
    accounts: Accounts
    shares: Shares
    handed: Handed
    caps: Caps
    live: Live
    shelf: Shelf
    marks: Marks
    bin: Bin
    likeness: Likeness
    lineage: Lineage
    indexer: Indexer
    credentials: Credentials
    moderation: Moderation
    workspaces: Workspaces
    sweeper: Sweeper

    def submit(self, owner: str, kind: str, values: Mapping[str, Any], ends_with_page: bool = False) -> Job:
        """``JobService.submit`` for what is asked for; what ``owner``'s role may not choose is refused."""
        self._check_model(owner, str(values.get("model") or ""))
        return self.jobs.submit(owner, kind, values, ends_with_page)

    def submit_all(
        self, owner: str, kind: str, requests: Mapping[str, Mapping[str, Any]], ends_with_page: bool = False
    ) -> list[Job]:
        """``submit`` of several, by the names that the jobs are to have: all of them begin, or none does."""
        for values in requests.values():
            self._check_model(owner, str(values.get("model") or ""))
        return self.jobs.submit_all(owner, kind, requests, ends_with_page)

    def check_room(self, owner: str, size: int) -> None:
        """Raises ``StudioError`` where a file of ``size`` bytes is more than ``owner`` may keep."""
        self.caps.check_upload(owner, self.library.stored(owner), size)

    def keep_upload(self, owner: str, data: bytes, media_type: str = "application/octet-stream") -> str:
        """``Library.keep_upload`` of what a person gives, if there is room; what they have already takes none."""
        if not self.library.has(owner, data):
            self.check_room(owner, len(data))
        return self.library.keep_upload(owner, data, media_type)

    def _check_model(self, owner: str, model: str) -> None:
        """A model nobody has used here yet would become part of the catalogue, which is the administrators'."""
        if model and self.catalog.named(model) is None and self.accounts.role_of(owner) != "administrator":
            raise StudioError(
                "models.role",
                "{name} is not in the catalogue, and only an administrator adds models. Choose one of {known}.",
                name=model[:60],
                known=", ".join(entry.name for entry in self.catalog.entries() if entry.task in ("text", "image")),
            )

    def start(self) -> None:
        """Takes up what the last run left and starts the engine, which takes a few seconds of its own."""
        self.jobs.start()
        self.indexer.start()
        self.sweeper.start()

    def close(self) -> None:
        """Ends the engine and closes the files. What ran can be resumed."""
        self.sweeper.close()
        self.indexer.close()
        self.jobs.close()
        self.workspaces.close()
        self.database.close()


def open_studio(settings: Settings) -> Studio:
    """Opens the data folder and, where nobody else is at work in it, sweeps what a kill left half-done. Nothing runs
    until ``start``."""
    data = settings.data.resolve()
    data.mkdir(parents=True, exist_ok=True)
    settings.temporary.mkdir(exist_ok=True)
    storage = open_storage(settings.storage)
    if storage is not None:
        check(storage)
        check_moved(data, storage)
    database = Database(settings.database_url)
    library = Library(database, open_blobs(data, storage, settings.cache_mb * 1_000_000))
    if storage is not None:
        try:
            check_listed(library, storage)
        except StudioError:
            database.close()
            raise
    workspaces = open_workspaces(data, storage, settings.cache_mb * 1_000_000)
    if settings.alone:  # else others may be at work: whoever leads clears away what is old enough
        library.blobs.sweep(library.listed())
        workspaces.sweep_previews()
    catalog = Catalog(ASSETS, data, storage)
    accounts = Accounts(database, settings.auth, settings.session_days)
    hosts = _hosts(settings)
    caps = Caps(settings.caps, Choices(database), accounts.roles_of, lambda: accounts.sessions.changes)
    rules = RuleFile(data / NAME, ASSETS / NAME)
    moderation = Moderation(settings.moderation, rules, catalog, accounts)

    def changed(what: str) -> None:
        """Another process says so; an empty word where it may have been anything."""
        if what in ("", ENDED):
            accounts.sessions.forget()
        caps.look_again()

    jobs = JobService(settings, database, library, catalog, hosts, caps, moderation, workspaces, changed)
    shares = Shares(database, library)
    likeness = Likeness(database, catalog)
    return Studio(
        settings,
        catalog,
        library,
        jobs,
        database,
        hosts,
        accounts,
        shares,
        Handed(),
        caps,
        Live(jobs),
        Shelf(database),
        Marks(database),
        Bin(database, library),
        likeness,
        Lineage(database, library),
        Indexer(database, library, likeness, lambda: jobs.leads),
        Credentials(data / "credentials", storage),
        moderation,
        workspaces,
        Sweeper(settings, database, library, accounts, jobs, workspaces),
    )


def _hosts(settings: Settings) -> Hosts:
    options = EngineOptions(
        settings.data.resolve(),
        settings.device,
        settings.threads,
        settings.training_share,
        settings.memory_share,
        settings.training_snapshot_mb * 1_000_000,
        settings.content_credentials,
        settings.image_offload,
        settings.image_compile,
        settings.storage,
        settings.cache_mb * 1_000_000,
    )
    if settings.cluster:
        return ClusterHosts(settings, options)
    return local_hosts(settings, options)
