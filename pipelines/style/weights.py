"""Reads the weights of this folder's networks from safetensors, 8-bit ones as float.

Knows one convention: an integer tensor ``name`` [out, ...] has its scale ``name_scale`` [out] beside it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from pipelines.errors import StudioError

M = TypeVar("M", bound=nn.Module)


def fill(module: M, path: Path, device: torch.device) -> tuple[M, str]:
    """Loads ``path`` into ``module`` in float32 and moves it; also returns the file's sha256.

    Raises ``StudioError`` where the file is missing, damaged or of another network.
    """
    try:
        data = path.read_bytes()
        module.load_state_dict(dequantised(load(data)))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise StudioError(
            "style.weights",
            "The weights {name} are missing or are not those of this network ({reason}). Fetch the style models again.",
            name=path.name,
            reason=str(error).splitlines()[0][:120],
        ) from error
    module.requires_grad_(False).eval().to(device)
    return module, hashlib.sha256(data).hexdigest()


def narrow(module: nn.Module, dtype: torch.dtype) -> None:
    """Turns the convolutions of ``module`` to ``dtype``.

    Scales and offsets of normalisations stay float32: a rounding there would shift a whole channel.
    """
    for part in module.modules():
        for name, values in part.named_parameters(recurse=False):
            if values.dim() == 4 or (name == "bias" and isinstance(part, nn.Conv2d)):
                values.data = values.data.to(dtype)


def dequantised(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """All tensors as float32; integers times their scale, which is left out then."""
    out = {}
    for name, values in tensors.items():
        if name.endswith("_scale"):
            continue
        scale = tensors.get(f"{name}_scale")
        out[name] = values if scale is None else values.float() * scale.view(-1, *[1] * (values.dim() - 1))
    return out
