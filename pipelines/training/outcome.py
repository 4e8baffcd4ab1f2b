"""What a training leaves: the averaged generator as a file, the last grid as a picture, and the facts of both."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from pipelines.base import Artifact, Scalar
from pipelines.pictures import png
from pipelines.training.datasets import DATASETS
from pipelines.training.generator_file import pack
from pipelines.training.loop import Loop


def outcome(loop: Loop) -> tuple[tuple[Artifact, ...], dict[str, Scalar]]:
    """Artifacts and facts of a ``Result``, from a training at its end."""
    facts: dict[str, Scalar] = {
        "steps": loop.step,
        "seconds": round(loop.seconds, 3),
        "steps_per_second": round(loop.step / loop.seconds, 2) if loop.seconds else 0.0,
        "seed": loop.request.seed,
        "recipe": loop.request.recipe,
        "dataset": loop.request.dataset,
        "data_sha256": loop.data.sha256,
        "rollbacks": loop.rollbacks,
    }
    if info := DATASETS.get(loop.request.dataset):
        facts["data_credit"] = info.credit  # some licences ask that the authors are named beside what comes of it
    title = loop.request.title()
    grid = loop.show().drawn()
    return (
        Artifact("generator.safetensors", "application/octet-stream", _file(loop, facts), title, facts),
        Artifact("samples.png", "image/png", png(grid), title, facts),
    ), facts


def _file(loop: Loop, facts: dict[str, Scalar]) -> bytes:
    kind, network = loop.recipe.generator
    history: dict[str, Any] = {**facts, "settings": loop.request.model_dump(), "versions": versions()}
    if loop.recipe.shape.classes:
        history["classes"] = list(loop.data.classes)
    return pack(kind, loop.recipe.shape, network, history)


def versions() -> dict[str, str]:
    """Of what the numbers depend on; the studio's own only where it is installed as a package."""
    found = {"torch": str(torch.__version__)}
    try:
        found["atelier-studio"] = version("atelier-studio")
    except PackageNotFoundError:
        found["atelier-studio"] = "source"
    return found
