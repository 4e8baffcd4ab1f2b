"""Replacements that make one token after another cheaper and change no number.

Knows torch and transformers' cache. ``RowLinear`` multiplies one row with a matrix-vector product, ``GrowingLayer``
writes keys and values in place where the original copies the whole past for each token. ``put_into_lanes`` makes
layers take a few texts at a time, always as many (see ``text_rows``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from transformers.cache_utils import DynamicCache, DynamicLayer
from transformers.pytorch_utils import Conv1D

_ROOM = 256  # tokens of room a layer begins with beyond its first ones


class RowLinear(nn.Linear):
    """A linear layer that is quicker for a single row of bfloat16 on a CPU.

    There the general product reorders the weights for each call; ``mv`` reads them once. Measured on one core of a
    CPU with avx512_bf16: 1.4 to 2 times as fast for matrices of 576 x 576 to 49152 x 576, the same results.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., in) -> (..., out)"""
        if x.numel() != self.in_features:
            return super().forward(x)
        row = x.reshape(-1)
        out = torch.mv(self.weight, row) if self.bias is None else torch.addmv(self.bias, self.weight, row)
        return out.view(*x.shape[:-1], self.out_features)


def speed_up(model: nn.Module) -> None:
    """Turns the linear layers of ``model`` into ``RowLinear`` where that pays: bfloat16 on a CPU."""
    for layer in model.modules():
        if type(layer) is nn.Linear and layer.weight.device.type == "cpu" and layer.weight.dtype == torch.bfloat16:
            layer.__class__ = RowLinear


class LaneLinear(nn.Linear):
    """A linear layer that multiplies ``lanes`` texts at a time: on a CPU another number may sum in another order."""

    lanes = 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(texts, tokens, in) -> (texts, tokens, out)"""
        return _in_lanes(super().forward, x, self.lanes)


class LaneConv1D(Conv1D):
    """The same for GPT-2's transposed linear layers."""

    lanes = 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(texts, tokens, in) -> (texts, tokens, out)"""
        return _in_lanes(super().forward, x, self.lanes)


def _in_lanes(multiply: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor, lanes: int) -> torch.Tensor:
    if x.shape[0] <= lanes:
        return multiply(x)
    return torch.cat([multiply(x[start : start + lanes]) for start in range(0, x.shape[0], lanes)])


def put_into_lanes(model: nn.Module, lanes: int) -> None:
    """Makes the layers of ``model`` that multiply with weights take ``lanes`` texts at a time."""
    if lanes == 1:
        return
    for layer in model.modules():
        kind = {nn.Linear: LaneLinear, Conv1D: LaneConv1D}.get(type(layer))
        if kind is not None:
            layer.__class__ = kind
            layer.lanes = lanes  # type: ignore[assignment]


class GrowingLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """Keys and values of one layer in buffers that double: ``keys``, ``values`` are views of their filled part.

    Shapes as in ``DynamicLayer``: (batch, heads, tokens, size of a head). ``room``: tokens that will come, where that
    is known; then the buffers are made once and as large, and no later step can fail for want of memory.
    """

    room = 0

    def update(
        self,
        key_states: torch.Tensor,
        value_states: torch.Tensor,
        *args: Any,  # noqa: ARG002 - the base class's signature
        **kwargs: Any,  # noqa: ARG002
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self._keys, self._values, self._length = key_states[:, :, :0], value_states[:, :, :0], 0
        begin, end = self._length, self._length + key_states.shape[-2]
        if end > self._keys.shape[-2]:
            room = max(self.room, end) if self.room else max(2 * self._keys.shape[-2], end + _ROOM)
            self._keys, self._values = _grown(self._keys, begin, room), _grown(self._values, begin, room)
        self._keys[:, :, begin:end] = key_states
        self._values[:, :, begin:end] = value_states
        self.cut(end)
        assert self.keys is not None
        assert self.values is not None
        return self.keys, self.values

    def cut(self, length: int) -> None:
        """Only the first ``length`` tokens count; what lies behind them will be written over."""
        if self.is_initialized:
            self._length = length
            self.keys, self.values = self._keys[:, :, :length], self._values[:, :, :length]


def _grown(buffer: torch.Tensor, filled: int, room: int) -> torch.Tensor:
    batch, heads, _, size = buffer.shape
    larger = buffer.new_empty(batch, heads, room, size)
    larger[:, :, :filled] = buffer[:, :, :filled]
    return larger


def _growing(room: int) -> GrowingLayer:
    layer = GrowingLayer()  # type: ignore[no-untyped-call]
    layer.room = room
    return layer


def growing_cache(config: Any, room: int = 0) -> DynamicCache:
    """A fresh cache for one text, of ``room`` tokens where that is known. Layers with a window or a state of their own
    stay as transformers makes them."""
    cache = DynamicCache(config=config)
    cache.layers = [_growing(room) if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache
