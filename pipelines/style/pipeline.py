"""The style pipeline: its networks on a device. What a request makes of them is for ``painting`` and its neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipelines.base import Event, Pipeline, Report, Turn
from pipelines.devices import Device
from pipelines.style.arbitrary import Arbitrary
from pipelines.style.moving import Moving
from pipelines.style.multistyle import MultiStyle
from pipelines.style.networks import Networks
from pipelines.style.painting import Painting
from pipelines.style.request import StyleRequest
from pipelines.style.seeing import Seeing
from pipelines.style.sheet import Sheet
from pipelines.style.trial import Trial
from pipelines.style.weights import fill, narrow

PAINTERS: dict[str, type[Painting | Sheet | Moving | Trial]] = {
    "picture": Painting,
    "sheet": Sheet,
    "film": Moving,
    "trial": Trial,
}


class StylePipeline(Pipeline):
    """``StyleRequest`` -> one PNG of the photo's own size, a sheet of all styles, or a film.

    A style picture, where there is one, is the style.
    """

    shareable = True

    def __init__(self) -> None:
        self._networks: Networks | None = None

    def load(self, weights: Path | None, device: Device, report: Report) -> None:
        """``weights`` is the folder with ``multistyle``, ``arbitrary`` and ``vgg``, each ``.safetensors``."""
        if weights is None:
            raise ValueError("style transfer needs the folder of its weights")
        report("loading", 0, 2, "")
        multistyle, multistyle_sha256 = fill(MultiStyle(), weights / "multistyle.safetensors", device.torch_device)
        report("loading", 1, 2, "")
        arbitrary, arbitrary_sha256 = fill(Arbitrary(), weights / "arbitrary.safetensors", device.torch_device)
        for module in (multistyle, arbitrary.transformer):
            narrow(module, device.torch_dtype)
        report("loading", 2, 2, "")
        seeing = Seeing(weights / "vgg.safetensors", device)
        self._networks = Networks(multistyle, multistyle_sha256, arbitrary, arbitrary_sha256, seeing, device)

    def unload(self) -> None:
        self._networks = None

    def bytes_held(self) -> int:
        return 0 if self._networks is None else self._networks.bytes_held()

    def run(self, request: StyleRequest, turn: Turn) -> Iterator[Event]:
        if self._networks is None:
            raise RuntimeError("run was called before load")
        yield from PAINTERS[request.what](self._networks, request, turn).events()
