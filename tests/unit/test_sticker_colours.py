"""Colour words: what a drawing is called, and what it looks like after a change."""

import pytest
import torch

from pipelines.sticker.colours import HUES, WORDS, clear_colour, from_hsv, recoloured, shares, to_hsv


def disc(colour: tuple[float, float, float], leaf: tuple[float, float, float] | None = None) -> torch.Tensor:
    """A premultiplied disc of one colour, with a leaf of another on top where given: [4, 32, 32]."""
    rows, columns = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    inside = ((rows - 16).square() + (columns - 16).square() < 150).float()
    picture = torch.tensor(colour).view(3, 1, 1).expand(3, 32, 32).clone()
    if leaf is not None:
        picture[:, :8] = torch.tensor(leaf).view(3, 1, 1)
    return torch.cat([picture * inside, inside.unsqueeze(0)])


@pytest.mark.parametrize(
    ("colour", "word"),
    [
        ((0.9, 0.1, 0.1), "red"),
        ((1.0, 0.55, 0.1), "orange"),
        ((1.0, 0.85, 0.2), "yellow"),
        ((0.2, 0.7, 0.2), "green"),
        ((0.2, 0.4, 0.9), "blue"),
        ((0.55, 0.2, 0.85), "purple"),
        ((1.0, 0.5, 0.8), "pink"),
        ((0.45, 0.27, 0.13), "brown"),
        ((0.1, 0.1, 0.1), "black"),
        ((0.97, 0.97, 0.97), "white"),
        ((0.55, 0.55, 0.55), "grey"),
    ],
)
def test_a_disc_of_one_colour_has_that_colours_word(colour: tuple[float, float, float], word: str) -> None:
    assert clear_colour(disc(colour)) == word


def test_a_colourful_picture_has_no_colour_word() -> None:
    stripes = torch.stack([disc((0.9, 0.1, 0.1)), disc((0.2, 0.4, 0.9))])
    half = torch.cat([stripes[0][:, :, :16], stripes[1][:, :, 16:]], 2)
    assert clear_colour(half) is None


def test_hsv_and_back_gives_the_same_colours() -> None:
    colours = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(from_hsv(to_hsv(colours)), colours, atol=1e-5)


@pytest.mark.parametrize("word", WORDS)
def test_a_recoloured_drawing_gets_the_word_it_was_recoloured_to(word: str) -> None:
    changed = recoloured(disc((0.9, 0.35, 0.15)), word)
    assert changed is not None
    found = shares(changed)
    assert max(found, key=found.__getitem__) == word


def test_a_blue_strawberry_keeps_its_green_leaf() -> None:
    changed = recoloured(disc((0.9, 0.1, 0.15), leaf=(0.2, 0.7, 0.2)), "blue")
    assert changed is not None
    leaf = changed[:3, 6, 16]
    assert torch.allclose(leaf, torch.tensor([0.2, 0.7, 0.2]), atol=0.02)
    hue = float(to_hsv(changed[:3])[0, 16, 16])
    assert abs(hue - HUES["blue"][0]) <= HUES["blue"][1]


def test_a_grey_thing_is_not_recoloured() -> None:
    assert recoloured(disc((0.5, 0.5, 0.5)), "red") is None


def test_what_is_transparent_stays_transparent_and_black() -> None:
    changed = recoloured(disc((0.9, 0.1, 0.1)), "green")
    assert changed is not None
    assert torch.equal(changed[:, 0, 0], torch.zeros(4))
