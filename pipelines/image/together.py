"""A call of a pipeline that makes the pictures of several people, each the one it would be alone.

Whether it would be is looked at before: the first steps for each alone beside the same steps for all. In float32 they
differ by rounding; in half the bits, with other products of matrices for other numbers of rows, they may come to
differ by a whole picture, and then each is painted alone. Knows diffusers; not turns.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

from pipelines.errors import StudioError
from pipelines.image.company import Call, Step
from pipelines.image.kinds import Words, several, words_of
from pipelines.image.loading import Pipe, fresh_pipeline
from pipelines.image.previews import Budget, Look, straight_on
from pipelines.image.relay import Rest
from pipelines.image.request import ImageRequest
from pipelines.image.schedulers import fresh_scheduler
from pipelines.image.settings import call_settings

log = logging.getLogger(__name__)

#: steps that are looked at, and how far latents may be apart after them, as a share of their spread. Rounding in
#: float32 makes a millionth; in the further steps it may grow a hundredfold and is still below a 255th of a colour
PROOF_STEPS, ALIKE = 2, 1e-4

Tensors = dict[str, torch.Tensor]


class Enough(Exception):  # noqa: N818 - nothing is wrong: the first steps were all that was wanted
    """Leaves a call whose pictures nobody wants."""


@dataclass(frozen=True)
class Painted:
    """A picture of a call. ``blocked``: the model's own filter blacked it out. ``guided``: the call was."""

    picture: Image.Image
    blocked: bool
    guided: bool


class Together:
    """Paints whatever is of the kind of ``read`` for all wishes of a call.

    ``proven`` remembers what was found of the model, by count and size of the pictures.
    """

    def __init__(self, pipe: Pipe, read: ImageRequest, look: Look | None, proven: dict[Hashable, bool]) -> None:
        self._pipe = pipe
        self._read = read
        self._look = look
        self._proven = proven

    def paint(self, call: Call, rest: Rest) -> Sequence[Painted] | None:
        """All pictures of ``call``; None where they would be others than those made alone."""
        words = [wish.words for wish in call.wishes for _ in wish.seeds]
        seeds = [seed for wish in call.wishes for seed in wish.seeds]
        size = (len(seeds), self._read.width, self._read.height)
        if len(seeds) > 1 and size not in self._proven:
            self._proven[size] = self._alike(words, seeds, rest)
        if not self._proven.get(size, True):
            return None
        return self._painted(words, seeds, _Watch(call, rest, self._look, self._read).after_step)

    def finish(self, latents: torch.Tensor, seeds: list[int], begin: Callable[[], None]) -> Sequence[Painted]:
        """Decodes ``latents``, a row for each of ``seeds``, as the pipeline does where it is interrupted.

        That takes a call of its own, in which they take the place of what comes of the first step.
        """

        def after_step(pipe: Any, _index: int, _time: Any, tensors: Tensors) -> Tensors:
            pipe._interrupt = True
            begin()
            return {**tensors, "latents": latents}

        return self._painted([words_of(self._read)] * len(seeds), seeds, after_step)

    def _painted(
        self, words: Sequence[Words], seeds: Sequence[int], after_step: Callable[..., Tensors]
    ) -> Sequence[Painted]:
        """One call of the pipeline: a picture for each of ``seeds`` in its ``words``."""
        read = self._read
        pipe = fresh_pipeline(self._pipe, fresh_scheduler(self._pipe.scheduler, read.scheduler, read.steps))
        found = pipe(
            **call_settings(pipe, read) | several(pipe, read, words),
            num_images_per_prompt=1,
            generator=[torch.Generator("cpu").manual_seed(seed) for seed in seeds],
            output_type="pil",
            callback_on_step_end=after_step,
            callback_on_step_end_tensor_inputs=["latents"],
        )
        guided = bool(getattr(pipe, "do_classifier_free_guidance", read.guidance > 1))
        flags = getattr(found, "nsfw_content_detected", None) or [False] * len(seeds)
        return [Painted(each, bool(flag), guided) for each, flag in zip(found.images, flags, strict=True)]

    # ------------------------------------------------------------------------------------- the proof

    def _alike(self, words: Sequence[Words], seeds: Sequence[int], rest: Rest) -> bool:
        together = self._begun(words, seeds, rest)
        apart = 0.0
        for row, (each, seed) in enumerate(zip(words, seeds, strict=True)):
            alone = self._begun([each], [seed], rest)[0]
            apart = max(apart, float((alone - together[row]).abs().max() / alone.std().clamp(min=1e-6)))
        if not apart <= ALIKE:
            log.warning("pictures of %s differ in company by %.1e, so each is alone", type(self._pipe).__name__, apart)
        return apart <= ALIKE

    def _begun(self, words: Sequence[Words], seeds: Sequence[int], rest: Rest) -> torch.Tensor:
        """Latents (pictures, ...) after the first steps, in float32."""
        return first_latents(lambda after_step: self._painted(words, seeds, after_step), rest)


def first_latents(paint: Callable[[Callable[..., Tensors]], object], rest: Callable[[], None]) -> torch.Tensor:
    """Latents (pictures, ...) after the first steps, in float32. ``paint`` gets what is to be called after each."""
    found: list[torch.Tensor] = []

    def after_step(_pipe: Any, index: int, _time: Any, tensors: Tensors) -> Tensors:
        found.append(tensors["latents"].float())
        rest()
        if index + 1 >= PROOF_STEPS:
            raise Enough
        return tensors

    with suppress(Enough):
        paint(after_step)
    return found[-1]


def check_finite(latents: torch.Tensor) -> None:
    """Raises ``StudioError`` where the numbers ran over."""
    if not bool(torch.isfinite(latents).all()):
        raise overflow(latents.dtype)


def overflow(dtype: torch.dtype) -> StudioError:
    """The sentence for latents of ``dtype`` that are no numbers any more."""
    return StudioError(
        "image.overflow",
        "The numbers ran over in {dtype}, so there is no picture. Try another scheduler, a lower guidance or "
        "more steps.",
        dtype=str(dtype).removeprefix("torch."),
    )


class _Watch:
    """Looks at the pictures of a call after each step, for all whom it serves."""

    def __init__(self, call: Call, rest: Rest, look: Look | None, read: ImageRequest) -> None:
        self._call, self._rest, self._look, self._read = call, rest, look, read
        self._budget = Budget()
        self._before: torch.Tensor | None = None
        self._since = time.perf_counter()

    def after_step(self, pipe: Any, index: int, _: Any, tensors: Tensors) -> Tensors:
        self._budget.denoising += time.perf_counter() - self._since
        total = int(getattr(pipe, "num_timesteps", 0) or self._read.steps)
        latents, last = tensors["latents"], self._call.step
        shown, shown_at, finite = last.shown, last.shown_at, last.finite  # who reads it may have skipped that step
        if self._look is not None and self._budget.due(index + 1, total):
            began = time.perf_counter()
            straight = straight_on(pipe.scheduler, self._before, latents, index)
            shown, shown_at = self._look.take(pipe, straight, self._read.height, self._read.width), index + 1
            self._budget.spent(time.perf_counter() - began)
        if index + 1 in (shown_at, total):
            finite = tuple(torch.isfinite(latents).flatten(1).all(1).tolist())
        self._call.step = Step(index + 1, total, latents, finite, shown, shown_at)
        self._rest()
        self._before, self._since = latents, time.perf_counter()
        # whose numbers ran over is told so and gets no picture; the others' decoding need not stumble over them
        return tensors if all(finite) else {**tensors, "latents": torch.nan_to_num(latents)}
