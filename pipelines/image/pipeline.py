"""Pictures from words, through any text-to-picture pipeline of diffusers.

One loaded pipeline serves many requests: each run gets a pipeline object and a scheduler of its own that share the
weights. Several may run interleaved, because everything between two checkpoints (reading the prompt, a step, the
decoding) happens while the job holds the device; nothing of it is shared but weights. Knows diffusers; not the
engine, the page or where weights come from.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import torch
from PIL import Image

from pipelines.base import Artifact, Cancelled, Event, Pipeline, Preview, Progress, Report, Result, Scalar, Turn
from pipelines.devices import Device
from pipelines.errors import StudioError
from pipelines.fields import MAX_SEED
from pipelines.image.loading import Pipe, fresh_pipeline, open_pipeline
from pipelines.image.previews import Budget, Look, look_of, straight_on
from pipelines.image.request import ImageRequest
from pipelines.image.schedulers import fresh_scheduler
from pipelines.image.settings import call_settings, check_own, check_size, cut_prompt, parameters, read_words
from pipelines.pictures import png
from pipelines.sticker.own_drawing import OwnNetworks
from pipelines.streaming import Emit, events_of


class ImagePipeline(Pipeline):
    """A diffusers pipeline on a device."""

    shareable: ClassVar[bool] = True

    def __init__(self) -> None:
        self._pipe: Pipe | None = None
        self._look: Look | None = None
        self._own = OwnNetworks()
        #: pictures of one request that are denoised together. On a CPU it gains nothing and makes each step longer,
        #: unless the steps are small, which the pipeline's class says
        self.together = 1

    def load(self, weights: Path | None, device: Device, report: Report) -> None:
        """Reads the folder ``weights``. Raises ``StudioError`` where it will not be read."""
        if weights is None:
            raise StudioError("image.none", "There is no picture model on this machine. Choose one to fetch first.")
        report("loading")
        self._pipe = open_pipeline(weights, device, self.parts)
        self._look = look_of(getattr(self._pipe, "vae", None))
        self.together = 4 if device.kind == "cuda" else getattr(type(self._pipe), "together", 1)

    def run(self, request: ImageRequest, turn: Turn) -> Iterator[Event]:
        """Yields progress and previews, then the ``Result`` with a PNG for each picture."""
        if self._pipe is None:
            raise RuntimeError("run before load")
        pipe, trained_on = self._pipe, ""
        if request.weights is not None:
            check_own(pipe)
            pipe, trained_on = self._own.pipeline(pipe, request.weights, turn.read)
        painting = _Painting(pipe, self._look, request, turn, self.together)
        if trained_on:
            painting.reading = {**painting.reading, "trained_on": trained_on}
        return events_of(painting.paint)

    def unload(self) -> None:
        """Drops the weights."""
        self._pipe = None
        self._look = None
        self._own = OwnNetworks()

    def bytes_held(self) -> int:
        """Bytes of parameters and buffers of all parts, and of networks trained here that were drawn with lately."""
        parts = self._pipe.components.values() if self._pipe is not None else ()
        modules = [part for part in parts if isinstance(part, torch.nn.Module)]
        tensors = [t for module in modules for t in (*module.parameters(), *module.buffers())]
        return sum(t.numel() * t.element_size() for t in tensors) + self._own.bytes_held()


class _Painting:
    """One request on its way: what is counted and measured between its first and its last step."""

    def __init__(self, pipe: Pipe, look: Look | None, request: ImageRequest, turn: Turn, together: int) -> None:
        self.pipe = pipe
        self.look = look
        self.request = request
        self.read, self.reading = read_words(pipe, request)
        self.turn = turn
        self.together = together
        self.since = 0.0
        self.budget = Budget()
        self.done = self.total = 0
        self.guided: bool | None = None
        self.before: torch.Tensor | None = None
        self.blocked = 0

    def paint(self, emit: Emit) -> None:
        """The whole request: all pictures, then the result."""
        self.emit = _leaving_gradients_alone(emit)
        request = self.request
        check_size(self.pipe, request.width, request.height)
        first = request.seed if request.seed >= 0 else secrets.randbelow(MAX_SEED)
        # a picture's seed must be one that can be asked for, so that it can be made again alone
        seeds = [(first + place) % (MAX_SEED + 1) for place in range(request.count)]
        began = self.turn.device_seconds
        artifacts: list[Artifact] = []
        for start in range(0, len(seeds), self.together):
            if artifacts and self.turn.finishing:
                break
            batch = seeds[start : start + self.together]
            artifacts += self._artifacts(self._denoise(batch), batch)
        seconds = self.turn.device_seconds - began
        self.emit(Result(tuple(artifacts), self._facts(first, seconds)))

    # ----------------------------------------------------------------------------------- one call

    def _denoise(self, seeds: list[int]) -> list[Image.Image]:
        """One call of the pipeline: a picture for each of ``seeds``, each from a generator of its own."""
        self.turn.checkpoint()
        scheduler = fresh_scheduler(self.pipe.scheduler, self.request.scheduler, self.request.steps)
        pipe = fresh_pipeline(self.pipe, scheduler)
        self.before = None
        self.since = time.perf_counter()
        found = pipe(
            **call_settings(pipe, self.read),
            num_images_per_prompt=len(seeds),
            # on the CPU on every device, so that a seed means the same picture everywhere
            generator=[torch.Generator("cpu").manual_seed(seed) for seed in seeds],
            output_type="pil",
            callback_on_step_end=self._after_step,
        )
        self.turn.checkpoint()
        if self.guided is None:
            self.guided = bool(getattr(pipe, "do_classifier_free_guidance", self.request.guidance > 1))
        self.blocked += sum(bool(flag) for flag in getattr(found, "nsfw_content_detected", None) or ())
        return list(found.images)

    def _after_step(self, pipe: Any, index: int, _: Any, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Called by diffusers after each step. A cancel leaves through here as an exception, and at once."""
        self.budget.denoising += time.perf_counter() - self.since
        self.turn.checkpoint()
        of_call = int(getattr(pipe, "num_timesteps", 0) or self.request.steps)
        self.done += 1
        self.total = of_call * -(-self.request.count // self.together)
        self.emit(Progress("denoising", self.done, self.total, "step"))
        if index + 1 >= of_call or self._ends_early(pipe):
            _check_finite(tensors["latents"])
            self.emit(Progress("decoding"))
        elif self.look is not None and self.budget.due(index + 1, of_call):
            _check_finite(tensors["latents"])
            latents = straight_on(pipe.scheduler, self.before, tensors["latents"], index)
            self._show(self.look, pipe, latents, index + 1, of_call)
        self.before = tensors["latents"]
        self.since = time.perf_counter()
        return tensors

    def _ends_early(self, pipe: Any) -> bool:
        """Whether the person asked to end: then what is there is decoded, where the pipeline can leave its loop."""
        if not self.turn.finishing:
            return False
        if not hasattr(type(pipe), "interrupt"):
            raise Cancelled
        pipe._interrupt = True
        return True

    def _show(self, look: Look, pipe: Any, latents: torch.Tensor, step: int, total: int) -> None:
        """Sends what the picture looks like by now, drawn on the CPU while somebody else may have the device."""
        began = time.perf_counter()
        taken = look.take(pipe, latents, self.request.height, self.request.width)
        if taken is None:
            return
        held = time.perf_counter() - began
        with self.turn.aside():
            began = time.perf_counter()
            picture = look.picture(taken)
            drawn = time.perf_counter() - began
        self.budget.spent(held + drawn)
        self.emit(Preview(step, total, picture))

    # ----------------------------------------------------------------------------------- what was made

    def _artifacts(self, pictures: list[Image.Image], seeds: list[int]) -> list[Artifact]:
        with self.turn.aside():
            return [
                Artifact(
                    name=f"picture-{seed}.png",
                    media_type="image/png",
                    data=png(picture),
                    title=self.request.title(),
                    facts={"seed": seed, "width": picture.width, "height": picture.height},
                )
                for picture, seed in zip(pictures, seeds, strict=True)
            ]

    def _facts(self, seed: int, seconds: float) -> dict[str, Scalar]:
        facts: dict[str, Scalar] = {
            "seed": seed,
            "seconds": round(seconds, 3),
            "pipeline": type(self.pipe).__name__,
            "scheduler": self.request.scheduler or type(self.pipe.scheduler).__name__,
        }
        if self.request.negative_prompt:
            facts["negative_prompt"] = self._negative_fact()
        facts |= self.reading
        if (cut := cut_prompt(self.pipe, self.read.prompt)) is not None:
            facts["prompt"] = cut
        if self.done < self.total:
            facts["ended_early"] = f"after {self.done} of {self.total} steps"
        if self.blocked:
            facts["blocked"] = f"the model's own filter blacked out {self.blocked} of {self.request.count}"
        return facts

    def _negative_fact(self) -> str:
        if "negative_prompt" not in parameters(self.pipe):
            return "not used: this model takes none"
        return "used" if self.guided else "not used: it needs a guidance above 1"


def _leaving_gradients_alone(emit: Emit) -> Emit:
    """``emit``, with the reader's choice about gradients meanwhile: torch keeps one by thread, and both share it."""
    theirs = torch.is_grad_enabled()

    def told(event: Event) -> None:
        ours = torch.is_grad_enabled()
        torch.set_grad_enabled(theirs)
        try:
            emit(event)
        finally:
            torch.set_grad_enabled(ours)

    return told


def _check_finite(latents: torch.Tensor) -> None:
    if not bool(torch.isfinite(latents).all()):
        raise StudioError(
            "image.overflow",
            "The numbers ran over in {dtype}, so there is no picture. Try another scheduler, a lower guidance or "
            "more steps.",
            dtype=str(latents.dtype).removeprefix("torch."),
        )
