"""Picks the device and the number format, and says why in words.

Knows what torch can see of this machine. Imports torch only when asked, so that the page may start without it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    import torch


#: what of a picture model lies in a GPU's memory: all of it, the part that computes, or the layer that does
Offload: TypeAlias = Literal["none", "parts", "layers"]


@dataclass(frozen=True)
class Device:
    """Where a pipeline runs. ``kind`` is cpu, cuda or mps; ``dtype`` is a torch dtype's name.

    ``offload`` and ``compiled`` are how picture models use a GPU's memory and time; a CPU has no other memory to take
    weights to, so they mean nothing there.
    """

    kind: str
    name: str
    dtype: str
    reason: str
    total_bytes: int
    threads: int = 0
    offload: Offload = "none"
    compiled: bool = False

    @property
    def torch_device(self) -> torch.device:
        import torch

        return torch.device(self.kind)

    @property
    def torch_dtype(self) -> torch.dtype:
        import torch

        found = getattr(torch, self.dtype)
        if not isinstance(found, torch.dtype):
            raise TypeError(f"{self.dtype} is not a torch dtype")
        return found


def on_device(device: Device, needed: int) -> int:
    """Of the ``needed`` bytes of a picture model, how many its device has to have room for.

    The largest part of one is half of it or more; of layers only the results between them are there.
    """
    if device.kind != "cuda" or device.offload == "none":
        return needed
    return needed * 2 // 3 if device.offload == "parts" else needed // 4


def pick_device(wanted: str = "auto", threads: int = 0) -> Device:
    """The best device there is, or the ``wanted`` one (auto, cpu, cuda, mps).

    ``threads`` limits torch on a CPU; 0 leaves one core for the page, as a busy page makes every job look slow.
    Raises ``ValueError`` where the wanted device is not there: a silent fall to the CPU would look like a hang.
    """
    import torch

    if wanted not in ("auto", "cpu", "cuda", "mps"):
        raise ValueError(f"device must be auto, cpu, cuda or mps, not {wanted}")
    if wanted in ("auto", "cuda") and torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        bf16 = torch.cuda.is_bf16_supported()
        return Device(
            "cuda",
            properties.name,
            "bfloat16" if bf16 else "float16",
            f"an NVIDIA GPU is there, with {'bfloat16' if bf16 else 'float16'} arithmetic",
            properties.total_memory,
        )
    if wanted in ("auto", "mps") and torch.backends.mps.is_available():
        return Device("mps", "Apple GPU", "float16", "an Apple GPU is there", _memory_bytes())
    if wanted in ("cuda", "mps"):
        raise ValueError(f"device {wanted} was asked for, and torch {torch.__version__} sees none on this machine")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    chosen = threads or max(1, cores - 1)
    fast_bf16 = bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())
    dtype = "bfloat16" if fast_bf16 else "float32"
    why = "no GPU was found; " + ("this CPU computes bfloat16 directly" if fast_bf16 else "float32 suits this CPU")
    return Device("cpu", _cpu_name(), dtype, why, _memory_bytes(), chosen)


def _memory_bytes() -> int:
    import psutil

    return int(psutil.virtual_memory().total)


def _cpu_name() -> str:
    import platform

    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except FileNotFoundError:  # not Linux
        pass
    return platform.processor() or "CPU"
