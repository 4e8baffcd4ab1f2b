"""A brush over a picture: the widget, and the mask that a person painted with it as a file of theirs.

The mask comes in the widget's value as a PNG in base64, so that what is posted is what is seen. It is read like any
upload: the size from its header first. Knows the page and the library; not what a mask is for.
"""

from __future__ import annotations

import base64
import binascii
import io
from typing import TYPE_CHECKING, Any

import gradio as gr
from PIL import Image

from pipelines.errors import StudioError
from pipelines.pictures import open_picture, png
from studio.tabs.photos import describe
from studio.widgets import widget

if TYPE_CHECKING:
    from studio.services import Studio

#: of the text that a mask comes as; one of 1024 px has a few thousand
LONGEST = 4_000_000
_HEAD = "data:image/png;base64,"
EDGE = 1024


def brush(
    elem_id: str,
    hint: str = "brush.hint",
    events: tuple[str, ...] = (),
    *,
    heading: str = "",
    regions: bool = False,
    follows: bool = False,
) -> gr.HTML:
    """The widget, empty until ``over`` gives it a picture. ``hint``: the string shown while nothing is painted.

    With "select" among ``events`` it says when a stroke has ended. ``regions``: its colours mean something, and can be
    chosen where the page asks for them. ``follows``: it takes the photo of the Style tab as that changes.
    """
    fixed: dict[str, Any] = {"id": elem_id, "hint": hint, "heading": heading, "regions": regions, "follows": follows}
    return widget("brush", elem_id, None, events=events, tells="select" in events, **fixed)


def over(shown: dict[str, Any] | None, mask: bytes | None = None) -> dict[str, Any] | None:
    """The widget's value for a picture as ``photos.describe`` or ``take_photo`` has it, with a mask to begin with."""
    if not shown or "url" not in shown:
        return None
    value = {name: shown[name] for name in ("url", "width", "height", "digest")}
    if mask is None:
        return value
    painted = open_picture(mask, (0, 0, 0))
    painted.thumbnail((EDGE, EDGE), Image.Resampling.BILINEAR)
    return {**value, "mask": _HEAD + base64.b64encode(png(painted)).decode()}


def over_again(studio: Studio, owner: str, picture: str, mask: str | None) -> dict[str, Any] | None:
    """The same for files of the library by their digests. Raises ``StudioError`` where they are not the person's."""
    if mask is not None:
        studio.library.check_owned(owner, [mask])
    painted = None if mask is None else studio.library.blobs.read(mask)
    return over(describe(studio, owner, picture), painted)


def take_mask(studio: Studio, owner: str, value: Any, picture: str | None, mode: str = "L") -> str | None:
    """Keeps what was painted over ``picture``, in Pillow's ``mode``: its digest, None where nothing was.

    Raises ``StudioError`` for what is no mask.
    """
    posted = value.get("mask") if isinstance(value, dict) and value.get("digest") == picture else None
    if not posted:
        return None
    if not isinstance(posted, str) or not posted.startswith(_HEAD) or len(posted) > LONGEST:
        raise _no_mask()
    try:
        data = base64.b64decode(posted[len(_HEAD) :], validate=True)
    except binascii.Error:
        raise _no_mask() from None
    out = io.BytesIO()
    open_picture(data, (0, 0, 0)).convert(mode).save(out, "PNG", optimize=True)
    return studio.keep_upload(owner, out.getvalue())


def _no_mask() -> StudioError:
    return StudioError("mask.unread", "What was painted did not arrive as a picture. Paint it again.")
