"""How soon the first page is there, and how a small call fares while forty people follow a training.

``first_page_s``: seconds from process start to the first page's last byte, median of five starts on a data folder
that exists. ``trivial_p95_s``: 95th percentile of ``/list_jobs`` over the queue, from request to answer.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from benchmarks.servers import Server, server

FOLLOWERS = 40
CALLS = 60
THREADS = 1


async def call(client: httpx.AsyncClient, name: str, *values: Any) -> Any:
    """One call of an endpoint over gradio's queue; its last answer."""
    answers = [answer async for answer in stream(client, name, *values)]
    return answers[-1]


async def stream(client: httpx.AsyncClient, name: str, *values: Any) -> Any:
    """Every answer of an endpoint as it comes."""
    asked = await client.post(f"/gradio_api/call/{name}", json={"data": list(values)})
    event = asked.raise_for_status().json()["event_id"]
    async with client.stream("GET", f"/gradio_api/call/{name}/{event}") as lines:
        failed = False
        async for line in lines.aiter_lines():
            failed = failed or line.startswith("event: error")
            if failed and line.startswith("data: "):
                raise RuntimeError(f"{name} failed: {line[6:]}")
            if line.startswith("data: ") and line != "data: null":
                yield json.loads(line[6:])


async def follow(client: httpx.AsyncClient, job_id: str, seen: list[int]) -> None:
    async for _ in stream(client, "follow_job", job_id, 0):
        seen[0] += 1


async def trivial_calls(url: str) -> tuple[list[float], int]:
    """Seconds of each call, and how many events the followers got meanwhile."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as client:
        settings = json.dumps({"seconds": 600, "seed": 1})
        (job_id,) = await call(client, "start_training", "r1", "fashion-mnist", settings)
        seen = [0]
        followers = [asyncio.create_task(follow(client, job_id, seen)) for _ in range(FOLLOWERS)]
        await asyncio.sleep(5)
        before, took = seen[0], []
        for _ in range(CALLS):
            began = time.perf_counter()
            await call(client, "list_jobs", "", 5)
            took.append(time.perf_counter() - began)
            await asyncio.sleep(0.1)
        heard = seen[0] - before
        await call(client, "cancel_job", job_id)
        await asyncio.wait(followers, timeout=20)
        return took, heard


def start(data: Path) -> float:
    with server(data, "--threads", str(THREADS)) as running:
        return running.first_page_s


def measure(running: Server) -> tuple[list[float], int]:
    running.wait_ready()
    return asyncio.run(trivial_calls(running.url))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        start(data)  # makes the data folder; what is timed is every start but the very first
        starts = [start(data) for _ in range(5)]
        with server(data, "--threads", str(THREADS)) as running:
            took, heard = measure(running)
    print(f"first page: {[round(one, 2) for one in starts]} s; {heard} events reached {FOLLOWERS} followers meanwhile")
    figures = {
        "first_page_s": round(statistics.median(starts), 3),
        "trivial_p95_s": round(statistics.quantiles(took, n=20)[-1], 3),
        "trivial_p50_s": round(statistics.median(took), 3),
        "followers": FOLLOWERS,
        "threads": THREADS,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
