"""Every random number of a training as a function of its seed, what it is for, and the step.

There is no stream to be continued, so there is none to be lost: a training that resumes at step n draws the same
noise as one that was never interrupted, and two uses never disturb each other. Torch's global generator is left alone.
"""

from __future__ import annotations

import hashlib

import torch


class Randomness:
    """Generators on ``device`` for one seed."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self.seed = seed
        self.device = device

    def generator(self, purpose: str, step: int = 0, device: torch.device | None = None) -> torch.Generator:
        """A fresh generator for ``purpose`` at ``step``. Torch's CPU generator takes 32 bits, so 32 are drawn."""
        words = f"{self.seed}/{purpose}/{step}".encode()
        number = int.from_bytes(hashlib.blake2b(words, digest_size=4).digest(), "little")
        return torch.Generator(device or self.device).manual_seed(number)

    def noise(self, purpose: str, step: int, count: int, latent: int) -> torch.Tensor:
        """Standard normal noise (count, latent), float32."""
        return torch.randn(count, latent, generator=self.generator(purpose, step), device=self.device)
