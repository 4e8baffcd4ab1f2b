"""What a person does about links to their things: make one, see which there are, take one back.

Knows the links and the log. Without accounts there is nobody to keep anything from, and no link to make.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pipelines.errors import StudioError

if TYPE_CHECKING:
    from studio.services import Studio


def links(studio: Studio, owner: str) -> list[dict[str, Any]]:
    """``owner``'s links that work, as the page's scripts want them."""
    return [asdict(share) for share in studio.shares.of(owner)] if studio.accounts.required else []


def share(studio: Studio, owner: str, item_id: str, days: int) -> str:
    """Makes a link and notes it; returns its words."""
    if not studio.accounts.required:
        raise StudioError("share.accounts", "Links need accounts: start the studio with --auth.")
    secret = studio.shares.make(owner, item_id, days)
    _note(studio, owner, "share.made", studio.library.get(owner, item_id).name)
    return secret


def take_back(studio: Studio, owner: str, number: int) -> None:
    """Ends a link and notes it."""
    _note(studio, owner, "share.back", studio.shares.take_back(owner, number).name)


def _note(studio: Studio, owner: str, what: str, subject: str) -> None:
    studio.accounts.note(owner, what, subject)
