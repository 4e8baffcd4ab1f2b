"""What the studio asks of itself: gradio answers an MCP call by one of its own over HTTP, as whoever made the call.

Knows a secret of this process. A request that carries it came through the gate once already.
"""

from __future__ import annotations

import secrets

from starlette.datastructures import Headers
from starlette.types import Scope

HEADER = "x-atelier-inside"


class Inside:
    """Made anew at each start."""

    def __init__(self) -> None:
        self.secret = secrets.token_urlsafe(32)

    def sent(self, scope: Scope) -> bool:
        """Whether this request is one of our own."""
        said = Headers(scope=scope).get(HEADER, "")
        return secrets.compare_digest(said.encode("latin-1", "replace"), self.secret.encode())
