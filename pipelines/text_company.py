"""Several texts of several people on one loaded model, a token for each in every step.

A text joins and leaves between two steps. One of them leads: it holds the device and computes the step for all; the
others lend the device out and look twenty times a second what has come. When the leader ends, rests or is stopped,
another takes the lead. The device seconds of a step are divided evenly among those it served. Who gets the device when
somebody else wants it stays the engine's to say, at the leader's checkpoint. Knows threads and turns; not what a text
is, how it is chosen or sent.
"""

from __future__ import annotations

import threading
from typing import Protocol

import torch
from transformers.cache_utils import DynamicCache

from pipelines.base import Turn
from pipelines.text_rows import RowModel


class Member(Protocol):
    """A text that is being written."""

    turn: Turn
    cache: DynamicCache
    #: the token to read next
    token: int
    #: seconds in which its company had to wait for others
    waited: float
    #: why it goes on no further; empty while it does
    ended: str

    def take(self, logits: torch.Tensor) -> None:
        """Goes on by a token. Called by whoever leads, so it keeps what goes wrong to itself."""


class Company:
    """The texts that are written on one model now."""

    def __init__(self, rows: RowModel) -> None:
        self._rows = rows
        self._changed = threading.Condition()
        self._members: list[Member] = []  # whoever was served longest ago first
        self._leader: Member | None = None
        self._served: list[Member] = []  # by the step that is being computed
        self._leaving = 0  # how many wait for that step to end

    # ---------------------------------------------------------------------------- coming and going

    def join(self, member: Member) -> bool:
        """Lets ``member`` take part from the next step on, unless it does already.

        False where it has to write alone, because company would change its text. A newcomer has the device in hand.
        """
        with self._changed:
            if member in self._members:
                return True
            alone = not self._members
        if not alone and self._rows.proven is None:
            self._rows.prove(member.turn.checkpoint)
        with self._changed:
            if self._members and not self._rows.proven:
                return False
            self._members.append(member)
            return True

    def leave(self, member: Member) -> None:
        """Takes ``member`` out, after the step that is being computed for it. It may come back."""
        with self._changed:
            self._leaving += 1
            self._changed.wait_for(lambda: member not in self._served)
            self._leaving -= 1
            if member in self._members:
                self._members.remove(member)
            if self._leader is member:
                self._leader = None
            self._changed.notify_all()
        member.turn.share(())

    def leads(self, member: Member) -> bool:
        """Whether ``member`` leads. It does from now on where nobody does, or the leader was called away."""
        with self._changed:
            vacant = self._leader is None or (not self._served and self._leader.turn.called)
            if vacant and member in self._members:
                self._leader = member
            return self._leader is member

    def wait(self, member: Member, seconds: float) -> None:
        """Lets ``seconds`` pass, less where ``member`` ends or the lead falls vacant."""
        with self._changed:
            if not member.ended and self._leader is not None:
                self._changed.wait(seconds)

    def waited(self, member: Member, seconds: float) -> bool:
        """Where it was the leader that waited for others, everybody did with it."""
        with self._changed:
            if self._leader is not member:
                return False
            for one in self._members:
                one.waited += seconds
            return True

    # ------------------------------------------------------------------------------------- a step

    def step(self, leader: Member) -> None:
        """Computes a token for ``leader`` and as many more as fit into a step. Where another leads by now: nothing."""
        with self._changed:
            if self._leader is not leader:
                return
            others = [one for one in self._members if one is not leader and not _is_wanted(one)]
            served = self._served = [leader, *others[: self._rows.width - 1]]
        try:
            leader.turn.share([one.turn for one in served[1:]])
            logits = self._rows.step([one.token for one in served], [one.cache for one in served])
            for one, row in zip(served, logits, strict=True):
                one.take(row)
        finally:
            with self._changed:
                self._served = []
                left = [one for one in self._members if one not in served]
                self._members = left + [one for one in served if not one.ended]
                if self._leaving or any(_is_wanted(one) for one in self._members) or any(one.ended for one in served):
                    self._changed.notify_all()


def _is_wanted(member: Member) -> bool:
    """Whether somebody wants something of ``member``, who else would hear of it only when it next looks up."""
    return member.turn.called or member.turn.finishing
