"""The worker process: ``python -m studio.engine.hosts.worker FD``. One LocalEngine on the other end of a socket.

Exits when the line closes, so that no worker outlives its studio, whichever way that one ended.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from multiprocessing.connection import Connection

from studio.engine.messages import Close, Message
from studio.engine.options import EngineOptions


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s worker %(levelname)s %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the studio tells us what to do
    connection = Connection(int(sys.argv[1]))
    try:
        options = connection.recv()
    except (EOFError, OSError):  # the studio went before it could say anything
        return
    if not isinstance(options, EngineOptions):
        raise TypeError(f"the first message must be EngineOptions, not {type(options).__name__}")
    sending = threading.Lock()

    def send(message: Message) -> None:
        with sending:
            try:
                connection.send(message)
            except OSError:  # the studio is gone: nobody is left to tell
                os._exit(0)

    from studio.engine.local import LocalEngine  # brings torch in; the line is already up

    engine = LocalEngine(options, send)
    engine.start()
    while True:
        try:
            order = connection.recv()
        except (EOFError, OSError):
            os._exit(0)
        engine.order(order)
        if isinstance(order, Close):
            return


if __name__ == "__main__":
    main()
