"""Unpacks a GGUF file once into bfloat16 safetensors, so that every later load takes a moment.

Reading GGUF takes fifty times as long as mapping safetensors. The unpacked model lies in a hidden folder beside the
file and names the file it came from: a kill at any moment leaves either no such folder or a whole one. Knows files
and the child that does the work (``gguf_child``); does not know torch, pipelines or devices.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from pipelines.base import Report
from pipelines.errors import StudioError

ORIGIN = "unpacked_from.json"
#: raised when what is written to these folders would be read differently than before
_LAYOUT = 1
#: seconds between two reports; each lends the device on, which the child does not need
_EVERY = 0.02


def find_gguf(weights: Path) -> Path | None:
    """The GGUF file that ``weights`` is or holds; None where there are safetensors, which need no unpacking."""
    if weights.suffix == ".gguf" and weights.is_file():
        return weights
    if any(weights.glob("*.safetensors")):
        return None
    files = sorted(weights.glob("*.gguf"))
    if len(files) > 1:
        raise StudioError(
            "gguf.several",
            "{name} holds {count} GGUF files ({files}). Keep the one to use; a model split into several cannot be "
            "read, join it first with llama-gguf-split --merge.",
            name=weights.name,
            count=len(files),
            files=", ".join(file.name for file in files[:4]),
        )
    return files[0] if files else None


def unpacked(gguf: Path, report: Report) -> Path:
    """The folder with the same model in bfloat16 safetensors, made now if it is not there.

    ``report`` hears of the seconds spent, as nobody can tell how many it will be; it may raise, which ends the work.
    Raises ``StudioError`` for a file that cannot be read and for a disk that cannot be written.
    """
    folder = gguf.with_name(f".{gguf.stem}.bfloat16")
    identity = _identity(gguf)
    if not _is_of(folder, identity):
        asked = {
            "gguf": str(gguf.absolute()),
            "folder": str(folder.absolute()),
            "lock": str(gguf.with_name(f".{gguf.stem}.lock").absolute()),
            "origin": ORIGIN,
            "identity": identity,
        }
        _run_child(gguf, asked, report)
    return folder


def _identity(gguf: Path) -> dict[str, Any]:
    """What tells this file from another of the same name, without reading it."""
    stat = gguf.stat()
    return {"layout": _LAYOUT, "file": gguf.name, "bytes": stat.st_size, "modified_ns": stat.st_mtime_ns}


def _is_of(folder: Path, identity: dict[str, Any]) -> bool:
    try:
        return bool(json.loads((folder / ORIGIN).read_text("utf-8")) == identity)
    except (FileNotFoundError, ValueError):
        return False


# ------------------------------------------------------------------------------------------- the child


def _run_child(gguf: Path, asked: dict[str, Any], report: Report) -> None:
    command = [sys.executable, "-P", str(Path(__file__).with_name("gguf_child.py")), json.dumps(asked)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"}
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as complained:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=complained, env=environment, start_new_session=True
        )
        try:
            code = _wait(child, report)
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
        answers = [_text(file) for file in (said, complained)]
    if code != 0:
        raise _failure(gguf, code, *answers)


def _wait(child: subprocess.Popen[bytes], report: Report) -> int:
    """The exit code of the child, once it has ended."""
    began = time.monotonic()
    while True:
        report("converting", round(time.monotonic() - began), None, "second")
        try:
            return child.wait(_EVERY)
        except subprocess.TimeoutExpired:
            continue


def _text(file: Any) -> str:
    file.seek(0)
    return str(file.read().decode("utf-8", "replace"))


def _failure(gguf: Path, code: int, answer: str, complaint: str) -> Exception:
    if code == -signal.SIGKILL:
        return MemoryError(f"the system ended the unpacking of {gguf.name}")
    if not answer:
        return RuntimeError(f"unpacking {gguf.name} ended with {code}: {complaint[-2000:]}")
    found = json.loads(answer)
    reason = str(found["reason"]).splitlines()[0].replace(str(gguf.parent.absolute()), "")[:200].rstrip(".")
    if found["failed"] == "write":
        return StudioError(
            "gguf.unwritable",
            "{name} has to be unpacked once into the folder it lies in, and that cannot be written: {reason}. Make "
            "room there, twice as many bytes as the model has parameters, or let this program write there.",
            name=gguf.name,
            reason=reason,
        )
    return StudioError(
        "gguf.unreadable",
        "{name} could not be read as a GGUF language model: {reason}. It may be cut short (fetch it again), or of a "
        "kind transformers cannot read yet; then choose a safetensors version of it.",
        name=gguf.name,
        reason=reason,
    )
