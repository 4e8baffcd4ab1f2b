"""The panel with which a person steers a training that runs, goes back to a snapshot of it, or branches from one.

Knows which settings may change and what they are called; the script draws them, the courier carries what is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from pipelines.training.recipe_names import RECIPES, STEERABLE
from studio.engine.job import Job
from studio.tabs.recipes import NUMBERS
from studio.widgets import widget

#: what people halve and double rather than count up
SCALED = ("learning_rate", "d_rate", "gamma", "beta")


def panel() -> gr.HTML:
    """The panel; it shows itself while a training runs or has left snapshots."""
    steps = {name: {"step": NUMBERS.get(name, 0), "scaled": name in SCALED} for name in STEERABLE}
    return widget("steering", "training-steering", None, settings=steps)


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
