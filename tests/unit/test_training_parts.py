"""The average's warm-up, networks, Adam's moments, the meter, the grid."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from pipelines.errors import StudioError
from pipelines.training.autoencoder import Autoencoder
from pipelines.training.convolutional import SpectralDiscriminator, StridedDiscriminator, UpsamplingGenerator
from pipelines.training.dcgan import DcganDiscriminator
from pipelines.training.dense import DenseDiscriminator
from pipelines.training.ema import Averaging, averaged_copy, decay
from pipelines.training.grey import Doubling, Halving
from pipelines.training.grid import compose
from pipelines.training.meter import CAPACITY, Meter
from pipelines.training.networks import GENERATORS, build
from pipelines.training.optimizers import adam, moments
from pipelines.training.recipe_names import RECIPES, recipe_info
from pipelines.training.recipes import GANS
from pipelines.training.shape import Shape
from pipelines.training.showing import layout
from pipelines.training.spectral import Spectral, normalised
from pipelines.training.verdict import Verdict, flat

CPU = torch.device("cpu")


def test_the_average_warms_up_and_then_keeps_995_thousandths() -> None:
    assert decay(0) == pytest.approx(0.1)
    assert decay(9) == pytest.approx(10 / 19)
    assert decay(10**6) == 0.995
    assert all(decay(n) < decay(n + 1) for n in range(1000))


def test_the_average_moves_weights_and_statistics_and_copies_counters() -> None:
    live = nn.BatchNorm1d(2)
    averaged = averaged_copy(live)
    with torch.no_grad():
        live.weight.fill_(3)
        live.running_mean.fill_(10)  # type: ignore[union-attr]
        live.num_batches_tracked.fill_(5)  # type: ignore[union-attr]
    Averaging(averaged, live).update(0.9)
    assert averaged.state_dict()["weight"].tolist() == pytest.approx([1.2, 1.2])
    assert averaged.state_dict()["running_mean"].tolist() == pytest.approx([1, 1])
    assert averaged.state_dict()["num_batches_tracked"].item() == 5
    assert not any(parameter.requires_grad for parameter in averaged.parameters())


def seeded(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


PICTURE_GENERATORS = [make for kind, make in GENERATORS.items() if kind != "points"]
DISCRIMINATORS = (StridedDiscriminator, SpectralDiscriminator, DcganDiscriminator, DenseDiscriminator)


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("size", [28, 32, 64])
@pytest.mark.parametrize("channels", [1, 3])
def test_networks_take_pictures_of_any_shape_with_and_without_classes(channels: int, size: int, classes: int) -> None:
    shape = Shape(latent=5, width=4, channels=channels, size=size, classes=classes)
    labels = torch.tensor([0, 2, 1]) if classes else None
    for make in PICTURE_GENERATORS:
        pictures = build(make, shape, seeded(), CPU)(torch.zeros(3, 5), labels)
        assert pictures.shape == (3, channels, size, size)
        assert pictures.abs().max() <= 1
    for make in DISCRIMINATORS:
        assert build(make, shape, seeded(), CPU)(pictures, labels).shape == (3,)
    autoencoder = build(Autoencoder, shape, seeded(), CPU)
    assert autoencoder.reconstruct(pictures, labels).shape == pictures.shape


@pytest.mark.parametrize("make", [*PICTURE_GENERATORS, *DISCRIMINATORS])
def test_a_network_that_is_told_the_class_answers_differently_for_another(make: type[nn.Module]) -> None:
    network = build(make, Shape(5, 4, 1, 28, classes=2), seeded(), CPU).eval()
    asked = torch.ones(1, 5) if make in PICTURE_GENERATORS else torch.ones(1, 1, 28, 28)
    one, other = (network(asked, torch.tensor([label])) for label in (0, 1))
    assert not torch.equal(one, other)


def test_maps_begin_at_seven_or_eight_pixels_whatever_the_size() -> None:
    found = {size: (Shape(5, 4, 1, size).start, Shape(5, 4, 1, size).stages) for size in (28, 32, 64, 128)}
    assert found == {28: (7, 2), 32: (8, 2), 64: (8, 3), 128: (8, 4)}


def test_a_spectral_layer_stretches_nothing_and_its_guess_is_part_of_the_state() -> None:
    network = build(SpectralDiscriminator, Shape(5, 4, 1, 28, classes=3), seeded(), CPU)
    layers = [module for module in network.modules() if isinstance(module, Spectral)]
    assert len(layers) == 5
    for layer in layers:
        assert torch.linalg.matrix_norm(layer.normalised.flatten(1), 2).item() == pytest.approx(1, rel=0.1)
    assert {name for name in network.state_dict() if name.endswith(".u")} == {
        f"{name}.u" for name in ("conv1", "conv2", "hidden", "verdict", "label")
    }


def test_power_iteration_finds_the_largest_singular_value_and_stands_still_while_judging() -> None:
    weight, u = torch.diag(torch.tensor([3.0, 1.0])), torch.tensor([0.6, 0.8])
    before = u.clone()
    normalised(weight, u, learning=False)
    assert torch.equal(u, before)
    for _ in range(20):
        normalised(weight, u, learning=True)
    assert torch.allclose(normalised(weight, u, learning=False), weight / 3)


def test_the_textbook_networks_are_the_textbooks() -> None:
    shape = Shape(latent=100, width=128, channels=1, size=28)
    made = build(GENERATORS["dense"], shape, seeded(), CPU), build(DenseDiscriminator, shape, seeded(), CPU)
    sizes = [[layer.in_features for layer in network.modules() if isinstance(layer, nn.Linear)] for network in made]
    assert sizes == [[100, 128, 256, 512], [784, 512, 256, 128]]


def test_rows_of_the_grid_are_classes_and_it_stays_about_square() -> None:
    assert layout(0).labels is None
    assert (layout(0).rows, layout(0).columns) == (8, 8)
    assert (layout(10).rows, layout(10).columns) == (10, 10)
    assert (layout(40).rows, layout(40).columns) == (12, 12)
    labels = layout(2).labels
    assert labels is not None
    assert labels.view(8, 8).tolist() == [[0] * 8] * 4 + [[1] * 8] * 4


def test_weights_come_from_the_seed_and_leave_the_global_generator_alone() -> None:
    shape, before = Shape(5, 4, 1, 28), torch.random.get_rng_state()
    first, again, other = (
        build(UpsamplingGenerator, shape, torch.Generator().manual_seed(seed), CPU).state_dict()["conv1.weight"]
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_default_networks_have_the_parameters_of_the_recipe() -> None:
    shape = Shape(64, 16, 1, 28)
    counts = [
        sum(parameter.numel() for parameter in build(make, shape, torch.Generator(), CPU).parameters())
        for make in (UpsamplingGenerator, StridedDiscriminator)
    ]
    assert [round(count / 1e6, 2) for count in counts] == [0.23, 0.21]


def test_adam_has_all_its_moments_before_the_first_step_and_keeps_them() -> None:
    layer = nn.Linear(2, 1)
    optimizer = adam(layer, 0.1, (0.5, 0.9))
    held = dict(moments(layer, optimizer))
    assert set(held) == {f"{name}.{part}" for name in ("weight", "bias") for part in ("step", "exp_avg", "exp_avg_sq")}
    layer(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    assert held["weight.step"].item() == 1  # the same tensors, still live
    assert held["weight.exp_avg"].tolist() == [[0.5, 0.5]]


def test_the_meter_gives_back_what_it_was_told_and_finds_the_spike() -> None:
    meter = Meter(2, CPU)
    for step in range(1, 4):
        meter.add(step, step / 10, torch.tensor([step, 10.0**step]))
    readings = meter.read()
    assert readings.series(("a", "b")) == {"a": (1, 2, 3), "b": (10, 100, 1000)}
    assert readings.seconds == (0.1, 0.2, 0.3)
    assert readings.spike((math.inf, 1000)) is None
    assert readings.spike((math.inf, 99)) == 2
    assert len(meter) == 0
    meter.add(4, 0.4, torch.tensor([math.nan, 0.0]))
    assert meter.read().spike((math.inf, math.inf)) == 4


def test_a_full_meter_says_so() -> None:
    meter = Meter(1, CPU)
    for step in range(CAPACITY):
        assert not meter.full
        meter.add(step, 0.0, torch.zeros(1))
    assert meter.full


def test_a_grid_is_laid_out_in_rows_and_enlarged_by_a_whole_factor() -> None:
    pictures = np.stack([np.full((28, 28, 1), value, np.uint8) for value in range(64)])
    grid = compose(pictures, 8)
    assert grid.size == (466, 466)
    assert grid.getpixel((466 // 16, 466 // 16)) == 0
    assert grid.getpixel((466 - 20, 466 - 20)) == 63
    assert compose(np.zeros((3, 8, 8, 3), np.uint8), 2, edge=1).mode == "RGB"


def test_columns_after_a_split_stand_apart() -> None:
    white = np.full((4, 8, 8, 1), 255, np.uint8)
    together, apart = (np.asarray(compose(white, 4, edge=1, split=split))[4] for split in (0, 2))
    assert len(apart) > len(together)
    assert (apart == 255).sum() == (together == 255).sum() == 4 * 8
    assert (apart[: 2 * 9 + 1] == together[: 2 * 9 + 1]).all()


def test_every_recipe_on_the_page_can_be_built_and_every_other_is_refused_by_name() -> None:
    assert set(RECIPES) == {*GANS, "vae"}
    with pytest.raises(StudioError, match="no training recipe named stylegan; there are r1, r3gan"):
        recipe_info("stylegan")


def test_features_are_read_in_the_order_they_lie_in_and_a_verdict_is_a_linear_layer_of_one_number() -> None:
    maps = torch.randn(3, 4, 2, 2).contiguous(memory_format=torch.channels_last)
    features = flat(maps)
    assert features.data_ptr() == maps.data_ptr()
    assert torch.equal(features[1].view(2, 2, 4)[0, 1], maps[1, :, 0, 1])
    verdict = Verdict(16)
    usual = torch.nn.functional.linear(features, verdict.weight, verdict.bias).squeeze(1)
    torch.testing.assert_close(verdict(features), usual)


@pytest.mark.parametrize("arithmetic", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    "make", [lambda: Halving(1, 6), lambda: Halving(3, 6), lambda: Doubling(6, 1), lambda: Doubling(6, 1, bias=False)]
)
def test_a_layer_of_one_channel_sums_as_torchs_own_does_and_so_do_its_gradients(
    make: Callable[[], Halving | Doubling], arithmetic: torch.dtype
) -> None:
    torch.manual_seed(1)
    layer = make()
    pictures = torch.randn(2, layer.in_channels, 10, 10, generator=seeded())
    forwards: list[Callable[..., torch.Tensor]] = [type(layer).forward, type(layer).__base__.forward]  # type: ignore[union-attr]
    found = []
    for forward in forwards:
        asked = pictures.clone().requires_grad_()
        with torch.autocast("cpu", arithmetic, enabled=arithmetic != torch.float32):
            made = forward(layer, asked)
        slopes = torch.autograd.grad(made.float().square().mean(), [asked, *layer.parameters()], create_graph=True)
        twice = torch.autograd.grad(slopes[0].square().sum(), layer.weight)
        found.append([made, *slopes, *twice])
    for ours, theirs in zip(*found, strict=True):
        assert ours.shape == theirs.shape
        assert torch.allclose(
            ours.float(), theirs.float(), rtol=0.05, atol=0.02 if arithmetic != torch.float32 else 1e-5
        )


def test_two_batches_at_once_are_normalised_each_for_itself() -> None:
    torch.manual_seed(1)
    network, other = (DcganDiscriminator(Shape(16, 4, 1, 28)) for _ in range(2))
    other.load_state_dict(network.state_dict())
    some, more = torch.randn(4, 1, 28, 28), 3 + torch.randn(4, 1, 28, 28)
    at_once = network(torch.cat([some, more]), batches=2)
    assert torch.allclose(at_once, torch.cat([other(some), other(more)]), atol=1e-5)
    for name, value in network.state_dict().items():
        assert torch.allclose(value, other.state_dict()[name], atol=1e-6), name
