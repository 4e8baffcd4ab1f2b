"""Gets weights from Hugging Face: asks what a repository holds, chooses the files to read, fetches and checks those.

Decides from the list of files, before anything is downloaded: a repository with pickles only is refused, a second
copy of the same weights is left out. Environment: HF_HUB_OFFLINE, HF_TOKEN and HF_ENDPOINT mean what they mean to
huggingface_hub.
"""

from __future__ import annotations

import glob
import json
import logging
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pipelines.base import Report
from pipelines.durable import write_durably
from pipelines.entries import Entry, Task, in_words, is_inside
from pipelines.errors import StudioError
from pipelines.sources import ChildError, bytes_in, check_room, put_in_place, watched
from pipelines.verify import ENTRY, Note, hash_files, kind_of, refuse_pickles, write_note

log = logging.getLogger(__name__)

_TEXTS = (".json", ".txt", ".model", ".jinja")
#: which of many quantised copies of one model, best trade first
_GGUF = ("q4_k_m", "q4_k_s", "q4_1", "q4_0", "q5_k_m", "q6_k", "q8_0")
_PATIENCE = 15.0


@dataclass(frozen=True)
class HubFile:
    """One file of a repository; ``sha256`` is known for large files only."""

    path: str
    size: int
    sha256: str | None = None


@dataclass(frozen=True)
class Listing:
    """What a repository holds at ``commit``."""

    commit: str
    files: tuple[HubFile, ...]


def listing(entry: Entry) -> Listing:
    """Asks the hub, once, what the entry's repository holds. Raises ``StudioError`` with what to do."""
    if _offline():
        raise StudioError(
            "hub.offline",
            "{title} is not on this machine, and HF_HUB_OFFLINE forbids asking the hub. Unset it, or run "
            "python -m studio.models fetch {name} --task {task} on a machine with a network and copy its data folder.",
            title=entry.title,
            name=entry.name,
            task=entry.task,
        )
    import httpx2
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
    try:
        found = api.model_info(entry.where.place, revision=entry.where.inside, files_metadata=True, timeout=_PATIENCE)
    except (HfHubHTTPError, httpx2.HTTPError, OfflineModeIsEnabled, OSError) as error:
        raise _hub_failed(entry, type(error).__name__, str(error)) from error
    files = [
        HubFile(sibling.rfilename, sibling.size or 0, sibling.lfs.sha256 if sibling.lfs else None)
        for sibling in found.siblings or []
        if is_inside(sibling.rfilename)
    ]
    return Listing(found.sha or entry.where.inside, tuple(files))


def _offline() -> bool:
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def choose(files: Sequence[HubFile], task: Task, name: str) -> list[HubFile]:
    """The files that will be read, or a ``StudioError``: no pickles, no second copy of the same weights."""
    paths = [file.path for file in files]
    if task == "lora":
        return _lora(files, name)
    refuse_pickles(paths, name)
    kind = kind_of(paths)
    classifies = kind == "text" and task.endswith("-moderation")  # the same files as a language model's
    if kind != task and not classifies:
        raise _other_task(name, task, kind)
    chosen = _parts(files) if kind == "image" else _language(files)
    texts = [file for file in files if file.path.endswith(_TEXTS) and _depth(file.path) <= (kind == "image")]
    return sorted({*chosen, *texts}, key=lambda file: file.path)


def _lora(files: Sequence[HubFile], name: str) -> list[HubFile]:
    """The one safetensors file at the top; of several the one diffusers saves a LoRA in."""
    found = [file for file in files if _depth(file.path) == 0 and file.path.endswith(".safetensors")]
    usual = [file for file in found if file.path == "pytorch_lora_weights.safetensors"]
    if len(usual or found) != 1:
        raise StudioError(
            "hub.lora",
            "{name} has {count} safetensors files at its top, so which one is the LoRA cannot be told. Give the file "
            "itself.",
            name=name,
            count=len(found),
        )
    return usual or found


def _parts(files: Sequence[HubFile]) -> list[HubFile]:
    """Weights in the folders of a diffusers pipeline; the half-precision ones where every part has them."""
    weights = [file for file in files if file.path.endswith(".safetensors") and _depth(file.path) == 1]
    half = [file for file in weights if ".fp16" in file.path]
    folders = {PurePosixPath(file.path).parent for file in weights}
    if half and {PurePosixPath(file.path).parent for file in half} == folders:
        return half
    return [file for file in weights if not _is_variant(file.path)]


def _is_variant(path: str) -> bool:
    return any(f".{word}" in path for word in ("fp16", "bf16", "non_ema", "ema"))


def _language(files: Sequence[HubFile]) -> list[HubFile]:
    """Weights of a language model: its safetensors, else one GGUF."""
    top = [file for file in files if _depth(file.path) == 0]
    shards = [file for file in top if file.path.endswith(".safetensors")]
    if shards:
        return [file for file in shards if not file.path.startswith("consolidated")] or shards
    ggufs = sorted((file for file in top if file.path.endswith(".gguf")), key=lambda file: file.size)
    for wanted in _GGUF:
        if match := [file for file in ggufs if wanted in file.path.lower()]:
            return match[:1]
    return ggufs[:1]


def _depth(path: str) -> int:
    return len(PurePosixPath(path).parts) - 1


def _other_task(name: str, task: Task, kind: Task | None) -> StudioError:
    if kind is None:
        return StudioError(
            "hub.kind",
            "{name} is neither a diffusers pipeline (model_index.json) nor a language model (config.json, GGUF), so "
            "it cannot be used here.",
            name=name,
        )
    return StudioError(
        "hub.task", "{name} is a model for {kind}, and one for {task} was asked for.", name=name, kind=kind, task=task
    )


def fetch_hub(entry: Entry, target: Path, report: Report) -> None:
    """Downloads what ``choose`` chose to a folder beside ``target``, checks it and renames it into place.

    The folder beside stays after a cancel or a cut connection, with every file that is whole: the next fetch gets
    only the others. The caller holds the model's lock.
    """
    found = listing(entry)
    files = choose(found.files, entry.task, entry.name)
    total = sum(file.size for file in files)
    beside = target.parent / f".hub-{entry.folder_name}"
    beside.mkdir(exist_ok=True)
    for half in beside.rglob("*.incomplete"):  # of a child that was killed; nobody goes on with it
        half.unlink()
    check_room(target.parent, max(0, total - bytes_in(beside)), entry.title)
    _run_child(entry, found.commit, files, beside, report)
    hashed = hash_files(beside, [file.path for file in files], report)
    for file in files:
        if (file.sha256 or hashed[file.path][0]) != hashed[file.path][0]:
            shutil.rmtree(beside)
            raise StudioError(
                "hub.hash",
                "{file} of {title} came with other contents than the hub promises, so all of it was thrown away. "
                "Try again; a proxy in between may have changed it.",
                file=file.path,
                title=entry.title,
            )
    shutil.rmtree(beside / ".cache", ignore_errors=True)
    write_durably(beside / ENTRY, entry.model_dump_json(indent=1).encode())
    write_note(beside, Note(entry.source, found.commit, hashed))
    put_in_place(beside, target)


def _run_child(entry: Entry, commit: str, files: Sequence[HubFile], beside: Path, report: Report) -> None:
    patterns = [glob.escape(file.path) for file in files]
    asked = {"repo": entry.where.place, "revision": commit, "folder": str(beside), "patterns": patterns}
    # -P: this folder has a requests.py, which must not stand in for the library of that name
    command = [sys.executable, "-P", str(Path(__file__).with_name("hub_child.py")), json.dumps(asked)]
    environment = {**os.environ, "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    total = sum(file.size for file in files)
    try:
        watched(command, environment, lambda: bytes_in(beside), total, report)
    except ChildError as error:
        raise _hub_failed(entry, "", error.words, total) from error


def _hub_failed(entry: Entry, kind: str, words: str, size: int = 0) -> StudioError:
    """Which of the few things that go wrong with a hub it was, in a sentence that says what to do."""
    log.warning("fetching %s failed: %s %s", entry.name, kind, words[-2000:])
    text = f"{kind} {words}"
    if "GatedRepo" in text or (entry.gated and ("401" in text or "403" in text)):
        return StudioError(
            "hub.gated",
            "{title} is handed out only to people who accepted its licence. Accept it on {page}, make a token "
            "there, start the studio with HF_TOKEN set to it, and try again.",
            title=entry.title,
            page=entry.homepage,
        )
    if "RepositoryNotFound" in text or "RevisionNotFound" in text or "404" in text:
        return StudioError(
            "hub.unknown",
            "There is no model named {name} on the hub, or it is private. Check the spelling: it is owner/name.",
            name=entry.name,
        )
    return StudioError(
        "hub.failed",
        "{title} ({size}) could not be fetched: the hub cannot be reached or the connection was cut. What came "
        "whole is kept. Check the network and try again, or run python -m studio.models fetch {name} --task {task} on "
        "a machine that has one and copy its data folder.",
        title=entry.title,
        size=in_words(size or entry.bytes) if size or entry.bytes else "size unknown",
        name=entry.name,
        task=entry.task,
    )
