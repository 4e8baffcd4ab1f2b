"""Which LoRA can be laid over a model: of the catalogue, of the studio's folder for them, and files of a person's.

One that is chosen becomes an upload of whoever chooses it, so that a recipe names it by its digest like any other. Only
names of the lists are ever looked for on the disk. Knows the catalogue and files; not the page.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.entries import Entry, in_words
from pipelines.errors import StudioError
from pipelines.image.lora_file import check_file

if TYPE_CHECKING:
    from studio.services import Studio

#: of the data folder: whatever the operator puts there is offered with every model
FOLDER = "loras"
_HERE, _LISTED = "here:", "catalogue:"


def is_here(one: str) -> bool:
    """Whether a choice of the menu is one of the studio's own, and not a digest of a person's file."""
    return one.startswith((_HERE, _LISTED))


def offered(studio: Studio, model: str) -> list[tuple[str, str]]:
    """Titles and values of what there is for ``model``: of the catalogue what was made for it, then the folder."""
    listed = [(_title(studio, entry), _LISTED + entry.name) for entry in _made_for(studio, model)]
    found = sorted(_folder(studio).glob("*.safetensors"))
    return [*listed, *((path.stem, f"{_HERE}{path.name}") for path in found)]


def _made_for(studio: Studio, model: str) -> list[Entry]:
    """A model may be asked for by its name or by its hub id."""
    known = studio.catalog.named(model)
    names = {model, *(() if known is None else (known.name, known.where.place))}
    return [entry for entry in studio.catalog.entries("lora") if names & set(entry.base)]


def _title(studio: Studio, entry: Entry) -> str:
    return entry.title if studio.catalog.is_here(entry) else f"{entry.title} ({in_words(entry.bytes)})"


def _folder(studio: Studio) -> Path:
    return studio.settings.data.resolve() / FOLDER


def resolved(studio: Studio, owner: str, one: str, model: str) -> str:
    """The digest of a choice, as a file of ``owner``'s; a digest is given back as it is.

    Raises ``StudioError`` where it is not on this machine, or was made for other models than ``model``.
    """
    if one.startswith(_LISTED):
        return keep_lora(studio, owner, _listed(studio, one.removeprefix(_LISTED), model))
    if one.startswith(_HERE):
        return keep_lora(studio, owner, _of_folder(studio, one.removeprefix(_HERE)))
    return one


def _of_folder(studio: Studio, name: str) -> Path:
    path = next((path for path in _folder(studio).glob("*.safetensors") if path.name == name), None)
    if path is None:
        raise StudioError(
            "image.lora_gone", "There is no file {name} in the studio's folder for LoRA any more.", name=name[:80]
        )
    return path


def _listed(studio: Studio, name: str, model: str) -> Path:
    entry = next((entry for entry in studio.catalog.entries("lora") if entry.name == name), None)
    if entry is None:
        known = ", ".join(entry.name for entry in studio.catalog.entries("lora"))
        raise StudioError(
            "image.lora_unknown",
            "There is no LoRA named {name} in the catalogue; there are: {known}.",
            name=name[:80],
            known=known,
        )
    if entry not in _made_for(studio, model):
        raise StudioError(
            "image.lora_base",
            "The LoRA {name} was made for {base}, and {model} was chosen. Choose that model, or another LoRA.",
            name=entry.title,
            base=", ".join(entry.base),
            model=model[:80],
        )
    if not studio.catalog.is_here(entry):
        raise StudioError(
            "image.lora_fetch",
            "The LoRA {name} is not on this machine yet. Fetch it first ({size}): python -m studio.models fetch "
            "{entry}",
            name=entry.title,
            size=in_words(entry.bytes),
            entry=entry.name,
        )
    place = studio.catalog.path(entry)
    return place if place.is_file() else next(iter(sorted(place.glob("*.safetensors"))))


def named(names: str) -> list[str]:
    """Names of the catalogue with commas between, as choices."""
    return [_LISTED + name.strip() for name in names.split(",") if name.strip()]


def keep_lora(studio: Studio, owner: str, path: Path) -> str:
    """Keeps a file as an upload of ``owner``'s; its digest. Raises ``StudioError`` for what is no LoRA."""
    check_file(path)
    return studio.keep_upload(owner, path.read_bytes())


def weights_of(text: str, count: int) -> list[float]:
    """Numbers with commas between, for so many LoRA; 1 where one has none. Raises ``StudioError`` for anything else."""
    found = [_weight(part.strip()) for part in text.replace("，", ",").split(",") if part.strip()]
    return [*found, *[1.0] * count][:count]


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise StudioError(
            "image.lora_weight",
            "The weights of the LoRA are numbers from -2 to 2 with commas between, one for each; “{value}” is none.",
            value=text[:40],
        ) from None
