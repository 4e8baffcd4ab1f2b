"""Settings that a choice brings along: they are set, but for those that a person changed while it was being answered.

Knows one hidden component and a script. On a slow line seconds go by between a choice and its answer, and what was
typed meanwhile is worth more than what we would have set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr
from gradio.components import Component

from studio.tabs.parts import QUIET, Updates

#: what stands as it was posted gets what is wanted; an update without properties changes nothing
_TAKE = """(proposal, ...now) => now.map((value, at) => {
  const mine = at in proposal.wanted && JSON.stringify(value) === JSON.stringify(proposal.posted[at]);
  return mine ? proposal.wanted[at] : { __type__: "update" };
})"""


def propose(
    listen: Callable[..., Any], answer: Callable[..., Updates], asked: Sequence[Component], fields: Sequence[Component]
) -> None:
    """When ``listen`` hears of a choice, ``answer`` is asked with the values of ``asked`` and then of ``fields``; it
    gives plain values for some of the ``fields``, of which there are at least two."""
    proposal = gr.JSON(visible=False)

    def proposed(*posted: Any) -> dict[str, Any]:
        updates = answer(*posted)
        wanted = {str(at): updates[field] for at, field in enumerate(fields) if field in updates}
        return {"posted": list(posted[len(asked) :]), "wanted": wanted}

    listen(proposed, [*asked, *fields], proposal, **QUIET).then(None, [proposal, *fields], fields, js=_TAKE)
