"""Whether anybody listens at the address of a cluster, without Ray: it would try for a minute."""

from __future__ import annotations

import socket

from pipelines.errors import StudioError


def check_there(address: str) -> None:
    """Raises ``StudioError`` where nobody listens."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except (OSError, ValueError) as error:
        raise unanswered(address, str(error)) from error


def answers(address: str) -> bool:
    """Whether somebody listens."""
    try:
        check_there(address)
    except StudioError:
        return False
    return True


def unanswered(address: str, reason: str) -> StudioError:
    return StudioError(
        "cluster.address",
        "No Ray cluster answers at --cluster {address} ({reason}). On this machine, ray start --head begins one and "
        "ray start --address HOST:6379 joins one; then --cluster auto finds it.",
        address=address,
        reason=reason.splitlines()[0][:200] if reason else "no reason given",
    )
