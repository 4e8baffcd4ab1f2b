"""What a place is that several machines keep files in: four verbs, whole files or none, each checked by its sha256.

Knows what every such place promises, and the sentences for what goes wrong with one. How a folder or an object store
keeps those promises is ``studio.store``'s; here it is used by whoever is handed one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, Self, TypeAlias

from pipelines.errors import StudioError

#: bytes of one piece of a file on its way
PIECE = 1 << 20
#: what a file may be called
NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
#: seconds after which a file that is put again is given a new time: long before anybody sweeps it for its age
RENEW = 600.0
#: seconds after which a half-written file is nobody's any more
HALF = 86_400.0

Source: TypeAlias = bytes | Path


@dataclass(frozen=True)
class Stored:
    """A file that is there. ``modified``: seconds since 1970 on the storage's own clock."""

    name: str
    bytes: int
    modified: float


class Taken(Exception):  # noqa: N818 - says what it is
    """A file of this name is there already, with other contents."""


class StorageAway(StudioError):  # noqa: N818 - says what it is
    """The place does not answer now; the same may succeed later."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(
            "storage.away",
            "The storage {place} does not answer ({reason}). Nothing is lost; try again when it is back.",
            place=place,
            reason=reason,
        )

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.values["place"], self.values["reason"])


class Content:
    """A file, or a part of it, piece by piece: bytes are fetched as they are asked for. Closes itself at its end.

    ``size`` is that of the whole file, whatever part was asked for; ``modified`` when it was put, or put again.
    """

    def __init__(
        self, size: int, pieces: Iterator[bytes], close: Callable[[], None] = lambda: None, modified: float = 0.0
    ) -> None:
        self.size = size
        self.modified = modified
        self._pieces = pieces
        self.close = close

    def __iter__(self) -> Generator[bytes]:
        with self:
            yield from self._pieces

    def read(self) -> bytes:
        """All of it at once."""
        return b"".join(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Storage(Protocol):
    """Files by name: words of letters, digits, ``.``, ``_`` and ``-``, with ``/`` between them.

    Every method raises a ``StudioError`` where the place does not answer (``StorageAway``), lets nobody in, is not
    there or is full. May be used from several threads.
    """

    #: what the operator calls it
    address: str

    def put(self, name: str, source: Source, digest: str = "") -> bool:
        """Keeps a file under ``name`` if there is none: whole or not at all, whatever is killed meanwhile.

        True where it was put there now. False where these very bytes were there, which counts as having been put
        again: ``list`` gives it a fresh time if it was an old one. Raises ``Taken`` where others were. ``digest``: its
        sha256, where that is known and need not be found by reading it.
        """

    def get(self, name: str, start: int = 0, end: int | None = None) -> Content:
        """The file from byte ``start`` to before ``end``. Raises ``FileNotFoundError``."""

    def delete(self, names: Iterable[str]) -> None:
        """Takes files away. Those that are not there are no error."""

    def list(self, folder: str = "") -> Iterator[Stored]:
        """All files below ``folder``, in no order; a file being put is not among them."""


def sha256_of(source: Source) -> str:
    """In hexadecimal; of a file read in pieces."""
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    with source.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def size_of(source: Source) -> int:
    return len(source) if isinstance(source, bytes) else source.stat().st_size


def checked(name: str) -> str:
    """``name`` itself, if it is one. What a person types never gets here."""
    if not NAME.fullmatch(name):
        raise ValueError(f"no name of a stored file: {name[:100]!r}")
    return name


def lets_nobody_in(address: str, reason: str) -> StudioError:
    return StudioError(
        "storage.refused",
        "The storage {place} lets this machine neither read nor write ({reason}). Check its keys or permissions.",
        place=address,
        reason=reason,
    )


def torn(name: str, address: str) -> StudioError:
    """What is said of a file that is not what its name promises."""
    return StudioError(
        "storage.torn",
        "{name} in {place} has other contents than were put there, so it was not used. Put it back from a backup.",
        name=name[-80:],
        place=address,
    )


def pieces_of(file: BinaryIO, start: int = 0, end: int | None = None) -> Iterator[bytes]:
    """What is in an open file from byte ``start`` to before ``end``, read as it is asked for."""
    file.seek(start)
    while (left := PIECE if end is None else end - start) > 0 and (piece := file.read(min(PIECE, left))):
        start += len(piece)
        yield piece
