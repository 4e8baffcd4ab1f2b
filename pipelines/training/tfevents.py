"""TensorBoard's event files: the record format, the few messages we write in it, and what a kill leaves of it.

A file is records, each a length, its checksum, the bytes and theirs (CRC-32C, rotated and shifted by a constant, as
TFRecord has it); the bytes are an ``Event`` in protocol buffers' encoding. Own code, since the writers there are queue
events in another process and flush every two minutes, cannot go on with a file they began, have no limit of size, and
write the machine's name into the file's. Knows nothing of trainings.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Mapping
from io import RawIOBase
from pathlib import Path

VERSION = b"brain.Event:2"
_POLYNOMIAL = 0x82F63B78  # Castagnoli's, bits reversed
_HEADER, _FOOTER = struct.Struct("<QI"), struct.Struct("<I")


def _table() -> tuple[int, ...]:
    rows = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        rows.append(value)
    return tuple(rows)


_TABLE = _table()


def crc32c(data: bytes) -> int:
    """The checksum of RFC 3720, appendix B.4."""
    value, table = 0xFFFFFFFF, _TABLE
    for byte in data:
        value = table[(value ^ byte) & 0xFF] ^ value >> 8
    return value ^ 0xFFFFFFFF


def masked(data: bytes) -> int:
    """As records carry it, so that a checksum of data that holds checksums says something."""
    value = crc32c(data)
    return ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF


def record(data: bytes) -> bytes:
    """``data`` as it stands in a file."""
    length = struct.pack("<Q", len(data))
    return length + _FOOTER.pack(masked(length)) + data + _FOOTER.pack(masked(data))


# ---------------------------------------------------------------------------------------------- messages


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _bytes(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _event(wall: float, step: int, body: bytes) -> bytes:
    """``wall`` in seconds since 1970; ``step`` must not be negative."""
    return b"\x09" + struct.pack("<d", wall) + _number(2, step) + body


def beginning(wall: float) -> bytes:
    """The first event of every file."""
    return _event(wall, 0, _bytes(3, VERSION))


def restart(wall: float, step: int) -> bytes:
    """Says that what the file holds of ``step`` and later is void (SessionLog.START)."""
    return _event(wall, step, _bytes(7, _number(1, 1)))


def scalars(wall: float, step: int, values: Mapping[str, float]) -> bytes:
    """One value by tag. TensorBoard makes a group of all tags with the same beginning before a slash."""
    body = b"".join(_bytes(1, _bytes(1, tag.encode()) + struct.pack("<Bf", 0x15, v)) for tag, v in values.items())
    return _event(wall, step, _bytes(5, body))


def picture(wall: float, step: int, tag: str, png: bytes, width: int, height: int, channels: int) -> bytes:
    """A PNG; TensorBoard shows no WebP. ``channels`` 1, 3 or 4."""
    image = _number(1, height) + _number(2, width) + _number(3, channels) + _bytes(4, png)
    return _event(wall, step, _bytes(5, _bytes(1, _bytes(1, tag.encode()) + _bytes(4, image))))


# ------------------------------------------------------------------------------------------------- files


def whole_records(path: Path) -> int:
    """Bytes up to the end of the last record that was written to its end. What comes after was torn by a kill."""
    size, end = path.stat().st_size, 0
    with path.open("rb") as file:
        while end + _HEADER.size <= size:
            head = file.read(_HEADER.size)
            length, checksum = _HEADER.unpack(head)
            after = end + _HEADER.size + length + _FOOTER.size
            if checksum != masked(head[:8]) or after > size:
                break
            file.seek(after)
            end = after
    return end


class EventFile:
    """Appends to the event file at ``path``, which is begun where there is none. One writer at a time."""

    def __init__(self, path: Path, wall: float) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            os.truncate(path, whole_records(path))  # readers stop at a torn record and would never see what follows
        self._file: RawIOBase = path.open("ab", buffering=0)
        self.size = self._file.tell()
        if not self.size:
            self.append([beginning(wall)])

    def append(self, events: Iterable[bytes]) -> None:
        """Hands ``events`` to the system, so that a kill of this process loses none of them.

        Raises ``OSError`` where the disk takes no more; what it took of them is cut off when the file is next opened.
        """
        data = memoryview(b"".join(record(event) for event in events))
        while data:
            written = self._file.write(data) or 0
            self.size += written
            data = data[written:]

    def close(self) -> None:
        self._file.close()
