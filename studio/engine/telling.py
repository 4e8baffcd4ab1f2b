"""Turns a pipeline's events into JSON-ready messages; pictures go to the job's folder and travel by name.

Knows the event classes and the workspace. Progress is thinned to what an eye can follow, but its last word always
goes out, and a change of stage goes out at once.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

from pipelines.base import Event, Picture, Preview, Progress, Sample, Token
from studio.engine.messages import Emitted, Message
from studio.store.workspaces import Workspace

PROGRESS_EVERY = 0.2
KEPT_PREVIEWS = 8
_EXTENSIONS = {"image/webp": "webp", "image/png": "png", "image/jpeg": "jpg"}


class Telling:
    """One job's way to the outside; what ``shown`` says no to does not go out."""

    def __init__(
        self,
        job_id: str,
        workspace: Workspace,
        send: Callable[[Message], None],
        shown: Callable[[Event], bool] = lambda _event: True,
    ) -> None:
        self._job_id = job_id
        self._workspace = workspace
        self._send = workspace.after(send)
        self._shown = shown
        self._pending: Progress | None = None
        self._stage = ""
        self._last = 0.0
        self._previews: deque[str] = deque()
        self._told = 0  # characters of text in this attempt
        self._untold = 0  # how many of them to keep back, as an earlier attempt told them

    def progress(self, stage: str, done: float = 0, total: float | None = None, unit: str = "") -> None:
        self.event(Progress(stage, done, total, unit))

    def event(self, event: Event) -> None:
        if isinstance(event, Progress):
            self._progress(event)
        elif isinstance(event, Token):
            self._words(event)
        elif self._shown(event):
            self._emit(event)

    def again(self) -> None:
        """The job begins anew with the same seed: words that were told already are not told again."""
        self._pending, self._untold, self._told = None, self._told, 0

    def flush(self) -> None:
        """Sends the progress that was held back."""
        if self._pending is not None:
            self._emit(self._pending)
            self._pending = None

    def _words(self, event: Token) -> None:
        known = min(len(event.text), max(0, self._untold - self._told))
        self._told += len(event.text)
        if text := event.text[known:]:
            self._emit(replace(event, text=text))

    def _progress(self, event: Progress) -> None:
        now = time.monotonic()
        if event.stage != self._stage:
            self.flush()
        elif now - self._last < PROGRESS_EVERY:
            self._pending = event
            return
        self._pending, self._stage, self._last = None, event.stage, now
        self._emit(event)

    def _emit(self, event: Event) -> None:
        data = {field.name: self._plain(event, getattr(event, field.name)) for field in fields(event)}
        self._send(Emitted(self._job_id, type(event).__name__.lower(), data))

    def _plain(self, event: Event, value: Any) -> Any:
        if isinstance(value, Picture):
            return self._written(event, value)
        if isinstance(value, tuple):
            return list(value)
        if isinstance(value, dict):
            return {name: self._plain(event, inner) for name, inner in value.items()}
        return value

    def _written(self, event: Event, picture: Picture) -> dict[str, Any]:
        """Samples stay: they are the film of a training. Of previews the newest few do, as a page may be behind."""
        if not isinstance(event, (Preview, Sample)):
            raise TypeError(f"{type(event).__name__} carries no picture")
        kind = type(event).__name__.lower()
        name = f"{kind}-{event.step:07d}.{_EXTENSIONS[picture.media_type]}"
        self._workspace.draw(name, picture.data)
        if isinstance(event, Preview) and name not in self._previews:
            self._previews.append(name)
            if len(self._previews) > KEPT_PREVIEWS:
                self._workspace.rub_out(self._previews.popleft())
        return {"file": name, "width": picture.width, "height": picture.height}
