"""Puts the trained networks together as the studio reads them: ``python -m pipelines.sticker.release --out DIR``.

A folder a network, as diffusers lays them out; the text encoder is not among them, it is a published package. Refuses
more than ``MOST`` bytes, so that the repository stays one that can be cloned.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from diffusers import FlowMatchEulerDiscreteScheduler

from pipelines.errors import StudioError

#: what ``train`` calls a network, and what the pipeline does
FOLDERS = {"flow": "transformer", "autoencoder": "vae", "upscaler": "upscaler"}
MOST = 40_000_000


def release(model: Path, out: Path) -> int:
    """Copies the networks of ``model`` to ``out``; returns their bytes. Raises ``StudioError`` where one is missing."""
    weights = {name: model / name / "diffusion_pytorch_model.safetensors" for name in FOLDERS}
    if missing := [name for name, file in weights.items() if not file.is_file()]:
        raise StudioError(
            "sticker.untrained",
            "There is no {network} in {folder}. Train it with: python -m pipelines.sticker.train --stage {network}",
            network=missing[0],
            folder=str(model),
        )
    size = sum(file.stat().st_size for file in weights.values())
    if size > MOST:
        raise StudioError(
            "sticker.large",
            "The networks have {size} bytes together; at most {most} may be shipped. Make them smaller.",
            size=size,
            most=MOST,
        )
    for name, part in FOLDERS.items():
        (out / part).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(weights[name], out / part / weights[name].name)
        config = json.loads((model / name / "config.json").read_text("utf-8"))
        config.pop("_name_or_path", None)  # where it was trained from is nobody's business
        (out / part / "config.json").write_text(json.dumps(config, indent=2) + "\n", "utf-8")
    kind: Any = FlowMatchEulerDiscreteScheduler
    kind().save_pretrained(out / "scheduler")
    (out / "model_index.json").write_text(json.dumps(_index(), indent=2) + "\n", "utf-8")
    return size


def _index() -> dict[str, Any]:
    return {
        "_class_name": "StickerPipeline",
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "transformer": ["pipelines.sticker.transformer", "StickerTransformer"],
        "upscaler": ["pipelines.sticker.upscaler", "StickerUpscaler"],
        "vae": ["pipelines.sticker.autoencoder", "StickerAutoencoder"],
    }


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.sticker.release", description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("data/sticker/model"), help="what train wrote")
    parser.add_argument("--out", type=Path, default=Path("assets/sticker"))
    given = parser.parse_args()
    print(f"{release(given.model, given.out):,} bytes in {given.out}")  # noqa: T201 - a command's answer


if __name__ == "__main__":
    main()
