"""What the flow model learns from: latents of drawings, of recoloured drawings and of pairs, each with its captions.

Everything is computed once and held in memory: with the autoencoder frozen a picture is two kilobytes. Knows the data
and the encoders; not the network that learns.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor
from tqdm import tqdm

from pipelines.durable import write_durably
from pipelines.sticker.autoencoder import StickerAutoencoder
from pipelines.sticker.captions import (
    THINGS,
    captions,
    may_pair,
    name_of,
    pair_captions,
    recoloured_captions,
    without_colour,
)
from pipelines.sticker.colours import WORDS, clear_colour, recoloured
from pipelines.sticker.data import StickerData
from pipelines.sticker.drawings import STYLES
from pipelines.sticker.held_out import is_held_out
from pipelines.sticker.pairs import pair
from pipelines.sticker.text import TOKENS, encode

#: how much of a batch is drawings as they are, recoloured ones, and pairs
SHARES = (0.52, 0.26, 0.22)
PAIRS = 12000
TARGETS = 2  # colours each drawing is also shown in
MOST = 16  # captions kept of one picture


@dataclass
class Gathered:
    """Pictures and captions before they are encoded: ``pictures`` uint8 [4, 64, 64] each, premultiplied."""

    pictures: list[Tensor] = field(default_factory=list)
    styles: list[int] = field(default_factory=list)
    kinds: list[int] = field(default_factory=list)
    said: list[list[tuple[str, float]]] = field(default_factory=list)

    def add(self, picture: Tensor, style: int, kind: int, said: list[tuple[str, float]]) -> None:
        """One picture, where anything may be said of it."""
        if said:
            self.pictures.append(picture)
            self.styles.append(style)
            self.kinds.append(kind)
            self.said.append(sorted(said, key=lambda pair: -pair[1])[:MOST])


def gather(data: StickerData, seed: int = 0) -> Gathered:
    """Drawings, recoloured drawings and pairs. The same data and seed give the same."""
    random = torch.Generator().manual_seed(seed)
    found = Gathered()
    pictures = torch.from_numpy(data.pictures).movedim(-1, 1)
    drawings = tqdm(data.drawings, desc="drawings", unit="picture", mininterval=5)
    for drawing, picture in zip(drawings, pictures, strict=True):
        style, real = STYLES.index(drawing.style), picture.float() / 255
        own = clear_colour(real)
        found.add(picture, style, 0, list(captions(drawing, own)))
        bare = set(without_colour(name_of(drawing)).split())
        for word in _some(WORDS, TARGETS, random):
            if word == own or drawing.group not in THINGS or is_held_out(bare | {word}):
                continue
            other = recoloured(real, word)
            if other is not None:
                found.add((other * 255).round().to(torch.uint8), style, 1, list(recoloured_captions(drawing, word)))
    _add_pairs(found, data, pictures, random)
    return found


def _some(words: tuple[str, ...], count: int, random: torch.Generator) -> list[str]:
    return [words[place] for place in torch.randperm(len(words), generator=random)[:count].tolist()]


def _add_pairs(found: Gathered, data: StickerData, pictures: Tensor, random: torch.Generator) -> None:
    for number, style in enumerate(STYLES):
        able = [place for place, one in enumerate(data.drawings) if one.style == style and may_pair(one)]
        for _ in range(PAIRS // len(STYLES) if len(able) > 1 else 0):
            left, right = (able[int(torch.randint(len(able), (1,), generator=random))] for _ in range(2))
            if float(torch.rand(1, generator=random)) < 0.12:
                right = left
            one, two = data.drawings[left], data.drawings[right]
            if is_held_out({*name_of(one).split(), *name_of(two).split()}):
                continue
            both = pair(pictures[left : left + 1].float() / 255, pictures[right : right + 1].float() / 255)[0]
            found.add((both * 255).round().to(torch.uint8), number, 2, list(pair_captions(one, two)))


@dataclass(frozen=True)
class Prepared:
    """``latents`` bfloat16 [N, 16, 8, 8] on the CPU; ``styles`` and ``kinds`` [N]; ``said``: captions and weights."""

    latents: Tensor
    styles: Tensor
    kinds: Tensor
    said: list[list[tuple[str, float]]]


def prepare(data: StickerData, vae: StickerAutoencoder, cache: Path, device: torch.device) -> Prepared:
    """Gathered and encoded, from ``cache`` where the same was prepared before: it takes a minute or two."""
    weights = b"".join(value.detach().float().cpu().numpy().tobytes() for value in vae.encoder.state_dict().values())
    digest = hashlib.sha256(weights + data.pictures.tobytes()).hexdigest()[:16]
    path = cache / f"examples-{digest}.safetensors"
    if not path.exists():
        found = gather(data)
        tensors = {
            "latents": latents_of(found.pictures, vae, device),
            "styles": torch.tensor(found.styles),
            "kinds": torch.tensor(found.kinds),
        }
        cache.mkdir(parents=True, exist_ok=True)
        write_durably(path, safetensors.torch.save(tensors, {"said": json.dumps(found.said)}))
    with safetensors.safe_open(path, framework="pt") as file:
        said = json.loads(file.metadata()["said"])
        latents, styles, kinds = (file.get_tensor(name) for name in ("latents", "styles", "kinds"))
    return Prepared(latents, styles, kinds, said)


class Examples:
    """Encoded: ``draw`` gives a batch. ``cache`` keeps the sentences' vectors, which take a minute."""

    def __init__(self, prepared: Prepared, tokenizer: Any, encoder: Any, cache: Path, device: torch.device) -> None:
        self.device = device
        self.latents, self.styles = prepared.latents, prepared.styles
        self._of_kind = [torch.nonzero(prepared.kinds == kind).flatten() for kind in range(len(SHARES))]
        sentences = sorted({sentence for said in prepared.said for sentence, _ in said})
        number = {sentence: place for place, sentence in enumerate(sentences)}
        most = max(len(said) for said in prepared.said)
        self._said = torch.zeros(len(prepared.said), most, dtype=torch.long)
        self._weights = torch.zeros(len(prepared.said), most)
        for place, said in enumerate(prepared.said):
            self._said[place, : len(said)] = torch.tensor([number[sentence] for sentence, _ in said])
            self._weights[place, : len(said)] = torch.tensor([weight for _, weight in said])
        self._words = sentences_of(sentences, tokenizer, encoder, cache)

    def __len__(self) -> int:
        return len(self.latents)

    def draw(self, count: int, random: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Latents [B, 16, 8, 8], styles [B], token states [B, T, 384], their mask [B, T] and pooled [B, 384]."""
        shares = torch.tensor([share if len(of) else 0.0 for share, of in zip(SHARES, self._of_kind, strict=True)])
        kinds = torch.multinomial(shares, count, replacement=True, generator=random)
        chance = torch.rand(count, generator=random)
        places = torch.empty(count, dtype=torch.long)
        for kind, members in enumerate(self._of_kind):
            mine = kinds == kind
            places[mine] = members[(chance[mine] * len(members)).long()] if len(members) else 0
        said = torch.multinomial(self._weights[places], 1, generator=random)
        chosen = self._said[places].gather(1, said).squeeze(1)
        batch = (self.latents[places], self.styles[places], *(part[chosen] for part in self._words))
        latents, styles, states, mask, pooled = (part.to(self.device) for part in batch)
        return latents.float(), styles, states, mask, pooled.float()


@torch.no_grad()
def latents_of(pictures: list[Tensor], vae: StickerAutoencoder, device: torch.device) -> Tensor:
    """bfloat16 [N, 16, 8, 8], on the CPU."""
    found = []
    for start in tqdm(range(0, len(pictures), 128), desc="latents", unit="batch", mininterval=5):
        batch = torch.stack(pictures[start : start + 128]).to(device).float() / 127.5 - 1
        found.append(vae.encode(batch.to(vae.dtype)).to("cpu", torch.bfloat16))
    return torch.cat(found)


def sentences_of(sentences: list[str], tokenizer: Any, encoder: Any, cache: Path) -> tuple[Tensor, Tensor, Tensor]:
    """Token states bfloat16 [S, 16, 384], mask [S, 16] and pooled [S, 384] of every sentence."""
    digest = hashlib.sha256("\n".join(sentences).encode()).hexdigest()[:16]
    path = cache / f"sentences-{digest}.safetensors"
    if not path.exists():
        width = encoder.config.hidden_size
        states = torch.zeros(len(sentences), TOKENS, width, dtype=torch.bfloat16)
        mask, pooled = torch.zeros(len(sentences), TOKENS, dtype=torch.bool), torch.zeros(len(sentences), width)
        order = sorted(range(len(sentences)), key=lambda place: len(sentences[place]))
        for start in tqdm(range(0, len(order), 256), desc="sentences", unit="batch", mininterval=5):
            part = order[start : start + 256]
            text = encode(tokenizer, encoder, [sentences[place] for place in part], longest=TOKENS)
            states[part], mask[part] = text.states.to("cpu", torch.bfloat16), text.mask.cpu()
            pooled[part] = text.pooled.cpu()
        cache.mkdir(parents=True, exist_ok=True)
        write_durably(path, safetensors.torch.save({"states": states, "mask": mask, "pooled": pooled}))
    found = safetensors.torch.load_file(path)
    return found["states"], found["mask"], found["pooled"]
