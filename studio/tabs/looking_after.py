"""The section of moderation: for whom it is on, whether its rules can be read, which classifiers are here, and how
often it refused what.

Knows the moderation. What somebody asked for is nobody's to read here: only rules and numbers are shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipelines.errors import StudioError
from studio.accounts.person import Person
from studio.accounts.roles import ROLES
from studio.locales import sentence
from studio.tabs.section import Section

if TYPE_CHECKING:
    from studio.services import Studio

DAYS = 7


class LookingAfter(Section):
    """Nothing is done here: roles are a setting, rules a file."""

    name = "moderation"

    def value(self, by: Person) -> dict[str, Any]:
        del by
        moderation = self.studio.moderation
        rules = moderation.rules.rules
        problem = moderation.rules.problem
        return {
            "roles": [role for role in ROLES if getattr(self.studio.settings.moderation, role)],
            "rules": len(rules.rule),
            "own": moderation.rules.path.is_file(),
            "problem": "" if problem is None else {"en": sentence(problem, "en"), "zh": sentence(problem, "zh")},
            "classifiers": [
                {"task": task, "title": title, "ready": ready} for task, title, ready in moderation.classifiers()
            ],
            "counts": [{"what": what, "rule": rule, "count": count} for what, rule, count in moderation.counts(DAYS)],
        }

    def act(self, by: Person, message: dict[str, Any]) -> dict[str, Any]:
        del by
        if message != {"action": "look"}:
            raise StudioError(
                "page.message", "The page asked for something there is not: {value}.", value=str(message)[:80]
            )
        return {}


def build(studio: Studio) -> Section:
    """The section, laid out where it is called."""
    return LookingAfter(studio)
