"""What a training of the sticker model on a person's own pictures is asked with. Imports no torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from pipelines.base import Request
from pipelines.errors import StudioError
from pipelines.fields import Digest, Seed
from pipelines.registry import register

#: a network that draws already is led on gently; one that knows nothing takes larger steps
RATES = {"stickers": 2e-4, "nothing": 1e-3}


@register("sticker_training", pipeline="pipelines.sticker.own_training:StickerTrainingPipeline", task="image",
          interactive=False)  # fmt: skip
class StickerTrainingRequest(Request):
    """The sticker model trained on the captioned ``pictures`` of a zip, from its own weights or from nothing.

    Ends after ``seconds`` of device time or after ``steps``, whichever comes first; 0: no such limit. ``name`` is what
    the person calls the pictures; empty: nothing in particular.
    """

    pictures: Digest
    name: Annotated[str, StringConstraints(max_length=80, strip_whitespace=True)] = ""
    start: Literal["stickers", "nothing"] = "stickers"
    seconds: float = Field(900, ge=0, le=7 * 86400)
    steps: int = Field(0, ge=0, le=1_000_000)
    batch: int = Field(16, ge=2, le=256)
    learning_rate: float = Field(RATES["stickers"], gt=0, le=0.1)
    seed: Seed = -1

    @model_validator(mode="before")
    @classmethod
    def _rate_of_start(cls, values: dict[str, Any]) -> dict[str, Any]:
        rate = RATES.get(str(values.get("start", "stickers")))
        return values if rate is None else {"learning_rate": rate, **values}

    @model_validator(mode="after")
    def _some_end(self) -> StickerTrainingRequest:
        if self.seconds == 0 and self.steps == 0:
            raise StudioError(
                "training.endless",
                "Give a time budget or a number of steps; with both at 0 the training would never end.",
            )
        return self

    def files(self) -> tuple[str, ...]:
        return (self.pictures,)

    def title(self) -> str:
        return self.name or "stickers of my own"
