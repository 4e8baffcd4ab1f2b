"""The ways from noise to a picture that a person can choose, and which of them fit a model.

Knows diffusers' schedulers. A scheduler is made fresh for every run, from the configuration the model came with:
it counts steps inside itself, so two runs must never share one. Two families exist and do not mix: models that
predict noise (Ho et al. 2020) and models that predict a flow (Lipman et al. 2023).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import diffusers

from pipelines.errors import StudioError

#: a scheduler object: diffusers' classes share no typed base that has their configuration
Scheduler: TypeAlias = Any


@dataclass(frozen=True)
class Choice:
    """A scheduler class of diffusers, and what is set over the model's own configuration."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def build(self, config: Mapping[str, Any]) -> Scheduler:
        kind = getattr(diffusers, self.name)
        built: Scheduler = kind.from_config(config, **self.settings)
        return built


# clip_sample and thresholding are for models that work on pixels; on latents they cut the picture's colours off
_LATENT = {"clip_sample": False, "thresholding": False}
_DPM = {"algorithm_type": "dpmsolver++", "solver_order": 2, "thresholding": False}

NOISE: Mapping[str, Choice] = {
    "ddim": Choice("DDIMScheduler", _LATENT),
    "ddpm": Choice("DDPMScheduler", _LATENT),
    "dpm++ 2m": Choice("DPMSolverMultistepScheduler", _DPM | {"use_karras_sigmas": False}),
    "dpm++ 2m karras": Choice("DPMSolverMultistepScheduler", _DPM | {"use_karras_sigmas": True}),
    "euler": Choice("EulerDiscreteScheduler"),
    "euler a": Choice("EulerAncestralDiscreteScheduler"),
    "heun": Choice("HeunDiscreteScheduler"),
    "lcm": Choice("LCMScheduler", _LATENT),
    "pndm": Choice("PNDMScheduler", {"skip_prk_steps": True}),
    "unipc": Choice("UniPCMultistepScheduler", {"thresholding": False}),
}

_FLOW = {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}
FLOW: Mapping[str, Choice] = {
    "euler": Choice("FlowMatchEulerDiscreteScheduler"),
    "heun": Choice("FlowMatchHeunDiscreteScheduler"),
    "dpm++ 2m": Choice("DPMSolverMultistepScheduler", _DPM | _FLOW),
    "unipc": Choice("UniPCMultistepScheduler", _FLOW | {"thresholding": False}),
}
#: with a shift that depends on the picture's size, the pipeline hands its own sigmas over; only this one takes them
FLOW_SHIFTED: Mapping[str, Choice] = {"euler": FLOW["euler"]}


def is_flow(config: Mapping[str, Any]) -> bool:
    """Whether a scheduler's configuration belongs to a flow-matching model."""
    return (
        str(config.get("_class_name", "")).startswith("FlowMatch")
        or bool(config.get("use_flow_sigmas"))
        or config.get("prediction_type") == "flow_prediction"
    )


def choices(own: Scheduler) -> Mapping[str, Choice]:
    """What a person may choose for a model that came with ``own``."""
    config = _config(own)
    if not is_flow(config):
        return NOISE
    return FLOW_SHIFTED if config.get("use_dynamic_shifting") else FLOW


def fresh_scheduler(own: Scheduler, name: str, steps: int) -> Scheduler:
    """A new scheduler for one run: the model's own kind where ``name`` is empty, else the chosen one.

    Raises ``StudioError`` where the model does not work with it, or not with that many steps.
    """
    config = _config(own)
    if not name:
        same: Scheduler = type(own).from_config(config)
        return _checked(same, steps)
    fitting = choices(own)
    if name not in fitting:
        raise StudioError(
            "image.scheduler",
            "This model does not work with the scheduler {name}: it predicts {kind}. Choose {fitting}, or leave it "
            "empty for the model's own ({own}).",
            name=name,
            kind="a flow" if is_flow(config) else "noise",
            fitting=", ".join(fitting),
            own=type(own).__name__,
        )
    chosen = fitting[name]
    if not is_flow(config):
        return _checked(chosen.build(config), steps)
    # one quantity under two names: how far the flow's times are shifted towards noise
    theirs = "shift" if chosen.name.startswith("FlowMatch") else "flow_shift"
    shift = config.get("shift", config.get("flow_shift", 1.0))
    return _checked(chosen.build({**config, theirs: shift}), steps)


def check_begins(scheduler: Scheduler, method: str) -> None:
    """Raises ``StudioError`` where a flow cannot begin from a picture with this scheduler: some only go from noise."""
    if method == "words" or not is_flow(_config(scheduler)) or hasattr(scheduler, "scale_noise"):
        return
    raise StudioError(
        "image.begins",
        "This model cannot begin from a picture with this scheduler ({name}). Choose Euler or Heun, or leave it empty "
        "for the model's own.",
        name=type(scheduler).__name__,
    )


def _checked(scheduler: Scheduler, steps: int) -> Scheduler:
    config = _config(scheduler)
    limits = [config.get("num_train_timesteps")]
    if type(scheduler).__name__ == "LCMScheduler":
        limits.append(config.get("original_inference_steps"))
    limit = min((int(limit) for limit in limits if limit), default=steps)
    if steps > limit:
        raise StudioError(
            "image.steps",
            "This scheduler takes at most {limit} steps with this model; you asked for {value}.",
            limit=limit,
            value=steps,
        )
    return scheduler


def _config(scheduler: Scheduler) -> dict[str, Any]:
    config = dict(scheduler.config)
    return {**config, "_class_name": type(scheduler).__name__}
