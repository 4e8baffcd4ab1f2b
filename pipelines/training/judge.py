"""What generated pictures are looked at by: a tiny classifier whose 64 features the distances are measured in.

Trained once for each data set with classes and kept in ``assets/judges``, with its accuracy on pictures it never saw;
``python -m pipelines.training.judge`` rebuilds them. Pictures without a judge of their own are looked at by the same
network with random weights, always the same ones: features of untrained convolutions serve where trained ones do not
fit (Naeem et al. 2020, section 4), but know of no classes. Points in the plane are their own features.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import safetensors.torch
import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import Tensor, nn

from pipelines.training.data import DataSet, Order, load_dataset
from pipelines.training.datasets import DATASETS
from pipelines.training.networks import build, place
from pipelines.training.optimizers import adam
from pipelines.training.randomness import Randomness
from pipelines.training.shape import SLOPE, Shape

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "judges"
FORMAT = "atelier-judge/1"
FEATURES = 64
WIDTH = 16
STEPS, BATCH, RATE = 1500, 64, 2e-3
HELD_OUT = 10  # one picture in so many is kept from its training
SEED = 1
CPU = torch.device("cpu")


class Judge(nn.Module):
    """Strided conv 4 to w, to 2w and so on to the coarsest map, linear to ``FEATURES``, and linear to the classes."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        widths = [shape.channels, *(WIDTH << level for level in range(shape.stages))]
        self._halvings = [nn.Conv2d(into, out, 4, stride=2, padding=1) for into, out in pairwise(widths)]
        for number, conv in enumerate(self._halvings, 1):
            self.add_module(f"conv{number}", conv)
        self.hidden = nn.Linear(widths[-1] * shape.start**2, FEATURES)
        self.verdict = nn.Linear(FEATURES, shape.classes) if shape.classes else None

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, C, S, S) in -1 to 1 -> features (B, 64)."""
        hidden = pictures.contiguous(memory_format=torch.channels_last)
        for conv in self._halvings:
            hidden = F.leaky_relu(conv(hidden), SLOPE)
        found: Tensor = self.hidden(hidden.flatten(1))
        return found

    def classes(self, features: Tensor) -> Tensor | None:
        """The likeliest class (B,) of each of ``features`` (B, 64); None where it knows of none."""
        return None if self.verdict is None else self.logits(features).argmax(1)

    def logits(self, features: Tensor) -> Tensor:
        """(B, 64) -> (B, classes)."""
        if self.verdict is None:
            raise ValueError("this judge knows of no classes")
        found: Tensor = self.verdict(F.leaky_relu(features, SLOPE))
        return found


class Coordinates(nn.Module):
    """The judge of points in the plane: two coordinates are two features."""

    def forward(self, points: Tensor) -> Tensor:
        """(B, 2, 1, 1) -> (B, 2)."""
        return points.flatten(1).float()

    def classes(self, _features: Tensor) -> Tensor | None:
        """Which class a point is of is for its neighbours to say."""
        return None


def open_judge(data: DataSet, device: torch.device) -> Judge | Coordinates:
    """The judge of ``data``: its own, where there is one for exactly these pictures, else the random one."""
    if data.size == 1:
        return Coordinates()
    path = FOLDER / f"{data.name}.safetensors"
    if path.is_file():
        header, tensors = read(path)
        if header["data_sha256"] == data.sha256:
            judge = _network(_shape(data))
            judge.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, assign=True)
            return place(judge.requires_grad_(False).eval(), device)
    start = Randomness(SEED, CPU).generator("random judge")
    return build(Judge, _shape(data, classes=False), start, device).requires_grad_(False).eval()


def read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """The header and the tensors of the judge in ``path``."""
    with safe_open(path, framework="pt") as file:
        return dict(file.metadata()), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping


def _shape(data: DataSet, classes: bool = True) -> Shape:
    """``latent`` and ``width`` are nothing to a judge."""
    return Shape(0, WIDTH, data.channels, data.size, len(data.classes) if classes else 0)


def _network(shape: Shape) -> Judge:
    with torch.device("meta"):
        return Judge(shape)


# ---------------------------------------------------------------------------------------------- training


def halves(count: int) -> tuple[Tensor, Tensor]:
    """Row numbers of the pictures a judge learns from, and of those it is examined on."""
    shuffled = torch.randperm(count, generator=Randomness(SEED, CPU).generator("held out"))
    return shuffled[count // HELD_OUT :], shuffled[: count // HELD_OUT]


def train_judge(data: DataSet, steps: int = STEPS) -> tuple[Judge, float]:
    """A judge of ``data``, which has classes and lies in main memory, and its accuracy on the pictures held out.

    Cross entropy under Adam, its rate falling along half a cosine.
    """
    randomness = Randomness(SEED, CPU)
    judge = build(Judge, _shape(data), randomness.generator("judge"), CPU)
    learned, held_out = halves(len(data))
    order, optimizer = Order(len(learned), BATCH, randomness), adam(judge, RATE, (0.9, 0.999))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        rows = learned[order.rows(step)]
        optimizer.zero_grad()
        F.cross_entropy(judge.logits(judge(data.batch(rows))), data.labels[rows]).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    judge.requires_grad_(False).eval()
    return judge, _accuracy(judge, data, held_out)


def _accuracy(judge: Judge, data: DataSet, rows: Tensor) -> float:
    found = judge.logits(judge(data.batch(rows))).argmax(1)
    return float((found == data.labels[rows]).double().mean())


def pack(judge: Judge, data: DataSet, accuracy: float, steps: int) -> bytes:
    """The file, in float16: a feature loses less by that than it says."""
    tensors = {name: tensor.half().contiguous() for name, tensor in judge.state_dict().items()}
    header = {"format": FORMAT, "dataset": data.name, "data_sha256": data.sha256, "steps": str(steps)}
    header |= {"held_out": str(len(halves(len(data))[1])), "accuracy": f"{accuracy:.4f}"}
    return safetensors.torch.save(tensors, header)


def _with_classes() -> Iterator[str]:
    return (name for name, info in DATASETS.items() if info.classes and info.size > 1)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.training.judge", description="Rebuild assets/judges.")
    parser.add_argument("datasets", nargs="*", default=list(_with_classes()))
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in parser.parse_args().datasets:
        data = load_dataset(name)
        judge, accuracy = train_judge(data)
        (FOLDER / f"{name}.safetensors").write_bytes(pack(judge, data, accuracy, STEPS))
        print(f"{name}: {accuracy:.1%} of pictures it never saw are told right")  # noqa: T201 - what the command says


if __name__ == "__main__":
    main()
