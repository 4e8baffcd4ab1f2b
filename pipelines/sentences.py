"""What a sentence means as 384 numbers: all-MiniLM-L6-v2 in numpy, for processes that have no torch.

A sentence of twenty words costs some ten milliseconds on one core, so the page looks things up by meaning without
asking the device and without a job. The weights stay in their file and are read as they are needed (a memory map), so
that they cost the process next to nothing. BERT after Devlin et al. 2019 (arXiv:1810.04805), pooled as
sentence-transformers does for this encoder: the mean over the tokens, of unit length. Reads English; Chinese is put
into English by the sticker model's dictionary first, as far as that goes.
"""

from __future__ import annotations

import json
import mmap
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pipelines.errors import StudioError
from pipelines.sticker.prompts import read_prompt

Array: TypeAlias = npt.NDArray[np.float32]

#: the catalogue's name of the encoder
ENCODER = "all-minilm-l6-v2"
#: tokens of a sentence that are read
LONGEST = 128
_FOREIGN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")
_TYPES: Mapping[str, type[Any]] = {"F32": np.float32, "F16": np.float16, "I64": np.int64}


class SentenceEncoder:
    """The encoder in ``folder`` (config.json, tokenizer.json, model.safetensors). ``encode`` may be called by several
    threads. Raises ``ValueError`` where the folder holds no BERT of this kind."""

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer  # a tenth of a second that most visits do not need

        config = json.loads((folder / "config.json").read_text("utf-8"))
        if config.get("model_type") != "bert" or config.get("hidden_act") != "gelu":
            raise ValueError(f"{folder} holds no BERT with GELU")
        self._heads = int(config["num_attention_heads"])
        self._layers = int(config["num_hidden_layers"])
        self._epsilon = float(config["layer_norm_eps"])
        self.width = int(config["hidden_size"])
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(min(LONGEST, int(config["max_position_embeddings"])))
        self._weights = _mapped(folder / "model.safetensors")

    def encode(self, sentence: str) -> Array:
        """``sentence`` as a vector [384] of unit length; zeros where nothing of it can be read."""
        words = in_english(sentence)
        if not words.strip():
            return np.zeros(self.width, np.float32)
        states = self._embed(np.array(self._tokenizer.encode(words).ids))
        for layer in range(self._layers):
            states = self._layer(states, f"encoder.layer.{layer}.")
        mean = states.mean(axis=0)
        return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), np.float32)

    def _embed(self, ids: npt.NDArray[np.int64]) -> Array:
        """[T] token numbers to [T, width]."""
        words, places, kinds = (
            self._weights[f"embeddings.{name}_embeddings.weight"] for name in ("word", "position", "token_type")
        )
        return self._normed(words[ids] + places[: len(ids)] + kinds[0], "embeddings.LayerNorm.")

    def _layer(self, states: Array, name: str) -> Array:
        heard = self._dense(self._attention(states, f"{name}attention.self."), f"{name}attention.output.dense.")
        states = self._normed(states + heard, f"{name}attention.output.LayerNorm.")
        inner = _gelu(self._dense(states, f"{name}intermediate.dense."))
        return self._normed(states + self._dense(inner, f"{name}output.dense."), f"{name}output.LayerNorm.")

    def _attention(self, states: Array, name: str) -> Array:
        """Each head's [T, T] of who listens to whom, over its share of the width."""
        tokens = len(states)
        query, key, value = (
            self._dense(states, f"{name}{part}.").reshape(tokens, self._heads, -1).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 2, 1) / np.sqrt(np.float32(query.shape[-1]))
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
        heard: Array = (scores @ value).transpose(1, 0, 2).reshape(tokens, -1)
        return heard

    def _dense(self, states: Array, name: str) -> Array:
        out: Array = states @ self._weights[f"{name}weight"].T + self._weights[f"{name}bias"]
        return out

    def _normed(self, states: Array, name: str) -> Array:
        centred = states - states.mean(axis=-1, keepdims=True)
        spread = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + np.float32(self._epsilon))
        out: Array = centred / spread * self._weights[f"{name}weight"] + self._weights[f"{name}bias"]
        return out


def in_english(sentence: str) -> str:
    """``sentence`` as the encoder can read it; empty where the dictionary knows nothing of it."""
    if not _FOREIGN.search(sentence):
        return sentence
    try:
        return read_prompt(sentence).english
    except StudioError:  # no word of it is in the dictionary, or it names a drawing style and nothing else
        return ""


def _gelu(x: Array) -> Array:
    """x times the normal distribution up to x, with erf after Abramowitz and Stegun 7.1.26 (error below 1.5e-7)."""
    z = np.abs(x) * np.float32(2**-0.5)
    t = 1 / (1 + np.float32(0.3275911) * z)
    series = ((((1.061405429 * t - 1.453152027) * t) + 1.421413741) * t - 0.284496736) * t + 0.254829592
    erf = np.sign(x) * (1 - series * t * np.exp(-z * z))
    return np.asarray(0.5 * x * (1 + erf), np.float32)


def _mapped(path: Path) -> dict[str, Array]:
    """Every tensor of a safetensors file as an array that is read from the file where it is used."""
    with path.open("rb") as file:
        whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    (length,) = struct.unpack("<Q", whole[:8])
    header = json.loads(whole[8 : 8 + length])
    found = {}
    for name, about in header.items():
        if name == "__metadata__":
            continue
        begin, end = about["data_offsets"]
        kind = np.dtype(_TYPES[about["dtype"]])
        count = (end - begin) // kind.itemsize
        found[name] = np.frombuffer(whole, kind, count, 8 + length + begin).reshape(about["shape"])
    return found
