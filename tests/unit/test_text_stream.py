"""Text as it streams: whole characters, and nothing of a stop string, wherever the tokens happen to end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.text_stream import Detokenizer, StopFilter, TextStream
from tests.unit.tiny_language import tokenizer

WORDS = tokenizer()
TEXT = "café 🦊🌧️ 狐狸跑过了长桥。 e\u0301 👩‍👩‍👧 ok"


def pushed(stops: list[str], pieces: list[str]) -> tuple[list[str], bool]:
    filtered = StopFilter(stops)
    out = []
    for piece in pieces:
        out.append(filtered.push(piece))
        if filtered.met:
            return out, True
    return [*out, filtered.finish()], False


@given(st.lists(st.text("ab", max_size=3), max_size=12), st.lists(st.text("ab", min_size=1, max_size=4), max_size=3))
def test_the_text_ends_before_the_first_stop_however_it_is_cut(pieces: list[str], stops: list[str]) -> None:
    out, met = pushed(stops, pieces)
    whole, text = "".join(pieces), "".join(out)
    assert whole.startswith(text)
    assert not any(stop in text for stop in stops)
    assert met == any(stop in whole for stop in stops)
    if not met:
        assert text == whole


@given(st.lists(st.text("ab", max_size=3), max_size=12), st.text("ab", min_size=1, max_size=5))
def test_no_beginning_of_a_stop_string_is_shown_before_it_is_certain(pieces: list[str], stop: str) -> None:
    whole = "".join(pieces)
    out, met = pushed([stop], pieces)
    if met:
        assert "".join(out) == whole[: whole.find(stop)]


def test_what_only_looked_like_a_stop_string_comes_after_all() -> None:
    assert pushed(["###"], ["a#", "#", "b", "#"]) == (["a", "", "##b", "", "#"], False)


def test_characters_of_several_tokens_come_whole() -> None:
    words = Detokenizer(WORDS)
    ids = WORDS(TEXT).input_ids
    assert len(ids) > len(TEXT)  # or nothing would be tested
    parts = [words.push(token) for token in ids]
    assert not any("\N{REPLACEMENT CHARACTER}" in part for part in parts)
    assert "".join([*parts, words.finish()]) == TEXT


def test_a_character_that_stays_unfinished_is_left_out() -> None:
    words = Detokenizer(WORDS)
    ids = WORDS("ok 👩").input_ids
    text = "".join(words.push(token) for token in ids[:-1])
    assert text + words.finish() == "ok "


def test_special_tokens_are_not_text() -> None:
    words = Detokenizer(WORDS)
    ids = WORDS("<|im_start|>hi<|im_end|>").input_ids
    assert "".join(words.push(token) for token in ids) + words.finish() == "hi"


def test_bytes_that_never_become_a_character_are_not_held_for_ever() -> None:
    words = Detokenizer(WORDS)
    broken = WORDS("狐").input_ids[:1]
    assert any(words.push(token) for token in broken * 20)


@pytest.mark.parametrize("stop", ["狸", "🦊🌧", "ok", "\u0301", "é 🦊"])
def test_a_stop_string_of_any_script_is_matched_on_text_not_tokens(stop: str) -> None:
    stream = TextStream(Detokenizer(WORDS), StopFilter([stop]))
    for token in WORDS(TEXT).input_ids:
        stream.push(token)
        if stream.stopped:
            break
    assert stream.stopped
    assert stream.text == TEXT[: TEXT.find(stop)]


def test_a_text_that_was_taken_is_not_given_twice() -> None:
    stream = TextStream(Detokenizer(WORDS), StopFilter([]))
    taken = []
    for token in WORDS("one two three").input_ids:
        stream.push(token)
        taken.append(stream.take())
    stream.finish()
    assert "".join(taken) + stream.take() == stream.text == "one two three"
