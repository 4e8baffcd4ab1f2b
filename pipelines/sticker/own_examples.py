"""A person's pictures as the model learns them: latents, and what is said of each, encoded once and held in memory.

Knows the autoencoder and the sentence encoder; not zips, and not the network that learns. What was encoded is kept as
one file in the job's folder, so that a training that was interrupted goes on at once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from pipelines.durable import write_durably
from pipelines.sticker.autoencoder import StickerAutoencoder
from pipelines.sticker.drawings import STYLES
from pipelines.sticker.own_pictures import Own
from pipelines.sticker.pairs import to_signed
from pipelines.sticker.text import TOKENS, Text, encode

FORMAT = "atelier-own-examples/1"
_TENSORS = ("latents", "styles", "said", "states", "mask", "pooled")


@dataclass(frozen=True)
class OwnExamples:
    """N pictures that S sentences are said of, on the CPU.

    ``latents`` bfloat16 [N, 16, 8, 8]; ``styles`` [N], the number of a drawing style or of any; ``said`` [N], which
    sentence. Of the sentences ``states`` bfloat16 [S, T, 384], ``mask`` [S, T] and ``pooled`` [S, 384], as ``written``
    by the person.
    """

    latents: Tensor
    styles: Tensor
    said: Tensor
    states: Tensor
    mask: Tensor
    pooled: Tensor
    written: tuple[str, ...]
    left_out: str = ""
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: torch.dtype = torch.float32

    def __len__(self) -> int:
        return len(self.latents)

    def draw(self, count: int, random: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """See ``stage_flow.Examples``."""
        places = torch.randint(len(self), (count,), generator=random)
        text = self.text(self.said[places])
        latents, styles = self.latents[places].to(self.device).float(), self.styles[places].to(self.device)
        return latents, styles, text.states, text.mask, text.pooled

    def text(self, sentences: Tensor) -> Text:
        """The sentences of these numbers, filled up to as many tokens as the model is used to."""
        missing = TOKENS - self.states.shape[1]
        states = torch.nn.functional.pad(self.states[sentences], (0, 0, 0, missing)).to(self.device, self.dtype)
        mask = torch.nn.functional.pad(self.mask[sentences], (0, missing)).to(self.device)
        return Text(states, self.pooled[sentences].to(self.device), mask)

    def shown(self, count: int) -> Tensor:
        """``count`` pictures to draw after, from the first to the last, of different sentences as far as there are."""
        firsts = torch.from_numpy(np.sort(np.unique(self.said.numpy(), return_index=True)[1]))
        if len(firsts) < count:
            return firsts.repeat(-(-count // len(firsts)))[:count]
        return firsts[torch.linspace(0, len(firsts) - 1, count).round().long()]

    def bytes_held(self) -> int:
        return sum(getattr(self, name).numel() * getattr(self, name).element_size() for name in _TENSORS)

    def save(self, path: Path, of: str) -> None:
        """Writes them durably; ``of`` names what they were made from."""
        header = {"format": FORMAT, "of": of, "written": json.dumps(self.written), "left_out": self.left_out}
        tensors = {name: getattr(self, name).contiguous() for name in _TENSORS}
        write_durably(path, safetensors.torch.save(tensors, header))


def load_examples(path: Path, of: str, device: torch.device, dtype: torch.dtype) -> OwnExamples | None:
    """Those that were saved, for ``device``; None where there are none, or where they were made from something else."""
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            if header.get("format") != FORMAT or header.get("of") != of:
                return None
            tensors = {name: file.get_tensor(name) for name in _TENSORS}
    except (FileNotFoundError, SafetensorError):
        return None
    written = tuple(json.loads(header["written"]))
    return OwnExamples(**tensors, written=written, left_out=header["left_out"], device=device, dtype=dtype)


class Encoding:
    """Pictures on their way to be examples, a few at a time."""

    def __init__(self, vae: StickerAutoencoder, tokenizer: Any, encoder: Any, device: torch.device) -> None:
        self._vae, self._tokenizer, self._encoder, self._device = vae, tokenizer, encoder, device
        self._latents: list[Tensor] = []
        self._styles: list[int] = []
        self._said: list[int] = []
        self._sentences: dict[str, int] = {}
        self._written: list[str] = []
        self._states: list[Tensor] = []
        self._pooled: list[Tensor] = []

    def __len__(self) -> int:
        return len(self._said)

    @torch.no_grad()
    def add(self, owns: Sequence[Own]) -> None:
        """Encodes some pictures and what is said of them, as far as it was not said before."""
        pictures = to_signed(torch.stack([torch.from_numpy(own.picture) for own in owns])).to(self._device)
        self._latents.append(self._vae.encode(pictures.to(self._vae.dtype)).to("cpu", torch.bfloat16))
        self._styles += [STYLES.index(own.style) if own.style else len(STYLES) for own in owns]
        new = {own.english: own.caption for own in owns if own.english not in self._sentences}
        for english, caption in new.items():
            self._sentences[english] = len(self._sentences)
            self._written.append(caption)
        self._said += [self._sentences[own.english] for own in owns]
        if new:
            self._encode(list(new))

    def _encode(self, sentences: list[str]) -> None:
        text = encode(self._tokenizer, self._encoder, sentences, longest=TOKENS)
        counts = text.mask.sum(1).tolist()
        self._states += [
            states[:count].to("cpu", torch.bfloat16) for states, count in zip(text.states, counts, strict=True)
        ]
        self._pooled += list(text.pooled.float().cpu())

    def examples(self, left_out: str, dtype: torch.dtype) -> OwnExamples:
        """All that were added."""
        counts = torch.tensor([len(states) for states in self._states])
        states = torch.nn.utils.rnn.pad_sequence(self._states, batch_first=True)
        return OwnExamples(
            latents=torch.cat(self._latents),
            styles=torch.tensor(self._styles),
            said=torch.tensor(self._said),
            states=states,
            mask=torch.arange(states.shape[1]) < counts.unsqueeze(1),
            pooled=torch.stack(self._pooled),
            written=tuple(self._written),
            left_out=left_out,
            device=self._device,
            dtype=dtype,
        )


def space_of(vae: StickerAutoencoder) -> str:
    """A name for the autoencoder's latents: a network trained in them draws nonsense in those of another one."""
    parts = [*vae.encoder.state_dict().items(), *vae.norm.state_dict().items()]
    digest = hashlib.sha256()
    for name, value in parts:
        digest.update(name.encode())
        # as the released weights are kept, so that it does not matter in which format they were loaded
        digest.update(value.detach().to("cpu", torch.bfloat16).float().numpy().tobytes())
    return digest.hexdigest()[:16]
