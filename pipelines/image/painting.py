"""One request on its way from words, or from a picture, to pictures.

Everything between two checkpoints (reading the prompt, a step, the decoding) happens while the job holds the device.
Knows a loaded pipeline of diffusers, or of stickers, and a turn; keeps nothing for the next request.
"""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from PIL import Image

from pipelines.base import Artifact, Event, Kept, Preview, Progress, Result, Scalar, Turn
from pipelines.fields import MAX_SEED
from pipelines.image.begun import alike, generators, one_each
from pipelines.image.company import Door
from pipelines.image.guest import Beckoned, Guest
from pipelines.image.kinds import room
from pipelines.image.loading import Pipe, fresh_pipeline
from pipelines.image.methods import required_class
from pipelines.image.previews import Budget, Look, straight_on
from pipelines.image.request import ImageRequest
from pipelines.image.schedulers import check_begins, fresh_scheduler
from pipelines.image.settings import call_settings, check_size, cut_prompt, parameters, read_words, size_step
from pipelines.image.sheet import Sheets
from pipelines.image.sources import Source, read_drawing, read_source
from pipelines.image.together import check_finite
from pipelines.image.upscale_request import check_upscaled
from pipelines.image.upscaling import open_upscaler, upscaled
from pipelines.image.variants import Shot, own_settings, plan
from pipelines.pictures import png
from pipelines.sticker.drawings import LARGE
from pipelines.sticker.pipeline import StickerPipeline
from pipelines.streaming import Emit
from pipelines.text_memory import free_bytes


class Painting:
    """One request on its way: what is counted and measured between its first and its last step."""

    def __init__(
        self, pipe: Pipe, look: Look | None, request: ImageRequest, turn: Turn, together: int, door: Door
    ) -> None:
        self.pipe = pipe
        self.look = look
        self.request = request
        self.turn = turn
        #: pictures of one call
        self.together = room(pipe, request, together, lambda: free_bytes(pipe.device))
        self.guest = Guest(self, door, self.together)
        self.proven = door.proven
        #: what is worth knowing of the model, and of how the last words were read
        self.known: dict[str, Scalar] = {}
        self.reading: dict[str, Scalar] = {}
        self.since = 0.0
        self.budget = Budget()
        self.calls = self.called = 0
        self.done = self.finished = self.total = 0
        self.guided: bool | None = None
        self.before: torch.Tensor | None = None
        self.blocked = 0
        self.several = False

    def paint(self, emit: Emit) -> None:
        """The whole request: all pictures, then the result."""
        self.emit = _leaving_gradients_alone(emit)
        first = self.request.seed if self.request.seed >= 0 else secrets.randbelow(MAX_SEED)
        self.plan = plan(self.request, first)
        check_size(self.pipe, self.request)
        began = self.turn.device_seconds
        artifacts: list[Artifact] = []
        sheets = Sheets(self.plan)
        batches = list(_batches(self.plan.shots, self.together))
        self.calls = len(batches) * (2 if self.request.enlarge > 1 else 1)
        self.several = len(batches) > 1
        for number, shots in enumerate(batches):
            if artifacts and self.turn.finishing:
                break
            pictures = self._finished(shots)
            made = self._artifacts(pictures, shots, len(artifacts))
            sheets.take(shots, pictures)
            artifacts += made
            if number + 1 < len(batches):
                self.emit(Kept(tuple(made)))  # a cancel or a kill does not take them away any more
        seconds = self.turn.device_seconds - began
        if self.plan.sheets:
            with self.turn.aside():
                artifacts += sheets.artifacts(self.request.title())
        self.emit(Result(tuple(artifacts), self._facts(first, seconds)))

    def _finished(self, shots: Sequence[Shot]) -> list[Image.Image]:
        """The pictures of ``shots``, which differ in their seeds only, with all that is done to them afterwards."""
        request = shots[0].request
        seeds = [shot.request.seed for shot in shots]
        pictures = self._denoise(request, seeds, required_class(type(self.pipe), request.method), self._source(request))
        if request.enlarge > 1:
            pictures = [self._larger(request, picture, seed) for picture, seed in zip(pictures, seeds, strict=True)]
        return pictures if request.upscale == 1 else [self._upscaled(picture) for picture in pictures]

    # ----------------------------------------------------------------------------------- one call

    def _denoise(
        self, request: ImageRequest, seeds: list[int], kind: type[Any], source: Source | None
    ) -> list[Image.Image]:
        """A picture for each of ``seeds``, from words perhaps in company of others'."""
        self.turn.checkpoint()
        read, self.reading = _read(self.pipe, request)
        self.steps = request.steps
        if source is None:
            pictures = self.guest.paint(read, seeds, lambda: self._alone(read, seeds, kind, None))
        else:
            pictures = [source.put_back(picture) for picture in self._begun(read, seeds, kind, source)]
        self.called, self.finished = self.called + 1, self.done
        return pictures

    def _begun(self, read: ImageRequest, seeds: list[int], kind: type[Any], source: Source) -> list[Image.Image]:
        """Pictures from a picture: in one call where each comes out as it would alone, else one after the other."""
        if len(seeds) == 1 or isinstance(self.pipe, StickerPipeline) or self._alike(read, seeds, kind, source):
            return self._alone(read, seeds, kind, source)
        self.calls += len(seeds) - 1
        pictures: list[Image.Image] = []
        for seed in seeds:
            if pictures:
                self.called, self.finished = self.called + 1, self.done
            pictures += self._alone(read, [seed], kind, source)
        return pictures

    def _alike(self, read: ImageRequest, seeds: list[int], kind: type[Any], source: Source) -> bool:
        """Whether pictures from a picture come out the same in one call; found out once for each number and size."""
        key = ("begun", kind, len(seeds), source.size)

        def fresh() -> Any:
            return fresh_pipeline(self.pipe, fresh_scheduler(self.pipe.scheduler, read.scheduler, read.steps), kind)

        if key not in self.proven:
            settings = call_settings(fresh(), read, source)
            self.proven[key] = alike(fresh, settings, seeds, self.turn.checkpoint)
        return self.proven[key]

    def _alone(self, read: ImageRequest, seeds: list[int], kind: type[Any], source: Source | None) -> list[Image.Image]:
        """One call of the pipeline, each picture from a generator of its own."""
        scheduler = fresh_scheduler(self.pipe.scheduler, read.scheduler, read.steps)
        if not isinstance(self.pipe, StickerPipeline):  # whose sampler begins wherever it is told to
            check_begins(scheduler, "picture" if source is not None else "words")
        pipe = fresh_pipeline(self.pipe, scheduler, kind)
        self.size = (read.width, read.height) if source is None else source.size
        self.before = None
        self.since = time.perf_counter()
        settings = {**call_settings(pipe, read, source), "num_images_per_prompt": len(seeds)}
        if source is not None and not isinstance(self.pipe, StickerPipeline):
            settings = one_each(settings, len(seeds))
        found = pipe(
            **settings,
            generator=generators(seeds),
            output_type="pil",
            **self._called_back(pipe),
        )
        self.turn.checkpoint()
        if self.guided is None:
            self.guided = bool(getattr(pipe, "do_classifier_free_guidance", read.guidance > 1))
        self.blocked += sum(bool(flag) for flag in getattr(found, "nsfw_content_detected", None) or ())
        return list(found.images)

    def _source(self, request: ImageRequest) -> Source | None:
        """What the pictures begin from. Reading a large picture takes a while, and no device."""
        if request.method == "words":
            return None
        with self.turn.aside():
            if isinstance(self.pipe, StickerPipeline):
                return read_drawing(request, self.turn.read, LARGE)
            return read_source(request, self.turn.read, size_step(self.pipe))

    def _larger(self, request: ImageRequest, picture: Image.Image, seed: int) -> Image.Image:
        """The picture made again from itself at a larger size (the high-resolution fix)."""
        kind = required_class(type(self.pipe), "picture")
        if self.turn.finishing:
            return picture
        step = size_step(self.pipe)
        size = tuple(round(side * request.enlarge / step) * step for side in picture.size)
        again = request.model_copy(update={"method": "picture", "strength": request.enlarge_strength})
        source = Source(picture.convert("RGB").resize((size[0], size[1]), Image.Resampling.LANCZOS))
        return self._denoise(again, [seed], kind, source)[0]

    def _upscaled(self, picture: Image.Image) -> Image.Image:
        check_upscaled(picture.size, self.request.upscale)
        network = open_upscaler(self.pipe.vae.device)

        def after(done: int, total: int) -> None:
            self.turn.checkpoint()
            self.emit(Progress("upscaling", done, total, "piece"))

        return upscaled(network, picture, self.request.upscale, after)

    def _called_back(self, pipe: Any) -> dict[str, Any]:
        """How the class at hand tells of its steps. The older way lets nothing of the step be changed, nor ended."""
        if "callback_on_step_end" in parameters(pipe):
            return {"callback_on_step_end": self._after_step, "callback_on_step_end_tensor_inputs": ["latents"]}

        def told(index: int, timestep: Any, latents: torch.Tensor) -> None:
            self._after_step(pipe, index, timestep, {"latents": latents})

        return {"callback": told, "callback_steps": 1}

    def _after_step(self, pipe: Any, index: int, _: Any, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Called by diffusers after each step. A cancel leaves through here as an exception, and at once."""
        self.budget.denoising += time.perf_counter() - self.since
        self.turn.checkpoint()
        of_call = int(getattr(pipe, "num_timesteps", 0) or self.steps)
        if self.guest.beckoned(index + 1, of_call):
            raise Beckoned
        self.done += 1
        self.emit(Progress("denoising", self.done, self.count_steps(of_call), "step"))
        if index + 1 >= of_call or self._ends_early(pipe):
            check_finite(tensors["latents"])
            self.emit(Progress("decoding"))
        elif self.look is not None and self.budget.due(index + 1, of_call):
            check_finite(tensors["latents"])
            latents = straight_on(pipe.scheduler, self.before, tensors["latents"], index)
            self._show(self.look, pipe, latents, index + 1, of_call)
        self.before = tensors["latents"]
        self.since = time.perf_counter()
        return tensors

    def count_steps(self, of_call: int) -> int:
        """Steps of the whole request, where this call and those to come have ``of_call``."""
        self.total = self.finished + of_call * (self.calls - self.called)
        return self.total

    def _ends_early(self, pipe: Any) -> bool:
        """Whether the person asked to end: then what is there is decoded, where the pipeline can leave its loop.

        Of several pictures, one after the other, the one under way is made whole: it is the last. So it is where the
        pipeline cannot leave: asked to keep what is there, nothing is thrown away.
        """
        if not self.turn.finishing or self.several or not hasattr(type(pipe), "interrupt"):
            return False
        pipe._interrupt = True
        return True

    def _show(self, look: Look, pipe: Any, latents: torch.Tensor, step: int, total: int) -> None:
        """Sends what the picture looks like by now, drawn on the CPU while somebody else may have the device."""
        began = time.perf_counter()
        taken = look.take(pipe, latents, self.size[1], self.size[0])
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

    def _artifacts(self, pictures: list[Image.Image], shots: Sequence[Shot], before: int) -> list[Artifact]:
        with self.turn.aside():
            return [
                Artifact(
                    name=f"picture-{before + place + 1:02d}-{seed}.png" if self.plan.several else f"picture-{seed}.png",
                    media_type="image/png",
                    data=png(picture),
                    title=shot.request.title(),
                    facts={"seed": seed, "width": picture.width, "height": picture.height, **self._own_facts()},
                    settings=own_settings(self.request, shot.request) if self.plan.several else {},
                )
                for place, (picture, shot) in enumerate(zip(pictures, shots, strict=True))
                for seed in [shot.request.seed]
            ]

    def _own_facts(self) -> dict[str, Scalar]:
        """How the words were read, where each picture has words of its own."""
        return dict(self.reading) if self.plan.several else {}

    def _facts(self, seed: int, seconds: float) -> dict[str, Scalar]:
        facts: dict[str, Scalar] = {
            "seed": seed,
            "seconds": round(seconds, 3),
            "pipeline": type(self.pipe).__name__,
            "scheduler": self.request.scheduler or type(self.pipe.scheduler).__name__,
        }
        if self.request.negative_prompt:
            facts["negative_prompt"] = self._negative_fact()
        facts |= self.known | self.reading
        if (cut := cut_prompt(self.pipe, self.plan.shots[0].request.prompt)) is not None:
            facts["prompt"] = cut
        if self.done < self.total:
            facts["ended_early"] = f"after {self.done} of {self.total} steps"
        if self.blocked:
            facts["blocked"] = f"the model's own filter blacked out {self.blocked} of {len(self.plan.shots)}"
        return facts

    def _negative_fact(self) -> str:
        if "negative_prompt" not in parameters(self.pipe):
            return "not used: this model takes none"
        return "used" if self.guided else "not used: it needs a guidance above 1"


def _read(pipe: Pipe, request: ImageRequest) -> tuple[ImageRequest, dict[str, Scalar]]:
    read, reading = read_words(pipe, request)
    return read, dict(reading)


def _batches(shots: Sequence[Shot], together: int) -> Iterator[list[Shot]]:
    """Shots that follow each other and differ in their seeds only, so many at a time."""
    for _, group in itertools.groupby(shots, lambda shot: shot.request.model_copy(update={"seed": 0})):
        alike = list(group)
        yield from (alike[start : start + together] for start in range(0, len(alike), together))


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
