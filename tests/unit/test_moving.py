"""A studio's rows from SQLite into PostgreSQL: every one, as it was, or none."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from pipelines.base import Artifact
from pipelines.errors import StudioError
from studio.accounts.accounts import Accounts
from studio.library.__main__ import main, migrate
from studio.library.library import Library
from studio.store.blobs import Blobs
from studio.store.database import Database
from studio.store.moving import TABLES, move
from studio.store.people import AccountRow
from studio.store.tables import ChoiceRow, EventRow, JobRow
from tests.postgres import PostgreSQL


def grown(data: Path) -> None:
    """A studio in ``data`` with a person, jobs, more events than fit a batch, and two uploads."""
    database = Database(f"sqlite:///{data / 'studio.db'}")
    accounts = Accounts(database, required=True)
    accounts.add("Ann", "administrator", "correct horse battery")
    with database.write() as session:
        for name in ("b", "B", "a", "é", "_"):  # sorted otherwise by whoever knows languages
            session.add(JobRow(id=name, owner="ann", kind="image", request={"x": "狐"}, state="done", created=1.25))
        session.flush()
        session.add_all(EventRow(job_id="a", seq=seq, at=seq / 7, kind="token", data={"n": seq}) for seq in range(1201))
    library = Library(database, Blobs(data / "blobs"))
    for number in range(2):
        library.keep_upload("ann", Artifact("x.txt", "text/plain", b"%d" % number).data)
    database.close()


def counts(url: str) -> dict[str, int]:
    database = Database(url)
    with database.read() as session:
        found = {one.name: int(session.scalar(select(func.count()).select_from(one)) or 0) for one in TABLES}
    database.close()
    return found


def test_every_row_arrives_as_it_was_and_new_ones_are_numbered_on(
    tmp_path: Path, postgresql: PostgreSQL, capsys: pytest.CaptureFixture[str]
) -> None:
    grown(tmp_path)
    url = postgresql.empty()
    assert main(["migrate", "--data", str(tmp_path), "--database", url]) == 0
    before = counts(f"sqlite:///{tmp_path / 'studio.db'}")
    assert counts(url) == before
    assert before["events"] == 1201
    assert "1,201  events" in capsys.readouterr().out
    moved = Database(url)
    Accounts(moved, required=True).add("Bob", "member", "correct horse battery")
    with moved.read() as session:
        assert session.scalars(select(AccountRow.id).order_by(AccountRow.id)).all() == [1, 2]
    moved.close()


def test_a_database_that_holds_anything_is_left_alone(tmp_path: Path, postgresql: PostgreSQL) -> None:
    grown(tmp_path)
    url = postgresql.fresh()
    migrate(tmp_path, url)
    before = counts(url)
    with pytest.raises(StudioError, match=r"must be empty, and its table \w+ has \d+ rows"):
        migrate(tmp_path, url)
    assert counts(url) == before


def test_a_torn_file_stops_it_before_a_row_is_moved(tmp_path: Path, postgresql: PostgreSQL) -> None:
    grown(tmp_path)
    blobs = Blobs(tmp_path / "blobs")
    blobs.path(next(blobs.digests())).write_bytes(b"torn")
    url = postgresql.fresh()
    assert main(["migrate", "--data", str(tmp_path), "--database", url]) == 1
    assert set(counts(url).values()) == {0}


def test_a_row_that_arrives_as_another_takes_all_back(
    tmp_path: Path, postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    grown(tmp_path)
    source, target = Database(f"sqlite:///{tmp_path / 'studio.db'}"), Database(postgresql.fresh())
    with target.write() as session:
        session.connection().exec_driver_sql(
            "CREATE FUNCTION later() RETURNS trigger AS 'BEGIN NEW.created := 9; RETURN NEW; END' LANGUAGE plpgsql;"
            "CREATE TRIGGER later BEFORE INSERT ON jobs FOR EACH ROW EXECUTE FUNCTION later()"
        )
    with pytest.raises(StudioError, match="Row 1 of jobs is another"):
        move(source, target)
    with target.read() as session:
        assert session.scalar(select(func.count()).select_from(JobRow)) == 0
    source.close()
    target.close()


def test_what_no_postgresql_takes_is_left_out_and_everything_odd_arrives(
    tmp_path: Path, postgresql: PostgreSQL
) -> None:
    """An old studio may hold a NUL in a text, and a number that is none in what happened to a job."""
    grown(tmp_path)
    odd = {"prompt": "a\0b \ud800 \u202e\ufeff \U0001f98a\u200d e\u0301", "n": 2**63, "x": 5e-324}
    source = Database(f"sqlite:///{tmp_path / 'studio.db'}")
    with source.write() as session:
        session.add(
            JobRow(id="odd", owner="ann\0", kind="text", request=odd, state="done", created=1e-7, seed=-(2**63))
        )
        for name in ("\0z", "y\0\0", "Z", "\U0001f98a", "\uffff"):  # sorted otherwise without the NUL
            session.add(ChoiceRow(name=name, value={}, changed=0.1))
        session.flush()
        harm = text("UPDATE events SET data = '{\"loss\": [NaN, -Infinity, 1.5]}' WHERE seq = 7")
        session.execute(harm)
    source.close()
    url = postgresql.fresh()
    migrate(tmp_path, url)
    moved = Database(url)
    with moved.read() as session:
        row = session.get_one(JobRow, "odd")
        assert (row.owner, row.request, row.created, row.seed) == ("ann", odd, 1e-7, -(2**63))
        assert set(session.scalars(select(ChoiceRow.name))) == {"z", "y", "Z", "\U0001f98a", "\uffff"}
        assert session.get_one(EventRow, ("a", 7)).data == {"loss": [None, None, 1.5]}
    moved.close()


def test_a_studio_that_runs_is_not_moved(
    tmp_path: Path, postgresql: PostgreSQL, capsys: pytest.CaptureFixture[str]
) -> None:
    grown(tmp_path)
    url, running = postgresql.fresh(), Database(f"sqlite:///{tmp_path / 'studio.db'}")
    assert main(["migrate", "--data", str(tmp_path), "--database", url]) == 1
    assert "is running. Stop it first" in capsys.readouterr().err
    assert set(counts(url).values()) == {0}
    running.close()
    assert main(["migrate", "--data", str(tmp_path), "--database", url]) == 0


def test_a_folder_without_a_studio_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StudioError, match="There is no studio in"):
        migrate(tmp_path, "postgresql+psycopg://nobody@nowhere/x")
    assert not (tmp_path / "studio.db").exists()
