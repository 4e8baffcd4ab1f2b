"""What a tab shows of one job: events in, one plain JSON value out. No gradio, no waiting.

A view can be built from any job at any time by giving it the events from the first one, so a page that was
reloaded shows exactly what the page before it did.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from pipelines.errors import StudioError
from studio.engine.job import Job, Numbered, Place
from studio.locales import Language, known, sentence, t

IDLE: dict[str, Any] = {"state": "idle"}


class View:
    """State, progress, place in the queue, error and result: what all kinds of job have in common."""

    def __init__(self, job: Job, language: Language) -> None:
        self.job = job
        self.language = language
        #: what the model is called on the page; a tab that knows the catalogue says it better
        self.model = str(job.model or job.request.get("model") or "")
        self.state: str = job.state
        self.progress: Mapping[str, Any] | None = None
        self.place: Place | None = None
        self.error = ""
        self.items: list[Mapping[str, Any]] = []
        self.facts: Mapping[str, Any] = {}
        self._stage_since = time.time()

    def take(self, event: Numbered) -> None:
        """Adds one event. Kinds this view has no use for are left alone."""
        handler = getattr(self, f"on_{event.kind}", None)
        if handler is not None:
            handler(event.data, event.at)

    def on_state(self, data: Mapping[str, Any], at: float) -> None:
        self.state = str(data["state"])
        if self.state == "running":
            self.place = None
        if error := data.get("error"):
            self.error = sentence(StudioError(error["key"], error["sentence"], **error["values"]), self.language)
        elif self.state == "running":  # what was said of the attempt before is over
            self.error = ""
        self._stage_since = at

    def on_progress(self, data: Mapping[str, Any], at: float) -> None:
        if self.progress is None or self.progress["stage"] != data["stage"]:
            self._stage_since = at
        self.progress = data

    def on_result(self, data: Mapping[str, Any], at: float) -> None:
        del at
        self.items = list(data["items"])
        self.facts = data.get("facts", {})

    def show(self) -> dict[str, Any]:
        """The value the tab's script draws."""
        view: dict[str, Any] = {
            "job": self.job.id,
            "kind": self.job.kind,
            "state": self.state,
            "error": self.error,
            "items": self.items,
            "facts": dict(self.facts),
            "seed": self.facts.get("seed", self.job.seed),
            "ends": self.job.ends_with_page,
        }
        if self.state in ("queued", "running", "paused"):
            view["progress"] = self._progress()
        return view

    def _progress(self) -> dict[str, Any]:
        if self.state == "queued":
            return {"words": place_words(self.place, self.job.kind, self.language), "done": 0, "total": None}
        if self.progress is None:
            return {"words": t("stage.starting", self.language), "done": 0, "total": None}
        done, total = float(self.progress["done"]), self.progress["total"]
        words = stage_words(self.progress, self.language, self.model)
        return {"words": words, "done": done, "total": total, "left": self._left(done, total)}

    def _left(self, done: float, total: float | None) -> float | None:
        """Seconds this stage still takes if it goes on as it went; nothing is promised before a tenth is done."""
        spent = time.time() - self._stage_since
        if not total or done <= 0 or done >= total or (done / total < 0.1 and spent < 3):
            return None
        return round(spent / done * (total - done), 1)


def place_words(place: Place | None, kind: str, language: Language) -> str:
    """Where a waiting job stands: "your picture is next, about 8 s"."""
    thing = t(f"thing.{kind}", language) if kind in THINGS else kind
    if place is None:
        return t("place.sent", language, thing=thing)
    if place.held is not None:
        return sentence(place.held, language)
    words = t("place.next" if place.position <= 1 else "place.behind", language, thing=thing, ahead=place.position - 1)
    if place.ahead_seconds is None:
        return words
    return t("place.about", language, words=words, time=duration(place.ahead_seconds, language))


THINGS = ("text", "image", "upscale", "style", "training", "sticker_training", "sample", "explore")


def stage_words(progress: Mapping[str, Any], language: Language, model: str = "") -> str:
    """What the device is doing and how far it has come, in plain words."""
    stage, unit = str(progress["stage"]), str(progress.get("unit") or "")
    done, total = float(progress["done"]), progress["total"]
    name = known(f"stage.{stage}", language, stage)
    if model and stage == "converting":
        return t("stage.once", language, model=model)
    if model and stage in ("fetching", "verifying", "loading"):
        name = t("stage.of", language, stage=name, model=model)
    if unit == "byte" and total:
        return t("stage.bytes", language, stage=name, done=_amount(done, total), total=size(total))
    if total and unit:
        unit_name = known(f"unit.{unit}", language, unit)
        return t("stage.count", language, stage=name, unit=unit_name, done=f"{done:.0f}", total=f"{total:.0f}")
    return name


def size(count: float) -> str:
    """Bytes as people say them: 98 MB, 5.2 GB (powers of ten, as shops count)."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            value = count / scale
            return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"
    return f"{count:.0f} B"


def _amount(done: float, total: float) -> str:
    """``done`` in the unit of ``total``, without the unit."""
    for scale in (1e9, 1e6, 1e3):
        if total >= scale:
            return f"{done / scale:.1f}" if total / scale < 10 else f"{done / scale:.0f}"
    return f"{done:.0f}"


def duration(seconds: float, language: Language) -> str:
    """8 s, 3 min, 2 h 10 min."""
    if seconds < 90:
        return t("time.seconds", language, count=max(1, round(seconds)))
    if seconds < 5400:
        return t("time.minutes", language, count=round(seconds / 60))
    return t("time.hours", language, hours=int(seconds // 3600), minutes=round(seconds % 3600 / 60))


class Looked:
    """How a job looks at this moment; the page goes on looking at it by itself (see ``studio.live``)."""

    def __init__(self, shown: dict[str, Any]) -> None:
        self.state = str(shown["state"])
        self._shown = shown

    def show(self) -> dict[str, Any]:
        return self._shown


class Refusal:
    """What is shown where there was no job to show: it was refused, or something broke on our side."""

    state = "failed"

    def __init__(self, text: str) -> None:
        self.text = text

    def show(self) -> dict[str, Any]:
        shown = {"job": "", "state": "failed", "error": self.text, "items": [], "facts": {}}
        return {**shown, "refused": True}
