"""Opens a sticker model: its own networks, and the published sentence encoder they were trained with.

Reads safetensors only, and imports nothing by a name that stands in a file: which classes there are is written here.
A network with a weight missing is refused, as what is drawn with a random one is no sticker. Knows folders and number
formats; not prompts and not the catalogue.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from safetensors import SafetensorError
from torch import nn
from transformers import BertModel, BertTokenizer

from pipelines.errors import StudioError
from pipelines.sticker.autoencoder import StickerAutoencoder
from pipelines.sticker.pipeline import StickerPipeline
from pipelines.sticker.text import LONGEST
from pipelines.sticker.transformer import StickerTransformer
from pipelines.sticker.upscaler import StickerUpscaler

log = logging.getLogger(__name__)

T = TypeVar("T")
N = TypeVar("N", bound=nn.Module)


class _Encoder(BertModel):  # type: ignore[no-untyped-call]
    """Without its last layer, which only other uses of BERT need: that its weights are in the file is no mistake."""

    _keys_to_ignore_on_load_unexpected = [r"pooler\."]  # noqa: RUF012 - the library adds to it


def open_stickers(folder: Path, encoder: Path, device: torch.device, dtype: torch.dtype) -> StickerPipeline:
    """The pipeline of ``folder`` on ``device``, its networks in ``dtype``; ``encoder`` holds the text encoder.

    The tokenizer lies beside the encoder's weights, or in a folder of its own beside them, as diffusers saves it.
    Raises ``StudioError`` where a part is missing or damaged.
    """
    words = encoder if (encoder / "tokenizer_config.json").is_file() else encoder.with_name("tokenizer")
    parts: dict[str, Any] = {
        "tokenizer": _read("tokenizer", folder, lambda: _tokenizer(words)),
        "text_encoder": _read("text_encoder", folder, lambda: _network(_Encoder, encoder, dtype, pooling=False)),
        "transformer": _read(
            "transformer", folder, lambda: _network(StickerTransformer, folder / "transformer", dtype)
        ),
        "vae": _read("vae", folder, lambda: _autoencoder(folder / "vae", dtype)),
        "upscaler": _read("upscaler", folder, lambda: _network(StickerUpscaler, folder / "upscaler", dtype)),
        "scheduler": _read("scheduler", folder, lambda: _scheduler(folder / "scheduler")),
    }
    for part in parts.values():
        if isinstance(part, nn.Module):
            part.eval().requires_grad_(False).to(device)
    if device.type == "cpu":  # the order in which a CPU's convolutions read pictures
        for name in ("vae", "upscaler"):
            parts[name].to(memory_format=torch.channels_last)
    return StickerPipeline(**parts)


def _read(part: str, folder: Path, read: Callable[[], T]) -> T:
    try:
        return read()
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError) as error:
        log.warning("opening %s of %s failed: %s", part, folder, error)
        raise StudioError(
            "sticker.broken",
            "The {part} of the sticker model {name} is missing or damaged. Run python -m studio.models verify to see "
            "which files are not what they were; the log has the details.",
            part=part,
            name=folder.name,
        ) from error


def _tokenizer(folder: Path) -> BertTokenizer:
    tokenizer: BertTokenizer = BertTokenizer.from_pretrained(folder, local_files_only=True)
    tokenizer.model_max_length = LONGEST  # what is read of a prompt, which is less than the encoder could
    return tokenizer


def _scheduler(folder: Path) -> FlowMatchEulerDiscreteScheduler:
    kind: Any = FlowMatchEulerDiscreteScheduler
    found: FlowMatchEulerDiscreteScheduler = kind.from_pretrained(folder, local_files_only=True)
    return found


def _network(kind: type[N], folder: Path, dtype: torch.dtype, pooling: bool | None = None) -> N:
    """Raises ``ValueError`` where a weight is missing: both libraries would only warn, and take a random one."""
    more = {} if pooling is None else {"add_pooling_layer": pooling}
    reader: Any = kind
    network, told = reader.from_pretrained(
        folder, dtype=dtype, use_safetensors=True, local_files_only=True, output_loading_info=True, **more
    )
    if missing := sorted(told["missing_keys"]):
        raise ValueError(f"{len(missing)} weights are missing, the first is {missing[0]}")
    found: N = network
    return found


def _autoencoder(folder: Path, dtype: torch.dtype) -> StickerAutoencoder:
    """Its normalisation, which holds the mean and variance of all latents, stays in float32."""
    found = _network(StickerAutoencoder, folder, torch.float32)
    found.encoder.to(dtype)
    found.decoder.to(dtype)
    return found
