"""The few components that gradio does not have, each a ``gr.HTML`` that one of our scripts draws.

``widget`` ties a name of assets/js/widgets to an element. Values are plain JSON, and everything a person or a model
wrote is put into the page as text by the script, never as markup, so there is nothing to escape here.
"""

from __future__ import annotations

import json
from typing import Any

import gradio as gr


def widget(
    name: str, elem_id: str, value: Any = None, *, events: tuple[str, ...] = (), classes: str = "", **props: Any
) -> gr.HTML:
    """A component drawn by ``atelier.widgets[name]``. ``events`` are those the script may trigger."""
    arguments = f"{json.dumps(name)}, element, props, trigger, watch, {json.dumps(list(events))}"
    script = (
        f"const mount = () => window.atelier.mount({arguments});\n"
        'window.atelier ? mount() : window.addEventListener("atelier-ready", mount, {once: true});'
    )
    return gr.HTML(
        value,
        html_template=f'<div class="widget widget-{name}"></div>',
        js_on_load=script,
        apply_default_css=False,
        elem_id=elem_id,
        elem_classes=["plain", *classes.split()],
        **props,
    )
