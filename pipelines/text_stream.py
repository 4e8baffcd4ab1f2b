"""From tokens to text a person may see: whole characters only, and never a piece of a stop string.

Knows a tokenizer's ``decode``; does not know models or events.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

_UNFINISHED = "\N{REPLACEMENT CHARACTER}"
#: a character has at most four tokens of one byte; what is still broken after this many is not going to heal
_MOST_HELD = 8


class Decoder(Protocol):
    """The part of a tokenizer that is needed here."""

    def decode(
        self, token_ids: list[int], *, skip_special_tokens: bool, clean_up_tokenization_spaces: bool
    ) -> str | list[str]: ...


class Detokenizer:
    """Text of tokens as they come. ``before``: tokens the text goes on from, which are not given out again.

    A token's text may depend on the one before it (leading spaces, joined word pieces, bytes of one character), so
    each is decoded together with the tokens given out last, and held while it ends amid a character.
    """

    def __init__(self, tokenizer: Decoder, before: Sequence[int] = ()) -> None:
        self._tokenizer = tokenizer
        self._ids = list(before)[-_MOST_HELD:]
        self._start, self._given = 0, len(self._ids)
        self._known = self._decode(0)

    def push(self, token: int) -> str:
        """The text that became certain with ``token``; often empty amid a character."""
        self._ids.append(token)
        text = self._decode(self._start)
        held = len(self._ids) - self._given
        if held < _MOST_HELD and (text.endswith(_UNFINISHED) or len(text) <= len(self._known)):
            return ""
        new = text[len(self._known) :]
        self._start, self._given = self._given, len(self._ids)
        self._known = self._decode(self._start)
        return new

    def finish(self) -> str:
        """What is still held, without a character that will not be completed any more."""
        return self._decode(self._start)[len(self._known) :].rstrip(_UNFINISHED)

    def _decode(self, start: int) -> str:
        text = self._tokenizer.decode(self._ids[start:], skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text if isinstance(text, str) else "".join(text)


class StopFilter:
    """Lets text through up to the first stop string; holds back what might become one."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._held = ""
        self.met = False

    def push(self, text: str) -> str:
        """The part of what came so far that can be no part of a stop string."""
        held = self._held + text
        found = [place for place in map(held.find, self._stops) if place >= 0]
        if found:
            self.met, self._held = True, ""
            return held[: min(found)]
        keep = self._doubtful(held)
        self._held = held[len(held) - keep :]
        return held[: len(held) - keep]

    def finish(self) -> str:
        """What is still held: no stop string came of it."""
        held, self._held = self._held, ""
        return held

    def _doubtful(self, text: str) -> int:
        """How many last characters of ``text`` begin some stop string."""
        longest = min(len(text), max((len(stop) - 1 for stop in self._stops), default=0))
        return next((n for n in range(longest, 0, -1) if any(stop.startswith(text[-n:]) for stop in self._stops)), 0)


class TextStream:
    """Tokens in, text out: ``push`` each token, ``take`` the text that came since, ``finish`` at the end."""

    def __init__(self, detokenizer: Detokenizer, stops: StopFilter) -> None:
        self._detokenizer = detokenizer
        self._stops = stops
        self._parts: list[str] = []
        self._taken = 0

    @property
    def stopped(self) -> bool:
        """True once a stop string was met; what follows is of no interest."""
        return self._stops.met

    @property
    def text(self) -> str:
        """Everything so far."""
        return "".join(self._parts)

    def push(self, token: int) -> None:
        self._add(self._stops.push(self._detokenizer.push(token)))

    def finish(self) -> None:
        """Lets go of what was held; a stop string that is completed only now still counts."""
        if not self.stopped:
            self._add(self._stops.push(self._detokenizer.finish()))
        if not self.stopped:
            self._add(self._stops.finish())

    def take(self) -> str:
        """The text since the last call; empty where there is none. Another thread may push meanwhile."""
        until = len(self._parts)
        new = "".join(self._parts[self._taken : until])
        self._taken = until
        return new

    def _add(self, text: str) -> None:
        if text:
            self._parts.append(text)
