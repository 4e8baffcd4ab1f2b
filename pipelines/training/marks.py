"""What is worth a mark on the curves of a training, in plain English and as a key that translators know."""

from __future__ import annotations

from pipelines.base import Mark, Scalar
from pipelines.training.loop import Loop
from pipelines.training.recipe_names import STEERABLE


def mark(loop: Loop, key: str, sentence: str, **values: Scalar) -> Mark:
    """A mark where ``loop`` stands, or at the ``bad`` step; key and sentence are literals, for translators.

    A ``setting`` among the values is a field's name, and is called in English as people call it.
    """
    said = dict(values)
    if "setting" in said:
        said["setting"] = STEERABLE[str(said["setting"])]
    return Mark(int(values.get("bad", loop.step)), loop.seconds, sentence.format(**said), key, values)
