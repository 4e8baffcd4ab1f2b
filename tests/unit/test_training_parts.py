"""Losses against closed forms, the average's warm-up, networks, Adam's moments, the meter, the grid."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipelines.errors import StudioError
from pipelines.training.ema import average, averaged_copy, decay
from pipelines.training.grid import compose
from pipelines.training.losses import NON_SATURATING, r1_penalty
from pipelines.training.meter import CAPACITY, Meter
from pipelines.training.networks import (
    GENERATORS,
    DcganDiscriminator,
    Shape,
    StridedDiscriminator,
    UpsamplingGenerator,
    build,
)
from pipelines.training.optimizers import adam, moments
from pipelines.training.recipe_names import RECIPES, recipe_info
from pipelines.training.recipes import GANS

CPU = torch.device("cpu")


class LinearCritic(nn.Module):
    """D(x) = <w, x>, whose gradient is w everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([3.0, 4.0, 0.0, 12.0]).view(1, 1, 2, 2))

    def forward(self, pictures: Tensor) -> Tensor:
        return (pictures * self.weight).sum((1, 2, 3))


def test_r1_of_a_linear_critic_is_the_square_of_its_weights() -> None:
    critic = LinearCritic()
    penalty = r1_penalty(critic, torch.randn(5, 1, 2, 2, generator=torch.Generator().manual_seed(1)))
    assert penalty.item() == pytest.approx(9 + 16 + 144)
    penalty.backward()
    assert torch.allclose(critic.weight.grad, 2 * critic.weight)  # type: ignore[arg-type]


def test_an_undecided_discriminator_costs_log_two_a_verdict() -> None:
    undecided = torch.zeros(6)
    assert NON_SATURATING.generator(undecided, undecided).item() == pytest.approx(math.log(2))
    assert NON_SATURATING.discriminator(undecided, undecided).item() == pytest.approx(2 * math.log(2))


def test_the_generator_learns_most_where_it_is_caught() -> None:
    caught = torch.tensor([-8.0], requires_grad=True)
    NON_SATURATING.generator(caught, caught).backward()
    assert caught.grad is not None
    assert caught.grad.item() == pytest.approx(-1, abs=1e-3)  # the saturating loss would give exp(-8)


def test_losses_of_large_logits_stay_numbers() -> None:
    large = torch.tensor([1e4, -1e4])
    assert torch.isfinite(NON_SATURATING.discriminator(large, large))
    assert NON_SATURATING.discriminator(large, -large).item() == pytest.approx(1e4)


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
    average(averaged, live, 0.9)
    assert averaged.state_dict()["weight"].tolist() == pytest.approx([1.2, 1.2])
    assert averaged.state_dict()["running_mean"].tolist() == pytest.approx([1, 1])
    assert averaged.state_dict()["num_batches_tracked"].item() == 5
    assert not any(parameter.requires_grad for parameter in averaged.parameters())


@pytest.mark.parametrize("size", [28, 32, 64])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", GENERATORS)
def test_generators_make_pictures_of_any_shape_and_discriminators_judge_them(
    kind: str, channels: int, size: int
) -> None:
    shape = Shape(latent=5, width=4, channels=channels, size=size)
    pictures = build(GENERATORS[kind], shape, torch.Generator().manual_seed(1), CPU)(torch.zeros(3, 5))
    assert pictures.shape == (3, channels, size, size)
    assert pictures.abs().max() <= 1
    for make in (StridedDiscriminator, DcganDiscriminator):
        assert build(make, shape, torch.Generator().manual_seed(1), CPU)(pictures).shape == (3,)


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


def test_every_recipe_on_the_page_can_be_built_and_every_other_is_refused_by_name() -> None:
    assert set(RECIPES) == set(GANS)
    with pytest.raises(StudioError, match="no training recipe named stylegan; there are r1, dcgan"):
        recipe_info("stylegan")
