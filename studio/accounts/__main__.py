"""Accounts from the command line: ``python -m studio.accounts add NAME --role administrator --data DIR``.

For the first administrator, and for whoever is locked out. A password is asked for at a terminal and read from the
standard input otherwise. Exit code 0: done; 1: said why not; 2: wrong usage.
"""

from __future__ import annotations

import argparse
import getpass
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from pipelines.errors import StudioError
from studio.accounts.accounts import Account, Accounts
from studio.accounts.person import Person, folded
from studio.accounts.roles import ROLES
from studio.settings import Settings
from studio.store.database import Database

#: whose acts these are in the log: nobody who has an account
OPERATOR = Person(0, "command line", "administrator")


def _say(text: object, stream: TextIO | None = None) -> None:
    print(text, file=stream)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    asked = _parser().parse_args(arguments)
    asked.data.mkdir(parents=True, exist_ok=True)
    settings = Settings(data=asked.data, database=asked.database)  # type: ignore[call-arg]
    database = Database(settings.database_url)
    try:
        asked.run(Accounts(database, required=True), asked)
    except StudioError as error:
        _say(error, sys.stderr)
        return 1
    finally:
        database.close()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m studio.accounts", description="The accounts of this studio.")
    common = argparse.ArgumentParser(add_help=False)
    default = Settings()  # type: ignore[call-arg]  # mypy overlooks that every field has a default
    folder = "the data folder, the studio's own"
    common.add_argument("--data", type=Path, default=default.data, metavar="DIR", help=folder)
    common.add_argument("--database", default=default.database, metavar="URL", help="the database, the studio's own")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    added = commands.add_parser("add", parents=[common], help="make an account; asks for its password")
    added.add_argument("name")
    added.add_argument("--role", choices=ROLES[1:], default="member")
    added.set_defaults(run=_add)

    changed = commands.add_parser("password", parents=[common], help="give an account another password")
    changed.add_argument("name")
    changed.set_defaults(run=_password)

    moved = commands.add_parser("role", parents=[common], help="give an account another role")
    moved.add_argument("name")
    moved.add_argument("role", choices=ROLES[1:])
    moved.set_defaults(run=_role)

    for command, disabled in (("disable", True), ("enable", False)):
        closed = commands.add_parser(command, parents=[common], help=f"{command} an account")
        closed.add_argument("name")
        closed.set_defaults(run=_disable, disabled=disabled)

    commands.add_parser("list", parents=[common], help="who there is").set_defaults(run=_list)
    return parser


def _asked_password() -> str:
    """Typed twice at a terminal; elsewhere the first line of what is handed over."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    first = getpass.getpass("Password: ")
    if getpass.getpass("The same again: ") != first:
        raise StudioError("password.twice", "The two passwords differ.")
    return first


def _add(accounts: Accounts, asked: argparse.Namespace) -> None:
    person = accounts.add(asked.name, asked.role, _asked_password())
    _say(f"{person.name} may sign in as {person.role}.")


def _password(accounts: Accounts, asked: argparse.Namespace) -> None:
    account = _named(accounts, asked.name)
    accounts.set_password(account.id, _asked_password())
    accounts.audit.note("password.changed", actor=OPERATOR.name, subject=account.name)
    _say(f"{account.name} has a new password and is signed out everywhere.")


def _role(accounts: Accounts, asked: argparse.Namespace) -> None:
    account = _named(accounts, asked.name)
    accounts.set_role(OPERATOR, account.id, asked.role)
    _say(f"{account.name} is {asked.role}.")


def _disable(accounts: Accounts, asked: argparse.Namespace) -> None:
    account = _named(accounts, asked.name)
    accounts.set_disabled(OPERATOR, account.id, asked.disabled)
    _say(f"{account.name} {'cannot sign in any more' if asked.disabled else 'may sign in again'}.")


def _list(accounts: Accounts, _: argparse.Namespace) -> None:
    for account in accounts.everybody():
        seen = time.strftime("%Y-%m-%d %H:%M", time.localtime(account.seen)) if account.seen else "never here"
        _say(f"{account.name:<40}  {account.role:<13}  {seen}{'  closed' if account.disabled else ''}")


def _named(accounts: Accounts, name: str) -> Account:
    for account in accounts.everybody():
        if folded(account.name) == folded(name):
            return account
    raise StudioError("account.unknown_name", "There is no account named {name}.", name=name[:60])


if __name__ == "__main__":
    sys.exit(main())
