"""What a person may have at a time, by role: jobs waiting and running, bytes kept, device minutes in 24 hours.

Knows the caps and who is in which role; whoever asks says what there is. A refusal says which cap it is, its value and
when it frees. What an administrator changes while the studio runs is kept, and goes before the settings.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from pydantic import ValidationError

from pipelines.errors import Busy, StudioError
from studio import settings
from studio.accounts.roles import ROLES, Role
from studio.settings import RoleCaps
from studio.store.choices import Choices

MEGABYTE = 1_000_000
#: seconds for which a change of somebody's role may go unnoticed that nobody told us of
REMEMBERED = 1.0


class Caps:
    """``roles_of`` says in which roles the owners of jobs are. ``changes`` is another number as soon as somebody's
    account is changed or closed: what was remembered before counts no more."""

    def __init__(
        self,
        defaults: settings.Caps,
        choices: Choices,
        roles_of: Callable[[Collection[str]], Mapping[str, Role]],
        changes: Callable[[], int] = lambda: 0,
    ) -> None:
        self._choices = choices
        self._ask_roles = roles_of
        self._ask_changes = changes
        self._roles: Mapping[str, Role] = {}
        self._roles_at = (0, -REMEMBERED)  # after which change, and when
        self._defaults = defaults
        self._caps: dict[Role, RoleCaps] = {}
        self.look_again()

    def look_again(self) -> None:
        """An administrator may have chosen others, at another process."""
        for role in ROLES:
            kept = self._choices.get(f"caps.{role}") or {}
            known = {name: value for name, value in kept.items() if name in RoleCaps.model_fields}
            self._caps[role] = RoleCaps.model_validate({**getattr(self._defaults, role).model_dump(), **known})
        self._roles = {}

    def of(self, owner: str) -> RoleCaps:
        return self._caps[self.role_of(owner)]

    def role_of(self, owner: str) -> Role:
        """Asked for every job in the line, so that it is remembered for a moment."""
        return self.look_up([owner])[owner]

    def look_up(self, owners: Collection[str]) -> Mapping[str, Role]:
        """The roles of at least these, asked for together where one of them is not known."""
        changes, now = self._ask_changes(), time.monotonic()
        fresh = self._roles_at[0] == changes and now - self._roles_at[1] < REMEMBERED
        known = self._roles if fresh else {}
        missing = [owner for owner in owners if owner not in known]
        if missing:
            known = {**known, **self._ask_roles(missing)}
            self._roles, self._roles_at = known, self._roles_at if fresh else (changes, now)
        return known

    def all(self) -> Mapping[Role, RoleCaps]:
        return dict(self._caps)

    def change(self, role: str, values: Mapping[str, Any]) -> RoleCaps:
        """Other caps for a role, from now on and after a restart. Raises ``StudioError`` for what is no cap."""
        known = next((one for one in ROLES if one == role), None)
        if known is None:
            raise StudioError(
                "caps.role", "There is no role {value}; there are {roles}.", value=role[:40], roles=", ".join(ROLES)
            )
        try:
            caps = RoleCaps.model_validate({**self._caps[known].model_dump(), **values})
        except ValidationError as error:
            first = error.errors()[0]
            raise StudioError(
                "caps.value",
                "{cap} cannot be {value}: it is a whole number from 0, which is no limit, to {most}.",
                cap=".".join(str(part) for part in first["loc"]),
                value=str(first["input"])[:40],
                most=int(first.get("ctx", {}).get("le", 10_000)),
            ) from None
        self._choices.set(f"caps.{known}", caps.model_dump())
        self._caps[known] = caps
        return caps

    # ---------------------------------------------------------------------------------- refusing

    def check_waiting(self, owner: str, waiting: int) -> None:
        """Raises ``Busy`` where as many of the owner's jobs wait as may."""
        limit = self.of(owner).waiting
        if limit and waiting >= limit:
            raise Busy(
                "cap.waiting",
                "You have {count} jobs waiting, and {limit} is the cap of your role, {role}. One more can be asked for "
                "when the first of them begins.",
                count=waiting,
                limit=limit,
                role=self.role_of(owner),
            )

    def check_together(self, owner: str, waiting: int, asked: int) -> None:
        """Raises ``Busy`` where ``asked`` jobs at once, counted as if all had to wait, are more than may."""
        limit = self.of(owner).waiting
        if limit and waiting + asked > limit:
            raise Busy(
                "cap.together",
                "These are {asked} jobs at once, and none of them was begun: the cap of your role, {role}, lets "
                "{limit} wait at a time, and {count} wait already. Ask for fewer, or again when those have begun.",
                asked=asked,
                limit=limit,
                count=waiting,
                role=self.role_of(owner),
            )

    def check_stored(self, owner: str, stored: int) -> None:
        """Raises ``StudioError`` where the owner's library is full."""
        limit = self.of(owner).stored_mb
        if limit and stored >= limit * MEGABYTE:
            raise StudioError(
                "cap.stored",
                "Your library and uploads take {used} MB, and {limit} MB is the cap of your role, {role}. There is "
                "room again once you delete something from your library.",
                used=math.ceil(stored / MEGABYTE),
                limit=limit,
                role=self.role_of(owner),
            )

    def check_upload(self, owner: str, stored: int, size: int) -> None:
        """Raises ``StudioError`` where ``size`` more bytes are more than the owner may keep."""
        limit = self.of(owner).stored_mb
        if limit and stored + size > limit * MEGABYTE:
            raise StudioError(
                "cap.upload",
                "This file has {size} MB, your library and uploads take {used} MB, and {limit} MB is the cap of your "
                "role, {role}. There is room again once you delete something from your library; uploads that nothing "
                "refers to any more go by themselves after some days.",
                size=round(size / MEGABYTE, 1),
                used=round(stored / MEGABYTE, 1),
                limit=limit,
                role=self.role_of(owner),
            )

    def check_minutes(self, owner: str, used: float, minutes_until: Callable[[float], float]) -> None:
        """Raises ``Busy`` where the owner's device minutes of the last 24 hours are ``used`` up (in seconds).

        ``minutes_until`` says in how many minutes less than so many seconds will have been used.
        """
        if self.minutes_left(owner, used) == 0:
            limit = self.of(owner).device_minutes
            hours, minutes = divmod(max(1, math.ceil(minutes_until(limit * 60))), 60)
            raise Busy(
                "cap.minutes",
                "You have used {used} minutes of the device in 24 hours, and {limit} is the cap of your role, {role}. "
                "The first of them are free again in {hours} h {minutes} min.",
                used=int(used // 60),
                limit=limit,
                role=self.role_of(owner),
                hours=hours,
                minutes=minutes,
            )

    def minutes_left(self, owner: str, used: float) -> float:
        """Device minutes the owner may still use now, infinite without a cap and never below none."""
        limit = self.of(owner).device_minutes
        return max(0.0, limit - used / 60) if limit else math.inf

    def check_running(self, owner: str, running: int) -> None:
        """Raises ``Busy`` where one more job of the owner has to wait because ``running`` of theirs are at work."""
        limit = self.of(owner).running
        if limit and running >= limit:
            raise Busy(
                "cap.running",
                "{count} of your jobs are running, and {limit} is the cap of your role, {role}. This one begins once "
                "the first of them has ended.",
                count=running,
                limit=limit,
                role=self.role_of(owner),
            )
