"""Lays out what a person wrote as the tokens a model reads, and sees to it that they fit.

Knows chat templates and the context limit. A model that came without a template gets a plain layout that any
language model can follow. Does not know sampling or turns.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from jinja2.exceptions import TemplateError

from pipelines.errors import StudioError
from pipelines.requests import TextRequest
from pipelines.text_loading import LanguageModel

Turns: TypeAlias = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Prompt:
    """``tokens`` to read, ``room`` for new ones, ``stops`` the layout needs, ``dropped`` oldest turns left out."""

    tokens: list[int]
    room: int
    stops: tuple[str, ...] = ()
    dropped: int = 0


def lay_out(language: LanguageModel, request: TextRequest) -> Prompt:
    """The prompt of ``request``. Of a conversation that is too long the oldest turns are left out.

    Raises ``StudioError`` with the numbers where the prompt alone does not fit.
    """
    tokenizer, limit = language.tokenizer, language.context
    dropped = 0
    stops: tuple[str, ...] = ()
    if request.mode == "continue":
        tokens = _encode(tokenizer, request.prompt, language.ends)
    else:
        if limit is not None:
            dropped = _turns_to_drop(language, request, limit - request.max_new_tokens)
        tokens = _conversation(language, request, dropped)
        stops = () if tokenizer.chat_template else PLAIN_STOPS
    if not tokens:
        raise StudioError("text.unread", "The model's tokenizer knows no character of this prompt. Try other words.")
    if limit is not None and len(tokens) >= limit:
        raise StudioError(
            "text.context",
            "The prompt is {tokens} tokens long; this model reads at most {limit}, and the answer needs some of them. "
            "Shorten it, or choose a model with a longer context.",
            tokens=len(tokens),
            limit=limit,
        )
    room = request.max_new_tokens if limit is None else min(request.max_new_tokens, limit - len(tokens))
    return Prompt(tokens, room, stops, dropped)


def _turns_to_drop(language: LanguageModel, request: TextRequest, most: int) -> int:
    """How many of the oldest turns have to go so that the rest has at most ``most`` tokens.

    What is left begins with the person: many templates refuse a conversation that begins with an answer.
    """
    roles = [role for role, _ in request.history]
    places = [0, *(i for i in range(1, len(roles)) if roles[i] == "user"), len(roles)]
    fits = bisect_left(places, True, key=lambda n: len(_conversation(language, request, n)) <= most)
    return places[min(fits, len(places) - 1)]


def _conversation(language: LanguageModel, request: TextRequest, dropped: int) -> list[int]:
    turns = [*request.history[dropped:], ("user", request.prompt)]
    if not language.tokenizer.chat_template:
        return _encode(language.tokenizer, plain_layout(request.system, turns), language.ends)
    return _templated(language.tokenizer, request.system, turns)


# --------------------------------------------------------------------------------------------- layouts

#: where a model without a template would go on with the person's next line
PLAIN_STOPS = ("\nUser:",)


def plain_layout(system: str, turns: Turns) -> str:
    """A transcript: the instructions, then who said what, ending where the answer begins."""
    names = {"user": "User", "assistant": "Assistant"}
    lines = [system, ""] if system else []
    return "\n".join([*lines, *(f"{names[role]}: {text}" for role, text in turns), "Assistant:"])


def _templated(tokenizer: Any, system: str, turns: Turns) -> list[int]:
    """The model's own template. Some know no system role: there the instructions open the person's first turn."""
    messages = [{"role": role, "content": text} for role, text in turns]
    try:
        return _apply(tokenizer, [{"role": "system", "content": system}, *messages] if system else messages)
    except TemplateError as error:
        first = messages[0]
        if not system or first["role"] != "user":
            raise _refused(error) from error
    try:
        return _apply(tokenizer, [{**first, "content": f"{system}\n\n{first['content']}"}, *messages[1:]])
    except TemplateError as error:
        raise _refused(error) from error


def _apply(tokenizer: Any, messages: list[dict[str, str]]) -> list[int]:
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return list(tokenizer(text, add_special_tokens=False).input_ids)


def _refused(error: TemplateError) -> StudioError:
    return StudioError(
        "text.template",
        "The model's chat template does not take this conversation: {reason}. Begin a new one, or choose "
        "free continuation.",
        reason=str(error).rstrip("."),
    )


def _encode(tokenizer: Any, text: str, ends: frozenset[int]) -> list[int]:
    """Tokens with what the tokenizer puts in front; an end it may append is left off, as the text goes on."""
    tokens = list(tokenizer(text).input_ids)
    while tokens and tokens[-1] in ends and tokens[-1] in tokenizer.all_special_ids and len(tokens) > 1:
        tokens.pop()
    return tokens
