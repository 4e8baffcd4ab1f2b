"""Several pictures that begin from one picture, in one call, each the one it would be alone.

diffusers' classes draw what a batch shares from its first generator: the noise of a picture that is given once, the
latents behind a mask. Given one picture, mask and prompt for each generator they share nothing. Whether that is enough
is looked at before, as for pictures in company: in half the bits a batch may come to differ. Knows no turns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from pipelines.image.together import ALIKE, first_latents

_GIVEN = ("image", "mask_image", "prompt", "negative_prompt")


def one_each(settings: Mapping[str, Any], count: int) -> dict[str, Any]:
    """``settings`` of a call with a picture, a mask and words for each of ``count`` generators."""
    several = {name: [settings[name]] * count for name in _GIVEN if name in settings}
    return {**settings, **several, "num_images_per_prompt": 1}


def generators(seeds: Sequence[int]) -> list[torch.Generator]:
    """On the CPU on every device, so that a seed means the same picture everywhere."""
    return [torch.Generator("cpu").manual_seed(seed) for seed in seeds]


def alike(
    fresh: Callable[[], Any], settings: Mapping[str, Any], seeds: Sequence[int], rest: Callable[[], None]
) -> bool:
    """Whether the first steps for all ``seeds`` come to what they come to for each alone.

    ``fresh`` makes a pipeline object for one call, ``rest`` is called after each step and may raise to stop.
    """
    together, apart = _first_steps(fresh(), settings, seeds, rest), 0.0
    for row, seed in enumerate(seeds):
        alone = _first_steps(fresh(), settings, [seed], rest)[0]
        apart = max(apart, float((alone - together[row]).abs().max() / alone.std().clamp(min=1e-6)))
    return apart <= ALIKE


def _first_steps(
    pipe: Any, settings: Mapping[str, Any], seeds: Sequence[int], rest: Callable[[], None]
) -> torch.Tensor:
    """Latents (pictures, ...) after them, in float32."""
    return first_latents(
        lambda after_step: pipe(
            **one_each(settings, len(seeds)),
            generator=generators(seeds),
            output_type="latent",
            callback_on_step_end=after_step,
            callback_on_step_end_tensor_inputs=["latents"],
        ),
        rest,
    )
