"""Pictures from words, through any text-to-picture pipeline of diffusers.

One loaded pipeline serves many requests: each run gets a pipeline object and a scheduler of its own that share the
weights. Several may run interleaved, because everything between two checkpoints (reading the prompt, a step, the
decoding) happens while the job holds the device; nothing of it is shared but weights. Knows diffusers; not the
engine, the page or where weights come from.
"""

from __future__ import annotations

import inspect
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
from pipelines.image_loading import Pipe, fresh_pipeline, open_pipeline
from pipelines.image_previews import Budget, Colours, colours_of, plain_latents
from pipelines.image_schedulers import fresh_scheduler
from pipelines.pictures import png
from pipelines.requests import MAX_SEED, ImageRequest
from pipelines.streaming import Emit, events_of


class ImagePipeline(Pipeline):
    """A diffusers pipeline on a device."""

    shareable: ClassVar[bool] = True

    def __init__(self) -> None:
        self._pipe: Pipe | None = None
        self._colours: Colours | None = None
        #: pictures of one request that are denoised together. On a CPU it gains nothing and makes each step longer
        self.together = 1

    def load(self, weights: Path | None, device: Device, report: Report) -> None:
        """Reads the folder ``weights``. Raises ``StudioError`` where it will not be read."""
        if weights is None:
            raise StudioError("image.none", "There is no picture model on this machine. Choose one to fetch first.")
        report("loading")
        self._pipe = open_pipeline(weights, device)
        self._colours = colours_of(getattr(self._pipe, "vae", None))
        self.together = 4 if device.kind == "cuda" else 1

    def run(self, request: ImageRequest, turn: Turn) -> Iterator[Event]:
        """Yields progress and previews, then the ``Result`` with a PNG for each picture."""
        if self._pipe is None:
            raise RuntimeError("run before load")
        painting = _Painting(self._pipe, self._colours, request, turn, self.together)
        return events_of(painting.paint)

    def unload(self) -> None:
        """Drops the weights."""
        self._pipe = None
        self._colours = None

    def bytes_held(self) -> int:
        """Bytes of parameters and buffers of all parts."""
        parts = self._pipe.components.values() if self._pipe is not None else ()
        modules = [part for part in parts if isinstance(part, torch.nn.Module)]
        tensors = [t for module in modules for t in (*module.parameters(), *module.buffers())]
        return sum(t.numel() * t.element_size() for t in tensors)


class _Painting:
    """One request on its way: what is counted and measured between its first and its last step."""

    def __init__(self, pipe: Pipe, colours: Colours | None, request: ImageRequest, turn: Turn, together: int) -> None:
        self.pipe = pipe
        self.colours = colours
        self.request = request
        self.turn = turn
        self.together = together
        self.since = 0.0
        self.budget = Budget()
        self.done = self.total = 0
        self.guided: bool | None = None
        self.blocked = 0

    def paint(self, emit: Emit) -> None:
        """The whole request: all pictures, then the result."""
        self.emit = emit
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
        emit(Result(tuple(artifacts), self._facts(first, seconds)))

    # ----------------------------------------------------------------------------------- one call

    def _denoise(self, seeds: list[int]) -> list[Image.Image]:
        """One call of the pipeline: a picture for each of ``seeds``, each from a generator of its own."""
        self.turn.checkpoint()
        scheduler = fresh_scheduler(self.pipe.scheduler, self.request.scheduler, self.request.steps)
        pipe = fresh_pipeline(self.pipe, scheduler)
        self.since = time.perf_counter()
        found = pipe(
            **call_settings(pipe, self.request),
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
        elif self.colours is not None and self.budget.due(index + 1, of_call):
            _check_finite(tensors["latents"])
            self._show(self.colours, pipe, tensors["latents"], index + 1, of_call)
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

    def _show(self, colours: Colours, pipe: Any, latents: torch.Tensor, step: int, total: int) -> None:
        """Sends what the picture looks like by now, drawn on the CPU while somebody else may have the device."""
        began = time.perf_counter()
        plain = plain_latents(pipe, latents, self.request.height, self.request.width)
        if plain is None or plain.shape[1] != colours.weights.shape[1]:
            return
        copied = time.perf_counter() - began
        with self.turn.aside():
            began = time.perf_counter()
            picture = colours.picture(plain)
            drawn = time.perf_counter() - began
        self.budget.spent(copied + drawn)
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
        if (cut := cut_prompt(self.pipe, self.request.prompt)) is not None:
            facts["prompt"] = cut
        if self.done < self.total:
            facts["ended_early"] = f"after {self.done} of {self.total} steps"
        if self.blocked:
            facts["blocked"] = f"the model's own filter blacked out {self.blocked} of {self.request.count}"
        return facts

    def _negative_fact(self) -> str:
        if "negative_prompt" not in _parameters(self.pipe):
            return "not used: this model takes none"
        return "used" if self.guided else "not used: it needs a guidance above 1"


# ------------------------------------------------------------------------------------------- settings


def _parameters(pipe: Pipe) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(type(pipe).__call__).parameters)


def call_settings(pipe: Pipe, request: ImageRequest) -> dict[str, Any]:
    """The arguments for ``pipe``, in the words its class knows.

    Two guidances exist: classifier-free (Ho and Salimans 2022), and one distilled into the model. Where a class has
    both, it calls the first ``true_cfg_scale``; it costs a second pass and is taken only where a negative prompt
    asks for it, or where the class relies on it.
    """
    takes = _parameters(pipe)
    settings: dict[str, Any] = {
        "prompt": request.prompt,
        "num_inference_steps": request.steps,
        "width": request.width,
        "height": request.height,
        "callback_on_step_end_tensor_inputs": ["latents"],
    }
    if "guidance_scale" in takes:
        settings["guidance_scale"] = request.guidance
    if "negative_prompt" in takes and request.negative_prompt:
        settings["negative_prompt"] = request.negative_prompt
    if "true_cfg_scale" in takes:
        relies = float(takes["true_cfg_scale"].default) > 1
        settings["true_cfg_scale"] = request.guidance if relies or request.negative_prompt else 1.0
        if relies and request.guidance > 1:
            settings.setdefault("negative_prompt", " ")
        if relies:
            settings.pop("guidance_scale", None)
    return settings


def size_step(pipe: Pipe) -> int:
    """Width and height have to be multiples of this: the autoencoder's factor times the transformer's patch."""
    factor = int(getattr(pipe, "vae_scale_factor", 8))
    transformer = getattr(pipe, "transformer", None)
    if transformer is None:
        return factor
    patch = transformer.config.get("patch_size") or 1
    packs = hasattr(pipe, "_pack_latents") or "all_patch_size" in transformer.config
    return factor * max(2 if packs else 1, max(patch) if isinstance(patch, (list, tuple)) else int(patch))


def check_size(pipe: Pipe, width: int, height: int) -> None:
    """Raises ``StudioError`` where the model cannot make a picture of exactly this size."""
    step = size_step(pipe)
    if width % step or height % step:
        raise StudioError(
            "image.size",
            "With this model width and height must be multiples of {step}; you gave {width} x {height}. "
            "{near_width} x {near_height} would do.",
            step=step,
            width=width,
            height=height,
            near_width=max(1, round(width / step)) * step,
            near_height=max(1, round(height / step)) * step,
        )


def cut_prompt(pipe: Pipe, prompt: str) -> str | None:
    """How much of the prompt the model read, where it did not read all of it; None where it did."""
    longest = getattr(_parameters(pipe).get("max_sequence_length"), "default", None)
    reads, tokens = 0, 0
    for name in ("tokenizer", "tokenizer_2", "tokenizer_3"):
        tokenizer = getattr(pipe, name, None)
        if tokenizer is None:
            continue
        own = int(tokenizer.model_max_length)
        limit = own if "CLIP" in type(tokenizer).__name__ or longest is None else int(longest)
        if limit > reads:
            reads, tokens = limit, len(tokenizer(prompt).input_ids)
    return f"only the first {reads} of {tokens} tokens were read" if tokens > reads > 0 else None


def _check_finite(latents: torch.Tensor) -> None:
    if not bool(torch.isfinite(latents).all()):
        raise StudioError(
            "image.overflow",
            "The numbers ran over in {dtype}, so there is no picture. Try another scheduler, a lower guidance or "
            "more steps.",
            dtype=str(latents.dtype).removeprefix("torch."),
        )
