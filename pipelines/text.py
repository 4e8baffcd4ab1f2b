"""Text from a language model, token by token.

The decoding loop is our own: between two tokens the device may go to somebody else, the person may cancel, or end
early and keep what is there. Each run has its own cache, so runs on one model may interleave. What is where:
``text_loading`` reads models, ``text_prompts`` lays out prompts, ``decoding`` chooses tokens, ``text_stream`` makes
text of them.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import torch

from pipelines.base import Artifact, Event, Pipeline, Progress, Report, Result, Scalar, Token, Turn
from pipelines.decoding import Chooser, Sampling
from pipelines.devices import Device
from pipelines.requests import MAX_SEED, TextRequest
from pipelines.text_loading import LanguageModel, load_language_model
from pipelines.text_prompts import Prompt, lay_out
from pipelines.text_stream import Detokenizer, StopFilter, TextStream

#: tokens of a prompt read at a time: between pieces others may have the device
PIECE = 256
#: seconds between two texts sent on; more often than 20 a second nobody can read
PAUSE = 0.05


class TextPipeline(Pipeline):
    """Serves ``TextRequest``. Weights: a Hugging Face folder in safetensors, or GGUF."""

    shareable: ClassVar[bool] = True

    def __init__(self) -> None:
        self._language: LanguageModel | None = None

    def load(self, weights: Path | None, device: Device, report: Report) -> None:
        if weights is None:
            raise ValueError("a language model needs weights")
        self._language = load_language_model(weights, device, report)

    def run(self, request: TextRequest, turn: Turn) -> Iterator[Event]:
        yield from self._writing(request, turn).events()

    def _writing(self, request: TextRequest, turn: Turn) -> _Writing:
        if self._language is None:
            raise RuntimeError("run was called before load")
        return _Writing(self._language, request, turn)

    def unload(self) -> None:
        self._language = None

    def bytes_held(self) -> int:
        if self._language is None:
            return 0
        model = self._language.model
        # Tied weights are one tensor under two names; count places, not names.
        places = {t.data_ptr(): t.nbytes for t in (*model.parameters(), *model.buffers())}
        return sum(places.values())


class _Writing:
    """One text on its way: the state of one run, none of which the pipeline keeps."""

    def __init__(self, language: LanguageModel, request: TextRequest, turn: Turn) -> None:
        self._language = language
        self._request = request
        self._turn = turn
        self._seed = request.seed if request.seed >= 0 else secrets.randbelow(MAX_SEED + 1)
        self._prompt = lay_out(language, request)
        self._chooser = Chooser(_sampling(request, self._seed), self._prompt.tokens, self._prompt.room, language.device)
        self._stream = _stream(language, request, self._prompt)
        self._cache = language.new_cache()
        self._began, self._waited = time.monotonic(), 0.0
        self._count = 0
        self._ended = ""

    def events(self) -> Iterator[Event]:
        yield Progress("generating", 0, self._prompt.room, "token")
        logits = self._read_prompt()
        sent = 0.0
        while logits is not None:
            logits = self._step(logits)
            if time.monotonic() - sent >= PAUSE and (text := self._stream.take()):
                sent = time.monotonic()
                yield self._token(text)
        self._stream.finish()
        if text := self._stream.take():
            yield self._token(text)
        yield self._result()

    def _read_prompt(self) -> torch.Tensor | None:
        """Logits (vocabulary,) after the prompt; None where the person ended before there was anything."""
        tokens = self._prompt.tokens
        width = PIECE if self._language.in_pieces else len(tokens)
        for start in range(0, len(tokens), width):
            logits = self._language.logits(tokens[start : start + width], self._cache)
            if self._give_way():
                return None
        return logits

    def _step(self, logits: torch.Tensor) -> torch.Tensor | None:
        """Chooses a token and reads it; returns the next logits (vocabulary,), None at the end of the text."""
        token = self._chooser.choose(logits)
        if token in self._language.ends:
            self._ended = "eos"
            return None
        self._stream.push(token)
        self._count += 1
        if self._stream.stopped:
            self._ended = "stop"
        elif self._count == self._prompt.room:
            self._ended = "length"
        if self._ended or self._give_way():
            return None
        return self._language.logits([token], self._cache)

    def _give_way(self) -> bool:
        """Between two tokens. Raises ``Cancelled``; True where the person wants to keep what is there."""
        asked = time.monotonic()
        self._turn.checkpoint()
        self._waited += time.monotonic() - asked
        if self._turn.finishing:
            self._ended = "finished"
        return self._turn.finishing

    def _rate(self) -> float:
        """Tokens per second of this text's own time, the prompt's included; waiting for others is not."""
        return self._count / max(1e-6, time.monotonic() - self._began - self._waited)

    def _token(self, text: str) -> Token:
        return Token(text, self._count, self._rate())

    def _result(self) -> Result:
        request, prompt = self._request, self._prompt
        facts: dict[str, Scalar] = {
            "seed": self._seed,
            "tokens": self._count,
            "tokens_per_second": round(self._rate(), 2),
            "prompt_tokens": len(prompt.tokens),
            "stopped_by": self._ended,
        }
        if prompt.dropped:
            facts["turns_dropped"] = prompt.dropped
        if prompt.room < request.max_new_tokens:
            facts["room"] = prompt.room  # the model's context ends there
        title = request.title()
        data = self._stream.text.encode()
        return Result((Artifact(f"{_slug(title)}.txt", "text/plain", data, title),), facts)


def _sampling(request: TextRequest, seed: int) -> Sampling:
    return Sampling(request.temperature, request.top_p, request.top_k, request.repetition_penalty, seed)


def _stream(language: LanguageModel, request: TextRequest, prompt: Prompt) -> TextStream:
    # A continuation joins the prompt's last word; an answer begins afresh.
    before = prompt.tokens if request.mode == "continue" else ()
    return TextStream(Detokenizer(language.tokenizer, before), StopFilter((*request.stop, *prompt.stops)))


def _slug(title: str) -> str:
    """A file name in any script: letters and digits, joined by hyphens."""
    return re.sub(r"[\W_]+", "-", title.lower()).strip("-")[:40] or "text"
