"""An object store of the tests' own: moto's server in a thread, which answers as S3 does, and a bucket a test."""

from __future__ import annotations

import logging
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

#: what a studio on this store finds in its environment
KEYS = {"AWS_ACCESS_KEY_ID": "atelier", "AWS_SECRET_ACCESS_KEY": "not a secret", "AWS_REGION": "us-east-1"}


class ObjectStore:
    """A running server at ``endpoint``."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self._numbers = count()

    @property
    def port(self) -> int:
        return int(self.endpoint.rpartition(":")[2])

    @property
    def environment(self) -> dict[str, str]:
        return {"AWS_ENDPOINT_URL": self.endpoint, **KEYS}

    def fresh(self) -> str:
        """The address of a place with nothing in it, in a bucket of its own."""
        bucket = f"bucket-{next(self._numbers)}"
        asked = urllib.request.Request(f"{self.endpoint}/{bucket}", method="PUT")
        urllib.request.urlopen(asked).close()
        return f"s3://{bucket}/a/studio"


@contextmanager
def running() -> Iterator[ObjectStore]:
    """A server for as long as the context lasts. Imported here: it takes seconds."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield ObjectStore(f"http://{host}:{port}")
    finally:
        server.stop()
