"""Training the sticker model on a person's own pictures, as a pipeline: what the engine loads, runs and unloads.

Begins with the weights of the sticker model, or with none, in the latents of its autoencoder either way. Reading the
pictures and the rest of the work are in ``own_pictures``, ``own_examples``, ``own_session`` and ``own_result``.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import torch

from pipelines.base import ATTEMPT, Event, Pipeline, Progress, Report, Scalar, Turn
from pipelines.devices import Device
from pipelines.errors import StudioError
from pipelines.image.loading import silence
from pipelines.sticker.loading import open_stickers
from pipelines.sticker.own_examples import Encoding, OwnExamples, load_examples, space_of
from pipelines.sticker.own_left_out import check_count
from pipelines.sticker.own_pictures import Own, PictureZip
from pipelines.sticker.own_request import StickerTrainingRequest
from pipelines.sticker.own_result import Board
from pipelines.sticker.own_session import OwnSession, mark
from pipelines.sticker.pipeline import StickerPipeline
from pipelines.sticker.stage_flow import FlowStage
from pipelines.sticker.trainer import Trainer, plain_config
from pipelines.sticker.transformer import StickerTransformer
from pipelines.verify import class_of

#: pictures decoded before the device is taken to encode them, and the seconds after which fewer will do
CHUNK, MOMENT = 16, 0.25
#: pictures learned from at once on a CPU, so that nobody waits longer for the device
TOGETHER = 8
CAPTIONS = 32  # of the person's, that the file of weights says


class StickerTrainingPipeline(Pipeline):
    """Trains one request's pictures; made for one job and gone with it."""

    def __init__(self) -> None:
        self._device: Device | None = None
        self._parts: StickerPipeline | None = None
        self._examples: OwnExamples | None = None
        self._trainer: Trainer | None = None

    def load(self, weights: Path | None, device: Device, report: Report) -> None:
        """Reads the sticker model in ``weights``. Raises ``StudioError`` for any other model."""
        if weights is None or class_of(weights) != StickerPipeline.__name__:
            raise StudioError(
                "own.model",
                "Only the sticker model can be trained on your pictures, and {name} is another one. Leave the model "
                "empty, or name a sticker model.",
                name=weights.name if weights else "none",
            )
        report("loading")
        silence()
        dtype = torch.bfloat16 if device.dtype == "bfloat16" else torch.float32  # float16 would need loss scaling
        encoder = self.parts.get("text_encoder", weights / "text_encoder")
        self._parts = open_stickers(weights, encoder, device.torch_device, dtype)
        self._device = device

    def run(self, request: StickerTrainingRequest, turn: Turn) -> Iterator[Event]:
        """``Progress`` while the pictures are read, then ``Metrics``, ``Sample``, ``Mark``, and a ``Result``.

        Goes on from the checkpoint in the job's folder where there is one. Raises ``StudioError`` for a zip that
        cannot be learned from, a checkpoint of other settings, a full disk, or a training that diverges every time.
        """
        if self._device is None or self._parts is None:
            raise RuntimeError("run before load")
        folder = turn.workspace / ATTEMPT
        folder.mkdir(exist_ok=True)
        self._examples = examples = yield from self._read(request, turn, self._parts, folder / "examples.safetensors")
        seed = request.seed if request.seed >= 0 else secrets.randbelow(2**32)
        self._trainer = trainer = self._built(request, seed, examples, folder)
        facts: dict[str, Scalar] = {"seed": seed, "pictures": len(examples), "trained_from": request.start}
        if examples.left_out:
            facts["left_out"] = examples.left_out
        settings = request.model_dump(mode="json") | {"seed": seed}
        history = {"title": request.title(), "settings": settings, "captions": list(examples.written[:CAPTIONS])}
        board = Board(self._parts, examples, request.title(), facts, history)
        yield from OwnSession(request, settings, turn, trainer, _parts(request, examples), board).events()

    def unload(self) -> None:
        self._device = self._parts = self._examples = self._trainer = None

    def bytes_held(self) -> int:
        """Bytes of the networks, with average and moments of the one that learns, and of the encoded pictures."""
        parts = self._parts.components.values() if self._parts else ()
        modules = [part for part in parts if isinstance(part, torch.nn.Module)]
        held = sum(
            t.numel() * t.element_size() for module in modules for t in (*module.parameters(), *module.buffers())
        )
        if self._trainer is not None:  # itself, its average, and the two moments of each weight
            held += 4 * sum(t.numel() * t.element_size() for t in self._trainer.average.parameters())
        return held + (self._examples.bytes_held() if self._examples else 0)

    # ------------------------------------------------------------------------------------ beginning

    def _read(
        self, request: StickerTrainingRequest, turn: Turn, parts: StickerPipeline, path: Path
    ) -> Generator[Event, None, OwnExamples]:
        """The pictures, encoded: those of an earlier attempt, kept at ``path``, else from the zip."""
        place, dtype = torch.device(parts.vae.device), parts.vae.dtype
        of = f"{request.pictures} in {space_of(parts.vae)}"
        if (found := load_examples(path, of, place, dtype)) is not None:
            return found
        encoding = Encoding(parts.vae, parts.tokenizer, parts.text_encoder, place)
        with turn.aside():
            archive = PictureZip(turn.read(request.pictures))
            total = len(archive.candidates)
        for done, owns in _chunks(archive, turn):
            yield Progress("reading", done, total, "picture")
            if owns:
                encoding.add(owns)
        check_count(len(encoding), archive.left_out)
        examples = encoding.examples("; ".join(str(one) for one in archive.left_out.sentences()), dtype)
        with turn.aside():
            examples.save(path, of)
        if left := len(archive.left_out):
            yield mark("left_out", "{count} files of the zip left out", count=left)
        return examples

    def _built(self, request: StickerTrainingRequest, seed: int, examples: OwnExamples, folder: Path) -> Trainer:
        """The network at its beginning, with what trains it."""
        if self._parts is None:
            raise RuntimeError("run before load")
        with torch.random.fork_rng(devices=[]):  # torch's global generator is nobody's
            torch.manual_seed(seed)
            network = StickerTransformer(**plain_config(self._parts.transformer))
        if request.start == "stickers":
            network.load_state_dict(self._parts.transformer.state_dict())
        stage = FlowStage(
            examples,
            self._parts.vae,
            examples.text(examples.said[:1]),
            examples.device,
            batch=-(-request.batch // _parts(request, examples)),
            rate=request.learning_rate,
            fast=False,
            net=network,
            half=examples.dtype == torch.bfloat16,
            seed=seed,
        )
        return Trainer(stage, folder)


def _parts(request: StickerTrainingRequest, examples: OwnExamples) -> int:
    """Into how many equal parts a step's pictures are divided; a batch that cannot be grows by a few pictures."""
    return 1 if examples.device.type == "cuda" else -(-request.batch // TOGETHER)


def _chunks(archive: PictureZip, turn: Turn) -> Iterator[tuple[int, list[Own]]]:
    """How many of the zip's pictures are read by now, and the last few of them. Decoding needs no device."""
    done = 0
    while done < len(archive.candidates):
        owns: list[Own] = []
        began = time.monotonic()
        with turn.aside():
            for candidate in archive.candidates[done : done + CHUNK]:
                if (own := archive.own(candidate)) is not None:
                    owns.append(own)
                done += 1
                if time.monotonic() - began > MOMENT:
                    break
        turn.checkpoint()
        yield done, owns
