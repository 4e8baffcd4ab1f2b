"""What a sentence is to the model: the token states of all-MiniLM-L6-v2, and their mean.

The encoder is a published one (Apache-2.0) that was trained on a billion pairs of sentences, so words the stickers
never had a name with still land near words they had. It reads English. Knows sentences and vectors, not pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize, pad
from transformers import AutoModel, AutoTokenizer

#: tokens a sentence is filled up to; longer ones are read up to ``LONGEST``
TOKENS, LONGEST = 16, 32
WIDTH = 384


@dataclass(frozen=True)
class Text:
    """``states`` [B, T, 384], zero where ``mask`` [B, T] is false; ``pooled`` [B, 384] of unit length."""

    states: Tensor
    pooled: Tensor
    mask: Tensor


def joined(one: Text, other: Text) -> Text:
    """Both in one batch; the shorter is filled up with nothing."""
    tokens = max(one.mask.shape[1], other.mask.shape[1])
    parts = [
        (pad(text.states, (0, 0, 0, tokens - text.mask.shape[1])), pad(text.mask, (0, tokens - text.mask.shape[1])))
        for text in (one, other)
    ]
    states, masks = (torch.cat(each) for each in zip(*parts, strict=True))
    return Text(states, torch.cat([one.pooled, other.pooled]), masks)


def open_encoder(folder: Path) -> tuple[Any, Any]:
    """Tokenizer and encoder in ``folder``, bfloat16, ready to read."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    encoder = AutoModel.from_pretrained(folder, dtype=torch.bfloat16, add_pooling_layer=False)
    return tokenizer, encoder.eval().requires_grad_(False)


@torch.no_grad()
def encode(tokenizer: Any, encoder: Any, captions: Sequence[str], longest: int = LONGEST) -> Text:
    """``captions`` as the model reads them: filled up to ``TOKENS`` tokens, cut after ``longest``.

    The pooled vector is sentence-transformers' for this encoder: the mean over the tokens, of unit length.
    """
    words = tokenizer(list(captions), padding=True, truncation=True, max_length=longest, return_tensors="pt")
    missing = TOKENS - words["input_ids"].shape[1]
    place = next(encoder.parameters()).device
    ids = pad(words["input_ids"], (0, max(0, missing)), value=tokenizer.pad_token_id or 0).to(place)
    mask = pad(words["attention_mask"], (0, max(0, missing))).to(place)
    states = encoder(input_ids=ids, attention_mask=mask).last_hidden_state
    states = states * mask.unsqueeze(-1).to(states.dtype)
    mean = states.float().sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
    return Text(states, normalize(mean, dim=-1), mask.bool())


def encode_each(tokenizer: Any, encoder: Any, sentences: Sequence[str]) -> Text:
    """The same, one sentence at a time: what one is to the model does not depend on which others are read with it.

    Only where one is longer than ``TOKENS`` are the others filled up to its length.
    """
    known = {sentence: encode(tokenizer, encoder, [sentence]) for sentence in dict.fromkeys(sentences)}
    return reduce(joined, (known[sentence] for sentence in sentences))


def length(tokenizer: Any, sentence: str) -> int:
    """How many tokens ``sentence`` takes in a batch, those it is filled up with among them."""
    words = tokenizer(sentence, truncation=True, max_length=LONGEST)["input_ids"]
    return max(TOKENS, len(words))
