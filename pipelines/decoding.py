"""Chooses the next token from a row of logits, so that the same seed always gives the same text.

Knows repetition penalty, temperature, top-k, top-p and the noise; knows neither models nor text. The draw is the
Gumbel-max trick (Gumbel 1954; Maddison et al. 2014, "A* sampling"): argmax over tokens of ``logit / temperature +
noise`` is a sample of the softmax. The noise is a hash of (seed, position, token), not the next number of a stream,
so a text does not depend on what else the process draws, on batching or on the device.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from pipelines.errors import StudioError

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]

_MASK = 2**64 - 1
_GOLDEN = 0x9E3779B97F4A7C15
#: so many of the likeliest tokens are looked at first for a nucleus; it is seldom wider
_FIRST_LOOK = 256


@dataclass(frozen=True)
class Sampling:
    """``temperature`` 0 or ``top_k`` 1: always the likeliest token. ``top_k`` 0: no such limit."""

    temperature: float
    top_p: float
    top_k: int
    repetition_penalty: float
    seed: int

    @property
    def greedy(self) -> bool:
        return self.temperature == 0 or self.top_k == 1


class Chooser:
    """The choices of one text: remembers which tokens are there already. ``limit`` new tokens at most."""

    def __init__(self, sampling: Sampling, prompt: Sequence[int], limit: int, device: torch.device) -> None:
        self._sampling = sampling
        self._position = len(prompt)
        self._seen = set(prompt)
        # Their ids once more where the logits are: a buffer filled from the left, so that no step allocates.
        self._there = torch.zeros(len(self._seen) + limit, dtype=torch.long, device=device)
        self._there[: len(self._seen)] = torch.tensor(sorted(self._seen), dtype=torch.long)

    @torch.inference_mode()
    def choose(self, logits: torch.Tensor) -> int:
        """The next token, an index into ``logits`` (vocabulary,). Raises ``StudioError`` where they are not numbers."""
        scores = self._penalise(logits)
        token = self._likeliest(scores) if self._sampling.greedy else self._draw(scores)
        self._position += 1
        if token not in self._seen:
            self._there[len(self._seen)] = token
            self._seen.add(token)
        return token

    def _penalise(self, logits: torch.Tensor) -> torch.Tensor:
        """Divides positive and multiplies negative logits of known tokens (Keskar et al. 2019, CTRL, section 4.1)."""
        scores = logits.float()
        penalty = self._sampling.repetition_penalty
        if penalty == 1:
            return scores
        there = self._there[: len(self._seen)]
        known = scores[there]
        return scores.index_put((there,), torch.where(known < 0, known * penalty, known / penalty))

    def _likeliest(self, scores: torch.Tensor) -> int:
        best, token = scores.max(0)
        self._check(float(best))
        return int(token)

    def _draw(self, scores: torch.Tensor) -> int:
        values, tokens = self._candidates(scores)
        return int(tokens[np.argmax(values + gumbel(self._sampling.seed, self._position, tokens))])

    def _candidates(self, scores: torch.Tensor) -> tuple[Floats, Integers]:
        """Scaled logits and ids of the tokens that may be drawn, the likeliest first."""
        sampling = self._sampling
        if sampling.top_k or sampling.top_p == 1:
            values, tokens = self._top(scores, sampling.top_k or scores.numel())
            return self._nucleus(values, tokens, float(np.logaddexp.reduce(values)))
        # The whole vocabulary counts for the share, yet sorting it would cost more than the nucleus is worth.
        total = float((scores / sampling.temperature).logsumexp(0))
        width = _FIRST_LOOK
        while True:
            values, tokens = self._top(scores, width)
            if width >= scores.numel() or np.exp(values - total).sum() >= sampling.top_p:
                return self._nucleus(values, tokens, total)
            width *= 8

    def _top(self, scores: torch.Tensor, count: int) -> tuple[Floats, Integers]:
        """The ``count`` likeliest, on the host: few numbers, and the one wait for the device that a token needs."""
        best, tokens = scores.topk(min(count, scores.numel()))
        values: Floats = best.cpu().numpy().astype(np.float64) / self._sampling.temperature
        self._check(float(values[0]))
        return values, tokens.cpu().numpy()

    def _nucleus(self, values: Floats, tokens: Integers, total: float) -> tuple[Floats, Integers]:
        """The fewest of the likeliest tokens that hold ``top_p`` of the probability (Holtzman et al. 2020)."""
        if self._sampling.top_p == 1:
            return values, tokens
        shares = np.exp(values - total)
        kept = np.cumsum(shares) - shares < self._sampling.top_p
        return values[kept], tokens[kept]

    def _check(self, best: float) -> None:
        if not np.isfinite(best):
            raise StudioError(
                "text.numbers",
                "The model's output after {count} tokens is not a number: its weights are damaged or do not fit the "
                "number format of this device. Check the model with python -m studio.models verify.",
                count=self._position,
            )


def gumbel(seed: int, position: int, tokens: Integers) -> Floats:
    """Standard Gumbel noise, one value a token id, the same for the same (seed, position, token) everywhere.

    ``-log(-log(u))`` with u in (0, 1) from the upper 52 bits of a hash: SplitMix64's finaliser (Steele et al. 2014).
    """
    key = _mix_number(_mix_number(seed) + position * _GOLDEN)
    bits = _mix(tokens.astype(np.uint64) * np.uint64(_GOLDEN) + np.uint64(key)) >> np.uint64(12)
    uniform = (bits.astype(np.float64) + 0.5) * 2.0**-52  # 53 bits with the half: exact, never 0 or 1
    noise: Floats = -np.log(-np.log(uniform))
    return noise


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser on each; products wrap at 64 bits, as meant."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _mix_number(x: int) -> int:
    """The same on one Python integer."""
    mixed: Any = _mix(np.array([x & _MASK], dtype=np.uint64))
    return int(mixed[0])
