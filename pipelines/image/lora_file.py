"""Whether a file is a LoRA, told from its header. Imports no torch: the page looks at a file before it is kept."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from safetensors import SafetensorError, safe_open

from pipelines.errors import StudioError


def check_file(path: Path) -> None:
    """Raises ``StudioError`` for anything but safetensors with LoRA in it."""
    try:
        with safe_open(path, "numpy") as file:
            names = list(file.keys())
    except (SafetensorError, OSError, ValueError) as error:
        raise no_file() from error
    check_names(names)


def check_names(names: Collection[str]) -> None:
    """Raises ``StudioError`` where none of the tensors named so is a LoRA's."""
    if not any("lora" in name.casefold() for name in names):
        raise StudioError(
            "image.lora_none",
            "This safetensors file holds {count} tensors and no LoRA among them. A whole model is added with python -m "
            "studio.models add.",
            count=len(names),
        )


def no_file() -> StudioError:
    return StudioError(
        "image.lora_file",
        "This is no safetensors file, or it is damaged. LoRA are read as safetensors only: other formats can bring "
        "programs with them.",
    )
