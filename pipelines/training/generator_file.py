"""The generator as a safetensors file that says what it is: written at the end of a training, read to draw from it.

Everything needed to build the network stands in the header, so the file is enough anywhere. A file is judged before
anything is built: its header names a known network of an allowed shape, and its tensors are exactly that network's.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from pipelines.errors import StudioError
from pipelines.tensor_file import take_apart
from pipelines.training.networks import GENERATORS, place
from pipelines.training.shape import Shape

FORMAT = "atelier-generator/1"
MAX_FILE = 512 * 2**20
#: what a header may ask for; the widest training allowed stays well inside
MOST = Shape(latent=4096, width=1024, channels=4, size=1024, classes=1000)


@dataclass(frozen=True)
class Generator:
    """``network`` maps noise (B, latent), and classes (B,) where it knows any, to pictures (B, C, S, S) in -1 to 1.

    ``header`` is how it came to be.
    """

    network: nn.Module
    shape: Shape
    header: dict[str, str]


def pack(kind: str, shape: Shape, network: nn.Module, history: dict[str, Any]) -> bytes:
    """The file. ``kind`` is a word of ``networks.GENERATORS``; ``history`` goes into the header, each value as text.

    The same generator and history give the same bytes, so that the file's name, which is its hash, is stable too.
    """
    header = {name: value if isinstance(value, str) else json.dumps(value) for name, value in history.items()}
    header |= {"format": FORMAT, "network": json.dumps({"kind": kind, **asdict(shape)})}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    return _headed(safetensors.torch.save(tensors), header)


def _headed(data: bytes, header: dict[str, str]) -> bytes:
    """``data`` with ``header`` inside, its keys sorted (safetensors itself writes them in any order)."""
    length = int.from_bytes(data[:8], "little")  # safetensors: 8 bytes of length, then JSON, then the tensors
    described = {"__metadata__": dict(sorted(header.items())), **json.loads(data[8 : 8 + length])}
    text = json.dumps(described, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the format wants the tensors aligned
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


def unpack(data: bytes, device: torch.device) -> Generator:
    """The generator in ``data``, on ``device``. Raises ``StudioError`` for anything else."""
    if len(data) > MAX_FILE:
        raise _refused(f"it has {len(data) >> 20} MB; at most {MAX_FILE >> 20} are read")
    header, tensors = _parts(data)
    kind, shape = _network(header)
    with torch.device("meta"):  # costs no memory, whatever shape the header claims
        network = GENERATORS[kind](shape)
    _check(network, tensors)
    network.load_state_dict(tensors, assign=True)
    network.requires_grad_(False).eval()
    return Generator(place(network, device), shape, header)


def _parts(data: bytes) -> tuple[dict[str, str], dict[str, Tensor]]:
    try:
        header, tensors = take_apart(data)
    except ValueError as error:
        raise _refused(str(error)) from error
    if header.get("format") != FORMAT:
        raise _refused("it was not made by training here")
    return header, tensors


def _network(header: dict[str, str]) -> tuple[str, Shape]:
    try:
        fields = json.loads(header["network"])
        kind, shape = fields.pop("kind"), Shape(**fields)
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise _refused(f"its header does not describe a network: {error}") from error
    if kind not in GENERATORS:
        raise _refused(f"its network is {kind}; known are {', '.join(GENERATORS)}")
    for name, most in asdict(MOST).items():
        value = getattr(shape, name)
        least = 0 if name == "classes" else 1
        if type(value) is not int or not least <= value <= most:
            raise _refused(f"its {name} is {value}; {least} to {most} are read")
    if (kind == "points") != shape.plane:
        raise _refused(f"its network is {kind}, and it makes pictures of {shape.size} pixels")
    if shape.channels != 2 if shape.plane else shape.channels not in (1, 3) or shape.size % 4:
        raise _refused(f"it makes pictures of {shape.channels} channels and {shape.size} pixels")
    return kind, shape


def _check(network: nn.Module, tensors: dict[str, Tensor]) -> None:
    wanted = {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in network.state_dict().items()}
    found = {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in tensors.items()}
    if wanted != found:
        name = sorted(name for name in wanted | found if wanted.get(name) != found.get(name))[0]
        raise _refused(f"its tensor {name} is {found.get(name, 'missing')}, and {wanted.get(name, 'none')} is needed")
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise _refused(f"its tensor {name} holds values that are no numbers")


def _refused(reason: str) -> StudioError:
    return StudioError("sample.file", "This file is not a generator that can be used: {reason}.", reason=reason[:200])
