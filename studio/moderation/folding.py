"""Words as a rule compares them: easy tricks with spaces, case, width, look-alike letters and digits undone.

Knows Unicode. Undoing is for comparing only: nothing that is made is made from folded words.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

#: Cyrillic and Greek letters that look like Latin ones
_ALIKE = str.maketrans(
    "авекмнорстухіјѕԁԛԝһӏγυαεικνοπρτχωβζη",
    "abekmhopctyxijsdqwhlyuaeiknonptxwbzn",
)
_DIGITS = str.maketrans("0134578@$!|", "oleastbasil")
_CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
_IS_CJK = re.compile(f"[{_CJK}]")
_SPELLED = re.compile(r"(?<!\S)(?:\S ){2,}\S(?!\S)")  # b o m b
_TOKEN = re.compile(r"\S+")


@dataclass(frozen=True)
class Folded:
    """``words``: forms of a text, each words between single spaces; ``joined``: letters and digits only.

    ``run`` is the text without its spaces, and ``spelled`` says of each of its letters whether it stood alone between
    others that did, as people write who do not want to be read.
    """

    words: tuple[str, ...]
    joined: str
    run: str
    spelled: str

    def spells(self, word: str) -> bool:
        """Whether ``word``, without spaces, is there with three letters or more of it spelled out one by one."""
        at = self.run.find(word)
        while word and at >= 0:
            if self.spelled.count("1", at, at + len(word)) >= 3:
                return True
            at = self.run.find(word, at + 1)
        return False


def folded(text: str) -> Folded:
    """``text`` as rules see it."""
    plain = _plain(text)
    forms = [_spaced(plain, " "), _spaced(plain, "")]  # what stands inside a word parts it, or does not
    forms += [_TOKEN.sub(_without_digits, _spaced(_undotted(plain), ""))]
    forms += [re.sub(r"(.)\1{2,}", r"\1", form) for form in list(forms)]
    run, spelled = _run(forms[0])
    return Folded(tuple(dict.fromkeys(f" {form} " for form in forms)), re.sub(r"[\W_]+", "", plain), run, spelled)


def folded_word(word: str) -> str:
    """One of a rule's own words, folded the same way but for its digits; * stays."""
    return " ".join(re.sub(r"[^\w*]+|_", " ", _plain(word)).split())


def is_cjk(word: str) -> bool:
    """Whether a word is of a script without spaces, and is looked for anywhere."""
    return bool(_IS_CJK.search(word))


def _run(form: str) -> tuple[str, str]:
    """A form without its spaces, and a 1 for each letter of it that is part of a run of single letters, else a 0."""
    alone = [False] * len(form)
    for found in _SPELLED.finditer(form):
        alone[found.start() : found.end()] = [True] * (found.end() - found.start())
    kept = [(one, "1" if single else "0") for one, single in zip(form, alone, strict=True) if one != " "]
    return "".join(one for one, _ in kept), "".join(mark for _, mark in kept)


def _plain(text: str) -> str:
    """One spelling: compatibility forms (full width, styled letters), no marks, no invisible characters, lower case."""
    spelled = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    kept = [one for one in spelled if unicodedata.category(one) not in ("Mn", "Me", "Cf", "Cc") or one in "\n\t"]
    return unicodedata.normalize("NFC", "".join(kept)).translate(_ALIKE)


def _spaced(plain: str, inside: str) -> str:
    """Words between single spaces; what is neither letter, digit nor space becomes ``inside``."""
    return " ".join(re.sub(r"[^\w\s]|_", inside, plain).split())


def _undotted(plain: str) -> str:
    """Signs that stand for letters, as letters."""
    return re.sub(r"(?<=\w)[@$!|]|[@$!|](?=\w)", lambda found: found[0].translate(_DIGITS), plain)


def _without_digits(found: re.Match[str]) -> str:
    """Digits inside a word with letters as the letters they look like; a number stays a number."""
    word = found[0]
    return word.translate(_DIGITS) if any(one.isalpha() for one in word) else word
