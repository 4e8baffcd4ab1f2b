"""Trains the sticker model: ``python -m pipelines.sticker.train --stage autoencoder --minutes 15 --resume``.

Three networks, one after the other: ``autoencoder``, then ``flow`` in its latents, and ``upscaler``; ``decoder`` goes
on with the autoencoder's second half alone, under a flow that is trained already. On a GPU where there is one,
otherwise on the CPU. A line every quarter of a minute, a sheet every five, a checkpoint every two and a half: after a
kill the same command with ``--resume`` goes on from there. At the end the averaged weights lie in ``--out`` as
diffusers reads them. With several processes on the machine, set OMP_WAIT_POLICY=passive: threads that wait for each
other by spinning slow all of them down twentyfold.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TypeVar

import torch

from pipelines.sticker.autoencoder import StickerAutoencoder
from pipelines.sticker.data import StickerData
from pipelines.sticker.examples import Examples, prepare
from pipelines.sticker.network import Network
from pipelines.sticker.stage_autoencoder import AutoencoderStage
from pipelines.sticker.stage_flow import FlowStage
from pipelines.sticker.stage_upscaler import UpscalerStage
from pipelines.sticker.text import encode, open_encoder
from pipelines.sticker.trainer import Stage, Trainer
from pipelines.sticker.transformer import StickerTransformer
from pipelines.sticker.upscaler import StickerUpscaler

#: what the sheets of the flow stage show: known things, recoloured ones, two at once, and what was never drawn
SHOWN = (
    "red apple", "dog", "grinning face", "rocket", "robot", "pizza", "cat with tears of joy", "sunflower",
    "green heart", "blue strawberry", "purple dog", "pink elephant", "cat and pizza", "dog and cake",
    "sad dog", "strawberry cake",
)  # fmt: skip
#: rate of the flow's matrices, which Muon turns (Jordan et al. 2024)
MUON = 0.02
STAGES = ("autoencoder", "flow", "decoder", "upscaler")

Net = TypeVar("Net", bound=Network)


def stage_of(name: str, data: StickerData, device: torch.device, given: argparse.Namespace) -> Stage:
    """The stage ``name``; all but the first read the autoencoder that lies in ``--out`` or ``--start``."""
    sizes = {key: value for key, value in (("batch", given.batch), ("rate", given.rate)) if value}
    if name == "autoencoder":
        return AutoencoderStage(data, device, **sizes, net=_begun(StickerAutoencoder, given, "vae"))
    trained = given.out / "autoencoder"
    vae = StickerAutoencoder.from_pretrained(trained if trained.exists() else given.start / "vae").to(device).eval()
    if name == "decoder":
        return AutoencoderStage(data, device, **sizes, net=vae, decoder_only=True)
    if name == "upscaler":
        return UpscalerStage(data, vae, device, **sizes, net=_begun(StickerUpscaler, given, "upscaler"))
    tokenizer, encoder = open_encoder(given.encoder)
    cache = given.out / "training"
    examples = Examples(prepare(data, vae, cache, device), tokenizer, encoder.to(device), cache, device)
    shown = encode(tokenizer, encoder, SHOWN)
    net = _begun(StickerTransformer, given, "transformer")
    return FlowStage(examples, vae, shown, device, **sizes, muon=MUON, net=net)


def _begun(kind: type[Net], given: argparse.Namespace, part: str) -> Net | None:
    """The network of the release to begin with, where one was named."""
    if given.start is None:
        return None
    found: Net = kind.from_pretrained(given.start / part)
    return found


def main() -> None:
    """The command."""
    given = _arguments()
    torch.set_num_threads(given.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    stage = stage_of(given.stage, StickerData(given.data), device, given)
    trainer = Trainer(stage, given.out / "training" / given.stage)
    if given.resume:
        trainer.resume()
    print(f"{given.stage}: {sum(p.numel() for p in stage.net.parameters()):,} parameters on {device}", flush=True)  # noqa: T201
    for line in trainer.run(given.minutes, cool=given.cool):
        print(line, flush=True)  # noqa: T201 - a command's answer
    name = "autoencoder" if given.stage == "decoder" else given.stage
    trainer.average.to(torch.bfloat16).save_pretrained(given.out / name)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m pipelines.sticker.train", description=__doc__)
    parser.add_argument("--stage", choices=STAGES, required=True)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--resume", action="store_true", help="go on from the newest checkpoint in --out")
    parser.add_argument("--data", type=Path, default=Path("data/sticker"), help="what pipelines.sticker.data built")
    parser.add_argument("--out", type=Path, default=Path("data/sticker/model"))
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--batch", type=int, default=0, help="pictures a step; 0: the stage's own")
    parser.add_argument("--rate", type=float, default=0, help="learning rate; 0: the stage's own")
    parser.add_argument("--start", type=Path, default=None, help="a released model to begin with, not from nothing")
    parser.add_argument("--encoder", type=Path, default=None, help="the folder of all-MiniLM-L6-v2")
    parser.add_argument("--cool", type=float, default=0.25, help="share of the minutes in which the rate falls")
    return parser.parse_args()


if __name__ == "__main__":
    main()
