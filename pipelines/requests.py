"""What can be asked for: one frozen, validated class a kind of job.

The ranges here are the only ones: sliders read them from the fields, the API and a replayed recipe are checked by
them. Imports no torch, so that the web process can refuse a bad request before anything is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from pipelines.base import Request, Scalar
from pipelines.errors import StudioError
from pipelines.fields import Digest, Prompt, Seed, title_of
from pipelines.image.request import ImageRequest as ImageRequest
from pipelines.image.upscale_request import UpscaleRequest as UpscaleRequest
from pipelines.registry import register
from pipelines.style.request import StyleRequest as StyleRequest
from pipelines.training.datasets import OWN, dataset_info, size_of
from pipelines.training.recipe_names import recipe_info


@register("text", pipeline="pipelines.text:TextPipeline", task="text")
class TextRequest(Request):
    """Chat (``mode`` chat: system prompt and turns) or free continuation (``mode`` continue: the prompt goes on)."""

    prompt: Prompt
    system: str = Field("", max_length=8000)
    mode: Literal["chat", "continue"] = "chat"
    #: earlier turns of the conversation, oldest first: (role, text) with role user or assistant
    history: tuple[tuple[Literal["user", "assistant"], str], ...] = Field((), max_length=100)
    max_new_tokens: int = Field(256, ge=1, le=2048)
    temperature: float = Field(0.7, ge=0, le=2)
    top_p: float = Field(0.95, gt=0, le=1)
    top_k: int = Field(50, ge=0, le=1000)
    repetition_penalty: float = Field(1.1, ge=1, le=2)
    stop: tuple[Annotated[str, StringConstraints(min_length=1, max_length=100)], ...] = Field((), max_length=8)
    seed: Seed = -1

    def title(self) -> str:
        return title_of(self.prompt)


@register("training", pipeline="pipelines.training.pipeline:TrainingPipeline", interactive=False)
class TrainingRequest(Request):
    """A GAN or a VAE trained on a data set.

    Ends after ``seconds`` of device time or after ``steps``, whichever comes first; 0: no such limit.
    ``recipe`` names the losses and networks; where a value is not given, the recipe's own default takes its place: it
    may be another for larger pictures and for points in the plane.
    ``recipe_names`` says which of the other fields a recipe looks at. ``conditional``: the networks are told the class
    of each picture. ``d_rate`` is the discriminator's learning rate over the generator's, ``d_steps`` its updates in
    each step. ``instance_noise`` is a standard deviation and fades over the run. ``augment``: the discriminator sees
    pictures shifted, cut and recoloured; auto: where there are fewer than 10,000. ``warmup`` is the share of the run
    over which the divergence comes to its weight ``beta``; ``free_bits`` are nats for each number of the code.
    ``dynamic_rates`` lets the discriminator's learning rate follow how right it is, ``sample_balance`` leaves out or
    repeats its updates, ``gradient_penalty`` and ``spectral_norm`` add what a recipe does not have of its own.
    ``averaging`` is how much of itself the averaged network keeps at each step; ``cooling`` is the share of the run, at
    its end, in which learning rates fall to a tenth. ``begin``: the sha256 of a snapshot of
    another training, ``parent``, to go on from with other settings. ``beside``: the training it is compared with;
    ``sweep``: the name of those it was begun together with, which differ in the setting ``varied``, or in their seeds.

    ``fit``: width, batch and schedule (``averaging`` and ``cooling``) are chosen by a trial of the machine, where there
    is a time budget.

    The data set "own" is a zip of a person's ``pictures``, which they call ``name``: squares of ``edge`` pixels, the
    centre of each picture or all of it with white around.
    """

    recipe: str = "r1"
    dataset: str = "fashion-mnist"
    seconds: float = Field(60, ge=0, le=7 * 86400)
    steps: int = Field(0, ge=0, le=1_000_000)
    fit: bool = False
    width: int = Field(16, ge=4, le=256)
    batch: int = Field(64, ge=2, le=1024)
    latent: int = Field(64, ge=2, le=512)
    learning_rate: float = Field(1e-3, gt=0, le=0.1)
    gamma: float = Field(1.0, ge=0, le=100)
    penalty_every: int = Field(4, ge=1, le=64)
    conditional: bool = False
    d_rate: float = Field(1.0, gt=0, le=10)
    d_steps: int = Field(1, ge=1, le=10)
    label_smoothing: float = Field(0.0, ge=0, le=0.5)
    instance_noise: float = Field(0.0, ge=0, le=1)
    augment: Literal["auto", "on", "off"] = "auto"
    beta: float = Field(1.0, ge=0, le=100)
    warmup: float = Field(0.1, ge=0, le=1)
    free_bits: float = Field(0.0, ge=0, le=10)
    dynamic_rates: bool = False
    sample_balance: bool = False
    gradient_penalty: bool = False
    spectral_norm: bool = False
    averaging: float = Field(0.995, ge=0, lt=1)
    cooling: float = Field(0.0, ge=0, le=1)
    pictures: Digest | None = None
    name: Annotated[str, StringConstraints(max_length=80, strip_whitespace=True)] = ""
    edge: Literal[32, 64] = 32
    crop: Literal["centre", "fit"] = "centre"
    begin: Digest | None = None
    parent: str = Field("", max_length=32)
    beside: str = Field("", max_length=32)
    sweep: str = Field("", max_length=32)
    varied: str = Field("", max_length=32)
    seed: Seed = -1

    @model_validator(mode="before")
    @classmethod
    def _recipes_defaults(cls, values: dict[str, Any]) -> dict[str, Any]:
        recipe, dataset = values.get("recipe", "r1"), values.get("dataset", "fashion-mnist")
        if not (isinstance(recipe, str) and isinstance(dataset, str)):
            return values
        size = int(values.get("edge") == 64) * 32 + 32 if dataset == OWN else size_of(dataset)
        return {**recipe_info(recipe).defaults_at(size), **values}

    @field_validator("dataset")
    @classmethod
    def _known_dataset(cls, value: str) -> str:
        return value if value == OWN else dataset_info(value).name

    @model_validator(mode="after")
    def _some_pictures(self) -> TrainingRequest:
        if (self.dataset == OWN) != (self.pictures is not None):
            raise StudioError(
                "training.pictures",
                "The data set own and the field pictures go together: give the sha256 of a zip of your pictures with "
                "it, and with no other data set.",
            )
        return self

    @model_validator(mode="after")
    def _some_end(self) -> TrainingRequest:
        if self.seconds == 0 and self.steps == 0:
            raise StudioError(
                "training.endless",
                "Give a time budget or a number of steps; with both at 0 the training would never end.",
            )
        return self

    @model_validator(mode="after")
    def _some_classes(self) -> TrainingRequest:
        if self.conditional and (self.dataset == OWN or not dataset_info(self.dataset).classes):
            raise StudioError(
                "training.classes",
                "The pictures of {name} have no classes. Train without them, or choose data that has some.",
                name=self.dataset,
            )
        return self

    def files(self) -> tuple[str, ...]:
        return tuple(digest for digest in (self.pictures, self.begin) if digest is not None)

    def steering(self, changes: Mapping[str, Any]) -> dict[str, Scalar]:
        """Settings the recipe looks at and that may change while it trains, and the fields of ``TrainingAction``."""
        recipe = recipe_info(self.recipe)
        actions = ("only", "rewind") if recipe.adversarial else ("rewind",)
        known = (*recipe.steerable, *actions)
        if not changes:
            raise StudioError("steer.nothing", "Say what is to change; it can be {known}.", known=", ".join(known))
        for name in changes:
            if name not in known:
                raise StudioError(
                    "steer.unused",
                    "{setting} cannot be changed while {recipe} trains; what can is {known}.",
                    recipe=self.recipe,
                    setting=str(name)[:60],
                    known=", ".join(known),
                )
        once = TrainingAction.parse({name: changes[name] for name in actions if name in changes})
        lasting = {name: changes[name] for name in recipe.steerable if name in changes}
        checked = type(self).parse({**self.model_dump(), **lasting})
        return {**{name: getattr(checked, name) for name in lasting}, **once.model_dump(exclude_defaults=True)}

    def title(self) -> str:
        return f"{self.recipe} · {self.name or self.dataset}"


class TrainingAction(Request):
    """What a running training is to do once: an update of one side alone, or going back to a snapshot after a step."""

    only: Literal["g", "d"] | None = None
    rewind: int | None = Field(None, ge=0)


@register("sample", pipeline="pipelines.training.sampler:SamplePipeline")
class SampleRequest(Request):
    """New pictures from a generator trained here. ``generator`` is the sha256 of its safetensors file.

    ``label`` is the number of the class to draw, for a generator that was told classes; -1: all of them in turn.
    """

    generator: Digest
    label: int = Field(-1, ge=-1, le=999)
    count: int = Field(16, ge=1, le=256)
    truncation: float = Field(1.0, ge=0, le=2)
    seed: Seed = -1

    def files(self) -> tuple[str, ...]:
        return (self.generator,)

    def title(self) -> str:
        return f"{self.count} samples"


@register("explore", pipeline="pipelines.training.explorer:ExplorePipeline")
class ExploreRequest(Request):
    """A look around in what a generator can draw. ``generator``: the sha256 of its file, or of a training's snapshot.

    ``view``: "plane" is a sheet of ``cells`` x ``cells`` pictures over the plane through sample ``number`` of ``seed``
    (as ``SampleRequest`` numbers them) along two ``directions``, places running from -1 to 1; "morph" the way from the
    place (``u``, ``v``) to (``to_u``, ``to_v``); "near" the training pictures nearest to that at (``u``, ``v``).
    """

    generator: Digest
    view: Literal["plane", "morph", "near"] = "plane"
    label: int = Field(0, ge=0, le=999)
    directions: Literal["principal", "random"] = "principal"
    spread: float = Field(0.6, ge=0.1, le=4)
    cells: int = Field(15, ge=3, le=31)
    number: int = Field(0, ge=0, le=999)
    u: float = Field(0.0, ge=-1, le=1)
    v: float = Field(0.0, ge=-1, le=1)
    to_u: float = Field(0.0, ge=-1, le=1)
    to_v: float = Field(0.0, ge=-1, le=1)
    seed: Seed = -1

    def files(self) -> tuple[str, ...]:
        return (self.generator,)

    def title(self) -> str:
        return {"plane": "latent plane", "morph": "morph", "near": "nearest training pictures"}[self.view]
