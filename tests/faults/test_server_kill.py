"""kill -9 of the running studio, seen from outside: through the API, as a script or a person would find it again."""

from __future__ import annotations

import json
from pathlib import Path

from gradio_client import Client

from benchmarks.servers import server
from tests.studios import wait_for


def start(client: Client, **settings: object) -> str:
    values = {"seconds": 0, "steps": 1_000_000, "width": 4, "batch": 8, "seed": 1} | settings
    job_id: str = client.predict("r1", "mnist", json.dumps(values), api_name="/start_training")
    return job_id


def test_after_kill_9_and_a_new_start_finished_work_is_there_and_the_training_resumes(tmp_path: Path) -> None:
    with server(tmp_path, "--threads", "1") as first:
        first.wait_ready()
        client = Client(first.url, verbose=False)
        finished = start(client, steps=20)
        list(client.submit(finished, 0, api_name="/follow_job"))
        running = start(client)
        for event in client.submit(running, 0, api_name="/follow_job"):
            if event["kind"] == "metrics" and event["data"]["seconds"][-1] > 4:
                break
        first.process.kill()
        first.process.wait()
        client.close()

    with server(tmp_path, "--threads", "1") as second:
        second.wait_ready()
        client = Client(second.url, verbose=False)
        assert client.predict(finished, api_name="/get_job")["state"] == "done"
        assert len(client.predict(finished, api_name="/get_job")["items"]) == 2
        interrupted = client.predict(running, api_name="/get_job")
        assert interrupted["state"] == "interrupted"
        assert "Resume" in interrupted["error"]["text"]
        history = list(client.submit(running, 0, api_name="/follow_job"))
        before = max(event["data"]["seconds"][-1] for event in history if event["kind"] == "metrics")
        client.predict(running, api_name="/resume_job")
        for event in client.submit(running, history[-1]["seq"], api_name="/follow_job"):
            if event["kind"] == "metrics":
                assert event["data"]["steps"][0] > 1
                assert before - event["data"]["seconds"][0] <= 5
                break
        client.predict(running, api_name="/cancel_job")
        wait_for(lambda: client.predict(running, api_name="/get_job")["state"] == "cancelled")
        client.close()
