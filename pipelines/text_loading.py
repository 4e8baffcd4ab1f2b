"""Reads a causal language model from a folder, and steps it token by token.

Knows transformers. Code that comes with a model is never run, weights are read from safetensors only; a GGUF file
is unpacked first (see ``gguf``). Does not know requests, sampling or turns.
"""

from __future__ import annotations

import inspect as inspect_code
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.cache_utils import DynamicCache
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from pipelines.base import Report
from pipelines.devices import Device
from pipelines.errors import StudioError
from pipelines.gguf import find_gguf, unpacked
from pipelines.text_rows import RowModel, row_model
from pipelines.text_speed import growing_cache, speed_up
from pipelines.verify import inspect

#: what transformers raises for a folder it cannot make sense of
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, ImportError, SafetensorError)


@dataclass(frozen=True)
class LanguageModel:
    """A causal language model, its tokenizer and what decoding needs to know of them. Holds no state of any text."""

    model: Any
    tokenizer: Any
    #: tokens after which nothing follows
    ends: frozenset[int]
    #: most tokens of prompt and text together; None where the model names no limit
    context: int | None
    #: a prompt may be read in pieces; models with a running state want it in one
    in_pieces: bool
    #: steps several texts in one pass; None where this kind of model cannot
    rows: RowModel | None
    _cache_name: str
    _last_only: dict[str, int]

    @property
    def device(self) -> torch.device:
        found = self.model.device
        assert isinstance(found, torch.device)
        return found

    def new_cache(self, room: int = 0) -> DynamicCache:
        """Room for the keys and values (or states) of one text, ``room`` tokens of them where that is known."""
        return growing_cache(self.model.config, room)

    @property
    def bytes_per_token(self) -> int:
        """What a token takes in a cache, all layers together; 0 where the model does not say."""
        config = self.model.config.get_text_config(decoder=True)
        heads = getattr(config, "num_key_value_heads", None) or getattr(config, "num_attention_heads", 0)
        if not heads:
            return 0
        size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        return 2 * int(config.num_hidden_layers) * int(heads) * int(size) * int(self.model.dtype.itemsize)

    def step(self, token: int, cache: DynamicCache) -> torch.Tensor:
        """Reads one token of one text: the same logits (vocabulary,) that it would get in company."""
        return self.logits([token], cache) if self.rows is None else self.rows.step([token], [cache])[0]

    @torch.inference_mode()
    def logits(self, tokens: list[int], cache: DynamicCache) -> torch.Tensor:
        """Reads ``tokens`` after those in ``cache``; returns the logits (vocabulary,) of what comes next."""
        ids = torch.tensor([tokens], device=self.device)  # (1, tokens)
        out = self.model(input_ids=ids, use_cache=True, **{self._cache_name: cache}, **self._last_only)
        row = out.logits[0, -1]
        assert isinstance(row, torch.Tensor)
        return row


def load_language_model(weights: Path, device: Device, report: Report) -> LanguageModel:
    """The model in ``weights``: a folder as ``save_pretrained`` writes it, a GGUF file, or a folder with one.

    Raises ``StudioError`` for pickled weights, for what is no causal language model, and for what is damaged.
    """
    inspect(weights, weights.name)  # pickles are refused here, unopened
    gguf = find_gguf(weights)
    folder = weights if gguf is None else unpacked(gguf, report)
    name = weights.name if gguf is None else gguf.name
    size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    report("loading", 0, size, "byte")
    with _readable(folder, name):
        _refuse_other_models(folder, name)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        model = _read(folder, device, name)
    report("loading", size, size, "byte")
    accepted = inspect_code.signature(model.forward).parameters
    return LanguageModel(
        model,
        tokenizer,
        _ends(model, tokenizer),
        getattr(model.config.get_text_config(decoder=True), "max_position_embeddings", None),
        not getattr(model, "_is_stateful", False),
        row_model(model),
        "past_key_values" if "past_key_values" in accepted else "cache_params",
        {"logits_to_keep": 1} if "logits_to_keep" in accepted else {},
    )


@contextmanager
def _readable(folder: Path, name: str) -> Iterator[None]:
    """Says in a sentence what transformers says in an exception, without this machine's paths."""
    try:
        yield
    except _UNREADABLE as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].replace(str(folder), name)
        raise StudioError(
            "text.unreadable",
            "{name} could not be read as a language model: {reason}. Check that all its files are there and whole.",
            name=name,
            reason=reason[:200].rstrip("."),
        ) from error


def _refuse_other_models(folder: Path, name: str) -> None:
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    classes = set(config.architectures or ())
    causal: set[str] = set()
    for entry in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values():
        causal.update([entry] if isinstance(entry, str) else entry)
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING or (classes and not classes & causal):
        raise StudioError(
            "text.other",
            "{name} is not a model that writes text: it is a {found}. Choose a causal language model, one whose "
            "config.json names a class that ends in ForCausalLM.",
            name=name,
            found=", ".join(sorted(classes)) or str(config.model_type),
        )


def _read(folder: Path, device: Device, name: str) -> Any:
    """The model on its device. Tensors are mapped from the file, so that on a CPU nothing is copied."""
    read: Any = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=device.torch_dtype,
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
        ignore_mismatched_sizes=True,  # told apart below, in words
        output_loading_info=True,
    )
    model, found = read
    wrong = sorted(found["missing_keys"]) + sorted(str(key[0]) for key in found["mismatched_keys"])
    if wrong:
        raise StudioError(
            "text.incomplete",
            "The weights of {name} lack {count} of the tensors its config.json asks for, {first} among them. With "
            "random numbers in their place the text would be noise, so it is not loaded.",
            name=name,
            count=len(wrong),
            first=wrong[0],
        )
    if not model._supports_default_dynamic_cache():
        raise StudioError(
            "text.cache", "Models of the kind {kind} cannot be stepped here yet.", kind=type(model).__name__
        )
    model.eval().requires_grad_(False).to(device.torch_device)
    speed_up(model)
    return model


def _ends(model: Any, tokenizer: Any) -> frozenset[int]:
    """End tokens as ``generate`` knows them (one or a list), and the tokenizer's own: chat models differ in which."""
    named = model.generation_config.eos_token_id if model.generation_config else model.config.eos_token_id
    ends = named if isinstance(named, (list, tuple)) else [named]
    return frozenset(int(end) for end in (*ends, tokenizer.eos_token_id) if end is not None)
