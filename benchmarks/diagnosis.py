"""Whether trainings that are made to fail are told so in the right words while they run, and healthy ones left alone.

    python -m benchmarks.diagnosis [--only copying,worse] [--threads 1] [--record FOLDER]

Every case is a whole session as the studio runs it, on real pictures or points. ``recognised``: the share of the
failures of which the finding was told that they were made for. ``false_alarms``: findings told of healthy trainings.
``--record`` keeps what each case was judged by, means of ten steps: the tests replay it.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from PIL import Image

from pipelines.base import Diagnosis, Mark, Metrics, Scalar
from pipelines.devices import Device, pick_device
from pipelines.requests import TrainingRequest
from pipelines.training.__main__ import AloneTurn
from pipelines.training.data import load_dataset
from pipelines.training.diagnosis import CONDITIONS
from pipelines.training.measure_names import MEASURES
from pipelines.training.session import Session

EVERY = 10  # steps that a recorded value is the mean of


@dataclass(frozen=True)
class Case:
    """A training and the finding it was made for, or several any of which is right; none: it is healthy.

    ``own``: it learns only so many of the data set's pictures, as if they were a person's. ``later``: what is steered
    after how many steps.
    """

    name: str
    finding: str
    settings: Mapping[str, Scalar]
    own: int = 0
    later: tuple[int, Mapping[str, Scalar]] | None = None


SMALL: Mapping[str, Scalar] = {"dataset": "mnist", "width": 8, "batch": 32, "seed": 1}

CASES = (
    Case("classic", "few_classes", {"recipe": "classic", "dataset": "mnist", "seed": 1, "steps": 1300}),
    Case("classic-ring", "few_classes alike", {"recipe": "classic", "dataset": "ring", "seed": 1, "steps": 4000}),
    Case("classic-grid", "few_classes", {"recipe": "classic", "dataset": "grid", "seed": 1, "steps": 4000}),
    Case("dcgan", "d_wins", {**SMALL, "recipe": "dcgan", "steps": 800}),
    Case("vae-beta", "kl_collapsed", {**SMALL, "recipe": "vae", "beta": 100, "steps": 400}),
    Case("d-asleep", "d_lost", {**SMALL, "d_rate": 0.001, "steps": 600}),
    Case("d-flat", "g_silent", {**SMALL, "steps": 900}, later=(300, {"gamma": 100.0})),
    Case("d-falls-asleep", "worse", {**SMALL, "steps": 1200}, later=(700, {"d_rate": 0.001})),
    Case("frozen", "stalled", {**SMALL, "steps": 1200}, later=(300, {"learning_rate": 1e-7})),
    Case("hot", "diverged", {**SMALL, "recipe": "wgan-gp", "learning_rate": 0.1, "steps": 300}),
    # fifty pictures, shown as they are, and a penalty that hardly holds D: it knows them apart from all others
    Case("by-heart", "copying", {**SMALL, "width": 16, "gamma": 0.1, "augment": "off", "steps": 9500}, own=50),
    *(Case(name, "", {**SMALL, "recipe": name, "steps": 800}) for name in ("r1", "hinge", "lsgan", "vae")),
    Case("ring", "", {"dataset": "ring", "seed": 1, "steps": 2000}),
    Case("few", "", {**SMALL, "steps": 4000}, own=60),
)


class SteeredTurn(AloneTurn):
    """Nobody else is there; at ``later`` somebody changes a setting."""

    def __init__(self, workspace: Path, files: Mapping[str, bytes], case: Case) -> None:
        super().__init__(workspace, files)
        self._asked = 0
        self._later = case.later

    def steering(self) -> tuple[Mapping[str, Scalar], ...]:
        """Asked once before the first step and once after each."""
        self._asked += 1
        return (self._later[1],) if self._later is not None and self._asked == self._later[0] else ()


@dataclass
class Course:
    """What became of a training: each step's values, each measurement, what was said of it and when it went back."""

    series: tuple[str, ...] = ()
    rows: dict[int, tuple[float, ...]] = field(default_factory=dict)
    measured: list[dict[str, float]] = field(default_factory=list)
    returns: list[dict[str, float]] = field(default_factory=list)
    said: list[tuple[int, tuple[str, ...], str]] = field(default_factory=list)

    def take(self, event: object) -> None:
        """Notes what ``event`` tells."""
        match event:
            case Metrics():
                self.series = self.series or tuple(name for name in event.series if name not in MEASURES)
                self.rows |= {
                    step: tuple(event.series[name][place] for name in self.series)
                    for place, step in enumerate(event.steps)
                }
                if "frechet" in event.series:
                    figures = {name: event.series[name][-1] for name in MEASURES if name in event.series}
                    self.measured.append({"step": event.steps[-1], **figures})
            case Mark(key="diverged"):
                back = int(event.values["step"])
                self.rows = {step: row for step, row in self.rows.items() if step <= back}
                self.measured = [one for one in self.measured if one["step"] <= back]
                self.returns.append({"step": back, "bad": float(event.values["bad"])})
            case Diagnosis():
                found = tuple(one["key"] for one in event.findings if one["key"] in CONDITIONS)
                self.said.append((event.step, found, " ".join(str(one["text"]) for one in event.findings)))

    @property
    def told(self) -> set[str]:
        return {key for _, found, _ in self.said for key in found}

    def recorded(self, case: Case) -> dict[str, Any]:
        """As the tests replay it."""
        steps = range(EVERY, max(self.rows) + 1, EVERY)
        blocks = [[self.rows[step - back] for back in range(EVERY)] for step in steps]
        values = [[_short(fmean(column)) for column in zip(*block, strict=True)] for block in blocks]
        measured = [{name: _short(value) for name, value in one.items()} for one in self.measured]
        settings = {name: value for name, value in case.settings.items() if name not in ("seed", "steps")}
        return {
            "settings": settings,
            "finding": case.finding,
            "series": self.series,
            "every": EVERY,
            "values": values,
            "measured": measured,
            "returns": self.returns,
            "later": case.later,
        }


def _short(value: float) -> float:
    return float(f"{value:.3g}")


def pictures(dataset: str, count: int) -> bytes:
    """A zip of ``count`` of a data set's pictures, evenly taken from all of it."""
    data = load_dataset(dataset)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for number in range(count):
            row = number * len(data) // count
            picture = io.BytesIO()
            Image.fromarray(data.images[row].permute(1, 2, 0).squeeze(-1).numpy()).save(picture, "PNG")
            archive.writestr(f"{number}.png", picture.getvalue())
    return target.getvalue()


def run(case: Case, device: Device) -> Course:
    """The whole training of ``case``."""
    settings, files = dict(case.settings), dict[str, bytes]()
    if case.own:
        data = pictures(str(settings["dataset"]), case.own)
        digest = hashlib.sha256(data).hexdigest()
        files = {digest: data}
        settings |= {"dataset": "own", "pictures": digest, "name": "few"}
    course = Course()
    with tempfile.TemporaryDirectory() as folder:
        request = TrainingRequest.parse({**settings, "seconds": 0})
        for event in Session(request, SteeredTurn(Path(folder), files, case), device).events():
            course.take(event)
    return course


def measure(cases: tuple[Case, ...], device: Device, record: Path | None) -> Iterator[tuple[Case, Course]]:
    """Runs each of ``cases`` and tells what was said of it."""
    for case in cases:
        course = run(case, device)
        print(f"{case.name}: made for {case.finding or 'nothing'}", flush=True)
        for step, found, text in course.said:
            print(f"  step {step:>5}  {', '.join(found) or '-'}: {text}", flush=True)
        if record is not None:
            (record / f"{case.name}.json").write_text(json.dumps(course.recorded(case), separators=(",", ":")))
        yield case, course


def main() -> None:
    """Runs it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.diagnosis")
    parser.add_argument("--only", default="", help="names of cases, with commas between; empty: all")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--record", type=Path, help="a folder to keep what was measured in")
    given = parser.parse_args()
    device = pick_device(threads=given.threads)
    if device.threads:
        torch.set_num_threads(device.threads)
    names = given.only.split(",") if given.only else [case.name for case in CASES]
    found = list(measure(tuple(case for case in CASES if case.name in names), device, given.record))
    failures = [bool(course.told.intersection(case.finding.split())) for case, course in found if case.finding]
    alarms = sum(len(course.told) for case, course in found if not case.finding)
    result = {"recognised": fmean(failures) if failures else None, "false_alarms": alarms, "threads": given.threads}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
