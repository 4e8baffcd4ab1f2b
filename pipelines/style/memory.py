"""Whether a photo fits into the device's memory, and if not, which size would.

Knows the reckoning of ``reckoning`` and a device. A test holds that to the measured peak.
"""

from __future__ import annotations

from pipelines.devices import Device
from pipelines.errors import StudioError
from pipelines.style.reckoning import fitting, reckon
from pipelines.style.request import StyleRequest

#: of the device's memory, so much may go to one painting: others have models there
SHARE = 0.6


def require_room(request: StyleRequest, width: int, height: int, device: Device) -> None:
    """Raises ``StudioError`` where a photo of this size would need more than its share of ``device``'s memory."""
    item = device.torch_dtype.itemsize
    needed = reckon(request, width, height, item, {}).bytes
    room = SHARE * device.total_bytes
    if needed <= room:
        return
    fit_width, fit_height = fitting(request, width, height, item, room)
    raise StudioError(
        "style.memory",
        "Painting {width} x {height} pixels takes about {needed} GB of memory, and a painting may use {room} GB here. "
        "Make the photo {fit_width} x {fit_height} or smaller.",
        width=width,
        height=height,
        needed=round(needed / 1e9, 1),
        room=round(room / 1e9, 1),
        fit_width=fit_width,
        fit_height=fit_height,
    )
