"""A longer prompt for a picture out of a few words: the person's own words, whole, then what a text model adds.

Even a small model goes on well with a list of such prompts, while it answers a wish for one with a story. So it is
given a list, the last of which begins with the person's words, and what it goes on with is kept as far as it says
something new: clause by clause, to the end of the line or of a sentence. The examples are in English, which is what
most picture models read; Chinese words go in as the sticker dictionary has them. Expanding is a job of the text model
like any other. Knows the job service; no page.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pipelines.errors import StudioError
from pipelines.sticker.prompts import read_prompt
from studio.engine.job import ENDED

if TYPE_CHECKING:
    from studio.services import Studio

#: clauses that are taken of what the model writes, words of a clause, and tokens it may write
CLAUSES, WORDS, TOKENS = 6, 14, 56
#: words of a prompt that has no need of more
LONG = 60
_EXAMPLES = (
    ("an owl", "an owl on a mossy branch in a misty forest, big amber eyes, soft morning light, wildlife photo"),
    ("old harbour", "old harbour with wooden boats, calm water, golden evening light, long shadows, oil painting"),
    ("a cup of tea", "a cup of tea on a windowsill on a rainy day, rising steam, warm lamp light, watercolour"),
    ("astronaut", "astronaut in a field of glowing flowers, purple night sky, two moons, bright colours, digital art"),
    ("blue bicycle", "blue bicycle against a white wall, basket of fruit, hard midday sun, crisp shadows, film photo"),
    ("a grandmother", "a grandmother at her market stall, kind smile, red scarf, soft window light, portrait photo"),
    ("temple", "temple among maple trees, stone steps, thin fog, deep reds and greens, ink drawing"),
)
_LIST = "Short ideas for pictures, and the full descriptions made of them.\n\n"
_BREAK = re.compile(r"[.!?;\n。！？；]")
#: words that say nothing of a picture
_SMALL = frozenset(
    ("a", "an", "and", "as", "at", "by", "for", "from", "her", "his", "in", "is", "it", "its", "of", "on", "or", "the",
     "their", "to", "with")
)  # fmt: skip


def expanding(words: str, seed: int = -1, model: str = "") -> dict[str, Any]:
    """The request to the text model, for words on one line."""
    shown = "".join(f"Idea: {short}\nPicture: {full}\n\n" for short, full in _EXAMPLES)
    return {
        "prompt": f"{_LIST}{shown}Idea: {words}\nPicture: {words}",
        "mode": "continue",
        "max_new_tokens": TOKENS,
        "temperature": 0.7,
        "top_p": 0.9,
        "repetition_penalty": 1.05,  # more of it, and a list of descriptions stops being one
        "stop": ["\n"],
        "seed": seed,
        "model": model,
    }


def read_words(prompt: str) -> str:
    """The person's words as the list has them: one line, in English where the dictionary knows them."""
    plain = " ".join(prompt.split()).rstrip(" ,.;，。；")
    if plain.isascii():
        return plain
    try:
        return read_prompt(plain).english or plain
    except StudioError:  # words it knows none of: the model may
        return plain


def tidied(own: str, more: str, whole: bool) -> str:
    """``own`` words, then those clauses of ``more`` that say something new. ``whole``: the model ended by itself.

    Where it did not, the last clause may be half of one and is left out.
    """
    line = _BREAK.split(more, maxsplit=1)
    clauses = line[0].split(",")
    if len(line) == 1 and not whole:
        clauses.pop()
    taken = list(_telling(clauses[:CLAUSES], own))
    if not taken:
        return own
    clause, first = taken[0]
    goes_on = first and clause.startswith(" ")  # in the middle of a clause: a fox + in the snow
    words = [" ".join(clause.split()) for clause, _ in taken]
    begun = own.rstrip(" ,.;，。；\n")
    if not goes_on:
        return ", ".join([begun, *words])
    if not own.isascii():  # English goes on in English
        words[0] = f"{read_words(own)} {words[0]}"
        return ", ".join([begun, *words])
    return ", ".join([f"{begun} {words[0]}", *words[1:]])


def _telling(clauses: Sequence[str], own: str) -> Iterator[tuple[str, bool]]:
    """The clauses of which at least half the words are new, each with whether it is the first there was."""
    said = _content(own) | _content(read_words(own))
    for number, clause in enumerate(clauses):
        words = _content(clause)
        new = words - said
        if new and 2 * len(new) >= len(words) and len(clause.split()) <= WORDS:
            said |= words
            yield clause, number == 0


def _content(text: str) -> set[str]:
    """The words that mean something, without their plural."""
    words = {word.rstrip("s") for word in re.findall(r"[^\W\d_]+", text.casefold()) if word not in _SMALL}
    return words - {""}


async def expanded(studio: Studio, owner: str, prompt: str, seed: int = -1, model: str = "") -> AsyncIterator[str]:
    """The longer prompt, as far as it is written; it always begins with the shorter one.

    Raises ``StudioError`` for an empty prompt, for one that is long already, where the model has nothing to add, and
    as the job does.
    """
    own = prompt.strip()
    if not own:
        raise StudioError("prompt.empty", "The prompt is empty. Write what you would like to get.")
    if len(own.split()) > LONG or len(own) > 10 * LONG:
        raise StudioError(
            "prompt.expanded_long",
            "The prompt has {words} words already; up to {limit} words are made longer.",
            words=len(own.split()),
            limit=LONG,
        )
    job = studio.submit(owner, "text", expanding(read_words(own), seed, model))
    more, shown = "", own
    async for batch in studio.jobs.follow(owner, job.id):
        more += "".join(event.data["text"] for event in batch if event.kind == "token")
        now = tidied(own, more, whole=False)
        if now != shown:
            shown = now
            yield shown
    ended = studio.jobs.get(owner, job.id)
    if ended.state in ENDED and ended.error is not None:
        raise ended.error.as_error()
    last = tidied(own, more, whole=ended.facts.get("stopped_by") != "length")
    if last == own:
        raise StudioError(
            "prompt.unexpanded", "The text model added nothing of use to this prompt. Try again, or write a word more."
        )
    yield last
