"""Words to stickers, as a pipeline of diffusers: the same call as Stable Diffusion's, the same callbacks and files.

Every picture has a generator of its own and never sees its neighbours in a batch. Where the number of rows would change
how a product is added up each is computed by itself (the sentence's reading, the decoding), so that a seed gives the
same sticker alone and in company. Knows tensors and pictures; reads English (``prompts`` makes it of Chinese).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.utils.torch_utils import randn_tensor
from PIL import Image
from torch import Tensor

from pipelines.errors import StudioError
from pipelines.sticker.autoencoder import StickerAutoencoder
from pipelines.sticker.beginning import Beginning, anew_of, latents_of, steps_left
from pipelines.sticker.drawings import LARGE, STYLES
from pipelines.sticker.network import Assembled
from pipelines.sticker.pairs import from_signed
from pipelines.sticker.text import Text, encode_each, joined
from pipelines.sticker.transformer import StickerTransformer
from pipelines.sticker.upscaler import StickerUpscaler

T = TypeVar("T")
Callback = Callable[[Any, int, Any, dict[str, Tensor]], dict[str, Tensor]]


@dataclass
class StickerOutput:
    """``images``: RGBA pictures of 256 x 256, or a tensor [B, 4, 256, 256] in -1..1, premultiplied, where asked."""

    images: list[Image.Image] | Tensor


class StickerPipeline(Assembled):
    """Reads a sentence, denoises latents, decodes them to 64 px and draws them at 256 px."""

    model_cpu_offload_seq = "text_encoder->transformer->vae->upscaler"
    _callback_tensor_inputs = ("latents",)
    vae_scale_factor = 32  # of the 256 px that come out
    #: stickers made at once: steps are so small that four take half the time of one after the other, on a CPU too
    together = 4
    tokenizer: Any
    text_encoder: Any
    transformer: StickerTransformer
    vae: StickerAutoencoder
    upscaler: StickerUpscaler
    scheduler: Any

    def __init__(
        self,
        tokenizer: Any,
        text_encoder: Any,
        transformer: StickerTransformer,
        vae: StickerAutoencoder,
        upscaler: StickerUpscaler,
        scheduler: FlowMatchEulerDiscreteScheduler,
    ) -> None:
        super().__init__()
        self.register_modules(
            tokenizer=tokenizer,
            text_encoder=text_encoder,
            transformer=transformer,
            vae=vae,
            upscaler=upscaler,
            scheduler=scheduler,
        )
        self._interrupt = False
        self._num_timesteps = 0
        self._guidance = 1.0

    @property
    def interrupt(self) -> bool:
        """Set by a callback, it ends the loop after this step; what is there by then is decoded."""
        return self._interrupt

    @property
    def num_timesteps(self) -> int:
        """Steps of the call that runs or ran last."""
        return self._num_timesteps

    @property
    def do_classifier_free_guidance(self) -> bool:
        """Whether every step also asks what would be drawn without the sentence."""
        return self._guidance > 1

    @torch.no_grad()
    def __call__(
        self,
        prompt: str | Sequence[str],
        style: str | Sequence[str | None] | None = None,
        height: int = LARGE,
        width: int = LARGE,
        num_inference_steps: int = 24,
        guidance_scale: float = 4.0,
        negative_prompt: str | Sequence[str] | None = None,
        num_images_per_prompt: int = 1,
        generator: torch.Generator | list[torch.Generator] | None = None,
        latents: Tensor | None = None,
        output_type: str = "pil",
        return_dict: bool = True,
        callback_on_step_end: Callback | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
        image: Image.Image | None = None,
        mask_image: Image.Image | None = None,
        strength: float = 1.0,
    ) -> StickerOutput | tuple[list[Image.Image] | Tensor]:
        """Stickers for one sentence or several, ``num_images_per_prompt`` of each.

        ``style``: one of ``STYLES``, or None for whichever the sentence suggests. ``guidance_scale``: how much the
        difference that sentence and style make is enlarged, from 1 on (Ho and Salimans 2022); with ``negative_prompt``
        it is the difference to that, in no style. ``latents`` [B, 16, 8, 8] take the place of the noise.
        Style and negative prompt may be given for each sentence. ``image``: a picture to begin from, of which
        ``strength`` says how much may change; only where ``mask_image`` is white, if there is one. ``output_type``:
        "pil", "pt" or "latent". Raises ``StudioError`` for a size other than 256 x 256 and a style there is not.
        """
        del callback_on_step_end_tensor_inputs  # there are only the latents
        prompts = _each([prompt] if isinstance(prompt, str) else prompt, num_images_per_prompt)
        chosen = _each(_of_all(style, len(prompts) // num_images_per_prompt), num_images_per_prompt)
        avoided = _each(_of_all(negative_prompt, len(prompts) // num_images_per_prompt), num_images_per_prompt)
        self._check(chosen, width, height)
        self._interrupt, self._guidance = False, guidance_scale
        said = _only(encode_each(self.tokenizer, self.text_encoder, prompts), prompts)
        unsaid = self._unsaid(said, avoided)
        numbers = [len(STYLES) if each is None else STYLES.index(each) for each in chosen]
        styles = torch.tensor(numbers, device=self._execution_device)
        latents = self._noise(len(prompts), generator) if latents is None else latents.to(self._execution_device)
        begun = None if image is None else self._beginning(image, mask_image, latents)
        self.scheduler.set_timesteps(num_inference_steps, device=latents.device)
        first = 0 if begun is None else steps_left(self.scheduler, num_inference_steps, strength)
        latents = self._denoise(latents, said, unsaid, styles, first, begun, callback_on_step_end)
        images = self._drawn(latents, output_type)
        return StickerOutput(images) if return_dict else (images,)

    # ----------------------------------------------------------------------------------------- steps

    def _check(self, styles: Sequence[str | None], width: int, height: int) -> None:
        unknown = [style for style in styles if style is not None and style not in STYLES]
        if unknown:
            raise StudioError(
                "sticker.style",
                "There is no drawing style {style}; there are {styles}.",
                style=unknown[0][:40],
                styles=", ".join(STYLES),
            )
        if (width, height) != (LARGE, LARGE):
            raise StudioError(
                "sticker.size",
                "Stickers are {edge} x {edge} pixels; you asked for {width} x {height}.",
                edge=LARGE,
                width=width,
                height=height,
            )

    def _noise(self, count: int, generator: torch.Generator | list[torch.Generator] | None) -> Tensor:
        config = self.transformer.config
        shape = (count, config["in_channels"], config["sample_size"], config["sample_size"])
        found: Tensor = randn_tensor(shape, generator, self._execution_device, torch.float32)
        return found

    def _unsaid(self, said: Text, negatives: Sequence[str | None]) -> Text:
        """What each picture is led away from: its negative prompt, or no sentence at all."""
        if not any(negatives):
            return Text(torch.zeros_like(said.states), torch.zeros_like(said.pooled), torch.zeros_like(said.mask))
        written = [negative or "" for negative in negatives]
        return _only(encode_each(self.tokenizer, self.text_encoder, written), written)

    def _beginning(self, image: Image.Image, mask: Image.Image | None, noise: Tensor) -> Beginning:
        anew = None if mask is None else anew_of(mask, noise.shape[-1]).to(noise.device)
        return Beginning(latents_of(self.vae, image).to(noise.device), noise, anew)

    def _denoise(
        self,
        latents: Tensor,
        said: Text,
        unsaid: Text,
        styles: Tensor,
        first: int,
        begun: Beginning | None,
        callback: Callback | None,
    ) -> Tensor:
        """From step ``first`` on; ``begun`` is what that step finds there instead of noise."""
        times, sigmas = self.scheduler.timesteps[first:], self.scheduler.sigmas[first:]
        self.scheduler.set_begin_index(first)
        if begun is not None:
            latents = begun.at(sigmas[0].to(latents.device))
        self._num_timesteps = len(times)
        with self.progress_bar(total=self._num_timesteps) as bar:
            for index, timestep in enumerate(times):
                if self._interrupt:
                    break
                time = timestep / self.scheduler.config.num_train_timesteps
                velocity = self._velocity(latents, time, said, unsaid, styles)
                latents = self.scheduler.step(velocity, timestep, latents, return_dict=False)[0]
                if begun is not None:
                    latents = begun.kept(latents, sigmas[index + 1].to(latents.device))
                if callback is not None:
                    latents = callback(self, index, timestep, {"latents": latents}).get("latents", latents)
                bar.update()
        return latents

    def _velocity(self, latents: Tensor, time: Tensor, said: Text, unsaid: Text, styles: Tensor) -> Tensor:
        """Guided where that is asked for: away from what would be drawn without the sentence, in no style.

        Guided by the sentence alone, three stickers in five show their style; by both, four. Both answers come from one
        batch, which a single sticker gains most by.
        """
        if not self.do_classifier_free_guidance:
            return self._predicted(latents, time, said, styles)
        both = torch.cat([styles, torch.full_like(styles, len(STYLES))])
        found = self._predicted(latents.repeat(2, 1, 1, 1), time, joined(said, unsaid), both)
        with_it, without = found.chunk(2)
        return without + self._guidance * (with_it - without)

    def _predicted(self, latents: Tensor, time: Tensor, text: Text, styles: Tensor) -> Tensor:
        dtype, times = self.transformer.dtype, time.expand(len(latents))
        pictures = len(latents) // (2 if self.do_classifier_free_guidance else 1)
        found: Tensor = self.transformer(
            latents.to(dtype),
            times,
            text.states.to(dtype),
            text.mask,
            text.pooled.to(dtype),
            styles,
            return_dict=False,
            apart=pictures,
        )
        return found.float()

    def _drawn(self, latents: Tensor, output_type: str) -> list[Image.Image] | Tensor:
        if output_type == "latent":
            return latents
        large = torch.cat([self._large(latents[row : row + 1]) for row in range(len(latents))])
        if output_type == "pt":
            return large
        return [Image.fromarray(picture) for picture in np.asarray(from_signed(large).cpu())]

    def _large(self, latents: Tensor) -> Tensor:
        small = self.vae.draw(latents.to(self.vae.dtype)).clamp(-1, 1)
        found: Tensor = self.upscaler(small.to(self.upscaler.dtype), return_dict=False).float().clamp(-1, 1)
        return found


def _each(given: Sequence[T], times: int) -> list[T]:
    return [each for each in given for _ in range(times)]


def _of_all(given: str | Sequence[T] | None, count: int) -> Sequence[str | T | None]:
    """One for each of ``count`` sentences, where one for all is a choice."""
    return [given] * count if given is None or isinstance(given, str) else given


def _only(read: Text, written: Sequence[str]) -> Text:
    """``read`` with no sentence at all where none was ``written``: variations of a picture need none."""
    if all(written):
        return read
    given = torch.tensor([bool(text) for text in written], device=read.mask.device)
    return Text(given[:, None, None] * read.states, given[:, None] * read.pooled, given[:, None] & read.mask)
