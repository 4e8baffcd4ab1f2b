"""The head of a Ray cluster: how it is joined quietly, and whether it is still there, and still the same one.

Ray tries for long to reach a head that is away, and says nothing of it. A head that was begun anew at the same address
without a store of its own knows neither machines nor actors, and whoever was connected to the one before has to go.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from studio.engine.hosts.address import answers, check_there, unanswered

os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"  # a call after the cluster went would begin one of its own
import ray
from ray._private import worker
from ray._raylet import GcsClient  # type: ignore[attr-defined]  # of Cython

log = logging.getLogger(__name__)

#: between two looks; one that fails may be chance
LOOK_SECONDS = 1.0
#: our exit code where the cluster that we knew is no more
ANOTHER = 3


class Head:
    """The head that we are connected to."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._cluster = _cluster(address)

    def watch(self, away: Callable[[bool], None]) -> None:
        """``away`` is told when nobody answers, and when somebody does again. If that is another one we are ended."""
        threading.Thread(target=self._watch, args=(away,), name="head", daemon=True).start()

    def _watch(self, away: Callable[[bool], None]) -> None:
        missed = 0
        while True:
            time.sleep(LOOK_SECONDS)
            if not answers(self.address):
                missed += 1
                if missed == 2:
                    log.warning("the head of the cluster at %s does not answer", self.address)
                    away(True)
            elif missed and self._same():
                if missed >= 2:
                    log.info("the head of the cluster answers again")
                    away(False)
                missed = 0

    def _same(self) -> bool:
        """False where that cannot be said yet."""
        try:
            now = _cluster(self.address)
        except (ray.exceptions.RayError, RuntimeError, OSError) as error:
            log.info("the head of the cluster is not ready: %s", error)
            return False
        if now != self._cluster:
            log.warning("the head of the cluster was begun anew; we connect to the new one")
            os._exit(ANOTHER)
        return True


def connect(address: str, namespace: str) -> Head:
    """Joins the cluster without a word of Ray's in our console. Raises ``StudioError`` where it does not answer."""
    if address != "auto":
        check_there(address)
    worker.print_to_stdstream = _told
    before = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(
            address=address,
            namespace=namespace,
            log_to_driver=False,
            configure_logging=False,
            logging_level=logging.ERROR,
        )
        return Head(str(ray.get_runtime_context().gcs_address))
    except (ray.exceptions.RayError, ConnectionError, ValueError, RuntimeError, AssertionError) as error:
        raise unanswered(address, str(error)) from error
    finally:
        signal.signal(signal.SIGTERM, before)


def disconnect() -> None:
    """Leaves the cluster; what runs there goes on."""
    ray.shutdown()


def _cluster(address: str) -> str:
    """What the cluster at an address is called."""
    return str(GcsClient(address=address).cluster_id)


def _told(data: dict[str, Any], ignore_prefix: bool = False) -> None:  # noqa: ARG001 - as Ray calls it
    """What Ray would print of a worker or a machine that died, whatever it was told about logs."""
    log.debug("%s: %s", data.get("pid"), " ".join(map(str, data.get("lines", ()))))
