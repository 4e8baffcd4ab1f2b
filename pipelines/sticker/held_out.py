"""A hundred combinations of known words that no training picture has, written down before the training began.

They are kept out of the recoloured drawings and of the pairs, so that what the model makes of them is its own.
"""

from __future__ import annotations

COLOURED = (
    "purple dog", "green cat", "blue apple", "red banana", "pink elephant", "blue strawberry", "green pig",
    "red dolphin", "purple frog", "blue lion", "pink car", "green rocket", "purple carrot", "blue pumpkin",
    "pink octopus", "red tree", "blue fox", "green bear", "purple cake", "yellow whale", "blue tomato", "pink guitar",
    "green umbrella", "red penguin", "purple pizza", "blue rose", "yellow rabbit", "green crab", "pink dinosaur",
    "orange fish", "purple duck", "blue tiger", "green bicycle", "red robot", "pink train", "yellow balloon",
    "turquoise horse", "purple snail", "green butterfly", "blue chicken",
)  # fmt: skip
BESIDE = (
    "dog and cake", "cat and pizza", "apple and banana", "rocket and star", "bear and heart", "fish and umbrella",
    "robot and flower", "car and tree", "penguin and ice cream", "rabbit and carrot", "mouse and cheese wedge",
    "frog and crown", "owl and book", "pig and balloon", "lion and guitar", "monkey and bicycle",
    "elephant and gift", "fox and mushroom", "panda and bamboo", "unicorn and rainbow", "dolphin and anchor",
    "chicken and egg", "cow and bell", "bee and sunflower", "turtle and rocket", "ghost and pumpkin",
    "snail and house", "butterfly and tulip", "strawberry and lemon", "key and heart", "crab and bucket",
    "bird and cherries", "tiger and soccer ball", "octopus and trophy", "camel and cactus",
)  # fmt: skip
OTHER = (
    "sad dog", "happy dog", "angry cat", "sleepy bear", "sad robot", "happy sun", "crying frog", "love dog",
    "strawberry cake", "banana cake", "chocolate heart", "fire heart", "cat with sunglasses", "dog with crown",
    "pumpkin with hat", "ice heart", "rainbow fish", "star cookie", "golden key", "flower car", "robot cat",
    "dragon cake", "gold apple", "two elephants", "two rockets",
)  # fmt: skip
NEW = (*COLOURED, *BESIDE, *OTHER)


def is_held_out(words: set[str]) -> bool:
    """Whether a caption with exactly these words (but for articles and joining words) is one of them."""
    return frozenset(words - _JOINING) in _KEYS


_JOINING = {"a", "an", "and", "with"}
_KEYS = {frozenset(set(caption.split()) - _JOINING) for caption in NEW}
