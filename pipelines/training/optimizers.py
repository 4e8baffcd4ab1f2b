"""Adam whose whole state exists from the first moment, named like the weights it belongs to.

A resume that loses the moments gets visibly worse before it gets better; here they are saved and loaded like weights.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

MOMENTS = ("step", "exp_avg", "exp_avg_sq")


def adam(module: nn.Module, rate: float, betas: tuple[float, float]) -> torch.optim.Adam:
    """Adam over ``module``, fused where the device has it, with zero moments in the weights' own memory layout."""
    parameters = list(module.parameters())
    fused = parameters[0].device.type in ("cpu", "cuda")
    optimizer = torch.optim.Adam(parameters, lr=rate, betas=betas, fused=fused)
    for parameter in parameters:
        optimizer.state[parameter] = {
            "step": torch.zeros((), dtype=torch.float32, device=parameter.device if fused else "cpu"),
            "exp_avg": torch.zeros_like(parameter, memory_format=torch.preserve_format),
            "exp_avg_sq": torch.zeros_like(parameter, memory_format=torch.preserve_format),
        }
    return optimizer


def moments(module: nn.Module, optimizer: torch.optim.Adam) -> Iterator[tuple[str, Tensor]]:
    """(name, live tensor) of every moment: ``conv1.weight.exp_avg`` and so on."""
    for name, parameter in module.named_parameters():
        for moment in MOMENTS:
            yield f"{name}.{moment}", optimizer.state[parameter][moment]
