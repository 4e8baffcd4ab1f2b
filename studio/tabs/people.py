"""The section of people: who there is, in which role, invitations, and the log's last entries.

Knows the accounts. Every word of a message comes from a browser and is checked here.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pipelines.errors import StudioError
from studio.accounts.person import Person, role_named
from studio.accounts.roles import ROLES
from studio.tabs.section import Section

if TYPE_CHECKING:
    from studio.services import Studio

ENTRIES = 100


class People(Section):
    """Messages are objects with an ``action`` and what it needs."""

    name = "people"

    def value(self, by: Person) -> dict[str, Any]:
        accounts = self.studio.accounts
        return {
            "me": by.account,
            "people": [asdict(account) for account in accounts.everybody()],
            "invitations": [asdict(invitation) for invitation in accounts.invitations.open()],
            "log": [asdict(entry) for entry in accounts.audit.last(ENTRIES)],
            "link": "",
        }

    def act(self, by: Person, message: dict[str, Any]) -> dict[str, Any]:
        accounts = self.studio.accounts
        match message:
            case {"action": "role", "account": int(account), "role": str(role)}:
                accounts.set_role(by, account, role_named(role))
            case {"action": "disable", "account": int(account), "disabled": bool(disabled)}:
                accounts.set_disabled(by, account, disabled)
            case {"action": "invite", "role": str(role), "uses": int(uses), "days": int(days), "minutes": int(minutes)}:
                return {"link": accounts.invite(by, role_named(role), uses, days, minutes)}
            case {"action": "take back", "invitation": int(invitation)}:
                accounts.take_back_invitation(by, invitation)
            case {"action": "look"}:
                pass
            case _:
                raise StudioError(
                    "page.message", "The page asked for something there is not: {value}.", value=str(message)[:80]
                )
        return {}


def build(studio: Studio) -> Section:
    """The section, laid out where it is called."""
    return People(studio, roles=list(ROLES))
