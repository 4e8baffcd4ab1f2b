"""Classifiers for what is asked for and what was made: any text or image classifier that transformers can load.

Runs where the models run. Reads safetensors only. Scores are probabilities by label: a softmax over the labels, or for
a model of several labels at once a sigmoid each. Knows no rule and no person.
"""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.base import Artifact, Picture
from pipelines.errors import StudioError
from pipelines.fields import strings_in

if TYPE_CHECKING:
    from PIL import Image

#: the catalogue's words for the two
TEXTS, PICTURES = "text-moderation", "image-moderation"
#: characters of a prompt that are looked at at once, and frames of what moves
CHUNK, FRAMES = 1500, 5
#: settings in which a person says what they want; what they do not want may be anything
_SAID = ("prompt", "system", "history", "name")


@dataclass(frozen=True)
class Look:
    """A classifier in ``folder``, which refuses from ``threshold`` on one of ``labels``, under the name ``rule``."""

    folder: str
    labels: tuple[str, ...]
    threshold: float
    rule: str


@dataclass(frozen=True)
class Policy:
    """What the engine looks at for one job: neither, either or both."""

    text: Look | None = None
    picture: Look | None = None


class Judges:
    """Opened once each and kept. ``check_text`` and ``check_pictures`` raise a ``StudioError`` for what is refused."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[str, Any] = {}

    def check_text(self, look: Look, texts: Sequence[str]) -> None:
        judge = self._judge(look.folder, TextJudge)
        parts = [text[start : start + CHUNK] for text in texts for start in range(0, len(text), CHUNK)]
        for part in parts:
            if part.strip() and _refused(look, judge.scores(part)):
                raise StudioError(
                    "moderation.judged",
                    "This is not made here for guests and others this studio looks after: a classifier finds that the "
                    "prompt meets the rule “{rule}”. It may be wrong; other words may do.",
                    rule=look.rule,
                )

    def check_pictures(self, look: Look, artifacts: Sequence[Artifact]) -> None:
        judge = self._judge(look.folder, PictureJudge)
        for artifact in artifacts:
            for frame in frames(artifact):
                if _refused(look, judge.scores(frame)):
                    raise StudioError(
                        "moderation.picture",
                        "What came out is not shown and was not kept: a classifier finds that it meets the rule "
                        "“{rule}”. It may be wrong; another seed or other words may do.",
                        rule=look.rule,
                    )

    def may_show(self, look: Look, picture: Picture) -> bool:
        """Whether a picture on its way to a person passes."""
        judge = self._judge(look.folder, PictureJudge)
        shown = Artifact("sample", picture.media_type, picture.data)
        return not any(_refused(look, judge.scores(frame)) for frame in frames(shown))

    def _judge(self, folder: str, kind: Any) -> Any:
        with self._lock:
            if folder not in self._open:
                self._open[folder] = kind(Path(folder))
            return self._open[folder]


class TextJudge:
    """A sequence classifier and its tokenizer."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model: Any = AutoModelForSequenceClassification
        self._model = model.from_pretrained(folder, local_files_only=True, use_safetensors=True).eval()

    def scores(self, text: str) -> dict[str, float]:
        longest = min(512, int(getattr(self._model.config, "max_position_embeddings", 512)) - 2)
        words = self._tokenizer(text, truncation=True, max_length=longest, return_tensors="pt")
        return _scores(self._model, words)


class PictureJudge:
    """An image classifier; how it wants its pictures stands in its preprocessor_config.json."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoModelForImageClassification

        wanted = json.loads((folder / "preprocessor_config.json").read_text("utf-8"))
        size = wanted.get("crop_size") if wanted.get("do_center_crop") else wanted.get("size", 224)
        self._edge = int(size if isinstance(size, int) else size.get("height") or size.get("shortest_edge") or 224)
        self._mean, self._spread = wanted.get("image_mean", [0.5] * 3), wanted.get("image_std", [0.5] * 3)
        model: Any = AutoModelForImageClassification
        self._model = model.from_pretrained(folder, local_files_only=True, use_safetensors=True).eval()

    def scores(self, picture: Image.Image) -> dict[str, float]:
        import numpy as np
        import torch
        from PIL import Image

        small = picture.resize((self._edge, self._edge), Image.Resampling.BICUBIC)
        pixels = (np.asarray(small, np.float32) / 255 - np.float32(self._mean)) / np.float32(self._spread)
        return _scores(self._model, {"pixel_values": torch.from_numpy(pixels.transpose(2, 0, 1)[None].copy())})


def frames(artifact: Artifact) -> list[Image.Image]:
    """What there is to look at in a result: a picture on white, some frames of what moves, nothing of other files."""
    if artifact.media_type.startswith("video/"):
        return _of_film(artifact.data)
    if not artifact.media_type.startswith("image/"):
        return []
    from PIL import Image

    with Image.open(io.BytesIO(artifact.data)) as picture:
        count = getattr(picture, "n_frames", 1)
        found = []
        for place in _some(count):
            picture.seek(place)
            frame = picture.convert("RGBA")
            white = Image.new("RGBA", frame.size, "white")
            found.append(Image.alpha_composite(white, frame).convert("RGB"))
    return found


def _of_film(data: bytes) -> list[Image.Image]:
    import av

    with av.open(io.BytesIO(data), mode="r") as film:
        decoded: Any = film.decode(video=0)
        seen = [frame.to_image() for frame in decoded]
    return [seen[place] for place in _some(len(seen))]


def _some(count: int) -> list[int]:
    """The first, the last and some between them."""
    return sorted({round(step * (count - 1) / (FRAMES - 1)) for step in range(FRAMES)}) if count else []


def _refused(look: Look, scores: Mapping[str, float]) -> bool:
    missing = [label for label in look.labels if label not in scores]
    if len(missing) == len(look.labels):
        raise StudioError(
            "moderation.labels",
            "The classifier in {folder} knows {known}, and the rule “{rule}” names none of these.",
            folder=Path(look.folder).name,
            known=", ".join(scores),
            rule=look.rule,
        )
    return any(scores.get(label, 0.0) >= look.threshold for label in look.labels)


def _scores(model: Any, given: Mapping[str, Any]) -> dict[str, float]:
    import torch

    with torch.no_grad():
        logits = model(**given).logits[0].float()
    several = model.config.problem_type == "multi_label_classification" or logits.numel() == 1
    chances = torch.sigmoid(logits) if several else torch.softmax(logits, -1)
    return {str(model.config.id2label[place]): float(chance) for place, chance in enumerate(chances)}


def words_of(request: Mapping[str, Any]) -> Iterator[str]:
    """What a person says they want in a request."""
    for name, value in request.items():
        if name.startswith(_SAID):
            yield from strings_in(value)
