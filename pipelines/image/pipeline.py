"""Pictures from words, through any text-to-picture pipeline of diffusers.

One loaded pipeline serves many requests: each run gets a pipeline object and a scheduler of its own that share the
weights. Several may run interleaved, because everything between two checkpoints (reading the prompt, a step, the
decoding) happens while the job holds the device; nothing of it is shared but weights. Knows diffusers; not the
engine, the page or where weights come from.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import torch

from pipelines.base import Event, Pipeline, Report, Turn
from pipelines.devices import Device
from pipelines.errors import StudioError
from pipelines.image.company import Door
from pipelines.image.loading import Pipe, open_pipeline, place
from pipelines.image.lora import Loras
from pipelines.image.painting import Painting
from pipelines.image.previews import Look, look_of
from pipelines.image.request import ImageRequest
from pipelines.image.settings import check_own
from pipelines.sticker.own_drawing import OwnNetworks
from pipelines.sticker.pipeline import StickerPipeline
from pipelines.streaming import events_of


class ImagePipeline(Pipeline):
    """A diffusers pipeline on a device."""

    shareable: ClassVar[bool] = True

    def __init__(self) -> None:
        self._pipe: Pipe | None = None
        self._look: Look | None = None
        self._place = "cpu"
        self._own = OwnNetworks()
        self._loras = Loras()
        self._door = Door()
        #: pictures that are denoised together, of one request or of several people's. On a CPU it gains nothing and
        #: makes each step longer, unless the steps are small, which the pipeline's class says
        self.together = 1

    def load(self, weights: Path | None, device: Device, report: Report) -> None:
        """Reads the folder ``weights``. Raises ``StudioError`` where it will not be read."""
        if weights is None:
            raise StudioError("image.none", "There is no picture model on this machine. Choose one to fetch first.")
        report("loading")
        self._place = device.kind
        self._pipe = open_pipeline(weights, device, self.parts)
        self._look = look_of(getattr(self._pipe, "vae", None))
        if not isinstance(self._pipe, StickerPipeline):
            place(self._pipe, device)
        self.together = 4 if device.kind == "cuda" else getattr(type(self._pipe), "together", 1)

    def run(self, request: ImageRequest, turn: Turn) -> Iterator[Event]:
        """Yields progress and previews, then the ``Result`` with a PNG for each picture."""
        if self._pipe is None:
            raise RuntimeError("run before load")
        pipe, trained_on = self._pipe, ""
        if request.weights is not None:
            check_own(pipe)
            pipe, trained_on = self._own.pipeline(pipe, request.weights, turn.read)
        if request.loras:
            pipe = self._loras.pipeline(pipe, request.loras, turn.read)
        painting = Painting(pipe, self._look, request, turn, self.together, self._door)
        if trained_on:
            painting.known = {"trained_on": trained_on}
        return events_of(painting.paint)

    def unload(self) -> None:
        """Drops the weights."""
        self._pipe = None
        self._look = None
        self._own = OwnNetworks()
        self._loras = Loras()

    def _here(self, tensor: torch.Tensor) -> bool:
        """Whether it is in the device's own memory: what is offloaded takes none of it."""
        return tensor.device.type == self._place

    def bytes_held(self) -> int:
        """Bytes of parameters and buffers of all parts, and of networks trained here that were drawn with lately."""
        parts = self._pipe.components.values() if self._pipe is not None else ()
        modules = [part for part in parts if isinstance(part, torch.nn.Module)]
        tensors = [t for module in modules for t in (*module.parameters(), *module.buffers()) if self._here(t)]
        return sum(t.numel() * t.element_size() for t in tensors) + self._own.bytes_held() + self._loras.bytes_held()
