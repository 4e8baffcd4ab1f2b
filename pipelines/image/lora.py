"""LoRA: small files that teach a model a style or a thing, laid over its weights for one request (Hu et al. 2021).

The weights of a model are shared by everybody who paints with it, so a LoRA never touches them: the networks are built
again around the same tensors, and there every changed layer adds its low-rank part, W x + s B A x. Files are
safetensors in any of the dialects that diffusers reads. Knows a loaded pipeline; not requests of others.
"""

from __future__ import annotations

import copy
import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from pipelines.errors import StudioError
from pipelines.image.loading import Pipe
from pipelines.image.lora_file import check_names, no_file
from pipelines.image.request import Lora

#: sets of LoRA that stay ready to paint with
KEPT = 2
_NETWORKS = ("unet", "transformer", "text_encoder", "text_encoder_2")


class Loras:
    """Pipelines with LoRA, by the files and their weights. To be asked while holding the device only."""

    def __init__(self) -> None:
        self._ready: OrderedDict[tuple[tuple[str, float], ...], Pipe] = OrderedDict()

    def pipeline(self, pipe: Pipe, loras: Sequence[Lora], read: Callable[[str], bytes]) -> Pipe:
        """``pipe`` with ``loras`` over its networks. Raises ``StudioError`` where a file is none, or does not fit."""
        key = tuple((lora.file, lora.weight) for lora in loras)
        if key not in self._ready:
            self._ready[key] = with_loras(pipe, [(read_lora(read(lora.file)), lora.weight) for lora in loras])
        self._ready.move_to_end(key)
        while len(self._ready) > KEPT:
            self._ready.popitem(last=False)
        return self._ready[key]

    def bytes_held(self) -> int:
        """Bytes of what the LoRA add; the weights under them are the model's own."""
        networks = [part for pipe in self._ready.values() for part in pipe.components.values()]
        named = [one for part in networks if isinstance(part, nn.Module) for one in part.named_parameters()]
        return sum(tensor.numel() * tensor.element_size() for name, tensor in named if "lora_" in name)


def read_lora(data: bytes) -> dict[str, Tensor]:
    """The tensors of a LoRA file. Raises ``StudioError`` for anything but safetensors with LoRA in it."""
    try:
        tensors: dict[str, Tensor] = load(data)
    except (SafetensorError, ValueError) as error:
        raise no_file() from error
    check_names(tensors)
    return tensors


def with_loras(pipe: Pipe, loras: Sequence[tuple[Mapping[str, Tensor], float]]) -> Pipe:
    """A pipeline around the same weights, with the LoRA over them. Raises ``StudioError`` where one does not fit."""
    if not hasattr(pipe, "load_lora_weights"):
        raise StudioError(
            "image.lora_model",
            "LoRA cannot be laid over this model ({kind}). Choose another, or take the LoRA out. Stickers learn from "
            "your pictures instead: on the Training tab.",
            kind=type(pipe).__name__,
        )
    parts = {
        name: _around(part) if name in _NETWORKS and isinstance(part, nn.Module) else part
        for name, part in pipe.components.items()
    }
    settings = {name: value for name, value in pipe.config.items() if not name.startswith("_") and name not in parts}
    fresh: Pipe = type(pipe)(**{**settings, **parts})
    names = [f"lora_{number}" for number in range(len(loras))]
    for name, (tensors, _) in zip(names, loras, strict=True):
        _lay(fresh, tensors, name)
    fresh.set_adapters(names, [weight for _, weight in loras])
    for part in parts.values():
        if isinstance(part, nn.Module):
            part.requires_grad_(False)
    return fresh


def _lay(pipe: Pipe, tensors: Mapping[str, Tensor], name: str) -> None:
    try:
        with warnings.catch_warnings():  # that there is one already is what is wanted
            warnings.filterwarnings("ignore", "Already found a `peft_config` attribute")
            pipe.load_lora_weights(dict(tensors), adapter_name=name)
    except (ValueError, LookupError, RuntimeError) as error:
        raise _unfit(pipe) from error
    if not any(name in laid for laid in pipe.get_list_adapters().values()):
        raise _unfit(pipe)


def _unfit(pipe: Pipe) -> StudioError:
    return StudioError(
        "image.lora_fit",
        "This LoRA was made for another kind of model: it does not fit {kind}. Choose a model of the family it names.",
        kind=type(pipe).__name__,
    )


def _around(network: nn.Module) -> nn.Module:
    """The same network as objects of its own around the very same tensors."""
    tensors: list[Tensor] = [*network.parameters(), *network.buffers()]
    with torch.no_grad():
        built: nn.Module = copy.deepcopy(network, {id(tensor): tensor for tensor in tensors})
    return built
