"""Where an engine lives: in this process (tests), or in a supervised process of its own (the default).

Each device has an engine and a host of its own; which devices there are is for ``Hosts`` to say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from studio.engine.messages import Message, Order


@dataclass(frozen=True)
class Loss:
    """Why an engine died: it ended by itself, the system killed it, or it hung and we did.

    ``reason`` is the exit code or signal in words, or for how many seconds there was no sign of life.
    """

    cause: Literal["ended", "killed", "hung"]
    reason: str


class Host(Protocol):
    """An engine somewhere. ``receive`` gets every message, from a thread of the host's."""

    #: starting, ready, restarting or closed
    state: str

    def start(self, receive: Callable[[Message], None], lost: Callable[[Loss], None]) -> None:
        """Starts the engine. ``lost`` is told, with the reason, that the engine died and every job in it with it."""

    def order(self, order: Order) -> None:
        """Passes an order on. Orders given while no engine is there are dropped: the jobs they name were lost."""

    def close(self) -> None:
        """Ends the engine and whatever runs in it."""


#: is told of a device that there is from now on: its name, the machine it is in, and its host, not started yet
Join: TypeAlias = Callable[[str, str, Host], None]


class Hosts(Protocol):
    """The devices there are."""

    def start(self, join: Join) -> None:
        """Tells which devices there are, and from then on of each that comes."""

    def close(self) -> None:
        """No further device comes. The hosts are closed by whoever started them."""


class FixedHosts:
    """The devices of this machine, which neither come nor go."""

    def __init__(self, node: str, hosts: Mapping[str, Host]) -> None:
        self.node = node
        self.hosts = dict(hosts)

    def start(self, join: Join) -> None:
        for name, host in self.hosts.items():
            join(name, self.node, host)

    def close(self) -> None:
        pass
