"""The three networks on a device, with the sha256 of the files they came from."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.devices import Device
from pipelines.style.arbitrary import Arbitrary
from pipelines.style.multistyle import MultiStyle
from pipelines.style.seeing import Seeing


@dataclass(frozen=True)
class Networks:
    """``seeing`` comes into memory when something first looks at a picture; the others are there."""

    multistyle: MultiStyle
    multistyle_sha256: str
    arbitrary: Arbitrary
    arbitrary_sha256: str
    seeing: Seeing
    device: Device

    def bytes_held(self) -> int:
        held = sum(tensor.nbytes for module in (self.multistyle, self.arbitrary) for tensor in module.parameters())
        return held + self.seeing.bytes_held()
