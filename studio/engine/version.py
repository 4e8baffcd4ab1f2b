"""Whether an engine that outlives a web process is of the same code, and whether the two understand each other."""

from __future__ import annotations

import hashlib
from functools import cache

from studio.settings import ROOT

#: of ``messages`` and of the calls that carry them: one more whenever an engine or a listener of before would not
#: understand them any more
PROTOCOL = 2
#: what an engine is made of
PARTS = ("pipelines", "studio/engine", "studio/library", "studio/store")


@cache
def build() -> str:
    """Told by the files as they are when this is first asked; a digest in hex."""
    digest = hashlib.sha256()
    for path in sorted(path for part in PARTS for path in (ROOT / part).rglob("*.py")):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
