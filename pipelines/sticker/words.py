"""Builds the Chinese dictionary: ``python -m pipelines.sticker.words --data DIR``.

Writes ``assets/sticker/words-zh.json``: a table a part of speech, one word a line. Three sources, the first that knows
a word wins: ``assets/sticker/words-hand.toml``, the names emojibase gives its entries in both languages (simplified,
then traditional ones), and those of its tags that can be tied to one English tag. Tags are lists of their own in each
language, so that a tag is tied only where all entries that bear it, two at least, share one English tag and no other,
and hardly anything else bears that. Knows emojibase and the table; does not read sentences.
"""

from __future__ import annotations

import argparse
import json
import re
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipelines.durable import write_durably
from pipelines.sticker.dictionary import FILE, HAND
from pipelines.sticker.drawings import STYLES
from pipelines.sticker.packages import NAMES, fetch, read_json

#: a table in both files each: what a word does in a sentence
SPEECH = ("small", "of", "at", "links", "numbers", "measures", "places", "doings", "deeds", "qualities", "things")
#: emojibase's groups nobody asks a sticker of by name: the model has no flags, and components are skin tones
_UNDRAWN = ("", "flags", "component")

Table = dict[str, str]
Entries = list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]]


def build(archives: Path) -> dict[str, Any]:
    """The dictionary, as the file has it. ``archives`` holds the npm packages."""
    hand = read_hand()
    entries = list(_entries(archives))
    said = {word for speech in SPEECH if speech not in ("numbers", "measures") for word in hand[speech]}
    things = _tags(entries) | _names(entries, hand["traditional"])
    found = {word: english for word, english in things.items() if word not in said and word not in hand["drop"]}
    tables = {speech: hand[speech] for speech in (*SPEECH, "styles", "traditional")}
    tables["things"] = hand["things"] | found
    tables["emoji"] = {bare(english["emoji"]): _english(english) for english, _, _ in entries}
    about = (
        f"Built by python -m pipelines.sticker.words from {HAND.name} and {NAMES.name} {NAMES.version} "
        f"({NAMES.licence}, {NAMES.author}). Do not edit."
    )
    return {"about": about} | {name: dict(sorted(table.items())) for name, table in tables.items()}


def read_hand() -> dict[str, Table]:
    """The hand-written table turned round: a table a part of speech, from Chinese to English.

    Raises ``ValueError`` where a word is listed twice, or for a style the model does not have.
    """
    written = tomllib.loads(HAND.read_text("utf-8"))
    tables: dict[str, Table] = {
        "drop": dict.fromkeys(written.pop("drop").split(), ""),
        "traditional": {pair[0]: pair[1] for pair in written.pop("traditional")["pairs"].split()},
    }
    for name, table in written.items():
        tables[name] = {word: english for english, words in table.items() for word in words.split()}
    # a number makes two words one: 碗 is a bowl, 一碗 is a bowl of
    seen = Counter(word for name in SPEECH if name not in ("numbers", "measures") for word in tables[name])
    twice = [word for word, times in seen.items() if times > 1]
    if twice or set(tables["styles"].values()) != set(STYLES):
        raise ValueError(f"{HAND.name}: listed twice {twice}; styles {sorted(set(tables['styles'].values()))}")
    return tables


def bare(emoji: str) -> str:
    """Without the mark that asks for a coloured picture, which people leave out."""
    return emoji.replace("\N{VARIATION SELECTOR-16}", "")


def _entries(archives: Path) -> Iterator[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]]:
    """The English, the simplified and the traditional side of every emoji that is drawn."""
    groups = read_json(archives, NAMES, "meta/groups.json")["groups"]
    simplified, traditional = (
        {entry["hexcode"]: entry for entry in read_json(archives, NAMES, f"{language}/data.json")}
        for language in ("zh", "zh-hant")
    )
    for entry in read_json(archives, NAMES, "en/data.json"):
        if groups.get(str(entry.get("group")), "") not in _UNDRAWN:
            yield entry, simplified[entry["hexcode"]], traditional[entry["hexcode"]]


def _names(entries: Entries, characters: Mapping[str, str]) -> Table:
    """Every name that is Chinese throughout. The first entry of several keeps a name; simplified ones go first."""
    names: Table = {}
    for english, simplified, _ in entries:
        names.setdefault(simplified["label"], _english(english))
    for english, _, traditional in entries:
        names.setdefault(traditional["label"].translate(str.maketrans(dict(characters))), _english(english))
    return {name: english for name, english in names.items() if re.fullmatch(r"[\u4e00-\u9fff]+", name)}


def _tags(entries: Entries) -> Table:
    bearers: defaultdict[str, list[frozenset[str]]] = defaultdict(list)
    for english, simplified, _ in entries:
        for tag in simplified.get("tags", ()):
            bearers[tag].append(frozenset(english.get("tags", ())))
    times = Counter(tag for english, _, _ in entries for tag in english.get("tags", ()))
    tied: Table = {}
    for tag, sets in bearers.items():
        shared = frozenset.intersection(*sets)
        if len(sets) > 1 and len(shared) == 1 and re.fullmatch(r"[\u4e00-\u9fff]+", tag):
            (english_tag,) = shared
            if times[english_tag] <= 2 * len(sets):
                tied[tag] = english_tag
    return tied


def _english(entry: Mapping[str, Any]) -> str:
    return str(entry["label"]).replace("’", "'").replace("“", "").replace("”", "")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.sticker.words", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data/sticker"), help="what pipelines.sticker.data built")
    archives = parser.parse_args().data / "packages"
    fetch(archives)
    words = build(archives)
    write_durably(FILE, (json.dumps(words, ensure_ascii=False, indent=1) + "\n").encode())
    counts = {name: len(table) for name, table in words.items() if name != "about"}
    print(f"{FILE.name}, {FILE.stat().st_size // 1000} KB: {counts}")  # noqa: T201 - a command's answer


if __name__ == "__main__":
    main()
