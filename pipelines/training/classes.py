"""How a network is told the class of a picture. With no classes both modules hold nothing and change nothing."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Labelled(nn.Module):
    """Appends an embedding of the class, ``size`` numbers learned for each, to what goes in.

    Concatenation as in Mirza and Osindero 2014, of an embedding instead of a one-hot vector.
    """

    def __init__(self, classes: int, size: int) -> None:
        super().__init__()
        self.size = size if classes else 0
        self.embedding = nn.Embedding(classes, size) if classes else None

    def forward(self, values: Tensor, labels: Tensor | None) -> Tensor:
        """(B, n) and classes (B,) -> (B, n + size)."""
        if self.embedding is None:
            return values
        return torch.cat([values, self.embedding(labels)], 1)


class Projection(nn.Embedding):
    """<v_y, h>: what the features speak for a picture's being of its class (Miyato and Koyama 2018, eq. 4)."""

    def forward(self, features: Tensor, labels: Tensor | None = None) -> Tensor:
        """Features (B, n) and classes (B,) -> what is to be added to the logits (B,)."""
        return (features * self.vectors[labels]).sum(1)

    @property
    def vectors(self) -> Tensor:
        """(classes, n)."""
        return self.weight
