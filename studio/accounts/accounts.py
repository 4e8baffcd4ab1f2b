"""The accounts of one studio: who there is, in which role, and how they come in.

Knows the database and puts the parts of this package together. Does not know cookies nor pages: who asks, from which
address and with which browser is told to it. Every act that matters is in the log.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from pipelines.errors import StudioError
from studio.accounts.audit import Audit
from studio.accounts.back_off import BackOff
from studio.accounts.invitations import Invitations, use
from studio.accounts.passwords import hash_password, is_password
from studio.accounts.person import Person, clean_name, folded, is_number, person_of, role_named
from studio.accounts.roles import Role, account_of
from studio.accounts.sessions import ENDED, Sessions
from studio.store.database import CHANGED, Database
from studio.store.people import AccountRow


@dataclass(frozen=True)
class Account:
    """An account as administrators see it."""

    id: int
    name: str
    role: str
    disabled: bool
    created: float
    seen: float | None
    ends: float | None


class Accounts:
    """``required`` is the setting ``--auth``; without it every owner is the administrator of their own machine."""

    def __init__(self, database: Database, required: bool, session_days: float = 30) -> None:
        self._database = database
        self.required = required
        self.sessions = Sessions(database, session_days)
        self.invitations = Invitations(database)
        self.audit = Audit(database)
        self._back_off = BackOff(database)

    # ----------------------------------------------------------------------------------------- who

    def role_of(self, owner: str) -> Role:
        """What ``owner`` may do. Nobody we know is a guest."""
        return self.roles_of([owner])[owner]

    def roles_of(self, owners: Collection[str]) -> dict[str, Role]:
        """The same of many, for one question to the database."""
        if not self.required:
            return dict.fromkeys(owners, "administrator")
        numbers = {owner: account_of(owner) for owner in owners}
        asked = [number for number in numbers.values() if number is not None]
        with self._database.read() as session:
            rows = session.scalars(select(AccountRow).where(AccountRow.id.in_(asked)))
            people = {row.id: person_of(row) for row in rows}
        roles: dict[str, Role] = {}
        for owner, number in numbers.items():
            person = None if number is None else people.get(number)
            roles[owner] = "guest" if person is None else person.role
        return roles

    def person(self, account: int) -> Person | None:
        """The person of an account; None where there is none that may act."""
        with self._database.read() as session:
            return person_of(session.get(AccountRow, account))

    def name_of(self, owner: str) -> str:
        """What ``owner`` is called; empty for a browser without an account."""
        number = account_of(owner)
        with self._database.read() as session:
            row = session.get(AccountRow, number) if number is not None else None
            return "" if row is None else row.name

    def note(self, owner: str, what: str, subject: str = "") -> None:
        """Puts into the log what ``owner`` did."""
        self.audit.note(what, actor=self.name_of(owner), account=account_of(owner), subject=subject)

    def everybody(self, guests: bool = True) -> list[Account]:
        """All accounts, those that may act and were here last first. Guests whose time is over are left out."""
        with self._database.read() as session:
            rows = list(session.scalars(select(AccountRow)))
        rows = [row for row in rows if row.ends is None or (guests and row.ends > time.time())]
        rows.sort(key=lambda row: (row.disabled, -(row.seen or row.created)))
        return [Account(r.id, r.name, r.role, r.disabled, r.created, r.seen, r.ends) for r in rows]

    # -------------------------------------------------------------------------------------- coming in

    def add(self, name: str, role: Role, password: str | None) -> Person:
        """A new account; a ``StudioError`` where the name is taken."""
        hashed = None if password is None else hash_password(password)
        with self._database.write() as session:
            row = _new(session, name, role, hashed)
        self.audit.note("account.made", actor=row.name, account=row.id, subject=role)
        return Person(row.id, row.name, role)

    def sign_in(self, name: str, password: str, address: str = "") -> Person:
        """Who has this name and password. A ``StudioError`` that does not say which of them was wrong; ``Busy`` for
        whoever tried too often."""
        known = folded(name)
        self._back_off.begin(known, address)
        row = self._row_named(known)
        right = is_password(None if row is None else row.password, password)
        person = person_of(row) if right else None
        if person is None:
            self.audit.note("signin.bad", actor=name, address=address)
            raise StudioError("signin.wrong", "Name and password do not belong together, or the account is closed.")
        self._back_off.succeeded(known, address)
        self.audit.note("signin.good", actor=person.name, account=person.account, address=address)
        return person

    def accept(self, secret: str, name: str, password: str, address: str = "") -> Person:
        """Makes an account of an invitation, for whoever has its link."""
        self.invitations.look(secret)  # refused before the password costs anything
        hashed = hash_password(password)
        with self._database.write() as session:
            role = role_named(use(session, secret).role)
            row = _new(session, name, role, hashed)
        self.audit.note("invitation.used", actor=row.name, account=row.id, subject=role, address=address)
        return Person(row.id, row.name, role)

    def enter_as_guest(self, secret: str, address: str = "") -> Person:
        """Makes a guest of a guests' link: no password, and an end."""
        with self._database.write() as session:
            minutes = use(session, secret).guest_minutes
            if minutes < 1:
                raise StudioError("invitation.person", "This invitation is for an account with a name and a password.")
            row = _new(session, f"guest-{secrets.token_hex(3)}", "guest", None)
            row.ends = time.time() + 60 * minutes
        self.audit.note("guest.came", actor=row.name, account=row.id, subject=f"{minutes} min", address=address)
        return Person(row.id, row.name, "guest", row.ends)

    def of_proxy(self, name: str) -> Person | None:
        """Whoever a trusted proxy says is there; a member from the first time on. None where disabled or no name."""
        try:
            known = folded(clean_name(name))
        except StudioError:
            return None
        row = self._row_named(known)
        if row is None:
            try:
                return self.add(name, "member", None)
            except StudioError:  # two first requests at once: the other one made it
                row = self._row_named(known)
        return person_of(row)

    def _row_named(self, known: str) -> AccountRow | None:
        with self._database.read() as session:
            return session.scalars(select(AccountRow).where(AccountRow.folded == known)).first()

    # ------------------------------------------------------------------------------------- changing

    def change_password(self, person: Person, old: str, new: str, address: str = "") -> None:
        """Signs the account out everywhere, its scripts too. The old password is needed and guarded as at sign-in."""
        self._check_own(person, old, address)
        self.set_password(person.account, new)
        self.audit.note("password.changed", actor=person.name, account=person.account, address=address)

    def _check_own(self, person: Person, password: str, address: str) -> None:
        self._back_off.begin(folded(person.name), address)
        with self._database.read() as session:
            row = session.get_one(AccountRow, person.account)
        if not is_password(row.password, password):
            raise StudioError("password.wrong", "That is not your password until now.")
        self._back_off.succeeded(folded(person.name), address)

    def has_password(self, account: int) -> bool:
        """False of guests, and of whoever a proxy signs in."""
        with self._database.read() as session:
            return session.get_one(AccountRow, account).password is not None

    def set_password(self, account: int, password: str) -> None:
        hashed = hash_password(password)
        with self._changing(account) as row:
            row.password = hashed
        self.sessions.end_all(account, tokens=True)

    def set_role(self, by: Person, account: int, role: Role) -> None:
        with self._changing(account) as row:
            _check_not_alone(row, by)
            row.role = role
            name = row.name
        self.sessions.forget()
        self.audit.note("role.changed", actor=by.name, account=by.account, subject=f"{name}: {role}")

    def set_disabled(self, by: Person, account: int, disabled: bool) -> None:
        """Closes an account, whose sessions and tokens end at once, or opens it again."""
        with self._changing(account) as row:
            _check_not_alone(row, by)
            row.disabled = disabled
            name = row.name
        if disabled:
            self.sessions.end_all(account, tokens=True)
        else:
            self.sessions.forget()
        what = "account.closed" if disabled else "account.opened"
        self.audit.note(what, actor=by.name, account=by.account, subject=name)

    def invite(self, by: Person, role: Role, uses: int, days: int, minutes: int) -> str:
        """A new invitation's words, said this once."""
        secret = self.invitations.make(by, role, uses, days, minutes)
        self.audit.note("invitation.made", actor=by.name, account=by.account, subject=f"{role} × {uses}")
        return secret

    def take_back_invitation(self, by: Person, invitation: int) -> None:
        self.invitations.take_back(invitation)
        self.audit.note("invitation.back", actor=by.name, account=by.account, subject=f"#{invitation}")

    @contextmanager
    def _changing(self, account: int) -> Iterator[AccountRow]:
        with self._database.write() as session:
            row = session.get(AccountRow, account) if is_number(account) else None
            if row is None:
                raise StudioError("account.unknown", "There is no such account.")
            yield row
            self._database.notify(session, CHANGED, ENDED)


def _check_not_alone(row: AccountRow, by: Person) -> None:
    """Administrators change others only, so that there is always one left."""
    if row.id == by.account:
        raise StudioError("account.own", "Your own account is for another administrator to change.")


def _new(session: Session, name: str, role: Role, hashed: str | None) -> AccountRow:
    clean = clean_name(name)
    row = AccountRow(name=clean, folded=folded(clean), password=hashed, role=role, disabled=False, created=time.time())
    session.add(row)
    try:
        session.flush()
    except IntegrityError:
        raise StudioError(
            "account.taken", "Somebody is called {name} already. Choose another name.", name=clean
        ) from None
    return row
