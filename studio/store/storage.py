"""Opens the place that several machines keep files in, and tries it. Knows addresses, and which kind each names."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

from pipelines.errors import StudioError
from pipelines.storage import HALF, NAME, Storage, torn
from studio.store.folder import FolderStorage
from studio.store.objects import ObjectStorage

_ADDRESS = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?")
_PROBES = "probe"


def open_storage(address: str, patience: float = 20.0) -> Storage | None:
    """The storage at ``address``: a folder that is there, ``s3://BUCKET`` or ``s3://BUCKET/PREFIX``; None where empty.

    ``patience``: seconds for which an object store that does not answer is asked again. Nothing is asked yet: see
    ``check``. Raises ``StudioError`` for an address that makes no sense.
    """
    if not address:
        return None
    if not address.startswith("s3:"):
        return FolderStorage(Path(address))
    found = _ADDRESS.fullmatch(address.rstrip("/"))
    prefix = (found[2] or "") if found else ""
    if found is None or (prefix and not NAME.fullmatch(prefix)):
        raise StudioError(
            "storage.address",
            "--storage is a folder or s3://BUCKET/PREFIX, in small letters, digits, dots and hyphens; {address} is "
            "neither.",
            address=address[:100],
        )
    return ObjectStorage(found[1], prefix, patience)


def check(storage: Storage) -> None:
    """Raises ``StudioError`` where files cannot be put there, read again, listed and taken away."""
    probe, data = f"{_PROBES}/{os.urandom(8).hex()}", os.urandom(8)
    storage.put(probe, data)
    if storage.get(probe).read() != data:
        raise torn(probe, storage.address)
    left = [one.name for one in storage.list(_PROBES) if time.time() - one.modified > HALF]  # by who was killed
    storage.delete([probe, *left])
