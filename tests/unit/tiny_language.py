"""Tiny real language models, saved as anybody would save one: made here in a second or two, with a tokenizer.

The main one is trained until it knows a few lines by heart, emoji and Chinese among them, so that its text is text.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from pipelines.devices import Device

LINES = (
    "The fox 🦊 runs over the long bridge. 狐狸跑过了长桥。 ",
    "A cat sleeps 😺 in the warm sun, and café lights glow. 猫在太阳下睡觉。 ",
    "Rain falls 🌧️ on the quiet garden of the old king. 雨落在花园里。 ",
)
CONTEXT = 512
FLOAT32 = Device("cpu", "test", "float32", "a test", 1 << 30, 1)
BFLOAT16 = Device("cpu", "test", "bfloat16", "a test", 1 << 30, 1)
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
NO_SYSTEM = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}" + TEMPLATE


def tokenizer(template: str | None = TEMPLATE) -> PreTrainedTokenizerFast:
    """Byte-level BPE with a few merges: most characters beyond ASCII take several tokens."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<|end|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(LINES, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|im_end|>", pad_token="<|end|>")
    fast.chat_template = template
    return fast


def build(kind: str, vocabulary: int) -> Any:
    """A model of ``kind`` with random weights, the same each time."""
    shape = {
        "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "max_position_embeddings": CONTEXT, "vocab_size": vocabulary,
        "bos_token_id": None, "eos_token_id": None, "pad_token_id": 0, "initializer_range": 0.3,
    }  # fmt: skip
    plain = {"vocab_size": vocabulary, "bos_token_id": None, "eos_token_id": None, "pad_token_id": 0}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        match kind:
            case "llama":
                return LlamaForCausalLM(LlamaConfig(**{**shape, "initializer_range": 0.05}))
            case "qwen2":
                return Qwen2ForCausalLM(Qwen2Config(**shape))
            case "mistral":
                return MistralForCausalLM(MistralConfig(**shape, sliding_window=16))
            case "mamba":
                return MambaForCausalLM(MambaConfig(**plain, hidden_size=32, num_hidden_layers=2, state_size=8))
            case "gpt2":
                sizes = {"n_positions": CONTEXT, "n_embd": 64, "n_layer": 2, "n_head": 4, "initializer_range": 0.3}
                return GPT2LMHeadModel(GPT2Config(**plain, **sizes))
    raise ValueError(kind)


def save(folder: Path, kind: str, template: str | None = TEMPLATE) -> Path:
    words = tokenizer(template)
    model = build(kind, len(words))
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def save_trained(folder: Path, steps: int = 120) -> Path:
    """A tiny Llama that knows ``LINES`` by heart and how to end an answer."""
    words = tokenizer()
    model = build("llama", len(words))
    ids = torch.tensor(words("".join(LINES * 3)).input_ids)
    starts = torch.Generator().manual_seed(1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    for _ in range(steps):
        places = torch.randint(0, len(ids) - 64, (8,), generator=starts)
        batch = torch.stack([ids[place : place + 64] for place in places.tolist()])  # (8, 64)
        loss = model(input_ids=batch, labels=batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.generation_config.eos_token_id = [words.eos_token_id, 0]
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder
