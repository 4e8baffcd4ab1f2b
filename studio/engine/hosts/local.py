"""The devices of this machine, each with a host of its own: one, one for each CUDA GPU, or as many as asked for.

Knows settings and how a process is shown one GPU and no other. Imports no torch, so it asks NVIDIA's library itself.
"""

from __future__ import annotations

import ctypes
import os
import socket
from dataclasses import replace

from pipelines.errors import StudioError
from studio.engine.hosts import FixedHosts, Host
from studio.engine.hosts.inline import InlineHost
from studio.engine.hosts.process import ProcessHost
from studio.engine.options import EngineOptions
from studio.settings import Settings

VISIBLE = "CUDA_VISIBLE_DEVICES"


def local_hosts(settings: Settings, options: EngineOptions) -> FixedHosts:
    """Raises ``StudioError`` where more devices are asked for than there are GPUs."""
    gpus = visible_gpus() if settings.device in ("auto", "cuda") else []
    if gpus and settings.devices > len(gpus):
        raise StudioError(
            "device.count",
            "--devices is {count}, and {gpus} GPUs can be seen here. Take fewer, or --device cpu.",
            count=settings.devices,
            gpus=len(gpus),
        )
    count = settings.devices or max(1, len(gpus))
    if not gpus and count > 1:  # they share the cores and the memory
        threads = settings.threads or max(1, ((os.cpu_count() or 2) - 1) // count)
        options = replace(options, threads=threads, memory_share=settings.memory_share / count)
    hosts: dict[str, Host] = {}
    for number in range(count):
        if settings.engine == "inline":
            hosts[str(number + 1)] = InlineHost(options)
        else:
            seen = {VISIBLE: gpus[number]} if gpus and count > 1 else {}
            hosts[str(number + 1)] = ProcessHost(options, settings.hang_seconds, seen)
    return FixedHosts(socket.gethostname(), hosts)


def visible_gpus() -> list[str]:
    """The CUDA GPUs of this machine that we may use, as ``CUDA_VISIBLE_DEVICES`` names them."""
    said = os.environ.get(VISIBLE)
    if said is not None:
        return [one for one in map(str.strip, said.split(",")) if one not in ("", "-1")]
    return [str(number) for number in range(_count())]


def _count() -> int:
    """How many NVIDIA GPUs there are; none where there is no such library."""
    try:
        library = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return 0
    count = ctypes.c_uint(0)
    if library.nvmlInit_v2() != 0:
        return 0
    try:
        library.nvmlDeviceGetCount_v2(ctypes.byref(count))
    finally:
        library.nvmlShutdown()
    return count.value
