"""Reads and writes the idx format of the MNIST family, gzipped.

Knows the header: two zero bytes, a type byte (8: unsigned byte), the number of dimensions, then each length as a
big-endian 32-bit integer (http://yann.lecun.com/exdb/mnist, "the idx file format"). Knows neither labels nor torch.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import struct
import zlib
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from pipelines.errors import StudioError

Bytes: TypeAlias = npt.NDArray[np.uint8]

UNSIGNED_BYTE = 8
MAX_DIMENSIONS = 4
#: the whole of Fashion-MNIST is 47 MB; a header that claims more than this is refused before anything is unpacked
MAX_BYTES = 2**30


def read_idx(packed: bytes, dimensions: int) -> Bytes:
    """The array in a gzipped idx file: images (N, H, W) for 3 ``dimensions``, labels (N,) for 1.

    Raises ``StudioError`` for what is not gzip, not idx, not unsigned bytes, cut short or longer than it says.
    """
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as stream:
            shape = _shape(stream.read(4), stream, dimensions)
            size = math.prod(shape)
            data = stream.read(size + 1)  # one more: a file longer than its header says is not what it claims
    except (OSError, EOFError, zlib.error) as error:
        raise _broken(f"it does not unpack: {error}") from error
    if len(data) != size:
        raise _broken(f"its header promises {size} values and it holds {'more' if len(data) > size else len(data)}")
    return np.frombuffer(data, dtype=np.uint8).reshape(shape)


def _shape(magic: bytes, stream: gzip.GzipFile, dimensions: int) -> tuple[int, ...]:
    if len(magic) < 4 or magic[:2] != b"\0\0":
        raise _broken("it does not begin with an idx header")
    if magic[2] != UNSIGNED_BYTE:
        raise _broken(f"its values are of type {magic[2]}, not unsigned bytes (8)")
    if magic[3] != dimensions or dimensions > MAX_DIMENSIONS:
        raise _broken(f"it has {magic[3]} dimensions, not {dimensions}")
    lengths = stream.read(4 * dimensions)
    if len(lengths) < 4 * dimensions:
        raise _broken("it ends inside its header")
    shape = struct.unpack(f">{dimensions}I", lengths)
    if math.prod(shape) > MAX_BYTES:
        raise _broken(f"its header promises {math.prod(shape)} values; at most {MAX_BYTES} are read")
    return shape


def _broken(reason: str) -> StudioError:
    return StudioError("data.idx", "This is not an idx data file that can be read: {reason}.", reason=reason[:120])


def write_idx(array: Bytes) -> bytes:
    """``array`` as a gzipped idx file; the same array always gives the same bytes."""
    if array.dtype != np.uint8 or not 1 <= array.ndim <= MAX_DIMENSIONS:
        raise ValueError(f"idx files here hold unsigned bytes in 1 to 4 dimensions, not {array.dtype} in {array.ndim}")
    header = bytes((0, 0, UNSIGNED_BYTE, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
    return gzip.compress(header + array.tobytes(), compresslevel=9, mtime=0)


def digest_of(images: Bytes, labels: Bytes) -> str:
    """sha256 of all pixels followed by all labels."""
    return hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()
