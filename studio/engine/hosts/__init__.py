"""Where an engine lives: in this process (tests), or in a supervised process of its own (the default).

Each device has an engine and a host of its own; which devices there are is for ``Hosts`` to say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from studio.engine.messages import Marked, Message, Order


@dataclass(frozen=True)
class Loss:
    """Why an engine died: it ended by itself, the system killed it, it hung and we did, or we do not understand it.

    ``reason`` is the exit code or signal in words, for how many seconds there was no sign of life, or what it spoke.
    """

    cause: Literal["ended", "killed", "hung", "foreign"]
    reason: str


#: what everybody should know of the devices as a whole: the cluster's head does not answer; there is no device, and the
#: first is being brought; there is none and need be none; there is none
Notice: TypeAlias = Literal["", "away", "bringing", "resting", "empty"]


@dataclass(frozen=True)
class Demand:
    """``jobs`` that wait would begin if there were devices enough: ``devices`` more than there are and are being
    started."""

    jobs: int
    devices: int


class Host(Protocol):
    """An engine somewhere. ``receive`` gets every message, from a thread of the host's."""

    #: starting, ready, restarting or closed
    state: str
    #: what runs goes on when we close, and is heard again by whoever starts a host of the same engine
    outlives: bool

    def start(self, receive: Callable[[Message | Marked], None], lost: Callable[[Loss], None]) -> None:
        """Starts the engine. ``lost`` is told, with the reason, that the engine died and every job in it with it.
        After ``close`` it begins anew."""

    def order(self, order: Order) -> None:
        """Passes an order on. Orders given while no engine is there are dropped: the jobs they name were lost."""

    def acknowledge(self, number: int) -> None:
        """Every ``Marked`` message up to this number is written down."""

    def close(self) -> None:
        """Ends the engine and whatever runs in it, unless it outlives us."""


class Members(Protocol):
    """Who is told which devices there are."""

    def join(self, name: str, node: str, host: Host) -> None:
        """There is a device in the machine ``node``; its host is not started yet."""

    def leaving(self, name: str, on: bool) -> None:
        """Its machine is about to go: nothing new is to begin there. Or it is not after all."""

    def part(self, name: str) -> None:
        """It is gone for good, and its host has said that it was lost."""

    def demand(self) -> Demand:
        """What a larger cluster would be of use for."""

    def retire(self, name: str, seconds: float) -> bool:
        """Whether a device has had nothing to do for so long; if so nothing begins there any more, and it may go."""

    def notice(self, notice: Notice) -> None:
        """What is to be known from now on."""


class Hosts(Protocol):
    """The devices there are."""

    def start(self, members: Members) -> None:
        """Tells which devices there are, and from then on of each that comes and goes.

        Returns once every engine that was running already has said what it has, or is ended.
        """

    def close(self) -> None:
        """No further device comes. The hosts are closed by whoever started them."""


class FixedHosts:
    """The devices of this machine, which neither come nor go."""

    def __init__(self, node: str, hosts: Mapping[str, Host]) -> None:
        self.node = node
        self.hosts = dict(hosts)

    def start(self, members: Members) -> None:
        for name, host in self.hosts.items():
            members.join(name, self.node, host)

    def close(self) -> None:
        pass
