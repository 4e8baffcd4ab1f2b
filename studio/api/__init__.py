"""The public API: named gradio endpoints with types and docstrings, which are also the MCP tools.

A contract: names, order and defaults of the parameters are kept by a snapshot test; new ones come last, with a
default.
"""

from __future__ import annotations

import gradio as gr

from studio.api.jobs import Jobs
from studio.api.library import Shelves
from studio.api.painting import Painting
from studio.api.styling import Styling
from studio.api.sweeping import Sweeping
from studio.api.training import Training
from studio.api.writing import Writing
from studio.services import Studio


def build_api(studio: Studio) -> None:
    """Adds every endpoint to the Blocks around the call, out of sight."""
    with gr.Column(visible=False):
        for made in (Writing, Painting, Styling, Training):
            made(studio).build()
        Jobs(studio).build()
        Shelves(studio).build()
        Sweeping(studio).build()
