"""A sticker model with tiny networks and random weights, in the folders the real one has: real code, a second to build.

Its encoder knows single letters, so any English is read; what it draws means nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from transformers import BertConfig, BertModel, BertTokenizer

from pipelines.sticker.autoencoder import StickerAutoencoder
from pipelines.sticker.pipeline import StickerPipeline
from pipelines.sticker.transformer import StickerTransformer
from pipelines.sticker.upscaler import StickerUpscaler

N = TypeVar("N", bound=torch.nn.Module)

WIDTH = 32
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def tiny_stickers(folder: Path, encoder: Path | None = None) -> Path:
    """Writes the model to ``folder``, whole; or with its text encoder in the folder ``encoder``, as it is shipped."""
    torch.manual_seed(0)
    pipe = StickerPipeline(
        tokenizer=_tokenizer(folder.with_name(f"{folder.name}-words")),
        text_encoder=BertModel(_encoder_config(), add_pooling_layer=False),
        transformer=_awake(
            StickerTransformer(outer_width=64, outer_depth=1, inner_depth=1, inner_width=64, text_width=WIDTH)
        ),
        vae=_awake(StickerAutoencoder(widths=(8, 8, 8), encoder_depth=(0, 0, 1), decoder_depth=(0, 0, 1))),
        upscaler=_awake(StickerUpscaler(width=8, depth=1)),
        scheduler=FlowMatchEulerDiscreteScheduler(),
    )
    pipe.set_progress_bar_config(disable=True)
    pipe.save_pretrained(folder)
    if encoder is not None:
        (folder / "text_encoder").rename(encoder)
        for file in (folder / "tokenizer").iterdir():
            file.rename(encoder / file.name)
        (folder / "tokenizer").rmdir()
    return folder


def _tokenizer(folder: Path) -> BertTokenizer:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    return BertTokenizer(str(folder / "vocab.txt"))


def _encoder_config() -> BertConfig:
    return BertConfig(
        vocab_size=5 + 2 * len(LETTERS),
        hidden_size=WIDTH,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
    )


def _awake(network: N) -> N:
    """Every weight random: as they are made, the last layers are zero, and nothing would depend on anything."""
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return network
