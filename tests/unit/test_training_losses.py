"""Losses and penalties against closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from pipelines.training import elbo
from pipelines.training.losses import (
    HINGE,
    LEAST_SQUARES,
    NON_SATURATING,
    RELATIVISTIC,
    WASSERSTEIN,
    AdversarialLoss,
    smoothed,
)
from pipelines.training.penalties import R1, R1_AND_R2, WGAN, Penalty, r1_and_r2_penalty, r1_penalty, wgan_penalty

REAL, FAKE = torch.tensor([2.0, -0.5]), torch.tensor([1.0, -3.0])
UNDECIDED = torch.zeros(6)


class LinearCritic(nn.Module):
    """D(x) = <w, x>, whose gradient is w everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([3.0, 4.0, 0.0, 12.0]).view(1, 1, 2, 2))

    def forward(self, pictures: Tensor) -> Tensor:
        return (pictures * self.weight).sum((1, 2, 3))


def constant(pictures: Tensor) -> Tensor:
    """Nobody is told apart, whatever is shown; the product keeps it part of a graph."""
    return 0 * pictures.sum((1, 2, 3)) + 7


def pictures(seed: int = 1) -> Tensor:
    return torch.randn(5, 1, 2, 2, generator=torch.Generator().manual_seed(seed))


def softplus(value: float) -> float:
    return math.log1p(math.exp(value))


# ----------------------------------------------------------------------------------------- penalties


@pytest.mark.parametrize(("penalty", "expected"), [(R1, 0), (R1_AND_R2, 0), (WGAN, 1)])
def test_a_judge_that_is_flat_everywhere_is_where_r1_rests_and_wgan_does_not(penalty: Penalty, expected: float) -> None:
    shares = torch.linspace(0, 1, 5)
    assert penalty.measure(constant, pictures(), pictures(2), shares).item() == pytest.approx(expected)


def test_r1_of_a_linear_critic_is_the_square_of_its_weights() -> None:
    critic = LinearCritic()
    penalty = r1_penalty(critic, pictures())
    assert penalty.item() == pytest.approx(9 + 16 + 144)
    penalty.backward()
    assert torch.allclose(critic.weight.grad, 2 * critic.weight)  # type: ignore[arg-type]


def test_r1_and_r2_of_a_linear_critic_are_two_such_squares_and_reach_no_generator() -> None:
    fake = pictures(2).requires_grad_(True)
    penalty = r1_and_r2_penalty(LinearCritic(), pictures(), fake)
    assert penalty.item() == pytest.approx(2 * (9 + 16 + 144))
    penalty.backward()
    assert fake.grad is None


def test_r1_is_taken_where_the_real_pictures_are_and_r2_where_the_fake_ones_are() -> None:
    def square(shown: Tensor) -> Tensor:
        return shown.square().sum((1, 2, 3)) / 2  # the gradient at x is x

    real, fake = pictures(), 2 * pictures(2)
    sizes = [shown.square().sum((1, 2, 3)).mean().item() for shown in (real, fake)]
    assert r1_penalty(square, real).item() == pytest.approx(sizes[0])
    assert r1_and_r2_penalty(square, real, fake).item() == pytest.approx(sum(sizes))


def test_the_wgan_penalty_of_a_linear_critic_is_how_far_its_weights_are_from_length_one() -> None:
    critic = LinearCritic()
    penalty = wgan_penalty(critic, pictures(), pictures(2), torch.rand(5))
    assert penalty.item() == pytest.approx((13 - 1) ** 2)
    penalty.backward()
    assert torch.allclose(critic.weight.grad, 2 * 12 * critic.weight / 13)  # type: ignore[arg-type]


def test_the_wgan_penalty_looks_between_a_real_and_a_fake_picture() -> None:
    seen: list[Tensor] = []

    def look(shown: Tensor) -> Tensor:
        seen.append(shown)
        return shown.sum((1, 2, 3))

    wgan_penalty(look, torch.ones(3, 1, 2, 2), torch.zeros(3, 1, 2, 2), torch.tensor([0.0, 0.25, 1.0]))
    assert seen[0][:, 0, 0, 0].tolist() == [0, 0.25, 1]


# -------------------------------------------------------------------------------------- adversarial


@pytest.mark.parametrize(
    ("loss", "discriminator", "generator"),
    [
        (
            NON_SATURATING,
            (softplus(-2) + softplus(0.5)) / 2 + (softplus(1) + softplus(-3)) / 2,
            (softplus(-1) + softplus(3)) / 2,
        ),
        (LEAST_SQUARES, ((1 + 2.25) / 2 + (1 + 9) / 2) / 2, (0 + 16) / 2 / 2),
        (WASSERSTEIN, -1 - 0.75, 1),
        (HINGE, (0 + 1.5) / 2 + (2 + 0) / 2, 1),
        (RELATIVISTIC, (softplus(-1) + softplus(-2.5)) / 2, (softplus(1) + softplus(2.5)) / 2),
    ],
)
def test_losses_of_given_logits(loss: AdversarialLoss, discriminator: float, generator: float) -> None:
    assert loss.discriminator(REAL, FAKE).item() == pytest.approx(discriminator)
    assert loss.generator(REAL, FAKE).item() == pytest.approx(generator)


@pytest.mark.parametrize(
    ("loss", "expected"), [(NON_SATURATING, 2 * math.log(2)), (RELATIVISTIC, math.log(2)), (HINGE, 2), (WASSERSTEIN, 0)]
)
def test_what_a_discriminator_pays_that_tells_nothing_apart(loss: AdversarialLoss, expected: float) -> None:
    assert loss.discriminator(UNDECIDED, UNDECIDED).item() == pytest.approx(expected)


@pytest.mark.parametrize("loss", [WASSERSTEIN, RELATIVISTIC])
def test_where_only_differences_count_a_shift_of_all_logits_changes_nothing(loss: AdversarialLoss) -> None:
    assert loss.discriminator(REAL + 50, FAKE + 50).item() == pytest.approx(loss.discriminator(REAL, FAKE).item())
    assert [share.item() for share in loss.told_apart(REAL + 50, FAKE + 50)] == [0.5, 0.5]


def test_told_apart_is_by_the_middle_of_each_loss() -> None:
    nearly = torch.tensor([0.4, 0.6])
    assert [share.item() for share in NON_SATURATING.told_apart(nearly, nearly)] == [1, 0]
    assert [share.item() for share in LEAST_SQUARES.told_apart(nearly, nearly)] == [0.5, 0.5]


def test_the_generator_learns_most_where_it_is_caught() -> None:
    caught = torch.tensor([-8.0], requires_grad=True)
    NON_SATURATING.generator(caught, caught).backward()
    assert caught.grad is not None
    assert caught.grad.item() == pytest.approx(-1, abs=1e-3)  # the saturating loss would give exp(-8)


def test_a_smoothed_target_moves_where_the_discriminator_rests() -> None:
    def slope_at(loss: AdversarialLoss, logit: float) -> float:
        real = torch.tensor([logit], requires_grad=True)
        smoothed(loss.discriminator(real, torch.zeros(1)), real, 0.1).backward()
        assert real.grad is not None
        return real.grad.item()

    assert slope_at(NON_SATURATING, math.log(0.9 / 0.1)) == pytest.approx(0, abs=1e-6)  # D says 0.9
    assert slope_at(LEAST_SQUARES, 0.9) == pytest.approx(0, abs=1e-6)


def test_losses_of_large_logits_stay_numbers() -> None:
    large = torch.tensor([1e4, -1e4])
    assert torch.isfinite(NON_SATURATING.discriminator(large, large))
    assert NON_SATURATING.discriminator(large, -large).item() == pytest.approx(1e4)
    assert RELATIVISTIC.discriminator(large, -large).item() == pytest.approx(1e4)


# ---------------------------------------------------------------------------------------------- vae


def test_the_divergence_of_known_normals() -> None:
    means = torch.tensor([[0.0, 1.0, 0.0], [0.0, 3.0, 0.0]])
    spreads = torch.tensor([[0.0, 0.0, math.log(4)], [0.0, 0.0, math.log(4)]])
    expected = [0, (1 / 2 + 9 / 2) / 2, (4 - math.log(4) - 1) / 2]
    assert elbo.divergence(means, spreads).tolist() == pytest.approx(expected)
    normal = torch.distributions.Normal
    judged = torch.distributions.kl_divergence(normal(means, (spreads / 2).exp()), normal(0.0, 1.0)).mean(0)
    assert torch.allclose(elbo.divergence(means, spreads), judged)


def test_reconstruction_is_summed_over_pixels_and_averaged_over_the_batch() -> None:
    white = torch.ones(3, 2, 4, 4)
    assert elbo.reconstruction(torch.zeros_like(white), white).item() == pytest.approx(32 * math.log(2))
    assert elbo.reconstruction(20 * white, white).item() == pytest.approx(0, abs=1e-6)
    half = torch.atanh(torch.tensor(0.5))  # what becomes 0.5 by tanh is white with probability 0.75
    cost = elbo.reconstruction(half * white, white).item()
    assert cost == pytest.approx(-32 * math.log(0.75), rel=1e-5)


def test_free_bits_are_a_floor_under_each_number_of_the_code() -> None:
    divergences = torch.tensor([0.01, 0.2, 3.0], requires_grad=True)
    assert elbo.with_free_bits(divergences, 0.0).item() == pytest.approx(3.21)
    floored = elbo.with_free_bits(divergences, 0.5)
    assert floored.item() == pytest.approx(0.5 + 0.5 + 3)
    floored.backward()
    assert divergences.grad is not None
    assert divergences.grad.tolist() == [0, 0, 1]


def test_active_units_are_those_that_follow_the_picture() -> None:
    means = torch.tensor([[0.0, 5.0, 0.05], [1.0, 5.0, -0.05]])
    assert elbo.active_units(means).item() == 1


def test_beta_warms_up_over_its_share_of_the_run() -> None:
    assert [elbo.warmed_up(4.0, share, 0.2) for share in (0, 0.05, 0.2, 1)] == [0, 1, 4, 4]
    assert elbo.warmed_up(4.0, 0.0, 0.0) == 4
