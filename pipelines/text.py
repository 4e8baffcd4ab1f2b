"""Text from a language model, token by token.

The decoding loop is our own: between two tokens the device may go to somebody else, the person may cancel, or end
early and keep what is there. Each run has its own cache, settings and noise; runs on one model take their steps
together (see ``text_company``), and each text is the one that its seed gives alone. What is where: ``text_loading``
reads models, ``text_rows`` steps several texts at once, ``text_memory`` keeps count of what fits, ``text_prompts`` lays
out prompts, ``decoding`` chooses tokens, ``text_stream`` makes text of them.
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
from pipelines.fields import MAX_SEED
from pipelines.requests import TextRequest
from pipelines.text_company import Company
from pipelines.text_loading import LanguageModel, load_language_model
from pipelines.text_memory import Memory, free_bytes
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
        language = load_language_model(weights, device, report)
        self._memory = Memory(lambda: free_bytes(language.device))
        self._company = Company(language.rows) if language.rows else None
        self._language = language

    def run(self, request: TextRequest, turn: Turn) -> Iterator[Event]:
        yield from self._writing(request, turn).events()

    def _writing(self, request: TextRequest, turn: Turn) -> _Writing:
        if self._language is None:
            raise RuntimeError("run was called before load")
        return _Writing(self._language, self._memory, self._company, request, turn)

    def unload(self) -> None:
        self._language = self._company = None

    def bytes_held(self) -> int:
        if self._language is None:
            return 0
        model = self._language.model
        # Tied weights are one tensor under two names; count places, not names.
        places = {t.data_ptr(): t.nbytes for t in (*model.parameters(), *model.buffers())}
        return sum(places.values())


class _Writing:
    """One text on its way: the state of one run, none of which the pipeline keeps. A member of its ``Company``."""

    def __init__(
        self, language: LanguageModel, memory: Memory, company: Company | None, request: TextRequest, turn: Turn
    ) -> None:
        self._language = language
        self._memory = memory
        self._company = company
        self._request = request
        self.turn = turn
        self._seed = request.seed if request.seed >= 0 else secrets.randbelow(MAX_SEED + 1)
        self._prompt = lay_out(language, request)
        self._chooser = Chooser(_sampling(request, self._seed), self._prompt.tokens, self._prompt.room, language.device)
        self._stream = _stream(language, request, self._prompt)
        self._tokens = len(self._prompt.tokens) + self._prompt.room
        self.cache = language.new_cache(self._tokens)
        self._began, self.waited, self._sent = time.monotonic(), 0.0, 0.0
        self.token = self._count = 0
        self.ended = ""
        self._error: Exception | None = None

    def events(self) -> Iterator[Event]:
        yield Progress("generating", 0, self._prompt.room, "token")
        try:
            yield from self._make_room()
            self._read_prompt()
            yield from self._write()
        finally:
            self._memory.release(self)
        if self._error is not None:
            raise self._error
        self.turn.end()
        self._stream.finish()
        if text := self._stream.take():
            yield self._token(text)
        yield self._result()

    def _make_room(self) -> Iterator[Event]:
        """Waits, without the device, while others write in the memory this text would need."""
        each, told = self._language.bytes_per_token, False
        while not self.ended and not self._memory.promise(self, self._tokens * each, each):
            if not told:
                told = True
                yield Progress("waiting")
            with self.turn.aside():
                self._memory.wait(self)
            self._give_way()

    def _read_prompt(self) -> None:
        """Reads the prompt and chooses the first token, unless the person ends it all before."""
        tokens = self._prompt.tokens
        width = PIECE if self._language.in_pieces else len(tokens)
        for start in range(0, len(tokens), width):
            if self.ended:
                return
            logits = self._language.logits(tokens[start : start + width], self.cache)
            self._give_way()
        if not self.ended:
            self.take(logits)

    def _write(self) -> Iterator[Event]:
        """All tokens from the second on: with the others' where that can be, and where somebody leads, by him."""
        company = self._company
        try:
            while not self.ended:
                if company is None or not company.join(self):
                    if not self._give_way():
                        self.take(self._language.step(self.token, self.cache))
                elif company.leads(self):
                    if not self._give_way():
                        company.step(self)
                else:
                    yield from self._follow(company)
                yield from self._due()
        finally:
            if company is not None:
                company.leave(self)

    def _follow(self, company: Company) -> Iterator[Event]:
        """Lends the device out while somebody else computes this text too, and sends what comes of it."""
        with self.turn.aside():
            try:
                while not (self.ended or self.turn.called or self.turn.finishing or company.leads(self)):
                    company.wait(self, PAUSE)
                    yield from self._due()
            except GeneratorExit:
                self.turn.end()  # nobody wants more, so there is nothing to have the device back for
                raise
            if self.turn.called or self.turn.finishing:
                company.leave(self)
            if self.turn.finishing and not self.ended:
                self.ended = "finished"
            if self.ended and self._error is None:
                self.turn.end()

    def take(self, logits: torch.Tensor) -> None:
        """Chooses the next token from ``logits`` (vocabulary,). What goes wrong is raised where this text is read."""
        try:
            self._choose(logits)
        except Exception as error:  # noqa: BLE001 - whoever leads computes for others, who have nothing to do with it
            self._error, self.ended = error, "error"

    def _choose(self, logits: torch.Tensor) -> None:
        self.token = self._chooser.choose(logits)
        if self.token in self._language.ends:
            self.ended = "eos"
            return
        self._stream.push(self.token)
        self._count += 1
        if self._stream.stopped:
            self.ended = "stop"
        elif self._count == self._prompt.room:
            self.ended = "length"

    def _give_way(self) -> bool:
        """Between two tokens. Raises ``Cancelled``; True where the person wants to keep what is there."""
        if self._company is not None and self.turn.called:
            self._company.leave(self)
        asked = time.monotonic()
        self.turn.checkpoint()
        waited = time.monotonic() - asked
        if self._company is None or not self._company.waited(self, waited):
            self.waited += waited
        if self.turn.finishing:
            self.ended = "finished"
        return self.turn.finishing

    def _due(self) -> Iterator[Event]:
        """What has become text, where it is time to send some."""
        if time.monotonic() - self._sent >= PAUSE and (text := self._stream.take()):
            self._sent = time.monotonic()
            yield self._token(text)

    def _rate(self) -> float:
        """Tokens per second of this text's own time, the prompt's included; waiting for others is not."""
        return self._count / max(1e-6, time.monotonic() - self._began - self.waited)

    def _token(self, text: str) -> Token:
        return Token(text, self._count, self._rate())

    def _result(self) -> Result:
        request, prompt = self._request, self._prompt
        facts: dict[str, Scalar] = {
            "seed": self._seed,
            "tokens": self._count,
            "tokens_per_second": round(self._rate(), 2),
            "prompt_tokens": len(prompt.tokens),
            "stopped_by": self.ended,
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
