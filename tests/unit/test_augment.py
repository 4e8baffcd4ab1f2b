"""Differentiable augmentation: what each part does, that it can be learned through, and when it is on."""

from __future__ import annotations

import pytest
import torch

from pipelines.training.augment import augmented, coloured, cut, is_on, translated
from pipelines.training.loop import Loop
from tests.unit.training_runs import CPU, tiny


def seeded(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_picture_is_moved_as_a_whole_and_nothing_comes_into_view() -> None:
    pictures = torch.zeros(64, 1, 16, 16)
    pictures[:, :, 8, 8] = 1
    moved = translated(pictures, seeded())
    assert (moved.flatten(1).sum(1) == 1).all()
    places = moved.flatten(1).argmax(1)
    assert set((places // 16).tolist()) == set((places % 16).tolist()) == {6, 7, 8, 9, 10}
    assert (translated(torch.ones(64, 2, 16, 16), seeded()) == 0).any()


def test_colours_change_without_the_place() -> None:
    pictures = torch.rand(8, 3, 4, 4, generator=seeded())
    changed = coloured(pictures, seeded())
    order = [each.mean(1).flatten(1).argsort(1) for each in (pictures, changed)]
    assert torch.equal(*order)
    flat = coloured(torch.full((100, 3, 4, 4), 0.25), seeded())
    assert flat.min() >= 0.25 - 0.5
    assert flat.max() <= 0.25 + 0.5
    assert flat.std(0).max() > 0.2


def test_a_square_of_half_the_edge_is_cut_out_where_it_lies_inside() -> None:
    holes = (cut(torch.ones(200, 1, 8, 8), seeded()) == 0).flatten(1).sum(1)
    assert holes.max() == 16
    assert holes.min() >= 4


def test_it_can_be_learned_through_and_is_the_same_again() -> None:
    pictures = torch.rand(4, 3, 8, 8, generator=seeded(), requires_grad=True)
    one, again, other = augmented(pictures, seeded(2)), augmented(pictures, seeded(2)), augmented(pictures, seeded(3))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert one.shape == pictures.shape
    assert torch.autograd.gradcheck(
        lambda values: augmented(values, seeded(2)), pictures.detach()[:1, :, :4, :4].double().requires_grad_()
    )


@pytest.mark.parametrize(
    ("wish", "pictures", "plane", "expected"),
    [
        ("auto", 9_999, False, True),
        ("auto", 10_000, False, False),
        ("on", 70_000, False, True),
        ("off", 50, False, False),
        ("on", 50, True, False),
    ],
)
def test_few_pictures_are_augmented_by_themselves_and_points_never(
    wish: str, pictures: int, plane: bool, expected: bool
) -> None:
    assert is_on(wish, pictures, plane) is expected


@pytest.mark.parametrize("recipe", ["r1", "r3gan", "wgan-gp", "dcgan"])
def test_a_step_is_another_with_it_and_repeats_with_the_same_seed(recipe: str) -> None:
    def after(wish: str) -> torch.Tensor:
        loop = Loop(tiny(recipe=recipe, augment=wish), CPU)
        loop.advance()
        loop.advance()
        return torch.cat([parameter.flatten() for parameter in loop.recipe.modules["g"].parameters()])

    assert torch.equal(after("on"), after("auto"))
    assert not torch.equal(after("on"), after("off"))
