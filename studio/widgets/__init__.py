"""The few components that gradio does not have, each a ``gr.HTML`` that one of our scripts draws.

``widget`` ties a name that assets/js/main.js knows to an element. Values are plain JSON, and everything a person or a
model wrote is put into the page as text by the script, never as markup, so there is nothing to escape here.
"""

from __future__ import annotations

import json
from typing import Any

import gradio as gr

_SCRIPT = """
const mount = () => window.atelier.mount({name}, element, props, trigger, watch, {fixed});
window.atelier ? mount() : window.addEventListener("atelier-ready", mount, {{once: true}});
// events: {events}
"""


def widget(name: str, elem_id: str, value: Any = None, *, events: tuple[str, ...] = (), **fixed: Any) -> gr.HTML:
    """A component drawn by the script named ``name``.

    ``events`` are those the script may trigger. ``fixed`` is JSON the script gets once, as it never changes; it is
    part of the script, since gradio loses a component's own properties when it is updated before its tab was opened.
    """
    return gr.HTML(
        value,
        html_template=f'<div class="widget widget-{name}"></div>',
        js_on_load=_SCRIPT.format(name=_js(name), fixed=_js(fixed), events=_js(events)),
        apply_default_css=False,
        elem_id=elem_id,
        elem_classes=["plain"],
    )


def _js(value: Any) -> str:
    """JSON that is also a JavaScript expression and can stand inside a page."""
    text = json.dumps(value, ensure_ascii=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
