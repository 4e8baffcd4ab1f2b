"""Writes what a job makes, each file with its recipe inside: some of it while the job still runs, the rest at its end.

What was written is remembered by name in the job's workspace, so that a job that is begun again does not list the same
thing twice. Knows blobs and recipes; the database is the service's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pipelines.base import Artifact, Scalar
from pipelines.durable import write_durably
from studio.library.credentials import Credentials
from studio.library.made import Made, keep
from studio.library.recipe import compose
from studio.store.blobs import Blobs
from studio.store.workspaces import Workspace

_KEPT = "kept.json"


class Keeping:
    """The files of one job. ``settings`` is its request, ``digest`` the hash of its model.

    ``check`` raises a ``StudioError`` where something may not be kept; then none of what came with it is written.
    """

    def __init__(
        self,
        kind: str,
        settings: Mapping[str, Any],
        digest: str | None,
        credited: Sequence[str],
        blobs: Blobs,
        workspace: Workspace,
        credentials: Credentials | None,
        check: Callable[[Sequence[Artifact]], None] = lambda _made: None,
    ) -> None:
        self._kind = kind
        self._settings = settings
        self._digest = digest
        self._credited = credited
        self._blobs = blobs
        self._credentials = credentials
        self._check = check
        self._workspace = workspace
        self._path = workspace.folder / _KEPT
        self._names: set[str] = set(json.loads(self._path.read_text())) if self._path.is_file() else set()

    def now(self, artifacts: Sequence[Artifact]) -> tuple[Made, ...]:
        """What of ``artifacts`` was not kept before, as files."""
        made = self.rest(artifacts, {})
        self._names |= {artifact.name for artifact in artifacts}
        write_durably(self._path, json.dumps(sorted(self._names)).encode())
        self._workspace.saved()
        return made

    def rest(self, artifacts: Sequence[Artifact], facts: Mapping[str, Scalar]) -> tuple[Made, ...]:
        """The same at the end, with the facts of the whole job."""
        new = [artifact for artifact in artifacts if artifact.name not in self._names]
        self._check(new)
        return tuple(self._made(artifact, facts) for artifact in new)

    def _made(self, artifact: Artifact, facts: Mapping[str, Scalar]) -> Made:
        settings = {**self._settings, **artifact.settings}
        recipe = compose(self._kind, settings, self._digest, {**facts, **artifact.facts}, self._credited)
        return keep(artifact, recipe, self._blobs, self._credentials)
