"""Who is signed in: browsers with a session, scripts with a token.

Knows two tables and what was looked up in the last seconds. Whatever ends a session here is heard at once; what another
process does, with its notice or within ``FRESH`` seconds. ``changes`` counts what ended, so that a long answer that is
under way can ask again.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass

from sqlalchemy import delete, select, update

from pipelines.errors import StudioError
from studio.accounts.person import Person, is_number, person_of
from studio.accounts.secret import kept, new_secret
from studio.store.database import CHANGED, Database
from studio.store.people import AccountRow, SessionRow, TokenRow

FRESH = 2.0
#: what other processes are told when somebody is let in no more
ENDED = "sessions"
SEEN_EVERY = 60.0
MOST_TOKENS = 20
_REMEMBERED = 4096


@dataclass(frozen=True)
class Session:
    """A browser somebody is signed in with."""

    digest: str
    created: float
    seen: float
    agent: str


@dataclass(frozen=True)
class Token:
    """A script's way in, without the words themselves, which are said once."""

    id: int
    name: str
    created: float
    seen: float | None


class Sessions:
    """``days``: how long a browser stays signed in."""

    def __init__(self, database: Database, days: float) -> None:
        self._database = database
        self._seconds = days * 86_400
        self._known: OrderedDict[str, tuple[float, Person | None]] = OrderedDict()
        self._seen: OrderedDict[str, float] = OrderedDict()
        self.changes = 0

    # ------------------------------------------------------------------------------------- browsers

    def begin(self, person: Person, agent: str) -> str:
        """Signs a browser in; returns what its cookie says. Always a new one: what it said before means nothing."""
        secret, now = new_secret(), time.time()
        expires = now + self._seconds if person.ends is None else min(person.ends, now + self._seconds)
        with self._database.write() as session:
            session.execute(delete(SessionRow).where(SessionRow.expires < now))
            row = SessionRow(digest=kept(secret), account=person.account, created=now, seen=now, expires=expires)
            row.agent = agent[:200]
            session.add(row)
            session.execute(update(AccountRow).where(AccountRow.id == person.account).values(seen=now))
        return secret

    def person(self, secret: str) -> Person | None:
        """Who is signed in with this cookie."""
        return self._remembered(f"s{kept(secret)}")

    def end(self, secret: str) -> None:
        """Signs one browser out."""
        with self._database.write() as session:
            session.execute(delete(SessionRow).where(SessionRow.digest == kept(secret)))
            self._database.notify(session, CHANGED, ENDED)
        self.forget()

    def end_all(self, account: int, tokens: bool = False) -> None:
        """Signs an account out everywhere, its scripts too where ``tokens``."""
        with self._database.write() as session:
            session.execute(delete(SessionRow).where(SessionRow.account == account))
            if tokens:
                session.execute(delete(TokenRow).where(TokenRow.account == account))
            self._database.notify(session, CHANGED, ENDED)
        self.forget()

    def of(self, account: int) -> list[Session]:
        """Where an account is signed in, the last seen first."""
        query = select(SessionRow).where(SessionRow.account == account, SessionRow.expires > time.time())
        with self._database.read() as session:
            rows = session.scalars(query.order_by(SessionRow.seen.desc()))
            return [Session(row.digest, row.created, row.seen, row.agent) for row in rows]

    # -------------------------------------------------------------------------------------- scripts

    def make_token(self, account: int, name: str) -> str:
        """A new token, said this once."""
        name = " ".join(name.split())[:60]
        if not name:
            raise StudioError("token.name", "A token needs a name that says what it is for.")
        secret = f"atelier_{new_secret()}"
        with self._database.write() as session:
            count = len(session.scalars(select(TokenRow.id).where(TokenRow.account == account)).all())
            if count >= MOST_TOKENS:
                raise StudioError(
                    "token.most", "{limit} tokens are the most; you have {count}. Take one back.",
                    limit=MOST_TOKENS, count=count,
                )  # fmt: skip
            session.add(TokenRow(digest=kept(secret), account=account, name=name, created=time.time()))
        return secret

    def tokens(self, account: int) -> list[Token]:
        query = select(TokenRow).where(TokenRow.account == account).order_by(TokenRow.id.desc())
        with self._database.read() as session:
            return [Token(row.id, row.name, row.created, row.seen) for row in session.scalars(query)]

    def take_back_token(self, account: int, token: int) -> str:
        """Ends one of ``account``'s tokens; returns what it was called."""
        with self._database.write() as session:
            row = session.get(TokenRow, token) if is_number(token) else None
            if row is None or row.account != account:
                raise StudioError("token.unknown", "You have no such token.")
            name = row.name
            session.delete(row)
            self._database.notify(session, CHANGED, ENDED)
        self.forget()
        return name

    def person_of_token(self, secret: str) -> Person | None:
        """Whose script says this."""
        return self._remembered(f"t{kept(secret)}")

    # --------------------------------------------------------------------------------------- inside

    def forget(self) -> None:
        """Something ended: whoever is let in is looked up again."""
        self._known.clear()
        self.changes += 1

    def _remembered(self, key: str) -> Person | None:
        now = time.monotonic()
        at, person = self._known.get(key, (-FRESH, None))
        if person is not None and (person.ends is None or person.ends > time.time()) and now - at < FRESH:
            return person
        person = self._looked_up(key)
        if person is not None:
            self._known[key] = (now, person)
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return person

    def _looked_up(self, key: str) -> Person | None:
        kind, digest = key[0], key[1:]
        with self._database.read() as session:
            if kind == "t":
                token = session.scalars(select(TokenRow).where(TokenRow.digest == digest)).first()
                account = None if token is None else token.account
            else:
                row = session.get(SessionRow, digest)
                account = None if row is None or row.expires <= time.time() else row.account
            return person_of(session.get(AccountRow, account)) if account is not None else None

    def unseen(self, key: str) -> bool:
        """Whether ``key`` (as ``touch`` takes it) was not noted within the last minute; from now on it was."""
        now = time.monotonic()
        if now - self._seen.get(key, -SEEN_EVERY) < SEEN_EVERY:
            return False
        self._seen[key] = now
        self._seen.move_to_end(key)
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return True

    def touch(self, person: Person, session_secret: str = "", token_secret: str = "") -> None:
        """Notes that somebody was here."""
        now = time.time()
        with self._database.write() as session:
            session.execute(update(AccountRow).where(AccountRow.id == person.account).values(seen=now))
            if session_secret:
                digest = kept(session_secret)
                session.execute(update(SessionRow).where(SessionRow.digest == digest).values(seen=now))
            if token_secret:
                digest = kept(token_secret)
                session.execute(update(TokenRow).where(TokenRow.digest == digest).values(seen=now))
