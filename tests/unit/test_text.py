"""Text from tiny real models: the same as ``generate`` makes, and interruptible where ``generate`` is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, BertConfig, BertForMaskedLM

from pipelines.base import Cancelled, Progress, Result, Token
from pipelines.errors import StudioError
from pipelines.requests import TextRequest
from pipelines.text import PIECE, TextPipeline
from pipelines.text_prompts import lay_out
from tests.unit.tiny_language import BFLOAT16, CONTEXT, FLOAT32, NO_SYSTEM, build, save, save_trained, tokenizer
from tests.unit.turns import FreeTurn

GREEDY: dict[str, Any] = {"temperature": 0, "repetition_penalty": 1}


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_trained(tmp_path_factory.mktemp("models") / "lines")


@pytest.fixture(scope="module")
def lines(folder: Path) -> TextPipeline:
    return loaded(folder)


def loaded(folder: Path, device: Any = FLOAT32) -> TextPipeline:
    pipeline = TextPipeline()
    pipeline.load(folder, device, lambda *_: None)
    return pipeline


def asked(prompt: str = "The fox", **settings: Any) -> TextRequest:
    return TextRequest(**{"prompt": prompt, "mode": "continue", "max_new_tokens": 60, "seed": 1, **settings})


def run(pipeline: TextPipeline, request: TextRequest, turn: FreeTurn | None = None) -> tuple[str, Result, list[Any]]:
    """The artifact's text, the result and all events; checks what holds for every run."""
    events = list(pipeline.run(request, turn or FreeTurn(Path())))
    assert isinstance(events[0], Progress)
    result = events[-1]
    assert isinstance(result, Result)
    (artifact,) = result.artifacts
    text = artifact.data.decode()
    assert "".join(event.text for event in events if isinstance(event, Token)) == text
    assert set(result.facts) >= {"seed", "tokens", "tokens_per_second", "prompt_tokens", "stopped_by"}
    return text, result, events


def generated(folder: Path, request: TextRequest, dtype: torch.dtype, tokens: list[int] | None = None) -> str:
    """What plain transformers make of the same request, always the likeliest token."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
    words = AutoTokenizer.from_pretrained(folder)
    ids = torch.tensor([tokens or words(request.prompt).input_ids])
    out = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        max_new_tokens=request.max_new_tokens,
        repetition_penalty=request.repetition_penalty,
        eos_token_id=[0, words.eos_token_id],
        pad_token_id=0,
    )
    return str(words.decode(out[0, ids.shape[1] :], skip_special_tokens=True)).rstrip("\N{REPLACEMENT CHARACTER}")


# ------------------------------------------------------------------------------------- like generate


@pytest.mark.parametrize("device", [FLOAT32, BFLOAT16], ids=lambda device: device.dtype)
@pytest.mark.parametrize("penalty", [1.0, 1.2])
def test_the_likeliest_text_is_that_of_generate(folder: Path, device: Any, penalty: float) -> None:
    request = asked(temperature=0, repetition_penalty=penalty)
    text, result, _ = run(loaded(folder, device), request)
    assert text == generated(folder, request, device.torch_dtype)
    assert len(text) > 20 or result.facts["stopped_by"] == "eos"


@pytest.mark.parametrize("kind", ["gpt2", "qwen2", "mistral", "mamba"])
@pytest.mark.parametrize("device", [FLOAT32, BFLOAT16], ids=lambda device: device.dtype)
def test_other_families_are_stepped_as_generate_steps_them(tmp_path: Path, kind: str, device: Any) -> None:
    place = save(tmp_path / kind, kind)
    language = loaded(place, device)._language
    assert language is not None
    tokens, cache = language.tokenizer("The fox").input_ids, language.new_cache()
    model = AutoModelForCausalLM.from_pretrained(place, dtype=device.torch_dtype)
    out = model.generate(
        torch.tensor([tokens]), do_sample=False, max_new_tokens=40, eos_token_id=None, pad_token_id=0, bos_token_id=None
    )[0].tolist()
    row = language.logits(tokens, cache)
    for token in out[len(tokens) :]:
        assert int(row.argmax()) == token
        row = language.logits([token], cache)


@pytest.mark.parametrize("kind", ["llama", "mistral", "mamba"])
def test_a_long_prompt_is_read_in_pieces_with_turns_between(tmp_path: Path, kind: str) -> None:
    place = save(tmp_path / kind, kind)
    request = asked("fox bridge " * 70, max_new_tokens=8, **GREEDY)
    turn = FreeTurn(tmp_path)
    text, result, _ = run(loaded(place), request, turn)
    read = int(result.facts["prompt_tokens"])
    assert read > PIECE
    assert text == generated(place, request, torch.float32)
    pieces = 1 if kind == "mamba" else -(-read // PIECE)
    assert turn.checkpoints == pieces + int(result.facts["tokens"]) - (result.facts["stopped_by"] == "length")


def test_top_k_one_is_the_likeliest_text(lines: TextPipeline) -> None:
    assert run(lines, asked(top_k=1, temperature=1.5))[0] == run(lines, asked(temperature=0))[0]


def test_every_end_token_of_the_generation_config_ends_the_text(lines: TextPipeline) -> None:
    language = lines._language
    assert language is not None
    assert language.ends == {0, language.tokenizer.eos_token_id}


# ------------------------------------------------------------------------------------------- seeds


def test_the_same_seed_gives_the_same_text_and_another_another(lines: TextPipeline) -> None:
    wild = {"temperature": 1.5, "top_k": 0}
    first, result, _ = run(lines, asked(seed=7, **wild))
    assert run(lines, asked(seed=7, **wild))[0] == first
    assert run(lines, asked(seed=8, **wild))[0] != first
    assert result.facts["seed"] == 7


def test_a_seed_that_was_left_open_is_told_and_gives_the_text_again(lines: TextPipeline) -> None:
    text, result, _ = run(lines, asked(seed=-1, temperature=1.5))
    assert run(lines, asked(seed=result.facts["seed"], temperature=1.5))[0] == text


# ---------------------------------------------------------------------------------- stops and cancels


def test_no_part_of_a_stop_string_is_ever_shown(lines: TextPipeline) -> None:
    text = run(lines, asked(**GREEDY))[0]
    for start in range(4, 40, 3):
        for length in (1, 3, 6):
            stop = text[start : start + length]
            found, result, _ = run(lines, asked(stop=("not there", stop), **GREEDY))
            assert found == text[: text.find(stop)], stop
            assert result.facts["stopped_by"] == "stop"


def test_ending_early_keeps_the_text(lines: TextPipeline, tmp_path: Path) -> None:
    whole = run(lines, asked(**GREEDY))[0]
    text, result, _ = run(lines, asked(**GREEDY), FreeTurn(tmp_path, finish_after=10))
    assert text
    assert whole.startswith(text)
    assert result.facts["stopped_by"] == "finished"
    assert result.facts["tokens"] == 9  # the first checkpoint is after the prompt


def test_ending_before_the_first_token_gives_an_empty_text(lines: TextPipeline, tmp_path: Path) -> None:
    text, result, _ = run(lines, asked(), FreeTurn(tmp_path, finish_after=0))
    assert (text, result.facts["tokens"], result.facts["stopped_by"]) == ("", 0, "finished")


@pytest.mark.parametrize("checkpoint", [1, 12])
def test_a_cancel_ends_this_run_and_no_other(lines: TextPipeline, tmp_path: Path, checkpoint: int) -> None:
    other = lines.run(asked(seed=5), FreeTurn(tmp_path))
    next(other)
    with pytest.raises(Cancelled):
        list(lines.run(asked(seed=5), FreeTurn(tmp_path, cancel_after=checkpoint)))
    result = list(other)[-1]
    assert isinstance(result, Result)
    assert result.artifacts[0].data.decode() == run(lines, asked(seed=5))[0]


def test_characters_stream_whole_in_any_script(lines: TextPipeline) -> None:
    text, _, events = run(lines, asked(max_new_tokens=100, **GREEDY))
    assert "🦊" in text
    assert "狐狸" in text
    assert not any("\N{REPLACEMENT CHARACTER}" in event.text for event in events if isinstance(event, Token))


def test_text_is_sent_at_most_twenty_times_a_second(lines: TextPipeline) -> None:
    _, result, events = run(lines, asked(max_new_tokens=200))
    seconds = int(result.facts["tokens"]) / float(result.facts["tokens_per_second"])
    assert sum(isinstance(event, Token) for event in events) <= 20 * seconds + 2


# -------------------------------------------------------------------------------------------- prompts


def test_the_chat_template_of_the_model_lays_out_the_prompt(lines: TextPipeline) -> None:
    language = lines._language
    assert language is not None
    request = asked("And now?", mode="chat", system="Be brief.", history=(("user", "Hi"), ("assistant", "Hello")))
    assert language.tokenizer.decode(lay_out(language, request).tokens) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello"
        "<|im_end|>\n<|im_start|>user\nAnd now?<|im_end|>\n<|im_start|>assistant\n"
    )


def test_a_model_without_a_template_gets_a_plain_transcript(tmp_path: Path) -> None:
    language = loaded(save(tmp_path / "plain", "gpt2", template=None))._language
    assert language is not None
    request = asked("And now?", mode="chat", system="Be brief.", history=(("user", "Hi"), ("assistant", "Hello")))
    prompt = lay_out(language, request)
    expected = "Be brief.\n\nUser: Hi\nAssistant: Hello\nUser: And now?\nAssistant:"
    assert language.tokenizer.decode(prompt.tokens) == expected
    assert prompt.stops == ("\nUser:",)


def test_instructions_join_the_first_turn_where_a_template_knows_no_system_role(tmp_path: Path) -> None:
    language = loaded(save(tmp_path / "plain", "gpt2", template=NO_SYSTEM))._language
    assert language is not None
    prompt = lay_out(language, asked("Hi", mode="chat", system="Be brief."))
    assert language.tokenizer.decode(prompt.tokens).startswith("<|im_start|>user\nBe brief.\n\nHi<|im_end|>")


def test_the_oldest_turns_go_where_a_conversation_is_too_long(lines: TextPipeline) -> None:
    history = tuple(turn for n in range(20) for turn in (("user", f"question {n}"), ("assistant", f"answer {n}")))
    _, result, _ = run(lines, asked("And now?", mode="chat", history=history, max_new_tokens=100, system="Be brief."))
    dropped = int(result.facts["turns_dropped"])
    assert 0 < dropped < len(history)
    assert dropped % 2 == 0  # what is left begins with the person
    assert int(result.facts["prompt_tokens"]) <= CONTEXT - 100
    language = lines._language
    assert language is not None
    kept = asked("And now?", mode="chat", history=history[dropped - 2 :], max_new_tokens=100, system="Be brief.")
    assert lay_out(language, kept).dropped == 2  # one pair less would not have fitted


def test_a_prompt_longer_than_the_context_is_refused_with_the_numbers(lines: TextPipeline) -> None:
    for mode in ("chat", "continue"):
        with pytest.raises(StudioError, match=rf"is \d+ tokens long; this model reads at most {CONTEXT}"):
            list(lines.run(asked("xyz " * 400, mode=mode), FreeTurn(Path())))


def test_a_text_ends_where_the_context_does_and_says_so(lines: TextPipeline) -> None:
    _, result, _ = run(lines, asked("q" * 500, max_new_tokens=100, **GREEDY))
    assert result.facts["room"] == CONTEXT - int(result.facts["prompt_tokens"]) < 100
    assert int(result.facts["tokens"]) <= int(result.facts["room"])


# --------------------------------------------------------------------------------------- what is loaded


def test_the_bytes_held_are_those_of_the_tensors_and_none_are_held_after_unload(folder: Path) -> None:
    pipeline = loaded(folder)
    model = build("llama", len(tokenizer()))
    assert pipeline.bytes_held() >= sum(p.nbytes for p in model.parameters())
    pipeline.unload()
    assert pipeline.bytes_held() == 0


def refused(folder: Path) -> str:
    with pytest.raises(StudioError) as caught:
        loaded(folder)
    assert str(folder.parent) not in str(caught.value)
    return str(caught.value)


def test_pickled_weights_are_refused_unopened(tmp_path: Path) -> None:
    place = save(tmp_path / "pickle", "gpt2")
    (place / "model.safetensors").rename(place / "pytorch_model.bin")
    assert "never read" in refused(place)


def test_a_model_that_does_not_write_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "bert"
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertForMaskedLM(BertConfig(vocab_size=100, **shape)).save_pretrained(place)
    tokenizer().save_pretrained(place)
    assert "it is a BertForMaskedLM" in refused(place)


def test_a_model_with_tensors_missing_is_refused(tmp_path: Path) -> None:
    place = save(tmp_path / "half", "llama")
    model = build("llama", len(tokenizer()))
    state = {name: tensor for name, tensor in model.state_dict().items() if "layers.1" not in name}
    model.save_pretrained(place, state_dict=state)
    assert "lack 9 of the tensors" in refused(place)


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    place = save(tmp_path / "short", "llama")
    weights = place / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    assert "could not be read as a language model" in refused(place)


def test_code_that_comes_with_a_model_is_never_run(tmp_path: Path) -> None:
    place = save(tmp_path / "code", "llama")
    (place / "config.json").write_text('{"model_type": "mine", "auto_map": {"AutoConfig": "evil.Config"}}')
    (place / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Config: pass\n")
    assert "could not be read as a language model" in refused(place)
    assert not (tmp_path / "ran").exists()
