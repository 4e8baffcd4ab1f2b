"""Whether a photo fits into the device's memory, and if not, which size would.

Knows what a painting needs: the two largest maps that exist at once, and what lies beside them. A test holds that to
the measured peak.
"""

from __future__ import annotations

import math

from pipelines.devices import Device
from pipelines.errors import StudioError
from pipelines.style.painter import Stack

#: of the device's memory, so much may go to one painting: others have models there
SHARE = 0.6
#: bytes for each pixel beside the maps: the photo as bytes, as float32 and its copy in the map's format, the result
BESIDE = 40
#: bytes a painting of any size needs: the buffers of one band, prepared kernels, what the allocator keeps
FIXED = 1 << 26


def bytes_per_pixel(stack: Stack) -> float:
    """Peak bytes for each pixel of the photo: the largest sum of a layer's input and output."""
    pixels, channels, peak = 1.0, 3, 0.0
    size = stack.contract[0].kernel.element_size()
    for layer in stack.layers():
        read = pixels * channels
        pixels /= layer.shrinks**2
        channels = len(layer.kernel)
        peak = max(peak, read + pixels * channels)
        if layer.writes_blocks:
            pixels, channels = 4 * pixels, channels // 4
    return peak * size + BESIDE


def bytes_needed(stack: Stack, width: int, height: int) -> float:
    """Peak bytes of painting a photo of this size."""
    return FIXED + bytes_per_pixel(stack) * width * height


def require_room(stack: Stack, width: int, height: int, device: Device) -> None:
    """Raises ``StudioError`` where a photo of this size would need more than its share of ``device``'s memory."""
    needed = bytes_needed(stack, width, height)
    room = SHARE * device.total_bytes
    if needed <= room:
        return
    fits = math.sqrt(max(0.0, room - FIXED) / (needed - FIXED))
    raise StudioError(
        "style.memory",
        "Painting {width} x {height} pixels takes about {needed} GB of memory, and a painting may use {room} GB here. "
        "Make the photo {fit_width} x {fit_height} or smaller.",
        width=width,
        height=height,
        needed=round(needed / 1e9, 1),
        room=round(room / 1e9, 1),
        fit_width=max(1, int(width * fits)),
        fit_height=max(1, int(height * fits)),
    )
