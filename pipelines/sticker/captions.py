"""What may be said of a drawing, so that a person's words meet words the model has learned from.

Names and tags are emojibase's; the colour is what the pixels show. Knows words only. Every caption is English; Chinese
prompts are translated before they get here (``prompts``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipelines.sticker.colours import SAID
from pipelines.sticker.drawings import Drawing

#: groups whose things can stand beside each other in one picture
THINGS = ("animals-nature", "food-drink", "travel-places", "activities", "objects", "smileys-emotion")


def name_of(drawing: Drawing) -> str:
    """What it is, short and in lower case: "dog face" among animals is a dog."""
    name = re.sub(r"\s*\(.*?\)", "", drawing.caption).strip()
    name = name if name.isupper() else name.lower()
    if drawing.group == "animals-nature" and drawing.subgroup != "monkey-face":
        name = name.removesuffix(" face")
    return name


def without_colour(name: str) -> str:
    """ "red heart" is a heart; a name that is nothing but a colour stays."""
    words = [word for word in name.split() if word not in SAID]
    return " ".join(words) or name


def article(name: str) -> str:
    """ "an apple", "a dog"."""
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def captions(drawing: Drawing, colour: str | None) -> Iterator[tuple[str, float]]:
    """Captions with how often to use each. ``colour``: the drawing's, where it has a clear one."""
    name = name_of(drawing)
    yield name, 4.0
    yield article(name), 1.0
    if drawing.caption.lower() != name:
        yield drawing.caption.lower(), 1.0
    own = drawing.name.replace("-", " ")
    if "-" in drawing.name and own not in (name, drawing.caption.lower()):
        yield own, 1.0
    tags = [tag.lower() for tag in drawing.tags if tag.isascii() and len(tag) > 2 and tag.lower() != name]
    for place, tag in enumerate(tags[:6]):
        yield f"{name}, {tag}", 0.4
        yield tag, 0.25
        if place and place % 2 == 0:
            yield f"{name}, {tags[place - 1]} {tag}", 0.4
        if drawing.group == "smileys-emotion":
            yield f"{tag} {name}", 0.3
    if colour is not None:
        bare = without_colour(name)
        yield f"{colour} {bare}", 1.5
        yield article(f"{colour} {bare}"), 0.5


def recoloured_captions(drawing: Drawing, colour: str) -> Iterator[tuple[str, float]]:
    """What to say of it in another colour."""
    bare = without_colour(name_of(drawing))
    yield f"{colour} {bare}", 3.0
    yield article(f"{colour} {bare}"), 1.0
    yield f"{bare}, {colour}", 0.5


def pair_captions(left: Drawing, right: Drawing) -> Iterator[tuple[str, float]]:
    """What to say of two beside each other."""
    one, two = name_of(left), name_of(right)
    if one == two:
        yield f"two {one}", 1.0
        yield f"two {one}s", 1.0
        return
    yield f"{one} and {two}", 3.0
    yield f"{article(one)} and {article(two)}", 1.0
    yield f"{one} with {two}", 1.0
    yield f"{one} {two}", 1.0


def may_pair(drawing: Drawing) -> bool:
    """Whether it is a thing with a name short enough to be said beside another."""
    return drawing.group in THINGS and len(name_of(drawing).split()) <= 3
