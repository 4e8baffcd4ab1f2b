"""Draws with networks that were trained on somebody's pictures: the rest of the sticker model stays what it is.

The few used last are kept in memory. Knows sticker pipelines and files of weights; not requests.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from pipelines.sticker.own_examples import space_of
from pipelines.sticker.own_weights import unpack
from pipelines.sticker.pipeline import StickerPipeline
from pipelines.sticker.transformer import StickerTransformer

KEPT = 3


class OwnNetworks:
    """Networks by the sha256 of their files, for one sticker model. To be asked while holding the device only."""

    def __init__(self) -> None:
        self._networks: OrderedDict[str, tuple[StickerTransformer, str]] = OrderedDict()
        self._space = ""

    def pipeline(
        self, parts: StickerPipeline, digest: str, read: Callable[[str], bytes]
    ) -> tuple[StickerPipeline, str]:
        """``parts`` with the network of the file ``digest`` in the place of its own, and what that was trained on.

        Raises ``StudioError`` where the file holds no such network.
        """
        if digest not in self._networks:
            self._space = self._space or space_of(parts.vae)
            network, header = unpack(read(digest), parts.transformer, self._space)
            self._networks[digest] = network, header.get("title", "")
        self._networks.move_to_end(digest)
        while len(self._networks) > KEPT:
            self._networks.popitem(last=False)
        network, title = self._networks[digest]
        return StickerPipeline(**{**parts.components, "transformer": network}), title

    def bytes_held(self) -> int:
        """Bytes of what is kept; a network that left while it still draws goes with its last step."""
        tensors = [t for network, _ in list(self._networks.values()) for t in network.state_dict().values()]
        return sum(t.numel() * t.element_size() for t in tensors)
