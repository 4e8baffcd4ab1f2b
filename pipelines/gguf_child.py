"""The child that unpacks a GGUF file: reads what to do as JSON from the command line, writes a folder, ends.

A program of its own: reading takes seconds in which nothing else of that process would move, a cancel can kill it at
any byte, and its memory goes with it. The folder is written beside and renamed under a lock, which the system frees
with the process; so a child whose parent was killed does no harm by going on. Imports nothing of the studio.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import sys
from pathlib import Path
from typing import Any

from filelock import FileLock
from safetensors import SafetensorError

#: what readers of GGUF raise for files that are cut short, damaged or of a kind they do not know
_UNREADABLE = (OSError, ValueError, KeyError, IndexError, TypeError, NotImplementedError, struct.error)


class _Failed(Exception):  # noqa: N818 - an answer to the parent, not a fault
    """``what`` is read or write."""

    def __init__(self, what: str, error: Exception) -> None:
        self.what = what
        super().__init__(str(error).strip() or type(error).__name__)


def main(words: str) -> None:
    """``words``: JSON with gguf, folder, lock (paths), origin (a file name) and identity (what goes into it)."""
    asked = json.loads(words)
    try:
        _unpack_locked(Path(asked["gguf"]), Path(asked["folder"]), asked)
    except _Failed as failed:
        sys.stdout.write(json.dumps({"failed": failed.what, "reason": str(failed)}))
        raise SystemExit(3) from failed


def _unpack_locked(gguf: Path, folder: Path, asked: dict[str, Any]) -> None:
    try:
        with FileLock(asked["lock"]):
            if not _is_done(folder / asked["origin"], asked["identity"]):  # somebody else was quicker
                _unpack(gguf, folder, asked)
    except OSError as error:
        raise _Failed("write", error) from error


def _is_done(origin: Path, identity: dict[str, Any]) -> bool:
    try:
        return bool(json.loads(origin.read_text("utf-8")) == identity)
    except (FileNotFoundError, ValueError):
        return False


def _unpack(gguf: Path, folder: Path, asked: dict[str, Any]) -> None:
    beside = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(beside, ignore_errors=True)  # of one who was killed here; the lock says that nobody is at it
    beside.mkdir()  # a folder that cannot be written shows now, not after reading
    try:
        for part in _read(gguf):
            part.save_pretrained(beside)
        (beside / asked["origin"]).write_text(json.dumps(asked["identity"]), "utf-8")
        _flush(beside)
        if folder.exists():  # of another version of the file
            shutil.rmtree(folder)
        beside.rename(folder)
    except SafetensorError as error:
        raise _Failed("write", error) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)  # gone already where it was renamed


def _read(gguf: Path) -> tuple[Any, ...]:
    """The dequantised model and its tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    kept: dict[str, Any] = {"gguf_file": gguf.name, "local_files_only": True, "trust_remote_code": False}
    dense = GgufConfig(dequantize=True)
    try:
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, **kept)
        model = AutoModelForCausalLM.from_pretrained(
            gguf.parent, dtype=torch.bfloat16, quantization_config=dense, **kept
        )
    except _UNREADABLE as error:
        raise _Failed("read", error) from error
    return model, tokenizer


def _flush(folder: Path) -> None:
    """On the disk before the rename, so that a power cut leaves no folder with empty files."""
    for place in (*folder.iterdir(), folder):
        handle = os.open(place, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


if __name__ == "__main__":
    main(sys.argv[1])
