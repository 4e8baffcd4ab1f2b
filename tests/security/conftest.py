"""Accounts in an empty database, and people in them. argon2 runs at its least cost: its strength is argon2's affair."""

from __future__ import annotations

import argon2
import pytest

from studio.accounts import passwords
from studio.accounts.accounts import Accounts
from studio.accounts.person import Person
from studio.store.database import Database

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def quick_argon2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_hasher", argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    passwords._nobodys.cache_clear()


@pytest.fixture
def accounts(database: Database) -> Accounts:
    return Accounts(database, required=True)


@pytest.fixture
def ann(accounts: Accounts) -> Person:
    return accounts.add("Ann", "administrator", PASSWORD)


@pytest.fixture
def bob(accounts: Accounts) -> Person:
    return accounts.add("bob", "member", PASSWORD)
