"""What an engine needs to know of the settings; plain, so that it can be sent to another process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipelines.devices import Offload


@dataclass(frozen=True)
class EngineOptions:
    """``data`` is the studio's data folder; see ``Settings`` for the others."""

    data: Path
    device: str = "auto"
    threads: int = 0
    training_share: float = 0.15
    memory_share: float = 0.8
    #: bytes of snapshots that a training may keep
    room: int = 256_000_000
    content_credentials: bool = False
    #: what of a picture model lies in a GPU's memory, and whether it is compiled there (see ``pipelines.devices``)
    image_offload: Offload = "none"
    image_compile: bool = False
    #: where several machines share files (``Settings.storage``), and bytes of it that lie here as copies
    storage: str = ""
    cache: int = 20_000_000_000
