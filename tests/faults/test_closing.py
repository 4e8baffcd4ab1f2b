"""Ctrl+C and SIGTERM while people are connected: the studio closes within seconds, and says nothing of errors."""

from __future__ import annotations

import signal
from pathlib import Path

from gradio_client import Client

from benchmarks.servers import server
from tests.studios import wait_for


def test_a_studio_closes_quietly_while_somebody_follows_a_job(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    with server(tmp_path, "--threads", "1", log=log) as running:
        running.wait_ready()
        client = Client(running.url, verbose=False)
        job = client.predict("r1", "mnist", '{"seconds": 0, "steps": 1000000, "width": 4}', api_name="/start_training")
        followed = client.submit(job, 0, api_name="/follow_job")
        wait_for(followed.outputs)
        running.process.send_signal(signal.SIGTERM)
        running.process.wait(30)
    said = log.read_text()
    assert "Traceback" not in said, said
    assert "ERROR" not in said, said
