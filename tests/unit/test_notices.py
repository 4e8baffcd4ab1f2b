"""Notices of new events: small enough for PostgreSQL, and never with a part of what happened to a job."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from studio.engine.job import Numbered
from studio.engine.notices import Told, pack, unpack

GROUPS = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from([3, 40, 900, 4000, 9000]), st.sampled_from(["x", "\u4e2d"])),
    min_size=1,
    max_size=60,
)


def rows(group: list[tuple[str, int, str]]) -> list[dict[str, Any]]:
    """Events of some jobs, each numbered within its own, with so many letters."""
    last: dict[str, int] = {}
    found = []
    for job, size, letter in group:
        last[job] = last.get(job, 0) + 1
        found.append({"job_id": job, "seq": last[job], "at": 0.5, "kind": "token", "data": {"text": letter * size}})
    return found


@given(GROUPS)
def test_every_job_is_named_and_has_all_its_events_in_order_or_none(group: list[tuple[str, int, str]]) -> None:
    written = rows(group)
    told: dict[str, list[Numbered]] = {}
    for words in pack("web-1", written):
        assert len(words.encode()) < 8000
        by, of = unpack(words, "abcdef")
        assert unpack(words, "a")[1] == {job: events for job, events in of.items() if job == "a"}
        assert by == "web-1"
        assert not told.keys() & of.keys()
        told |= of
    assert told.keys() == {row["job_id"] for row in written}
    for job, events in told.items():
        mine = [Numbered(row["seq"], row["at"], row["kind"], row["data"]) for row in written if row["job_id"] == job]
        assert events in ([], mine)
        assert events or sum(len(event.data["text"]) for event in mine) > 1000


def numbered(*numbers: int) -> list[Numbered]:
    return [Numbered(number, 0.0, "token", {}) for number in numbers]


def test_what_was_told_is_an_unbroken_run_and_older_than_that_is_for_the_database_to_say() -> None:
    told = Told()
    assert told.after("one", 0, 10) is None
    told.take("one", numbered(4, 5))
    told.take("one", numbered(5, 6))
    assert told.after("one", 2, 10) is None
    assert told.after("one", 3, 10) == numbered(4, 5, 6)
    assert told.after("one", 3, 2) == numbered(4, 5)
    assert told.after("one", 6, 10) == []
    told.take("one", numbered(9))
    assert told.after("one", 6, 10) is None
    assert told.after("one", 8, 10) == numbered(9)


def test_events_that_were_too_large_to_tell_are_looked_for_in_the_database() -> None:
    told = Told()
    told.take("one", numbered(1))
    told.take("one", [])
    assert told.after("one", 1, 10) is None
