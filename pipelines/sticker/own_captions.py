"""What a zip says about its pictures: names in odd encodings, lists of captions, and words in a file's own name.

Knows text only: no zip, no picture, no model. Imports no torch, as the page looks at a zip before a training does.
"""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

#: characters of a caption that are kept; the model reads about a dozen words
LONGEST = 300

#: lists of captions: Hugging Face's imagefolder, and a table of our own with the same columns
LISTS = ("metadata.jsonl", "metadata.csv", "captions.csv")
_FILE_COLUMNS = ("file_name", "file", "filename", "image", "picture", "文件", "文件名", "图片")
_TEXT_COLUMNS = ("text", "caption", "prompt", "title", "description", "说明", "描述", "文字")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


#: never a word of a caption: what cameras and telephones put in front, what programs put behind
_CODES = _set("img imge dsc dscf dscn dcim mvimg mmexport pxl vid wx copy 副本")
#: no caption where a name has no other words
_EMPTY = _set(
    "a am at download file image images new of photo photos pic pics picture pictures pm sample samples scan "
    "screenshot the unnamed untitled whatsapp 图 图像 图片 照片 截图 屏幕截图 未命名 微信图片"
)
#: the same of folders, which are named after what they are for: "train" says what a picture shows, but not of a folder
_EMPTY_FOLDERS = _EMPTY | _set(
    "all data dataset datasets folder jpeg jpg png test training train val validation webp 新建文件夹 数据 训练"
)


def decode_name(name: str, is_unicode: bool) -> str:
    """A name of a zip as whoever packed it wrote it, with forward slashes and nothing that climbs out.

    Without the flag for Unicode a zip's names are in some code page, which Python reads as cp437; Windows in China
    writes GB2312 there, and many programs UTF-8 without saying so.
    """
    name = name if is_unicode else _guessed(name)
    name = unicodedata.normalize("NFC", name).replace("\\", "/")
    parts = ("".join(letter for letter in part if letter.isprintable()).strip() for part in name.split("/"))
    return "/".join(part for part in parts if part not in ("", ".", "..") and not re.fullmatch(r"[A-Za-z]:", part))


def _guessed(name: str) -> str:
    for encoding in ("utf-8", "gb2312"):
        try:
            return name.encode("cp437").decode(encoding)
        except UnicodeError:  # another code page, or a name that Python has found in a field of its own
            continue
    return name


def decode_text(data: bytes) -> str:
    """The text of a file; what is neither UTF-8 nor UTF-16 is taken as Chinese, as other code pages go out of use."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("gb18030", errors="replace")


def first_line(text: str) -> str:
    """The first line with anything on it, on one line of at most ``LONGEST`` characters."""
    line = next((line for line in text.splitlines() if line.strip()), "")
    return " ".join("".join(letter if letter.isprintable() else " " for letter in line).split())[:LONGEST].strip()


def from_name(name: str) -> str:
    """The words of a file's name, "sad-dog_3.png" -> "sad dog"; where it has none those of its folder; else nothing."""
    path = PurePosixPath(name)
    if words := _words(path.stem, _EMPTY):
        return words
    return next((words for part in reversed(path.parts[:-1]) if (words := _words(part, _EMPTY_FOLDERS))), "")


def _words(part: str, empty: frozenset[str]) -> str:
    words = [word for word in re.split(r"[\s_\-.+()\[\]{}#~]+", part) if word and not _is_code(word)]
    if all(word.casefold() in empty for word in words):
        return ""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", " ".join(words))[:LONGEST]  # SadDog


def _is_code(word: str) -> bool:
    """A number, a hash, a code point, or what a camera writes."""
    digits = sum(letter.isdigit() for letter in word)
    if digits == len(word) or re.sub(r"\d", "", word).casefold() in _CODES:
        return True
    return digits > 1 and bool(re.fullmatch(r"[0-9a-fA-F]{4,}|[0-9a-zA-Z]{12,}", word))


def read_list(name: str, data: bytes) -> dict[str, str]:
    """Captions by the path of their picture in the zip, from the list ``name``; lines that say neither are left out."""
    folder = PurePosixPath(name).parent
    rows = _json_rows(data) if name.casefold().endswith(".jsonl") else _table_rows(data)
    found: dict[str, str] = {}
    for row in rows:
        file, text = _of(row, _FILE_COLUMNS), _of(row, _TEXT_COLUMNS)
        if file and (caption := first_line(text)):
            found.setdefault(decode_name(f"{folder}/{file}", is_unicode=True), caption)
    return found


def _json_rows(data: bytes) -> Iterator[Mapping[str, object]]:
    for line in decode_text(data).splitlines():
        try:
            row = json.loads(line)
        except (json.JSONDecodeError, RecursionError):
            continue
        if isinstance(row, dict):
            yield row


def _table_rows(data: bytes) -> Iterator[Mapping[str, object]]:
    """Rows by column; a table without a line of names is (file, caption)."""
    lines = decode_text(data).splitlines()
    first = next((line for line in lines if line.strip()), "")
    comma = max(",;\t", key=first.count)
    try:
        table = list(csv.reader(io.StringIO("\n".join(lines)), delimiter=comma))
    except csv.Error:  # a field of megabytes, say
        return
    header = [name.strip().casefold() for name in table[0]] if table else []
    named = any(name in _FILE_COLUMNS for name in header)
    columns = header if named else [_FILE_COLUMNS[0], _TEXT_COLUMNS[0]]
    for row in table[1:] if named else table:
        yield dict(zip(columns, row, strict=False))


def _of(row: Mapping[str, object], columns: tuple[str, ...]) -> str:
    """The first of ``columns`` that says something; of several captions the first."""
    for column in columns:
        value = row.get(column)
        value = value[0] if isinstance(value, list) and value else value
        if isinstance(value, str) and value.strip():
            return value.strip()
    return ""
