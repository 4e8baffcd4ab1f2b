"""Text through the whole studio beside plain transformers, with the same model, settings and number of threads.

    python -m benchmarks.text [--threads 1] [--tokens 96] [--rounds 7] [--data DIR]

``studio_over_plain``: tokens per wall second of a job from its submission until it is done (database, worker
process, turns, events and the written file included) over ``model.generate``. The two alternate, so that whatever
else the machine does falls on both; the figure is the median of the rounds' ratios. ``cached_over_gguf_load``:
seconds from nothing to the first logits, as the studio loads the unpacked model, over transformers reading the GGUF
file. Imports are done before either is timed. ``--data`` keeps the fetched model between runs; otherwise it is
fetched into a temporary folder.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from pipelines.catalog import Catalog
from pipelines.devices import Device, pick_device
from pipelines.gguf import find_gguf, unpacked
from pipelines.requests import TextRequest
from pipelines.text_loading import load_language_model
from studio.engine.job import ENDED
from studio.services import Studio, open_studio
from studio.settings import ASSETS, Settings

OWNER = "benchmark"
PROMPT = "Once upon a time there was an old lighthouse keeper who"
WARM_UP = 8  # tokens


def request(tokens: int, seed: int) -> TextRequest:
    """The defaults of the tab, on a text that goes on for as long as it may."""
    return TextRequest.parse({"prompt": PROMPT, "mode": "continue", "max_new_tokens": tokens, "seed": seed})


# ---------------------------------------------------------------------------------------------- loading


def seconds_of(load: Callable[[], object]) -> float:
    began = time.perf_counter()
    load()
    return time.perf_counter() - began


def load_gguf(gguf: Path, device: Device) -> None:
    """What a program without a cache does at each start."""
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    dense: dict[str, Any] = {"gguf_file": gguf.name, "quantization_config": GgufConfig(dequantize=True)}
    model: Any = AutoModelForCausalLM.from_pretrained(gguf.parent, dtype=device.torch_dtype, **dense)
    with torch.inference_mode():
        model(input_ids=torch.tensor([tokenizer(PROMPT).input_ids]))


def load_cached(weights: Path, device: Device) -> None:
    language = load_language_model(weights, device, lambda *_: None)
    language.logits(language.tokenizer(PROMPT).input_ids, language.new_cache())


# ---------------------------------------------------------------------------------------------- writing


class Plain:
    """``model.generate`` on an untouched model."""

    def __init__(self, folder: Path, device: Device) -> None:
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        self._model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=device.torch_dtype)

    def rate(self, asked: TextRequest) -> float:
        """Tokens per second."""
        began = time.perf_counter()
        ids = self._tokenizer(asked.prompt, return_tensors="pt").input_ids
        torch.manual_seed(asked.seed)
        out = self._model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            do_sample=True,
            max_new_tokens=asked.max_new_tokens,
            temperature=asked.temperature,
            top_p=asked.top_p,
            top_k=asked.top_k,
            repetition_penalty=asked.repetition_penalty,
        )
        self._tokenizer.decode(out[0])
        return float(out.shape[1] - ids.shape[1]) / (time.perf_counter() - began)


class Through:
    """A job of the studio, followed to its end as a page does."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    def rate(self, asked: TextRequest) -> float:
        """Tokens per second."""
        began = time.perf_counter()
        job = self._studio.jobs.submit(OWNER, "text", asked.model_dump(mode="json"))
        asyncio.run(self._follow(job.id))
        seconds = time.perf_counter() - began
        ended = self._studio.jobs.get(OWNER, job.id)
        if ended.state != "done":
            raise RuntimeError(f"the job ended {ended.state}: {ended.error}")
        return float(ended.facts["tokens"]) / seconds

    async def _follow(self, job_id: str) -> None:
        async for _ in self._studio.jobs.follow(OWNER, job_id):
            pass
        while self._studio.jobs.get(OWNER, job_id).state not in ENDED:
            await asyncio.sleep(0.005)


# ------------------------------------------------------------------------------------------------ main


def measure(data: Path, threads: int, tokens: int, rounds: int) -> dict[str, float]:
    """All ratios. ``data`` is a studio's data folder."""
    device = pick_device("cpu", threads)
    torch.set_num_threads(threads)
    catalog = Catalog(ASSETS, data)
    weights = catalog.fetch(catalog.resolve("", "text"))
    gguf = find_gguf(weights)
    if gguf is None:
        raise RuntimeError("the default text model is no GGUF file any more; cached_over_gguf_load means nothing")
    folder = unpacked(gguf, lambda *_: None)
    load_cached(weights, device)  # imports what is imported late
    gguf_seconds = seconds_of(lambda: load_gguf(gguf, device))
    cached_seconds = median(seconds_of(lambda: load_cached(weights, device)) for _ in range(3))
    print(f"load: GGUF {gguf_seconds:.2f} s, cached {cached_seconds:.2f} s")
    rounds_rates = compare(Plain(folder, device), data, threads, tokens, rounds)
    return {
        "studio_over_plain": round(median(ours / plain for plain, ours in rounds_rates), 3),
        "cached_over_gguf_load": round(cached_seconds / gguf_seconds, 3),
        "studio_tokens_per_second": round(median(ours for _, ours in rounds_rates), 2),
        "plain_tokens_per_second": round(median(plain for plain, _ in rounds_rates), 2),
        "threads": threads,
    }


def compare(plain: Plain, data: Path, threads: int, tokens: int, rounds: int) -> list[tuple[float, float]]:
    """Tokens per second of ``generate`` and of the studio, round by round; who begins alternates."""
    studio = open_studio(Settings(data=data, device="cpu", threads=threads))
    studio.start()
    try:
        rivals = plain, Through(studio)
        for rival in rivals:
            rival.rate(request(WARM_UP, 0))
        rates = []
        for seed in range(1, rounds + 1):
            order = (0, 1) if seed % 2 else (1, 0)
            found = {who: rivals[who].rate(request(tokens, seed)) for who in order}
            rates.append((found[0], found[1]))
            print(f"round {seed}: plain {found[0]:.1f}, studio {found[1]:.1f} tokens/s")
    finally:
        studio.close()
    return rates


def main() -> None:
    """The command line; the last line is one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.text", description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tokens", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--data", type=Path, default=None)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        figures = measure(given.data or Path(temporary), given.threads, given.tokens, given.rounds)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
