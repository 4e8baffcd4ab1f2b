"""Further styles as the API takes them: a JSON list that names uploaded pictures by their places.

Knows no files: whoever asks has kept the pictures already.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pipelines.errors import StudioError

EXAMPLE = '[{"style": "red-weave", "weight": 0.5}, {"picture": 0, "weight": 0.5}]'


def blended(text: str, digests: Sequence[str]) -> list[dict[str, Any]]:
    """``text`` as the parts of a ``StyleRequest``, the number of each picture replaced by its digest."""
    try:
        found = json.loads(text or "[]")
    except json.JSONDecodeError:
        found = None
    if not (isinstance(found, list) and all(isinstance(part, dict) for part in found)):
        raise StudioError("style.blend.list", "blend_json must be a list such as {example}.", example=EXAMPLE)
    return [_with_digest(part, digests) for part in found]


def _with_digest(part: dict[str, Any], digests: Sequence[str]) -> dict[str, Any]:
    number = part.get("picture")
    if not isinstance(number, int) or isinstance(number, bool):
        return part
    if not 0 <= number < len(digests):
        raise StudioError(
            "style.picture.number",
            "blend_json names picture {number}, and further_pictures has {count}.",
            number=number,
            count=len(digests),
        )
    return {**part, "picture": digests[number]}
