"""What of a person's zip is not learned from: counted by reason, and said in sentences that name the first few.

Knows names and reasons; not how a zip is read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal, TypeAlias

from pipelines.errors import StudioError
from pipelines.pictures import MAX_BYTES, MAX_PIXELS

FEWEST, MOST = 20, 20_000
NAMED = 3

Reason: TypeAlias = Literal["kind", "packed", "large", "damaged", "empty", "silent", "unread", "list", "missing"]


@dataclass
class LeftOut:
    """What is not learned from, by reason."""

    names: dict[Reason, list[str]] = field(default_factory=dict)

    def add(self, reason: Reason, name: str) -> None:
        self.names.setdefault(reason, []).append(name)

    def __len__(self) -> int:
        return sum(len(names) for names in self.names.values())

    def sentences(self) -> list[StudioError]:
        """One a reason, with how many there are and what the first are called."""
        return [_sentence(reason, len(names), named(names)) for reason, names in self.names.items()]


def check_count(count: int, left_out: LeftOut) -> None:
    """Raises ``StudioError`` where ``count`` pictures are too few to learn from, or too many."""
    if count > MOST:
        raise StudioError(
            "own.many",
            "The zip holds {count} pictures with captions; at most {most} are learned from. Take some out.",
            count=count,
            most=MOST,
        )
    if count < FEWEST and not len(left_out):
        raise StudioError(
            "own.few",
            "The zip holds {count} pictures with captions; at least {least} are needed.",
            count=count,
            least=FEWEST,
        )
    if count < FEWEST:
        raise StudioError(
            "own.few_left",
            "The zip holds {count} pictures that can be learned from, and at least {least} are needed. Left out were "
            "{left}: they have no caption that can be read, are damaged, or are no PNG, JPEG, WebP or GIF ({names}).",
            count=count,
            least=FEWEST,
            left=len(left_out),
            names=named([name for names in left_out.names.values() for name in names]),
        )


def named(names: list[str]) -> str:
    """The first few file names, without their folders."""
    shown = [_short(PurePosixPath(name).name) for name in names[:NAMED]]
    return ", ".join(shown) + (", …" if len(names) > NAMED else "")


def _short(name: str) -> str:
    return name if len(name) <= 40 else f"{name[:24]}…{name[-15:]}"


def _sentence(reason: Reason, count: int, names: str) -> StudioError:
    match reason:
        case "kind":
            return StudioError(
                "own.left.kind",
                "Of another kind than PNG, JPEG, WebP or GIF, and left out: {count} ({names}).",
                count=count,
                names=names,
            )
        case "packed":
            return StudioError(
                "own.left.packed",
                "Encrypted, or packed in another way than is usual, and left out: {count} ({names}).",
                count=count,
                names=names,
            )
        case "large":
            return StudioError(
                "own.left.large",
                "Larger than {limit} megapixels or {bytes} MB, and left out: {count} ({names}).",
                limit=MAX_PIXELS // 1_000_000,
                bytes=MAX_BYTES // 1_000_000,
                count=count,
                names=names,
            )
        case "damaged":
            return StudioError(
                "own.left.damaged", "Damaged, and left out: {count} ({names}).", count=count, names=names
            )
        case "empty":
            return StudioError(
                "own.left.empty", "Wholly transparent, and left out: {count} ({names}).", count=count, names=names
            )
        case "silent":
            return StudioError(
                "own.left.silent",
                "Without a caption, and left out: {count} ({names}). The words of its name or its folder's make one, "
                "a text file beside it, or a line in captions.csv.",
                count=count,
                names=names,
            )
        case "unread":
            return StudioError(
                "own.left.unread",
                "With a caption of which the model reads no word (it reads English and everyday Chinese), and left "
                "out: {count} ({names}).",
                count=count,
                names=names,
            )
        case "list":
            return StudioError(
                "own.left.list",
                "Lists of captions in which nothing could be read: {count} ({names}). They need a column file_name "
                "and a column text.",
                count=count,
                names=names,
            )
        case "missing":
            return StudioError(
                "own.left.missing",
                "Named in a list of captions, but not in the zip: {count} ({names}).",
                count=count,
                names=names,
            )
