"""Sticker pictures as latents and back: 64 x 64 x 4 to 8 x 8 x 16.

Why latents: a patch of 8 x 8 pixels predicted at once shows its border until very late in a training, and most of a
picture's numbers say nothing (flat colour, nothing at all). Here a convolutional decoder draws the borders, and the
sentence has to explain 1,024 numbers instead of 16,384.

The latents have unit variance by construction (a batch normalisation without weights, Ioffe and Szegedy 2015), and
noise is added to them while training, so that the decoder draws clean pictures from latents that are not exact; that
takes the place of the KL term of a VAE. Colours are premultiplied: what cannot be seen has one colour, none.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from diffusers import ModelMixin  # noqa: F401 - by this name diffusers knows that it can load a class of this module
from torch import Tensor, nn

from pipelines.sticker.network import Network, remembered


@dataclass
class Decoded:
    """``sample``: [B, 4, 64, 64] in -1..1."""

    sample: Tensor


class Residual(nn.Module):
    """x + conv(silu(norm(conv(silu(norm(x)))))), at one resolution (He et al. 2016, pre-activated)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm_in = nn.GroupNorm(8, width)
        self.conv_in = nn.Conv2d(width, width, 3, padding=1)
        self.norm_out = nn.GroupNorm(8, width)
        self.conv_out = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.conv_in(F.silu(self.norm_in(x)))
        out: Tensor = x + self.conv_out(F.silu(self.norm_out(inner)))
        return out


def _residuals(count: int, width: int) -> list[Residual]:
    return [Residual(width) for _ in range(count)]


class StickerAutoencoder(Network):
    """Encoder and decoder. ``widths``: channels at 1/2, 1/4 and 1/8 of the edge, with so many residual blocks each."""

    @remembered
    def __init__(
        self,
        in_channels: int = 4,
        latent_channels: int = 16,
        widths: tuple[int, int, int] = (64, 128, 160),
        encoder_depth: tuple[int, int, int] = (0, 1, 2),
        decoder_depth: tuple[int, int, int] = (2, 2, 3),
        sample_size: int = 64,  # noqa: ARG002 - kept in the configuration, for who reads it
        scaling_factor: float = 1.0,  # noqa: ARG002
    ) -> None:
        super().__init__()
        fine, middle, coarse = widths
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(2),
            nn.Conv2d(4 * in_channels, fine, 3, padding=1),
            *_residuals(encoder_depth[0], fine),
            nn.Conv2d(fine, middle, 4, stride=2, padding=1),
            *_residuals(encoder_depth[1], middle),
            nn.Conv2d(middle, coarse, 4, stride=2, padding=1),
            *_residuals(encoder_depth[2], coarse),
            nn.GroupNorm(8, coarse),
            nn.SiLU(),
            nn.Conv2d(coarse, latent_channels, 3, padding=1),
        )
        self.norm = nn.BatchNorm2d(latent_channels, affine=False, momentum=0.01)
        # nothing is computed at full resolution: the last convolution gives the 2 x 2 pixels of each place at once
        self.decoder = nn.Sequential(
            nn.Conv2d(latent_channels, coarse, 3, padding=1),
            *_residuals(decoder_depth[2], coarse),
            nn.Conv2d(coarse, 4 * middle, 1),
            nn.PixelShuffle(2),
            *_residuals(decoder_depth[1], middle),
            nn.Conv2d(middle, 4 * fine, 1),
            nn.PixelShuffle(2),
            *_residuals(decoder_depth[0], fine),
            nn.SiLU(),
            nn.Conv2d(fine, 4 * in_channels, 3, padding=1),
            nn.PixelShuffle(2),
        )

    def encode(self, pictures: Tensor) -> Tensor:
        """[B, 4, 64, 64] in -1..1, premultiplied -> latents [B, 16, 8, 8] of about unit variance."""
        found: Tensor = self.norm(self.encoder(pictures).float())
        return found

    def draw(self, latents: Tensor) -> Tensor:
        """[B, 16, 8, 8] -> [B, 4, 64, 64], about -1..1, premultiplied."""
        drawn: Tensor = self.decoder(latents)
        return drawn

    def decode(self, latents: Tensor, return_dict: bool = True) -> Decoded | tuple[Tensor]:
        """What ``draw`` gives, wrapped as diffusers' autoencoders wrap it."""
        return Decoded(self.draw(latents)) if return_dict else (self.draw(latents),)

    def forward(self, pictures: Tensor, noise: Tensor) -> Tensor:
        """Pictures drawn again from their latents plus ``noise`` [B, 16, 8, 8]."""
        return self.draw(self.encode(pictures) + noise)
