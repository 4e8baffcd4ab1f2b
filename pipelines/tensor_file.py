"""A safetensors file in memory, taken apart: what its header says, and its tensors."""

from __future__ import annotations

import json

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor


def take_apart(data: bytes) -> tuple[dict[str, str], dict[str, Tensor]]:
    """The header's own words and the tensors on the CPU. Raises ``ValueError`` with the reason for anything else."""
    try:
        tensors = safetensors.torch.load(data)
        length = int.from_bytes(data[:8], "little")  # safetensors: 8 bytes of length, then JSON, then the tensors
        header = json.loads(data[8 : 8 + length]).get("__metadata__", {})
    except (SafetensorError, ValueError, KeyError) as error:
        raise ValueError(f"it is not a whole safetensors file: {error}") from error
    return header, tensors
