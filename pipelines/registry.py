"""Which kinds of job there are. Built-ins and third-party pipelines come in by the same door.

A registration ties a kind (the word in a job's row and in an endpoint's name) to its request and to where its
pipeline lives. The pipeline is named, not imported: the web process looks requests up here and never sees torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import TypeVar

from pipelines.base import Pipeline, Request
from pipelines.errors import StudioError

ENTRY_POINTS = "atelier.requests"

R = TypeVar("R", bound=type[Request])


@dataclass(frozen=True)
class Registration:
    """``task`` is the catalogue's word for the weights this kind loads; empty where it loads none."""

    kind: str
    request: type[Request]
    pipeline: str
    task: str
    interactive: bool

    def pipeline_class(self) -> type[Pipeline]:
        """Imports the pipeline. Called where the device is, never in the web process."""
        module, _, name = self.pipeline.partition(":")
        found = getattr(import_module(module), name)
        if not (isinstance(found, type) and issubclass(found, Pipeline)):
            raise TypeError(f"{self.pipeline} is registered as a pipeline and is not one")
        return found


_registrations: dict[str, Registration] = {}


def register(kind: str, *, pipeline: str, task: str = "", interactive: bool = True) -> Callable[[R], R]:
    """Registers a request class: ``@register("text", pipeline="pipelines.text:TextPipeline", task="text")``.

    A package of somebody else's does the same in a module it names as an entry point of the group
    ``atelier.requests``; from there on its kind is like a built-in.
    """

    def keep(request: R) -> R:
        known = _registrations.get(kind)
        if known is not None and known.pipeline != pipeline:
            raise ValueError(f"kind {kind} is taken by {known.pipeline}; {pipeline} needs another name")
        _registrations[kind] = Registration(kind, request, pipeline, task, interactive)
        return request

    return keep


def registration(kind: str) -> Registration:
    """The registration of ``kind``; a ``StudioError`` that names the known ones where there is none."""
    load_registrations()
    try:
        return _registrations[kind]
    except KeyError:
        raise StudioError(
            "kind.unknown",
            "There is no kind of job named {kind}; there are {known}.",
            kind=kind,
            known=", ".join(sorted(_registrations)),
        ) from None


def registrations() -> Iterator[Registration]:
    """All kinds, built-ins first."""
    load_registrations()
    yield from _registrations.values()


@cache
def load_registrations() -> None:
    """Imports the modules that register: ours, then those of installed packages. Free after the first call."""
    import_module("pipelines.requests")
    import_module("pipelines.sticker.own_request")
    for point in entry_points(group=ENTRY_POINTS):
        point.load()
