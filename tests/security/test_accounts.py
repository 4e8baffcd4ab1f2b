"""Accounts, sessions, tokens and invitations by themselves: what they let in, and what they keep."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import inspect, text

from pipelines.errors import Busy, StudioError
from studio.accounts import back_off
from studio.accounts.__main__ import main
from studio.accounts.accounts import Accounts
from studio.accounts.back_off import OF_ACCOUNT, OF_ADDRESS, Patience
from studio.accounts.person import Person, clean_name, folded
from studio.accounts.roles import account_of, owner_name
from studio.store.database import Database
from tests.security.conftest import PASSWORD


def refusal(error: pytest.ExceptionInfo[StudioError]) -> str:
    return error.value.key


def test_a_person_signs_in_whatever_the_case_of_their_name(accounts: Accounts, ann: Person) -> None:
    assert accounts.sign_in(" ANN ", PASSWORD) == ann


@pytest.mark.parametrize(("name", "password"), [("ann", "wrong password"), ("nobody", PASSWORD), ("", ""), ("ann", "")])
def test_the_refusal_does_not_say_what_was_wrong(accounts: Accounts, ann: Person, name: str, password: str) -> None:
    with pytest.raises(StudioError) as error:
        accounts.sign_in(name, password)
    assert refusal(error) == "signin.wrong"


def test_a_name_that_there_is_not_costs_a_hash_too(
    accounts: Accounts, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    from studio.accounts import passwords

    checked = []
    hasher = passwords._hasher
    real = type(hasher).verify
    monkeypatch.setattr(type(hasher), "verify", lambda self, *args: checked.append(args[0]) or real(self, *args))
    for name in ("ann", "nobody"):
        with pytest.raises(StudioError):
            accounts.sign_in(name, "wrong password")
    assert [one.split("$")[:4] for one in checked] == [checked[0].split("$")[:4]] * 2  # the same cost


def test_two_people_cannot_have_names_that_look_the_same(accounts: Accounts, ann: Person) -> None:
    for name in ("ANN", "ａｎｎ", " ann "):
        with pytest.raises(StudioError) as error:
            accounts.add(name, "member", PASSWORD)
        assert refusal(error) == "account.taken"


@given(st.text(max_size=60))
def test_a_clean_name_folds_to_itself(name: str) -> None:
    try:
        clean = clean_name(name)
    except StudioError:
        return
    assert clean_name(clean) == clean
    assert folded(clean) == folded(folded(clean)) == folded(name)


@pytest.mark.parametrize("name", ["", "   ", "a" * 41, "ann\u202enna", "a\x00b", "<script>", "ann\nbob"])
def test_a_name_that_deceives_is_refused(accounts: Accounts, name: str) -> None:
    if name == "ann\nbob":  # a line break is a space like any other
        assert clean_name(name) == "ann bob"
        return
    with pytest.raises(StudioError):
        accounts.add(name, "member", PASSWORD)


@pytest.mark.parametrize("password", ["", "short", "a" * 201])
def test_a_password_has_a_least_and_a_greatest_length(accounts: Accounts, password: str) -> None:
    with pytest.raises(StudioError) as error:
        accounts.add("bob", "member", password)
    assert refusal(error) == "password.length"


def test_nothing_in_the_database_lets_anybody_in(accounts: Accounts, ann: Person, database: Database) -> None:
    said = [
        PASSWORD,
        accounts.sessions.begin(ann, "a browser"),
        accounts.sessions.make_token(ann.account, "a script"),
        accounts.invite(ann, "member", 1, 1, 0),
    ]
    with database.read() as session:
        tables = inspect(database.engine).get_table_names()
        kept = repr([session.execute(text(f'SELECT * FROM "{table}"')).all() for table in tables])
    assert [one for one in said if one in kept] == []
    assert "$argon2id$" in kept


# ------------------------------------------------------------------------------------------------- back-off


@given(st.integers(0, 10_000))
def test_each_failure_doubles_the_wait_up_to_its_longest(failures: int) -> None:
    patience = Patience(free=3, longest=60)
    assert patience.wait(failures) == (0 if failures < 3 else min(2 ** (failures - 3), 60))


def test_an_account_that_is_guessed_at_must_wait_and_one_that_there_is_not_as_well(
    accounts: Accounts, ann: Person
) -> None:
    for name in ("ann", "nobody"):
        for _ in range(OF_ACCOUNT.free):
            with pytest.raises(StudioError) as error:
                accounts.sign_in(name, "wrong password", f"10.0.0.{name}")
            assert refusal(error) == "signin.wrong"
        with pytest.raises(Busy, match="seconds"):
            accounts.sign_in(name, PASSWORD, "10.9.9.9")  # from elsewhere, and right: it has to wait all the same


def test_an_address_that_guesses_at_many_names_must_wait(accounts: Accounts, ann: Person) -> None:
    for number in range(OF_ADDRESS.free):
        with pytest.raises(StudioError):
            accounts.sign_in(f"name{number}", "wrong password", "10.0.0.1")
    with pytest.raises(Busy):
        accounts.sign_in("ann", PASSWORD, "10.0.0.1")
    assert accounts.sign_in("ann", PASSWORD, "10.0.0.2") == ann


def test_signing_in_to_an_own_account_does_not_buy_more_guesses(accounts: Accounts, ann: Person, bob: Person) -> None:
    for number in range(OF_ADDRESS.free):
        with pytest.raises(StudioError):
            accounts.sign_in(f"name{number}", "wrong password", "10.0.0.1")
        if number % 4 == 3 and number < OF_ADDRESS.free - 1:
            accounts.sign_in("bob", PASSWORD, "10.0.0.1")
    with pytest.raises(Busy):
        accounts.sign_in("bob", PASSWORD, "10.0.0.1")


def test_the_wait_ends_and_outlives_a_restart(
    database: Database, accounts: Accounts, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(OF_ACCOUNT.free):
        with pytest.raises(StudioError):
            accounts.sign_in("ann", "wrong password")
    with pytest.raises(Busy):
        Accounts(database, required=True).sign_in("ann", PASSWORD)
    now = time.time()
    monkeypatch.setattr(back_off.time, "time", lambda: now + 120)
    assert accounts.sign_in("ann", PASSWORD) == ann


# ----------------------------------------------------------------------------------------- sessions, tokens


def test_a_closed_account_is_out_at_once(accounts: Accounts, ann: Person, bob: Person) -> None:
    session, token = accounts.sessions.begin(bob, ""), accounts.sessions.make_token(bob.account, "script")
    assert accounts.sessions.person(session) == accounts.sessions.person_of_token(token) == bob
    accounts.set_disabled(ann, bob.account, True)
    assert accounts.sessions.person(session) is None
    assert accounts.sessions.person_of_token(token) is None
    with pytest.raises(StudioError):
        accounts.sign_in("bob", PASSWORD)
    accounts.set_disabled(ann, bob.account, False)
    assert accounts.sessions.person(session) is None  # what was ended stays ended
    assert accounts.sign_in("bob", PASSWORD) == bob


def test_another_role_is_heard_at_once(accounts: Accounts, ann: Person, bob: Person) -> None:
    session = accounts.sessions.begin(bob, "")
    assert accounts.role_of(bob.owner) == "member"
    accounts.set_role(ann, bob.account, "administrator")
    assert accounts.role_of(bob.owner) == "administrator"
    found = accounts.sessions.person(session)
    assert found is not None
    assert found.role == "administrator"


def test_a_new_password_signs_out_everywhere(accounts: Accounts, bob: Person) -> None:
    session, token = accounts.sessions.begin(bob, ""), accounts.sessions.make_token(bob.account, "script")
    with pytest.raises(StudioError) as error:
        accounts.change_password(bob, "not the old one", "another horse battery")
    assert refusal(error) == "password.wrong"
    assert accounts.sessions.person(session) == bob
    accounts.change_password(bob, PASSWORD, "another horse battery")
    assert accounts.sessions.person(session) is None
    assert accounts.sessions.person_of_token(token) is None
    assert accounts.sign_in("bob", "another horse battery") == bob


def test_a_session_ends_by_itself(accounts: Accounts, bob: Person, database: Database) -> None:
    short = Accounts(database, required=True, session_days=-1).sessions.begin(bob, "")
    assert accounts.sessions.person(short) is None


@pytest.mark.parametrize("secret", ["", "guess", "\x00", "é" * 400])
def test_a_guess_is_nobody(accounts: Accounts, bob: Person, secret: str) -> None:
    accounts.sessions.begin(bob, "")
    accounts.sessions.make_token(bob.account, "script")
    assert accounts.sessions.person(secret) is None
    assert accounts.sessions.person_of_token(secret) is None


def test_a_session_is_no_token_and_a_token_no_session(accounts: Accounts, bob: Person) -> None:
    session, token = accounts.sessions.begin(bob, ""), accounts.sessions.make_token(bob.account, "script")
    assert accounts.sessions.person_of_token(session) is None
    assert accounts.sessions.person(token) is None


def test_somebody_elses_token_is_not_there(accounts: Accounts, ann: Person, bob: Person) -> None:
    secret = accounts.sessions.make_token(ann.account, "Ann's")
    with pytest.raises(StudioError):
        accounts.sessions.take_back_token(bob.account, accounts.sessions.tokens(ann.account)[0].id)
    assert accounts.sessions.person_of_token(secret) == ann
    accounts.sessions.take_back_token(ann.account, accounts.sessions.tokens(ann.account)[0].id)
    assert accounts.sessions.person_of_token(secret) is None


# -------------------------------------------------------------------------------------- invitations, guests


def test_an_invitation_makes_as_many_accounts_as_it_says(accounts: Accounts, ann: Person) -> None:
    link = accounts.invite(ann, "member", 2, 7, 0)
    assert [accounts.accept(link, name, PASSWORD).role for name in ("carl", "dora")] == ["member", "member"]
    with pytest.raises(StudioError) as error:
        accounts.accept(link, "eve", PASSWORD)
    assert refusal(error) == "invitation.over"


def test_a_name_that_is_taken_costs_the_invitation_nothing(accounts: Accounts, ann: Person) -> None:
    link = accounts.invite(ann, "member", 1, 7, 0)
    with pytest.raises(StudioError):
        accounts.accept(link, "Ann", PASSWORD)
    assert accounts.accept(link, "carl", PASSWORD).name == "carl"


def test_an_invitation_that_was_taken_back_is_over(accounts: Accounts, ann: Person) -> None:
    link = accounts.invite(ann, "member", 5, 7, 0)
    accounts.take_back_invitation(ann, accounts.invitations.open()[0].id)
    with pytest.raises(StudioError):
        accounts.accept(link, "carl", PASSWORD)
    assert accounts.invitations.open() == []


def test_a_guests_time_ends_everything_of_theirs(
    accounts: Accounts, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest = accounts.enter_as_guest(accounts.invite(ann, "guest", 1, 1, 30))
    session = accounts.sessions.begin(guest, "")
    assert accounts.sessions.person(session) == guest
    assert accounts.role_of(guest.owner) == "guest"
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 30 * 60 + 1)
    assert accounts.sessions.person(session) is None
    with pytest.raises(StudioError):
        accounts.sign_in(guest.name, "")


def test_a_members_link_lets_no_guest_in(accounts: Accounts, ann: Person) -> None:
    link = accounts.invite(ann, "member", 1, 1, 0)
    with pytest.raises(StudioError) as error:
        accounts.enter_as_guest(link)
    assert refusal(error) == "invitation.person"
    assert accounts.invitations.look(link).uses_left == 1


@pytest.mark.parametrize(("role", "uses", "days", "minutes"), [
    ("member", 0, 7, 0), ("member", 501, 7, 0), ("member", 1, 91, 0), ("member", 1, 7, 5), ("guest", 1, 7, 0),
    ("guest", 1, 7, 1441),
])  # fmt: skip
def test_an_invitation_has_its_bounds(
    accounts: Accounts, ann: Person, role: str, uses: int, days: int, minutes: int
) -> None:
    with pytest.raises(StudioError) as error:
        accounts.invite(ann, role, uses, days, minutes)  # type: ignore[arg-type]
    assert refusal(error) == "invitation.range"


# ------------------------------------------------------------------------------------------ administrators


def test_there_is_always_an_administrator_left(accounts: Accounts, ann: Person) -> None:
    with pytest.raises(StudioError):
        accounts.set_role(ann, ann.account, "member")
    with pytest.raises(StudioError):
        accounts.set_disabled(ann, ann.account, True)


def test_without_accounts_everybody_is_the_administrator_of_their_own_machine(database: Database) -> None:
    alone = Accounts(database, required=False)
    assert {alone.role_of(owner) for owner in ("local", "b1234", "u1")} == {"administrator"}


@pytest.mark.parametrize("owner", ["local", "b123", "u", "u0", "u999", "u-1", "u1.0", "u١", "", "u1 "])
def test_whoever_nobody_knows_is_a_guest(accounts: Accounts, ann: Person, owner: str) -> None:
    assert ann.owner == "u1"
    assert accounts.role_of(owner) == "guest"


@given(st.integers(1, 10**8))
def test_an_owner_means_its_account(account: int) -> None:
    assert account_of(owner_name(account)) == account


def test_what_matters_is_in_the_log_and_no_secret_is(accounts: Accounts, ann: Person, bob: Person) -> None:
    with pytest.raises(StudioError):
        accounts.sign_in("ann", "wrong password", "10.0.0.7")
    accounts.sign_in("ann", PASSWORD, "10.0.0.7")
    link = accounts.invite(ann, "member", 1, 7, 0)
    accounts.set_role(ann, bob.account, "administrator")
    accounts.set_disabled(ann, bob.account, True)
    log = accounts.audit.last()
    assert [one.what for one in log][:5] == [
        "account.closed", "role.changed", "invitation.made", "signin.good", "signin.bad",
    ]  # fmt: skip
    assert log[4].address == "10.0.0.7"
    assert not any(secret in repr(log) for secret in (PASSWORD, "wrong password", link))


def test_the_first_administrator_is_made_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))
    where = ["--data", str(tmp_path / "new")]
    assert main(["add", "Ann", "--role", "administrator", *where]) == 0
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    assert main(["add", "bob", *where]) == 1
    assert "10 to 200" in capsys.readouterr().err
    database = Database(f"sqlite:///{tmp_path / 'new' / 'studio.db'}")
    assert Accounts(database, required=True).sign_in("ann", PASSWORD).role == "administrator"
    database.close()
