"""How large gradients are is measured by network, and every such series has a name."""

from __future__ import annotations

import torch
from torch import nn

from pipelines.training.gradient_names import gradient_series, named_gradient
from pipelines.training.meter import gradient_norms


def test_gradients_are_measured_by_their_length_over_all_weights_of_a_network() -> None:
    one, other, still = nn.Linear(2, 1), nn.Linear(1, 1), nn.Linear(1, 1)
    one.weight.grad, one.bias.grad = torch.tensor([[2.0, -1.0]]), torch.tensor([2.0])
    other.bias.grad = torch.tensor([-5.0])
    assert gradient_norms([list(network.parameters()) for network in (one, other, still)]).tolist() == [3.0, 5.0, 0.0]


def test_gradient_series_are_known_by_the_network_and_by_their_own_name() -> None:
    both, vae = gradient_series(("g", "d")), gradient_series(("vae",))
    assert [series.name for series in (*both, *vae)] == ["generator_gradient", "discriminator_gradient", "vae_gradient"]
    assert [named_gradient(series.name) for series in (*both, *vae)] == [*both, *vae]
    assert named_gradient("generator") is None
