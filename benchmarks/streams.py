"""Eight texts written together, as the engine does it, beside one; and the same of threads with plain ``generate``.

Knows the text pipeline, the lease and transformers. The model is the catalogue's default where it is there or can be
fetched; else one of about 100 million random weights, which costs as much per token and is said in the figures.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from pipelines.base import Result
from pipelines.catalog import Catalog
from pipelines.devices import Device, pick_device
from pipelines.errors import StudioError
from pipelines.gguf import find_gguf, unpacked
from pipelines.requests import TextRequest
from pipelines.text import TextPipeline
from studio.engine.turn import EngineTurn
from studio.engine.turns import Lease
from studio.settings import ASSETS
from studio.store.blobs import Blobs
from studio.store.workspaces import Workspace

#: stands in where nothing can be fetched
RANDOM = "random-100m"
#: writes as quickly as a large GPU would for many people at once, and writes nothing of sense
QUICK = "random-quick"

PROMPTS = (
    "Once upon a time there was an old lighthouse keeper who",
    "The history of the bicycle begins in",
    "To make a good tomato soup you first",
    "Dear Sir or Madam, I am writing to you because",
    "In the middle of the desert stood a small house, and in it",
    "Water boils at a lower temperature on a mountain, since",
    "The night train to the north left at ten, and nobody on the platform",
    "Three things are worth knowing about owls:",
)


def streams(data: Path, threads: int, tokens: int, rounds: int) -> dict[str, float | str]:
    """``streams8_over_1`` and ``threads8_over_1``: tokens per second of eight over those of one, medians of rounds.

    In each round all four are measured one after the other, so that what else the machine does falls on all.
    """
    device = pick_device("cpu", threads)
    torch.set_num_threads(threads)
    model = text_model(data)
    folder = _folder(data, model)
    ours, plain = Ours(folder, device), Plain(folder, device)
    for rival in (ours.rate, plain.rate):
        rival(PROMPTS, 4)  # warms up; the first company is also proven then
    found: list[tuple[float, ...]] = []
    for number in range(rounds):
        found.append(tuple(rate(p, tokens) for rate in (ours.rate, plain.rate) for p in (PROMPTS[:1], PROMPTS)))
        one, eight, plain_one, plain_eight = found[-1]
        print(
            f"round {number + 1}: one {one:.1f}, eight {eight:.1f}; generate: one {plain_one:.1f}, "
            f"eight threads {plain_eight:.1f} tokens/s",
            flush=True,
        )
    return {
        "streams8_over_1": round(median(row[1] / row[0] for row in found), 3),
        "threads8_over_1": round(median(row[3] / row[2] for row in found), 3),
        "stream_tokens_per_second": round(median(row[0] for row in found), 2),
        "generate_tokens_per_second": round(median(row[2] for row in found), 2),
        "text_model": model,
        "text_dtype": device.dtype,
    }


class Ours:
    """The text pipeline under a lease, a thread and an owner for each text."""

    def __init__(self, folder: Path, device: Device) -> None:
        self._pipeline = TextPipeline()
        self._pipeline.load(folder, device, lambda *_: None)
        self._jobs = 0

    def rate(self, prompts: Sequence[str], tokens: int) -> float:
        """Tokens of all texts per wall second."""
        lease = Lease()
        with tempfile.TemporaryDirectory() as place:
            blobs = Blobs(Path(place) / "blobs")

            def write(number: int) -> int:
                hold = lease.enter(f"job {number}", f"person {number}", True)
                try:
                    turn = EngineTurn(lease, hold, Workspace(Path(place) / str(number)), blobs, 0)
                    turn.begin()
                    *_, result = self._pipeline.run(_request(prompts[number], tokens, number), turn)
                    assert isinstance(result, Result)
                    return int(result.facts["tokens"])
                finally:
                    lease.leave(hold)

            return _rate(write, len(prompts))


class Plain:
    """``model.generate`` on one untouched model, in a thread for each text."""

    def __init__(self, folder: Path, device: Device) -> None:
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        self._model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=device.torch_dtype)

    def rate(self, prompts: Sequence[str], tokens: int) -> float:
        """Tokens of all texts per wall second."""

        def write(number: int) -> int:
            asked = _request(prompts[number], tokens, number)
            ids = self._tokenizer(asked.prompt, return_tensors="pt").input_ids
            out = self._model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                do_sample=True,
                max_new_tokens=tokens,
                temperature=asked.temperature,
                top_p=asked.top_p,
                top_k=asked.top_k,
                repetition_penalty=asked.repetition_penalty,
                pad_token_id=0,
            )
            return int(out.shape[1] - ids.shape[1])

        return _rate(write, len(prompts))


def _request(prompt: str, tokens: int, seed: int) -> TextRequest:
    """The defaults of the tab, on a text that goes on."""
    return TextRequest.parse({"prompt": prompt, "mode": "continue", "max_new_tokens": tokens, "seed": seed})


def _rate(write: Callable[[int], int], texts: int) -> float:
    """Tokens per second of ``texts`` threads that begin together. What one of them raises is raised here."""
    written: list[int] = []
    raised: list[Exception] = []
    ready = threading.Barrier(texts)

    def work(number: int) -> None:
        try:
            ready.wait()
            written.append(write(number))
        except Exception as error:  # noqa: BLE001 - raised again below, where it is seen
            raised.append(error)

    workers = [threading.Thread(target=work, args=(number,), name=f"text-{number}") for number in range(texts)]
    began = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    seconds = time.perf_counter() - began
    if raised:
        raise raised[0]
    return sum(written) / seconds


# ------------------------------------------------------------------------------------------- the model


def text_model(data: Path) -> str:
    """Which model of the catalogue texts are asked of; it is in ``data`` afterwards, ready to load."""
    catalog = Catalog(ASSETS, data)
    entry = catalog.resolve("", "text")
    try:
        gguf = find_gguf(catalog.fetch(entry))
        if gguf is not None:
            unpacked(gguf, lambda *_: None)
    except (OSError, StudioError) as error:
        print(f"{entry.name} cannot be fetched ({error}); random weights instead", flush=True)
        return _added(catalog, RANDOM, data)
    return entry.name


def quick_model(data: Path) -> str:
    """The name of a model in the catalogue of ``data`` that takes a millisecond or two for a token."""
    return _added(Catalog(ASSETS, data), QUICK, data)


def _added(catalog: Catalog, name: str, data: Path) -> str:
    known = catalog.named(name)
    return (known or catalog.add(_random(data / name, SHAPES[name]), name)).name


def _folder(data: Path, name: str) -> Path:
    """The model's files in safetensors."""
    catalog = Catalog(ASSETS, data)
    weights = catalog.path(catalog.resolve(name, "text"))
    gguf = find_gguf(weights)
    return weights if gguf is None else unpacked(gguf, lambda *_: None)


SHAPES = {
    RANDOM: {"hidden_size": 640, "intermediate_size": 1728, "num_hidden_layers": 16, "num_attention_heads": 10,
             "num_key_value_heads": 5, "vocab_size": 32_000},
    QUICK: {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2,
            "num_key_value_heads": 1, "vocab_size": 256},
}  # fmt: skip


def _random(folder: Path, shape: Mapping[str, int]) -> Path:
    """A Llama in the shape of small ones, and a tokenizer of bytes."""
    if not (folder / "config.json").exists():
        words = Tokenizer(models.BPE(vocab={char: n for n, char in enumerate(_bytes())}, merges=[]))
        words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        words.decoder = decoders.ByteLevel()
        torch.manual_seed(0)
        config = LlamaConfig(**shape, tie_word_embeddings=True, pad_token_id=0, bos_token_id=None, eos_token_id=None)
        LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
        PreTrainedTokenizerFast(tokenizer_object=words).save_pretrained(folder)
    return folder


def _bytes() -> list[str]:
    return sorted(pre_tokenizers.ByteLevel.alphabet())
