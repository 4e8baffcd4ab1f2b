"""The transformer that was trained on a person's pictures, as one safetensors file that says what it is.

Drawing with it takes the rest of a sticker model: the autoencoder whose latents it was trained in, named in its header,
the sentence encoder and the upscaler. A file is judged before anything is built: its network is of the shape of the
model's own, and its tensors are exactly that network's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from pipelines.errors import StudioError
from pipelines.sticker.network import Network
from pipelines.sticker.trainer import plain_config
from pipelines.sticker.transformer import StickerTransformer
from pipelines.tensor_file import take_apart

FORMAT = "atelier-sticker-transformer/1"
MAX_FILE = 256 * 2**20


def pack(network: Network, space: str, history: Mapping[str, Any]) -> bytes:
    """The file, in bfloat16. ``space`` names the latents it draws; ``history`` goes into the header, as text."""
    header = {name: value if isinstance(value, str) else json.dumps(value) for name, value in history.items()}
    header |= {"format": FORMAT, "network": json.dumps(plain_config(network)), "space": space}
    tensors = {name: value.detach().to("cpu", torch.bfloat16) for name, value in network.state_dict().items()}
    return safetensors.torch.save({name: tensor.contiguous() for name, tensor in tensors.items()}, header)


def unpack(data: bytes, like: StickerTransformer, space: str) -> tuple[StickerTransformer, dict[str, str]]:
    """The network in ``data`` on the device and in the format of ``like``, and its header.

    Raises ``StudioError`` where it is no such file, or one for another model than ``like`` in ``space``.
    """
    if len(data) > MAX_FILE:
        raise _refused(f"it has {len(data) >> 20} MB; at most {MAX_FILE >> 20} are read")
    try:
        header, tensors = take_apart(data)
    except ValueError as error:
        raise _refused(str(error)) from error
    if header.get("format") != FORMAT:
        raise _refused("it was not made by training the sticker model here")
    if header.get("space") != space or header.get("network") != json.dumps(plain_config(like)):
        raise _refused("it was trained for another sticker model than this one")
    with torch.device("meta"):
        network = StickerTransformer(**plain_config(like))
    _check(network, tensors)
    network.load_state_dict({name: value.to(like.device, like.dtype) for name, value in tensors.items()}, assign=True)
    return network.requires_grad_(False).eval(), header


def _check(network: StickerTransformer, tensors: Mapping[str, Tensor]) -> None:
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if wanted != found:
        name = sorted(name for name in wanted | found if wanted.get(name) != found.get(name))[0]
        raise _refused(f"its tensor {name} is {found.get(name, 'missing')}, and {wanted.get(name, 'none')} is needed")
    for name, tensor in tensors.items():
        if tensor.dtype != torch.bfloat16:
            raise _refused(f"its tensor {name} is {str(tensor.dtype).removeprefix('torch.')}, not bfloat16")
        if not bool(torch.isfinite(tensor).all()):
            raise _refused(f"its tensor {name} holds values that are no numbers")


def _refused(reason: str) -> StudioError:
    return StudioError(
        "own.weights", "These weights cannot be drawn with: {reason}. Choose others.", reason=reason[:200]
    )
