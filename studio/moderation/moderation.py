"""Whether somebody's prompt is taken, and what the engine is to look at for them; by role, and all of it in the log.

Knows rules, roles, the log, and which classifiers' weights are on this machine. The classifiers themselves run where
the pictures are made (``pipelines.moderation``).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from pipelines.catalog import Catalog
from pipelines.errors import StudioError
from pipelines.moderation import PICTURES, TEXTS, Look, Policy, words_of
from studio.accounts.accounts import Accounts
from studio.moderation.rules import RuleFile
from studio.settings import Moderated

_LABELS = {TEXTS: "text", PICTURES: "picture"}


class Moderation:
    """``check`` when a job comes in, ``policy`` when it begins, ``note`` when it was refused."""

    def __init__(self, roles: Moderated, rules: RuleFile, catalog: Catalog, accounts: Accounts) -> None:
        self._roles = roles
        self.rules = rules
        self._catalog = catalog
        self._accounts = accounts

    def holds_for(self, owner: str) -> bool:
        """Whether this person's wishes are moderated: by their role."""
        return bool(getattr(self._roles, self._accounts.role_of(owner)))

    def check(self, owner: str, kind: str, request: Mapping[str, Any]) -> None:
        """Raises a ``StudioError`` with the rule's name where a prompt meets one; notes it in the log."""
        if not self.holds_for(owner):
            return
        for text in words_of(request):
            rule = self.rules.broken_by(text)
            if rule is not None:
                error = StudioError(
                    "moderation.prompt",
                    "This studio does not make this for guests and others it looks after: the prompt meets the rule "
                    "“{rule}”. Ask for something else; nothing you typed is lost.",
                    rule=rule.name,
                )
                self.note(owner, kind, error)
                raise error

    def policy(self, owner: str) -> Policy | None:
        """What the engine is to look at for ``owner``, as far as the weights are here; None where nothing."""
        if not self.holds_for(owner):
            return None
        rules = self.rules.rules
        looks = {}
        for task, limit in ((TEXTS, rules.text), (PICTURES, rules.picture)):
            entry = self._catalog.default(task)
            if limit is not None and entry is not None and self._catalog.is_ready(entry):
                folder = str(self._catalog.path(entry))
                looks[_LABELS[task]] = Look(folder, tuple(limit.labels), limit.threshold, limit.rule)
        return Policy(**looks) if looks else None

    def note(self, owner: str, kind: str, error: StudioError) -> None:
        """Puts a refusal into the log: whose, of what, by which rule. What was asked for stays out of it."""
        self._accounts.note(owner, error.key, f"{error.values.get('rule', '?')} · {kind}")

    def counts(self, days: int = 7) -> list[tuple[str, str, int]]:
        """(what, rule and kind, how often) of the last ``days``, the most first."""
        return self._accounts.audit.counts("moderation.", time.time() - days * 86_400)

    def classifiers(self) -> list[tuple[str, str, bool]]:
        """(task, title, whether its weights are on this machine)."""
        entries = ((task, self._catalog.default(task)) for task in (TEXTS, PICTURES))
        return [(task, entry.title, self._catalog.is_ready(entry)) for task, entry in entries if entry is not None]
