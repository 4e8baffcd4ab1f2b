"""The database, SQLite's file or PostgreSQL's server: one moment for readers, one writer at a time, sentences."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, inspect, select
from sqlalchemy.exc import DBAPIError, OperationalError

from pipelines.durable import DiskFull
from pipelines.errors import StudioError
from studio.store import postgres
from studio.store.database import Database, insert
from studio.store.people import AccountRow
from studio.store.tables import ChoiceRow, JobRow
from tests.postgres import PostgreSQL

#: with what people paste
ASKED = {"prompt": "狐狸 \U0001f98a \x00 \ud800", "steps": 4, "top_p": 0.95}


def job(name: str) -> JobRow:
    return JobRow(id=name, owner="ann", kind="image", request=ASKED, state="queued", created=1.5)


def count(database: Database) -> int:
    with database.read() as session:
        return int(session.scalar(select(func.count()).select_from(JobRow)) or 0)


def test_what_was_written_is_read_as_it_was(database: Database) -> None:
    with database.write() as session:
        session.add(job("one"))
    with database.read() as session:
        row = session.get_one(JobRow, "one")
        assert (row.request, row.created, row.ends_with_page) == (ASKED, 1.5, False)


def test_a_name_with_a_nul_in_it_is_looked_up_and_not_stumbled_over(database: Database) -> None:
    with database.read() as session:
        assert session.get(JobRow, "not\0there") is None


def test_a_number_that_is_none_is_null_as_in_every_json(database: Database) -> None:
    facts = {"loss": [float("nan"), float("-inf"), 1.5], "deep": ({"x": float("inf")},)}
    with database.write() as session:
        session.add(JobRow(id="one", owner="ann", kind="x", request=facts, state="done", created=1.5))
    with database.read() as session:
        assert session.get_one(JobRow, "one").request == {"loss": [None, None, 1.5], "deep": [{"x": None}]}


def test_a_session_that_fails_leaves_nothing(database: Database) -> None:
    def write() -> None:
        with database.write() as session:
            session.add(job("one"))
            session.flush()
            raise ValueError("halfway")

    with pytest.raises(ValueError, match="halfway"):
        write()
    assert count(database) == 0


def test_a_reader_sees_one_moment_whatever_is_written_meanwhile(database: Database) -> None:
    with database.read() as session:
        every = select(func.count()).select_from(JobRow)
        assert session.scalar(every) == 0
        with database.write() as other:
            other.add(job("one"))
        assert session.scalar(every) == 0
    assert count(database) == 1


def test_writers_wait_for_each_other_so_that_what_was_counted_still_holds(database: Database) -> None:
    """Eight people each take the last of five places, if there is one."""

    def submit(number: int) -> None:
        with database.write() as session:
            if int(session.scalar(select(func.count()).select_from(JobRow)) or 0) < 5:
                session.add(job(str(number)))

    people = [threading.Thread(target=submit, args=(number,)) for number in range(8)]
    for person in people:
        person.start()
    for person in people:
        person.join(30)
    assert count(database) == 5


def test_a_row_that_is_there_is_kept_or_replaced_as_asked(database: Database) -> None:
    for value in (1, 2):
        row: dict[str, Any] = {"name": "caps", "value": {"x": value}, "changed": 0.0}
        with database.write() as session:
            session.execute(insert(session, ChoiceRow).values(row).on_conflict_do_nothing())
    with database.read() as session:
        assert session.get_one(ChoiceRow, "caps").value == {"x": 1}
    with database.write() as session:
        wanted = insert(session, ChoiceRow).values(row).on_conflict_do_update(index_elements=["name"], set_=row)
        session.execute(wanted)
    with database.read() as session:
        assert session.get_one(ChoiceRow, "caps").value == {"x": 2}


def test_migrations_make_every_table_and_column(database: Database) -> None:
    found = inspect(database.engine)
    for table in AccountRow.metadata.sorted_tables:
        columns = {one["name"] for one in found.get_columns(table.name)}
        assert columns == {column.name for column in table.columns}, table.name


def test_two_processes_that_open_a_new_database_at_once_both_find_it_up_to_date(postgresql: PostgreSQL) -> None:
    url, opened = postgresql.empty(), []
    people = [threading.Thread(target=lambda: opened.append(Database(url))) for _ in range(3)]
    for person in people:
        person.start()
    for person in people:
        person.join(30)
    assert [count(one) for one in opened] == [0, 0, 0]
    for one in opened:
        one.close()


def test_a_reader_of_postgresql_cannot_write(postgresql: PostgreSQL) -> None:
    database = Database(postgresql.fresh())
    with database.read() as session:
        session.add(job("one"))
        with pytest.raises(DBAPIError, match="read-only"):
            session.flush()
    database.close()


def test_a_full_disk_is_told_from_other_troubles(monkeypatch: pytest.MonkeyPatch, postgresql: PostgreSQL) -> None:
    class FullError(Exception):
        sqlstate = "53100"

    database = Database(postgresql.fresh())
    with pytest.raises(DiskFull), database.write():
        raise OperationalError("INSERT", {}, FullError())
    database.close()


@pytest.mark.parametrize("url", ["mysql://me:secret@there/x", "nonsense", "postgresql"])
def test_an_address_that_is_none_is_a_sentence_without_the_password(url: str) -> None:
    with pytest.raises(StudioError, match=r"--database is an address such as postgresql") as refused:
        Database(url)
    assert "secret" not in str(refused.value)


def test_a_server_that_is_not_there_is_a_sentence_without_the_password(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(
        StudioError, match=r"The database postgresql\+psycopg://me:\*\*\*@.* cannot be opened"
    ) as refused:
        Database(f"postgresql+psycopg://me:secret@/x?host={tmp_path}")
    assert "secret" not in str(refused.value)


def test_a_missing_driver_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "find_spec", lambda name: None)
    with pytest.raises(StudioError, match="pip install"):
        Database("postgresql+psycopg://here/x")
