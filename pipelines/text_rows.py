"""One step of several texts in one pass over the weights, each row with the very numbers it would have alone.

What reads weights (linear layers) takes all rows together; attention, whose shapes depend on how long each text is,
runs row by row on that text's own cache, as in Orca (Yu et al. 2022, "selective batching"). So there is no padding, no
mask and no cache to merge: a text joins or leaves between two steps. A product of matrices may sum in another order
for another number of rows, so the rows are filled up to a multiple of ``lanes``, and products take that many at a time.

Measured for SmolLM2-135M on a CPU with avx512_bf16 and amx, 8 texts beside each of them alone: in bfloat16 no logit of
128 steps differed, in float32 with 3 lanes none of 96; without lanes all 240 did, by up to 3e-5. That is measured, not
promised, for other processors: ``prove`` looks before texts share a step on this machine, and where a single number
differs they never do. Knows transformers; not requests, sampling or turns.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.cache_utils import Cache, DynamicCache, DynamicSlidingWindowLayer
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask
from transformers.pytorch_utils import Conv1D

from pipelines.text_speed import GrowingLayer, growing_cache, put_into_lanes

log = logging.getLogger(__name__)

#: the name under which transformers finds the attention below
ATTENTION = "atelier_rows"
#: most rows of a step. Beyond 8 a CPU computes as long as it reads, so a row more costs what it brings; on a GPU it is
#: the rows of one tile of its matrix units, which a single row fills as well
WIDTH = {"cpu": 8, "cuda": 16}


class PerRow(list[torch.Tensor]):
    """Keys or values of several texts, each (1, heads, its own length, size of a head)."""


class RowsCache(Cache):
    """The caches of several texts, seen by the model as one: row i is that of ``caches[i]``, further ones nobody's."""

    def __init__(self, caches: Sequence[DynamicCache]) -> None:
        super().__init__(layers=caches[0].layers)
        self._caches = caches

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *_: Any, **__: Any) -> Any:
        """Adds a token to each; returns all that each may look at."""
        keys, values = PerRow(), PerRow()
        for row, cache in enumerate(self._caches):
            layer: Any = cache.layers[layer_idx]
            k, v = layer.update(key_states[row : row + 1], value_states[row : row + 1])
            keys.append(k)
            values.append(v)
        return keys, values


def _attention(module: nn.Module, query: torch.Tensor, key: Any, value: Any, mask: Any, **more: Any) -> Any:
    """Attention as transformers computes it: of one text with its mask, or of several, each as if it were alone."""
    if not isinstance(key, PerRow):
        return sdpa_attention_forward(module, query, key, value, mask, **more)
    rows = [
        sdpa_attention_forward(module, query[row : row + 1], k, v, None, **more)[0]
        for row, (k, v) in enumerate(zip(key, value, strict=True))
    ]
    if unused := query.shape[0] - len(rows):
        rows.append(rows[0].new_zeros(unused, *rows[0].shape[1:]))
    return torch.cat(rows), None


def _mask(**given: Any) -> Any:
    """A single new token looks at all that its cache returns, so it needs none."""
    return None if given["q_length"] == 1 else sdpa_mask(**given)


AttentionInterface.register(ATTENTION, _attention)
AttentionMaskInterface.register(ATTENTION, _mask)


class RowModel:
    """Steps texts of one model together. ``width`` rows at most."""

    def __init__(self, model: Any, lanes: int, width: int) -> None:
        self._model = model
        self._lanes = lanes
        self.width = width
        self._proven: bool | None = None

    @torch.inference_mode()
    def step(self, tokens: Sequence[int], caches: Sequence[DynamicCache]) -> torch.Tensor:
        """Reads a token for each text; returns the logits (texts, vocabulary). Whatever it raises, no cache changed."""
        before = [_state(cache) for cache in caches]
        try:
            return self._forward(tokens, caches)
        except BaseException:
            for cache, state in zip(caches, before, strict=True):
                _restore(cache, state)
            raise

    def _forward(self, tokens: Sequence[int], caches: Sequence[DynamicCache]) -> torch.Tensor:
        unused = [0] * (-len(tokens) % self._lanes)
        places = [cache.get_seq_length() for cache in caches]
        ids = torch.tensor([*tokens, *unused], device=self._model.device)
        out = self._model(
            input_ids=ids[:, None],
            position_ids=torch.tensor([*places, *unused], device=ids.device)[:, None],
            past_key_values=RowsCache(caches),
            use_cache=True,
        )
        logits = out.logits[: len(tokens), -1]
        assert isinstance(logits, torch.Tensor)
        return logits

    @property
    def proven(self) -> bool | None:
        """Whether rows come out the same in company as alone, bit for bit; None before ``prove`` has looked."""
        return self._proven

    def prove(self, between: Callable[[], object]) -> None:
        """Compares a full step with each of its rows alone. ``between`` is called after each pass and may raise."""
        begin = growing_cache(self._model.config)
        ids = torch.arange(1, 6, device=self._model.device)[None]  # any five tokens
        with torch.inference_mode():
            self._model(input_ids=ids, past_key_values=begin, use_cache=True)
        caches = [copy.deepcopy(begin) for _ in range(self.width)]
        alone = []
        for token, cache in enumerate(caches):
            between()
            alone.append(self.step([token], [copy.deepcopy(cache)])[0])
        between()
        together = self.step(range(self.width), caches)
        self._proven = torch.equal(together, torch.stack(alone))
        if not self._proven:
            log.warning("texts of %s differ in company, so each is stepped alone", type(self._model).__name__)


def row_model(model: Any) -> RowModel | None:
    """``model`` made ready to step several texts, or None where it is of a kind that cannot."""
    if not _fits(model):
        return None
    where = model.device.type
    width = WIDTH.get(where, 8)
    exact = where == "cpu" and model.dtype == torch.bfloat16  # sums in float32 and rounds: any number of rows will do
    lanes = 1 if exact else 3 if where == "cpu" else width
    model.set_attn_implementation(ATTENTION)
    if lanes < width:
        put_into_lanes(model, lanes)
    return RowModel(model, lanes, width)


def _fits(model: Any) -> bool:
    """Attention through transformers' interface over plain caches, positions as given, weights in plain layers."""
    config = model.config.get_text_config(decoder=True)
    layers = growing_cache(model.config).layers
    weights = (nn.Linear, nn.Embedding, Conv1D)
    return (
        bool(getattr(model, "_supports_attention_backend", False))
        and model.config._attn_implementation == "sdpa"
        and "chunked_attention" not in (getattr(config, "layer_types", None) or ())
        and len(layers) > 0
        and all(type(layer) in (GrowingLayer, DynamicSlidingWindowLayer) for layer in layers)
        and all(
            isinstance(module, weights) or all(p.dim() < 2 for p in module.parameters(recurse=False))
            for module in model.modules()
        )
    )


# ------------------------------------------------------------------------------------- taking a step back


def _state(cache: DynamicCache) -> list[Any]:
    """What it takes to undo a token: the length, or where a window slides the very tensors, which steps replace."""
    layers: list[Any] = cache.layers
    return [
        layer.get_seq_length()
        if isinstance(layer, GrowingLayer)
        else (layer.keys, layer.values, layer.cumulative_length)
        for layer in layers
    ]


def _restore(cache: DynamicCache, state: list[Any]) -> None:
    layers: list[Any] = cache.layers
    for layer, before in zip(layers, state, strict=True):
        if isinstance(layer, GrowingLayer):
            layer.cut(before)
        else:
            layer.keys, layer.values, layer.cumulative_length = before
