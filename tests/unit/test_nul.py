"""A NUL in what a person types: left out of the request, so that both databases and every file say the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.fields import strings_in, without_nul
from pipelines.registry import registration
from studio.services import Studio, open_studio
from tests.studios import OWNER, follow, settings, small_training, wait_for

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
)


@pytest.fixture
def studio(tmp_path: Path, database_url: str) -> Iterator[Studio]:
    opened = open_studio(settings(tmp_path, engine="inline", database=database_url))
    opened.start()
    wait_for(lambda: opened.jobs.status().worker == "ready", 60)
    yield opened
    opened.close()


@given(VALUES)
def test_no_string_has_one_and_nothing_else_is_changed(value: object) -> None:
    found = without_nul(value)
    assert type(found) is type(value)
    assert [one.replace("\0", "") for one in strings_in(value)] == list(strings_in(found))


def test_a_request_is_the_one_without() -> None:
    parse = registration("text").request.parse
    assert parse({"prompt": "a red\0 fox\0"}) == parse({"prompt": "a red fox"})


def test_a_job_whose_words_have_one_runs_and_is_found_by_them(studio: Studio) -> None:
    job = studio.jobs.submit(OWNER, "training", small_training(steps=3, name="by\0 the sea"))
    assert follow(studio, job)[-1].data == {"state": "done"}
    assert studio.jobs.get(OWNER, job.id).request["name"] == "by the sea"
    item = studio.library.of_job(OWNER, job.id)[0]
    studio.marks.tag(OWNER, [item.id], add=["sea\0side"], remove=[])
    assert [tag for tag, _ in studio.marks.tags(OWNER)] == ["seaside"]
