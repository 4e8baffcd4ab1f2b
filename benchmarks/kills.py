"""kill -9 of the worker: how soon those affected are told, and how soon the next text is served.

Knows the API as a script sees it, and the worker's process. Several people follow texts that are being written; the
worker is killed; each has to hear a sentence that says so. Then somebody asks for a text, and the clock runs from the
kill to its first words: a new process, its imports, loading the model and the prompt.
"""

from __future__ import annotations

import asyncio
import secrets
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.crowd import data_with
from benchmarks.page import stream
from benchmarks.servers import Server, server
from benchmarks.streams import PROMPTS, text_model

AFFECTED = 3
WORKER = "studio.engine.hosts.worker"


def kills(data: Path, threads: int, rounds: int) -> dict[str, float]:
    """The worst of ``kill_sentence_s`` and of ``kill_next_s``, with the load time that is in it."""
    text_model(data)
    with (
        tempfile.TemporaryDirectory(prefix="atelier-sharing-") as place,
        server(data_with(Path(place), data), "--threads", str(threads)) as running,
    ):
        running.wait_ready()
        found = asyncio.run(_rounds(running, rounds))
    worst = max(found, key=lambda one: one[1] - one[2])
    return {
        "kill_sentence_s": round(max(sentence for sentence, _, _ in found), 3),
        "kill_next_s": round(worst[1], 3),
        "kill_load_s": round(worst[2], 3),
        "kills": rounds,
    }


async def _rounds(running: Server, rounds: int) -> Sequence[tuple[float, float, float]]:
    found = []
    for number in range(rounds):
        found.append(await _kill(running))
        sentence, following, load = found[-1]
        words = f"told after {sentence:.2f} s, next text after {following:.2f} s, {load:.2f} s of it loading"
        print(f"kill {number + 1}: {words}", flush=True)
    return found


async def _kill(running: Server) -> tuple[float, float, float]:
    """Seconds until the last of those affected was told, until the next text began, and how much of that was load."""
    people = [_person(running.url) for _ in range(AFFECTED + 1)]
    begun = [asyncio.Event() for _ in range(AFFECTED)]
    writing = [asyncio.create_task(_told(one, event)) for one, event in zip(people, begun, strict=False)]
    await asyncio.gather(*(event.wait() for event in begun))
    killed = time.time()
    _worker(running).kill()
    told = await asyncio.gather(*writing)
    began, load = await _next(people[-1])
    for one in people:
        await one.aclose()
    return max(told) - killed, began - killed, load


def _person(url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, timeout=120, headers={"Authorization": f"Bearer {secrets.token_hex(16)}"})


def _worker(running: Server) -> psutil.Process:
    """The process that runs the models, a child of the web process."""
    children = psutil.Process(running.process.pid).children()
    return next(child for child in children if WORKER in child.cmdline())


async def _told(client: httpx.AsyncClient, begun: asyncio.Event) -> float:
    """When somebody whose text was being written heard why it is no longer."""
    try:
        async for _ in stream(client, "generate_text", *_asked(2000)):
            begun.set()
    except RuntimeError as refused:
        if "SIGKILL" not in str(refused):
            raise
        return time.time()
    raise RuntimeError("a text went on although its worker was killed")


async def _next(client: httpx.AsyncClient) -> tuple[float, float]:
    """When the first words of a new text were there, and seconds that loading its model took."""
    began, job = 0.0, ""
    async for words, info in stream(client, "generate_text", *_asked(4)):
        began, job = began or (time.time() if words else 0.0), info["job_id"]
    loading = generating = 0.0
    async for (event,) in stream(client, "follow_job", job, 0):
        if event["kind"] == "progress":
            stage = event["data"]["stage"]
            loading = loading or (event["at"] if stage in ("loading", "converting") else 0.0)
            generating = generating or (event["at"] if stage == "generating" else 0.0)
    return began, generating - loading


def _asked(tokens: int) -> tuple[Any, ...]:
    """The endpoint's parameters for a text that goes on."""
    return (PROMPTS[0], "", "", tokens, 0.7, 0.95, 1, 50, 1.1, [], "continue", [])
