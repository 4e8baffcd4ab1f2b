"""Steps per second of our DCGAN over a plain loop of the same networks, as the PyTorch tutorial of DCGAN writes it.

The plain loop: layers in ``nn.Sequential``, a ``DataLoader``, float32, binary cross entropy of probabilities, two
passes of the discriminator for its update and a third for the generator's, whose gradients of the discriminator are
thrown away, and ``item()`` of both losses and of what the discriminator thinks, each step. The two take turns of a
second on the same threads; the ratio is the median of the turns'.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from pipelines.devices import Device
from pipelines.requests import TrainingRequest
from pipelines.training.data import floats, load_dataset
from pipelines.training.loop import Loop
from pipelines.training.shape import SLOPE, Shape

TURN = 1.0  # seconds
WARM_UP = 5  # steps
RATE, BETA = 2e-4, 0.5


def generator(shape: Shape) -> nn.Sequential:
    """The layers of ``DcganGenerator``."""
    widths = [*(shape.width << level for level in reversed(range(shape.stages))), shape.channels]
    layers: list[nn.Module] = [
        nn.Linear(shape.latent, widths[0] * shape.start**2, bias=False),
        nn.Unflatten(1, (widths[0], shape.start, shape.start)),
    ]
    for number, (into, out) in enumerate(itertools.pairwise(widths), 1):
        layers += [nn.BatchNorm2d(into), nn.ReLU(True)]
        layers += [nn.ConvTranspose2d(into, out, 4, 2, 1, bias=number == shape.stages)]
    return nn.Sequential(*layers, nn.Tanh())


def discriminator(shape: Shape) -> nn.Sequential:
    """The layers of ``DcganDiscriminator``, and a sigmoid."""
    widths = [shape.width << level for level in range(shape.stages)]
    layers: list[nn.Module] = [nn.Conv2d(shape.channels, shape.width, 4, 2, 1), nn.LeakyReLU(SLOPE, inplace=True)]
    for into, out in itertools.pairwise(widths):
        layers += [nn.Conv2d(into, out, 4, 2, 1, bias=False), nn.BatchNorm2d(out), nn.LeakyReLU(SLOPE, inplace=True)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(widths[-1] * shape.start**2, 1), nn.Sigmoid())


def weights_init(module: nn.Module) -> None:
    """The tutorial's."""
    name = type(module).__name__
    if "Conv" in name:
        nn.init.normal_(module.weight, 0.0, 0.02)  # type: ignore[arg-type]
    elif "BatchNorm" in name:
        nn.init.normal_(module.weight, 1.0, 0.02)  # type: ignore[arg-type]
        nn.init.zeros_(module.bias)  # type: ignore[arg-type]


def tutorial_steps(request: TrainingRequest, place: torch.device) -> Iterator[None]:
    """One step of the tutorial after the other."""
    data = load_dataset(request.dataset)
    shape = Shape(request.latent, request.width, data.channels, data.size)
    net_g, net_d = generator(shape).to(place).apply(weights_init), discriminator(shape).to(place).apply(weights_init)
    criterion = nn.BCELoss()
    optimizer_d = torch.optim.Adam(net_d.parameters(), lr=RATE, betas=(BETA, 0.999))
    optimizer_g = torch.optim.Adam(net_g.parameters(), lr=RATE, betas=(BETA, 0.999))
    loader = DataLoader(TensorDataset(floats(data.images)), batch_size=request.batch, shuffle=True, drop_last=True)
    told: list[tuple[float, ...]] = []
    while True:
        for (pictures,) in loader:
            net_d.zero_grad()
            real = pictures.to(place)
            label = torch.full((len(real),), 1.0, device=place)
            output = net_d(real).view(-1)
            err_real = criterion(output, label)
            err_real.backward()
            d_x = output.mean().item()
            fake: Tensor = net_g(torch.randn(len(real), shape.latent, device=place))
            label.fill_(0.0)
            output = net_d(fake.detach()).view(-1)
            err_fake = criterion(output, label)
            err_fake.backward()
            d_g_z1 = output.mean().item()
            optimizer_d.step()
            net_g.zero_grad()
            label.fill_(1.0)
            output = net_d(fake).view(-1)
            err_g = criterion(output, label)
            err_g.backward()
            d_g_z2 = output.mean().item()
            optimizer_g.step()
            told.append((err_g.item(), (err_real + err_fake).item(), d_x, d_g_z1, d_g_z2))
            yield


def our_steps(request: TrainingRequest, device: Device) -> Iterator[None]:
    """The same of our loop, averaging, gradient norms and the reading of all losses included."""
    loop = Loop(request, device)
    while True:
        loop.advance()
        if loop.must_read:
            loop.read()
        yield


def dcgan_over_tutorial(dataset: str, seconds: float, device: Device) -> float:
    """The median ratio over turns of about a second, ``seconds`` of each."""
    request = TrainingRequest.parse(
        {"recipe": "dcgan", "dataset": dataset, "seed": 1, "steps": 10**6, "augment": "off"}
    )
    place = device.torch_device
    rivals = our_steps(request, device), tutorial_steps(request, place)
    for rival in rivals:
        for _ in range(WARM_UP):
            next(rival)
    ratios = []
    for _ in range(max(1, round(seconds / TURN))):
        ours, theirs = (_turn(rival, place) for rival in rivals)
        ratios.append(ours / theirs)
    return statistics.median(ratios)


def _turn(steps: Iterator[None], place: torch.device) -> float:
    """Steps per second; what a GPU still has to do counts."""
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < TURN:
        next(steps)
        count += 1
    if place.type == "cuda":
        torch.cuda.synchronize()
    return count / (time.perf_counter() - began)
