"""What lies in a folder of weights: hashes, the note that they were checked, and what will not be read.

Knows files and their sha256. A folder counts as ready only with the note ``.verified.json``, which is written after
every hash was compared. Pickled weights run code when they are opened, so they are refused by name, unopened.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pipelines.base import Report
from pipelines.durable import write_durably
from pipelines.entries import Task
from pipelines.errors import StudioError

NOTE = ".verified.json"
#: beside weights fetched by a hub id: the entry, so that the next list shows them
ENTRY = ".entry.json"
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
WEIGHTS = (".safetensors", ".gguf")
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Note:
    """What a fetch found: where from, at which commit, and for each file its sha256 and size in bytes."""

    source: str
    revision: str
    files: Mapping[str, tuple[str, int]]

    @property
    def hashes(self) -> dict[str, str]:
        return {path: digest for path, (digest, _) in self.files.items()}


def sha256_of(path: Path) -> str:
    """sha256 of a file's bytes, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(hashes: Mapping[str, str]) -> str | None:
    """One sha256 for a set of weights: the file's own where there is one, else that of the sorted list."""
    weights = {path: digest for path, digest in hashes.items() if path.endswith(WEIGHTS)} or dict(hashes)
    if len(weights) <= 1:
        return next(iter(weights.values()), None)
    lines = "".join(f"{digest}  {path}\n" for path, digest in sorted(weights.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def hash_files(folder: Path, paths: Iterable[str], report: Report) -> dict[str, tuple[str, int]]:
    """sha256 and size of each of ``paths`` in ``folder``; ``report`` hears of the bytes read and may raise."""
    sizes = {path: (folder / path).stat().st_size for path in paths}
    done, total, found = 0, sum(sizes.values()), {}
    for path, size in sizes.items():
        digest = hashlib.sha256()
        with (folder / path).open("rb") as file:
            while block := file.read(_CHUNK):
                digest.update(block)
                done += len(block)
                if done % (64 * _CHUNK) < _CHUNK:
                    report("verifying", done, total, "byte")
        found[path] = (digest.hexdigest(), size)
    report("verifying", total, total, "byte")
    return found


def write_note(folder: Path, note: Note) -> None:
    """Writes the note beside, then renames: it is there whole or not at all."""
    values = {"source": note.source, "revision": note.revision, "files": note.files}
    write_durably(folder / NOTE, json.dumps(values, indent=1).encode())


def read_note(folder: Path) -> Note | None:
    """The folder's note; None where there is none or where it was written by something else."""
    try:
        values: Any = json.loads((folder / NOTE).read_text("utf-8"))
        files = {str(path): (str(digest), int(size)) for path, (digest, size) in values["files"].items()}
        return Note(str(values["source"]), str(values["revision"]), files)
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError, AttributeError):
        return None


def is_whole(folder: Path, note: Note) -> bool:
    """Whether every noted file is there with its noted size. Quick: nothing is read; ``changed`` reads."""
    try:
        return bool(note.files) and all((folder / p).stat().st_size == size for p, (_, size) in note.files.items())
    except (FileNotFoundError, NotADirectoryError):
        return False


def changed(folder: Path, hashes: Mapping[str, str], report: Report) -> dict[str, str]:
    """Files that are not what they were: path -> ``missing`` or ``changed``. Reads every byte."""
    missing = {path: "missing" for path in hashes if not (folder / path).is_file()}
    found = hash_files(folder, [path for path in hashes if path not in missing], report)
    return missing | {path: "changed" for path, (digest, _) in found.items() if digest != hashes[path]}


# ------------------------------------------------------------------------------------- what is in a folder


def kind_of(paths: Iterable[str]) -> Task | None:
    """image for a diffusers pipeline, text for a causal language model or a GGUF file, None for neither."""
    names = set(paths)
    if "model_index.json" in names:
        return "image"
    if "config.json" in names or any(name.endswith(".gguf") for name in names):
        return "text"
    return None


def class_of(folder: Path) -> str:
    """The class a diffusers pipeline says it is of; empty where it says none, or is none."""
    try:
        values: Any = json.loads((folder / "model_index.json").read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return ""
    return str(values.get("_class_name", "")) if isinstance(values, dict) else ""


def refuse_pickles(paths: Iterable[str], name: str) -> None:
    """Raises ``StudioError`` where weights that are needed come only pickled, or where there are none at all.

    Needed are those beside a ``config.json`` (the parts of a diffusers pipeline, a language model's own folder).
    """
    kinds: dict[str, set[str]] = {}
    parts = set()
    for path in map(PurePosixPath, paths):
        kinds.setdefault(str(path.parent), set()).add(path.suffix.lower())
        if path.name == "config.json":
            parts.add(str(path.parent))
    readable = {folder for folder, found in kinds.items() if found & set(WEIGHTS)}
    pickled = {folder for folder, found in kinds.items() if found & set(PICKLES)} - readable
    if pickled & parts or (pickled and not readable):
        raise StudioError(
            "models.pickle",
            "{name} holds weights only as pickled files ({kinds}). Opening one can run any code on this machine, "
            "so they are never read. Look for a safetensors version of it, or convert it where you trust it.",
            name=name,
            kinds=", ".join(sorted(set().union(*kinds.values()) & set(PICKLES))),
        )
    if not readable:
        raise StudioError(
            "models.weightless", "{name} holds no weights that can be read: safetensors or GGUF files.", name=name
        )


def inspect(place: Path, name: str) -> tuple[Task, list[str]]:
    """The task a folder (or one GGUF file) is for and the files to hash, or a ``StudioError`` that says what is wrong.

    A folder is a diffusers pipeline (``model_index.json``), a causal language model (``config.json``) or holds GGUF.
    """
    paths = sorted(_listing(place))
    task = kind_of(paths)
    if task is None and not any(path.endswith((*PICKLES, *WEIGHTS)) for path in paths):
        raise _not_a_model(name)
    refuse_pickles(paths, name)
    if task is None:
        raise _not_a_model(name)
    return task, [path for path in paths if path.endswith((*WEIGHTS, ".json", ".txt", ".model", ".jinja"))]


def _listing(place: Path) -> list[str]:
    if place.is_file():
        return [place.name]
    return [
        file.relative_to(place).as_posix()
        for file in place.rglob("*")
        if file.is_file() and not any(part.startswith(".") for part in file.relative_to(place).parts)
    ]


def _not_a_model(name: str) -> StudioError:
    return StudioError(
        "models.folder",
        "{name} is not a model that can be read. It should be a diffusers pipeline (with model_index.json), a "
        "language model (with config.json) or a GGUF file, its weights in safetensors or GGUF.",
        name=name,
    )
