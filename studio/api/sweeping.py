"""The endpoints for sweeps: several trainings begun at once, and how they stand."""

from __future__ import annotations

import asyncio

import gradio as gr

from studio.api.offering import Info, json_object, listed, offer, whole
from studio.engine.siblings import runs_of
from studio.owners import owner_of
from studio.services import Studio
from studio.sweeps import Sweeps, begin


class Sweeping:
    """Endpoints for sweeps. A sweep is its owner's; to anybody else it is not there."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._sweeps = Sweeps(studio)

    def build(self) -> None:
        """Adds them to the Blocks around the call."""
        recipe = [gr.Textbox("r1", label="recipe"), gr.Textbox("fashion-mnist", label="dataset")]
        several = [gr.Number(1, label="seeds"), gr.Textbox("", label="setting"), listed("values", {"type": "string"})]
        settings = gr.Textbox("{}", label="settings_json")
        offer(self.start_sweep, [*recipe, *several, settings], [gr.JSON(label="sweep")])
        offer(self.get_sweep, [gr.Textbox(label="sweep")], [gr.JSON(label="runs")])

    async def start_sweep(
        self,
        recipe: str,
        dataset: str,
        seeds: float,
        setting: str,
        values: list[str],
        settings_json: str,
        request: gr.Request,
    ) -> Info:
        """Start several trainings at once that differ in seed or in one setting, spread over the devices there are.

        Returns the sweep's name and the ids of its jobs, 8 at most. On one device they take turns.

        Args:
            recipe: Name of the recipe, such as r1 or dcgan; empty for the default.
            dataset: Name of the data set, such as fashion-mnist or mnist; empty for the default.
            seeds: How many seeds to try each value with.
            setting: The setting that is to have several values, such as learning_rate; empty for none.
            values: Its values, such as ["0.0005", "0.001", "0.002"].
            settings_json: Further settings as a JSON object, such as {"seconds": 60, "seed": 1, "width": 16}.
        """
        chosen = {name: value for name, value in (("recipe", recipe), ("dataset", dataset)) if value}
        runs = runs_of(chosen | json_object(settings_json), whole("seeds", seeds), setting, values)
        jobs = begin(self._studio, owner_of(request), runs)
        return {"sweep": str(jobs[0].request.get("sweep", "")), "jobs": [job.id for job in jobs]}

    async def get_sweep(self, sweep: str, request: gr.Request) -> list[Info]:
        """The runs of a sweep as they stand, the one with the least Fréchet distance first.

        Args:
            sweep: The name that start_sweep returned.
        """
        return await asyncio.to_thread(self._sweeps.rows, owner_of(request), sweep)
