"""Searching by words: what is written down of an item, and how a person's words are looked up.

The one place that knows SQLite's FTS5 and PostgreSQL's text search. The words lie in a plain table (``item_words``),
already folded and taken apart; over it there is an FTS5 table, or a GIN index of ``tsvector``s (configuration simple).

Chinese and Japanese have no spaces between words, and FTS5's tokenizer would take a whole sentence for one: each of
their characters is written as a word of its own, and what a person types together is looked up as a phrase.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, column, func, literal_column, select, table, text, update
from sqlalchemy.orm import Session

from studio.store.database import insert
from studio.store.shelf import TagRow, WordsRow

#: characters of a search that are read, and words of it
LONGEST, MOST = 400, 24
_CJK = re.compile(r"([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff])")
_ASKED = re.compile(r'(-?)(?:"([^"]*)"|([^\s"]+))')
#: besides letters and digits: marks on letters, private use
_INSIDE = ("Mn", "Mc", "Co")
_INDEX = table("item_search", column("rowid"))
#: what PostgreSQL's index is over; the migration that made it says the same
VECTOR = (
    "to_tsvector('simple'::regconfig, item_words.title || ' ' || item_words.prompt || ' ' || item_words.style "
    "|| ' ' || item_words.tags || ' ' || item_words.model)"
)
#: how much a hit counts in: owner, title, prompt, style, tags, model
_WEIGHTS = (0.0, 4.0, 2.0, 2.0, 6.0, 1.0)


def spread(words: str) -> str:
    """``words`` in one spelling, each Chinese or Japanese character apart."""
    return " ".join(_CJK.sub(r" \1 ", unicodedata.normalize("NFKC", words).casefold()).split())


def write(session: Session, item: str, owner: str, title: str, prompt: str, style: str, model: str) -> None:
    """Writes down what an item is found by; anew where it was before. Its tags are looked up."""
    tags = session.scalars(select(TagRow.tag).where(TagRow.item == item).order_by(TagRow.tag))
    values = {
        "owner": spread(owner), "title": spread(title), "prompt": spread(prompt), "style": spread(style),
        "tags": spread(" ".join(tags)), "model": spread(model),
    }  # fmt: skip
    added = insert(session, WordsRow).values(item=item, **values)
    session.execute(added.on_conflict_do_update(index_elements=["item"], set_=values))


def write_tags(session: Session, items: Sequence[str]) -> None:
    """Writes the tags of ``items`` down anew, after they were changed."""
    for item in items:
        tags = session.scalars(select(TagRow.tag).where(TagRow.item == item).order_by(TagRow.tag))
        session.execute(update(WordsRow).where(WordsRow.item == item).values(tags=spread(" ".join(tags))))


def matching(session: Session, owner: str, asked: str) -> Select[Any] | None:
    """(item, rank) of ``owner``'s items with all the words of ``asked``, the lower the better; None for no words.

    Words may be begun only; "in quotes" they stand side by side; with - before them they must not be there.
    """
    wanted, unwanted = _sorted(asked[:LONGEST])
    if not wanted:
        return None
    if session.get_bind().dialect.name == "postgresql":
        return _in_postgres(owner, wanted, unwanted)
    return _in_sqlite(owner, wanted, unwanted)


@dataclass(frozen=True)
class _Phrase:
    """Words side by side; of an open one the last may go on. Letters and digits only, so nothing in it is syntax."""

    words: tuple[str, ...]
    open: bool


def _in_sqlite(owner: str, wanted: Sequence[_Phrase], unwanted: Sequence[_Phrase]) -> Select[Any]:
    def said(phrase: _Phrase) -> str:
        return f'"{" ".join(phrase.words)}"{"*" * phrase.open}'

    columns = "{title prompt style tags model}"
    whole = f'(owner : "{spread(owner)}") AND ({columns} : ({" AND ".join(map(said, wanted))}))'
    if unwanted:
        whole = f"({whole}) NOT ({columns} : ({' OR '.join(map(said, unwanted))}))"
    rank = func.bm25(literal_column("item_search"), *_WEIGHTS).label("rank")
    query = select(WordsRow.item, rank).select_from(_INDEX).join(WordsRow, WordsRow.id == _INDEX.c.rowid)
    return query.where(text("item_search MATCH :asked").bindparams(asked=whole))


def _in_postgres(owner: str, wanted: Sequence[_Phrase], unwanted: Sequence[_Phrase]) -> Select[Any]:
    def said(phrase: _Phrase) -> str:
        words = [f"'{word}'" for word in phrase.words]
        return f"({' <-> '.join([*words[:-1], words[-1] + ':*' * phrase.open])})"

    whole = " & ".join([*map(said, wanted), *(f"!{said(phrase)}" for phrase in unwanted)])
    query = func.to_tsquery(literal_column("'simple'::regconfig"), whole)
    words: ColumnElement[Any] = literal_column(VECTOR)
    rank = (-func.ts_rank(words, query)).label("rank")
    return select(WordsRow.item, rank).where(WordsRow.owner == spread(owner), words.op("@@")(query))


def _sorted(asked: str) -> tuple[list[_Phrase], list[_Phrase]]:
    """What must be there and what must not."""
    wanted: list[_Phrase] = []
    unwanted: list[_Phrase] = []
    for minus, quoted, word in list(_ASKED.findall(asked))[:MOST]:
        words = tuple(_bare(quoted or word).split())
        if words:
            (unwanted if minus else wanted).append(_Phrase(words, open=not quoted))
    return wanted, unwanted


def _bare(word: str) -> str:
    """What a tokenizer would make of ``word``: letters and digits only, several side by side are one phrase."""
    return "".join(one if one.isalnum() or unicodedata.category(one) in _INSIDE else " " for one in spread(word))
