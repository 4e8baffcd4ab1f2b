"""The formulas behind the sticker model's figures, against what can be worked out another way."""

from __future__ import annotations

import math

import pytest
import torch

from pipelines.sticker.measures import between, choices, frechet, is_first, nearest


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_frechet_is_nothing_between_a_set_and_itself_and_the_square_of_a_shift() -> None:
    features = random(500, 8)
    assert frechet(features, features) == pytest.approx(0, abs=1e-6)
    assert frechet(features, features + 0.5) == pytest.approx(8 * 0.25, rel=1e-6)


def test_frechet_agrees_with_the_eigenvalues_of_the_product() -> None:
    """tr (C1 C2)^1/2 is also the sum of the roots of the eigenvalues of C1 C2, which need not be symmetric."""
    one, other = random(400, 6) @ random(6, 6, seed=1), random(300, 6, seed=2) @ random(6, 6, seed=3) + 1
    first, second = torch.cov(one.double().T), torch.cov(other.double().T)
    shared = torch.linalg.eigvals(first @ second).real.clamp(min=0).sqrt().sum()
    away = (one.double().mean(0) - other.double().mean(0)).square().sum()
    assert frechet(one, other) == pytest.approx(float(away + first.trace() + second.trace() - 2 * shared), rel=1e-9)
    assert frechet(one, other) == pytest.approx(frechet(other, one), rel=1e-9)


def test_frechet_of_fewer_pictures_than_features_is_a_number() -> None:
    assert math.isfinite(frechet(random(5, 16), random(5, 16, seed=1)))


def test_a_name_is_chosen_among_others_itself_first_and_each_once() -> None:
    names = ["dog", "cat", "dog", "cow", "pig", "fox", "hen"]
    found = choices(["cat", "dog", "dog"], names, 5, torch.Generator().manual_seed(0))
    assert found.shape == (3, 5)
    for own, row in zip(("cat", "dog", "dog"), found.tolist(), strict=True):
        chosen = [names[place] for place in row]
        assert chosen[0] == own
        assert len(set(chosen)) == 5
    assert torch.equal(found, choices(["cat", "dog", "dog"], names, 5, torch.Generator().manual_seed(0)))
    assert choices(["cat"], names, 100, torch.Generator()).shape == (1, 6)


def test_first_is_who_is_closer_than_all_others() -> None:
    captions = torch.eye(4)
    pictures = torch.tensor([[0.9, 0.1, 0, 0], [0.6, 0.7, 0, 0], [0.5, 0.5, 0, 0]])
    chosen = torch.tensor([[0, 1, 2], [0, 1, 3], [0, 1, 2]])
    assert is_first(pictures, captions, chosen).tolist() == [True, False, False]  # a tie is not first


def test_the_nearest_is_the_one_found_by_looking_at_all() -> None:
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randint(0, 256, (7, 4, 6, 6), generator=generator, dtype=torch.uint8)
    pool = torch.randint(0, 256, (23, 4, 6, 6), generator=generator, dtype=torch.uint8)
    away = torch.cdist(pictures.flatten(1).double(), pool.flatten(1).double()) / 255 / math.sqrt(4 * 36)
    found, places = nearest(pictures, pool, part=5)
    assert torch.equal(places, away.argmin(1))
    torch.testing.assert_close(found, away.min(1).values.float())
    assert float(nearest(pool[3:4], pool)[0]) < 1e-3  # of rounding


def test_the_nearest_of_another_name_is_not_oneself() -> None:
    pool = torch.tensor([0, 10, 100, 120], dtype=torch.uint8).view(4, 1, 1, 1).expand(4, 4, 2, 2)
    found, places = nearest(pool, pool, ["a", "a", "b", "c"], part=3)
    assert places.tolist() == [2, 2, 3, 2]
    torch.testing.assert_close(found, torch.tensor([100, 90, 20, 20]) / 255)


def test_distances_are_those_of_all_pairs_and_never_to_oneself() -> None:
    pool = torch.tensor([0, 51, 255], dtype=torch.uint8).view(3, 1, 1, 1).expand(3, 4, 2, 2)
    found = between(pool, 10, torch.Generator().manual_seed(0))
    torch.testing.assert_close(found.sort().values, torch.tensor([0.2, 0.8, 1.0]))
    assert len(between(pool, 2, torch.Generator().manual_seed(0))) == 1
