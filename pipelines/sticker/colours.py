"""Colour words: which ones a drawing deserves, and a drawing in another colour with its word.

Hue, saturation and value as in Smith (1978), on pictures in 0..1. Knows pixels and words; not names of things.
"""

from __future__ import annotations

import torch
from torch import Tensor

#: the middle of each colour word's hue in turns, and how far it reaches to either side
HUES = {
    "red": (0.0, 0.045),
    "orange": (0.08, 0.035),
    "yellow": (0.14, 0.03),
    "green": (0.33, 0.14),
    "turquoise": (0.5, 0.035),
    "blue": (0.59, 0.08),
    "purple": (0.76, 0.075),
    "pink": (0.9, 0.055),
}
GREYS = ("black", "white", "grey")
WORDS = (*HUES, "brown", *GREYS)
#: all that may stand for a colour in a name, to be replaced when the drawing changes its colour
SAID = {*WORDS, "gray", "violet", "cyan", "teal", "gold", "golden", "silver"}
#: share of the visible area a colour needs to be worth its word
CLEAR = 0.55
_BAND = 0.09  # turns around the most frequent hue that are one colour


def to_hsv(colours: Tensor) -> Tensor:
    """[..., 3, H, W] in 0..1 -> the same shape: hue in turns, saturation, value."""
    red, green, blue = colours.unbind(-3)
    value, _ = colours.max(-3)
    span = value - colours.min(-3).values
    safe = span.clamp(min=1e-6)
    sector = torch.where(
        value == red,
        ((green - blue) / safe) % 6,
        torch.where(value == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    return torch.stack([sector / 6, span / value.clamp(min=1e-6), value], -3)


def from_hsv(hsv: Tensor) -> Tensor:
    """The way back."""
    hue, saturation, value = hsv.unbind(-3)
    place = torch.stack([(hue * 6 + shift) % 6 for shift in (5, 3, 1)], -3)
    ramp = torch.minimum(place, 4 - place).clamp(0, 1)
    return value.unsqueeze(-3) * (1 - saturation.unsqueeze(-3) * ramp)


def plain_colours(picture: Tensor) -> Tensor:
    """Premultiplied [..., 4, H, W] in 0..1 -> colours [..., 3, H, W] as they are without transparency."""
    return (picture[..., :3, :, :] / picture[..., 3:, :, :].clamp(min=1 / 255)).clamp(0, 1)


def shares(picture: Tensor) -> dict[str, float]:
    """How much of what is visible in a premultiplied [4, H, W] has each colour word."""
    alpha = picture[3]
    hue, saturation, value = to_hsv(plain_colours(picture)).unbind(0)
    total = alpha.sum().clamp(min=1e-6)
    vivid = (saturation > 0.25) & (value > 0.2)
    found = {}
    for word, (middle, reach) in HUES.items():
        away = ((hue - middle + 0.5) % 1 - 0.5).abs()
        near = vivid & (away <= reach)
        if word in ("red", "orange"):  # a dark orange is called brown
            near &= value > 0.62
        found[word] = float((alpha * near).sum() / total)
    dark = vivid & (hue < 0.12) & (value <= 0.62)
    found["brown"] = float((alpha * dark).sum() / total)
    found["black"] = float((alpha * ~vivid * (value < 0.3)).sum() / total)
    found["white"] = float((alpha * ~vivid * (value > 0.85)).sum() / total)
    found["grey"] = float((alpha * ~vivid * ((value >= 0.3) & (value <= 0.85))).sum() / total)
    return found


def clear_colour(picture: Tensor) -> str | None:
    """The word for a drawing that is mostly of one colour; None for a colourful one."""
    found = shares(picture)
    word = max(found, key=found.__getitem__)
    return word if found[word] >= CLEAR else None


def main_hue(picture: Tensor) -> tuple[float, float]:
    """The most frequent hue of a premultiplied [4, H, W], and the share of the visible area that has about it."""
    alpha = picture[3]
    hue, saturation, value = to_hsv(plain_colours(picture)).unbind(0)
    weight = alpha * (saturation > 0.25) * (value > 0.2)
    histogram = torch.histc(hue[weight > 0.3].float(), 36, 0, 1)
    middle = (float(histogram.argmax()) + 0.5) / 36
    near = ((hue - middle + 0.5) % 1 - 0.5).abs() <= _BAND
    return middle, float((weight * near).sum() / alpha.sum().clamp(min=1e-6))


def recoloured(picture: Tensor, word: str) -> Tensor | None:
    """A premultiplied [4, H, W] in 0..1 whose main colour became ``word``; None where it has no main colour.

    Only what has about the main hue changes, so that a blue strawberry keeps its green leaves.
    """
    middle, share = main_hue(picture)
    if share < 0.35:
        return None
    colours = plain_colours(picture)
    hsv = to_hsv(colours)
    hue, saturation, value = hsv.unbind(0)
    away = ((hue - middle + 0.5) % 1 - 0.5).abs()
    # soft at the border of the band, so that shades do not tear
    part = ((1.6 * _BAND - away) / (0.6 * _BAND)).clamp(0, 1) * (saturation > 0.06)
    new = _as(word, hue - middle, saturation, value)
    mixed = colours + part * (from_hsv(new) - colours)
    return torch.cat([mixed * picture[3:], picture[3:]])


def _as(word: str, away: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """Shades of one hue as the shades of ``word``: ``away`` is how far each is from the main hue, in turns."""
    if word == "black":
        return torch.stack([away * 0, saturation * 0.1, value * 0.28])
    if word == "white":
        return torch.stack([away * 0, saturation * 0.05, 1 - (1 - value) * 0.3])
    if word == "grey":
        return torch.stack([away * 0, saturation * 0.05, 0.2 + value * 0.42])
    if word == "brown":
        return torch.stack([(0.065 + 0.5 * away) % 1, (saturation * 0.9).clamp(0.35, 0.85), value * 0.56])
    if word == "green":  # of leaves: at full value it would be a screen's green, which no drawing has
        return torch.stack([(0.36 + 0.6 * away) % 1, saturation * 0.85, (value * 0.86 + 0.02).clamp(0, 1)])
    hue = HUES[word][0]
    lighter = 0.75 if word == "pink" else 1.0
    return torch.stack([(hue + 0.6 * away) % 1, saturation * lighter, (value * 1.1 + 0.04).clamp(0, 1)])
