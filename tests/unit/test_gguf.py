"""A GGUF file is unpacked once, whole or not at all. The file is a real one, written here with the gguf library."""

from __future__ import annotations

import json
import os
from pathlib import Path

import gguf
import numpy as np
import psutil
import pytest
import torch
from numpy.typing import NDArray

from pipelines.base import Cancelled
from pipelines.errors import StudioError
from pipelines.gguf import find_gguf, unpacked
from pipelines.text_loading import LanguageModel, load_language_model
from tests.unit.tiny_language import BFLOAT16, FLOAT32, TEMPLATE, build, tokenizer

SHIPPED = os.environ.get("STUDIO_TEST_GGUF", "")


def write_gguf(path: Path) -> Path:
    """The tiny Llama with its linear layers in Q8_0, as llama.cpp's own converter would write it."""
    words = tokenizer()
    model = build("llama", len(words))
    config = model.config
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(len(words))
    writer.add_tokenizer_model("gpt2")
    tokens = words.convert_ids_to_tokens(range(len(words)))
    writer.add_token_list(tokens)
    control, normal = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    writer.add_token_types([control if token.startswith("<|") else normal for token in tokens])
    merges = json.loads(words.backend_tokenizer.to_str())["model"]["merges"]
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.add_eos_token_id(words.eos_token_id)
    writer.add_bos_token_id(1)
    writer.add_pad_token_id(0)
    writer.add_chat_template(TEMPLATE)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    for name, tensor in model.state_dict().items():
        add_tensor(writer, names.get_name(name, (".weight",)), name, tensor.numpy(), config)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def add_tensor(writer: gguf.GGUFWriter, name: str, source: str, values: NDArray[np.float32], config: object) -> None:
    for part, heads in (("q_proj", "num_attention_heads"), ("k_proj", "num_key_value_heads")):
        if part in source:  # llama.cpp wants the two halves of each rotary pair side by side
            count = getattr(config, heads)
            halves = values.reshape(count, 2, values.shape[0] // count // 2, values.shape[1])
            values = halves.swapaxes(1, 2).reshape(values.shape)
    if values.ndim == 1:
        writer.add_tensor(name, values)
        return
    packed = gguf.quants.quantize(values, gguf.GGMLQuantizationType.Q8_0)
    writer.add_tensor(name, packed, raw_dtype=gguf.GGMLQuantizationType.Q8_0)


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gguf(tmp_path_factory.mktemp("gguf") / "tiny.Q8_0.gguf")


@pytest.fixture
def file(packed: Path, tmp_path: Path) -> Path:
    place = tmp_path / packed.name
    place.write_bytes(packed.read_bytes())
    return place


def quiet(*_: object) -> None:
    pass


def hidden(file: Path) -> list[str]:
    return sorted(place.name for place in file.parent.iterdir() if place.is_dir())


def test_the_unpacked_model_is_the_one_that_was_packed_and_is_unpacked_once(file: Path) -> None:
    stages: list[str] = []
    language = load_language_model(file.parent, FLOAT32, lambda stage, *_: stages.append(stage))
    assert stages[0] == "converting"
    assert stages[-1] == "loading"
    words, model = tokenizer(), build("llama", len(tokenizer()))
    text = "<|im_start|>user\nThe fox 🦊 runs. 狐狸<|im_end|>\n"
    tokens = words(text).input_ids
    assert language.tokenizer(text, add_special_tokens=False).input_ids == tokens
    assert language.tokenizer.chat_template == TEMPLATE
    assert language.context == 512
    assert words.eos_token_id in language.ends
    with torch.inference_mode():
        expected = model(torch.tensor([tokens])).logits[0, -1]
    found = language.logits(tokens, language.new_cache())
    assert torch.nn.functional.cosine_similarity(found, expected, 0) > 0.999  # eight bits, then bfloat16

    stages.clear()
    again = load_language_model(file, BFLOAT16, lambda stage, *_: stages.append(stage))
    assert set(stages) == {"loading"}
    assert isinstance(again, LanguageModel)


def unpackers() -> list[psutil.Process]:
    """Our children that unpack; others may be there, of other tests."""
    return [child for child in psutil.Process().children() if any("gguf_child" in word for word in child.cmdline())]


def test_an_unpacking_that_is_cancelled_or_killed_leaves_nothing_that_would_be_loaded(file: Path) -> None:
    done = file.with_name(f".{file.stem}.bfloat16")
    half = done.with_name(f"{done.name}.part")
    done.mkdir()  # of a file that had this name before
    (done / "unpacked_from.json").write_text('{"bytes": 1}')
    (done / "model.safetensors").write_bytes(b"of another file")

    def cancel(*_: object) -> None:
        if half.exists():
            raise Cancelled

    with pytest.raises(Cancelled):
        unpacked(file, cancel)
    assert not unpackers()

    def kill(*_: object) -> None:
        for child in unpackers():
            child.kill()

    with pytest.raises(MemoryError):  # so the system ends the largest process where memory does
        unpacked(file, kill)
    half.mkdir(exist_ok=True)
    (half / "model.safetensors").write_bytes(b"half")
    assert load_language_model(file, FLOAT32, quiet).context == 512
    assert hidden(file) == [done.name]


def test_a_file_cut_short_is_refused_in_words(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(StudioError, match="could not be read as a GGUF language model") as caught:
        unpacked(file, quiet)
    assert str(file.parent) not in str(caught.value)
    assert hidden(file) == []


def test_a_disk_that_cannot_be_written_is_named(file: Path) -> None:
    file.with_name(f".{file.stem}.bfloat16.part").write_text("a file where the folder should go")
    with pytest.raises(StudioError, match="has to be unpacked once"):
        unpacked(file, quiet)


def test_several_files_in_a_folder_are_named(tmp_path: Path) -> None:
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / name).touch()
    with pytest.raises(StudioError, match=r"2 GGUF files \(a.gguf, b.gguf\)"):
        find_gguf(tmp_path)


def test_safetensors_are_read_where_both_are_there(tmp_path: Path) -> None:
    for name in ("a.gguf", "config.json"):
        (tmp_path / name).touch()
    assert find_gguf(tmp_path) == tmp_path / "a.gguf"
    (tmp_path / "model.safetensors").touch()
    assert find_gguf(tmp_path) is None


@pytest.mark.slow
@pytest.mark.skipif(not SHIPPED, reason="STUDIO_TEST_GGUF names no file of SmolLM2-135M-Instruct")
def test_the_shipped_model_knows_a_capital() -> None:
    language = load_language_model(Path(SHIPPED), BFLOAT16, quiet)
    question = [{"role": "user", "content": "What is the capital of France?"}]
    text = language.tokenizer.apply_chat_template(question, tokenize=False, add_generation_prompt=True)
    tokens, cache = language.tokenizer(text, add_special_tokens=False).input_ids, language.new_cache()
    answer = []
    while len(answer) < 12:
        token = int(language.logits(tokens, cache).argmax())
        if token in language.ends:
            break
        answer.append(token)
        tokens = [token]
    assert "Paris" in language.tokenizer.decode(answer)
