"""What diffusers' networks and pipelines are to the type checker: their classes have no types of their own.

Knows nothing of stickers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from torch import nn

Init = TypeVar("Init", bound=Callable[..., None])

if TYPE_CHECKING:

    class Network(nn.Module):
        """A module with a configuration, saved and loaded by diffusers as safetensors and JSON."""

        config: dict[str, Any]
        dtype: Any
        device: Any

        def save_pretrained(self, folder: Any) -> None: ...

        @classmethod
        def from_pretrained(cls, folder: Any, **settings: Any) -> Any: ...

    class Assembled:
        """A pipeline: networks by name, saved and loaded together."""

        config: Any
        components: dict[str, Any]
        _execution_device: Any

        def register_modules(self, **parts: Any) -> None: ...

        def progress_bar(self, total: int) -> Any: ...

        def set_progress_bar_config(self, **settings: Any) -> None: ...

        def save_pretrained(self, folder: Any) -> None: ...

        def to(self, *places: Any) -> Any: ...

        @classmethod
        def from_pretrained(cls, folder: Any, **settings: Any) -> Any: ...

    def remembered(init: Init) -> Init: ...

else:
    from diffusers import DiffusionPipeline as Assembled
    from diffusers import ModelMixin
    from diffusers.configuration_utils import ConfigMixin
    from diffusers.configuration_utils import register_to_config as remembered

    class Network(ModelMixin, ConfigMixin):
        """A module with a configuration, saved and loaded by diffusers as safetensors and JSON."""


__all__ = ["Assembled", "Network", "remembered"]
