"""The panel with which a person steers a training that runs, goes back to a snapshot of it, or branches from one.

Knows which settings may change and what they are called; the script draws them, the courier carries what is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import gradio as gr

from pipelines.requests import TrainingRequest
from pipelines.training.recipe_names import RECIPES, STEERABLE
from studio.engine.job import Job
from studio.tabs.recipes import NUMBERS
from studio.widgets import widget

#: what people halve and double rather than count up
SCALED = ("learning_rate", "d_rate", "gamma", "beta")


def panel() -> gr.HTML:
    """The panel; it shows itself while a training runs or has left snapshots."""
    return widget("steering", "training-steering", None, settings={name: _look(name) for name in STEERABLE})


def _look(name: str) -> dict[str, Any]:
    """How a setting is drawn: a switch, a choice of words, or a number."""
    kind = TrainingRequest.model_fields[name].annotation
    if kind is bool:
        return {"switch": True}
    if words := get_args(kind):
        return {"choices": list(words)}
    return {"step": NUMBERS.get(name, 1), "scaled": name in SCALED}


def steering_of(job: Job, values: Mapping[str, Any]) -> dict[str, Any]:
    """What the panel needs of a training whose settings stand at ``values``; nothing before it has begun."""
    if not values:
        return {}
    recipe, request = RECIPES.get(str(job.request.get("recipe"))), job.request
    return {
        "values": dict(values),
        "both": recipe is not None and recipe.adversarial,
        "parent": request.get("parent", ""),
        "budget": {"seconds": request.get("seconds", 0), "steps": request.get("steps", 0)},
    }
