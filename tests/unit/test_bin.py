"""What was deleted is gone from every look at the library, comes back whole, and goes for good after its time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.errors import StudioError
from studio.library.bin import bins_of
from studio.library.shares import Shares
from studio.library.sweep import sweep_files, sweep_owner, sweep_uploads
from tests.library import Shelves


@pytest.fixture
def home(tmp_path: Path, database_url: str) -> Iterator[Shelves]:
    made = Shelves(tmp_path, database_url)
    yield made
    made.close()


def test_what_is_in_the_bin_is_nowhere_and_comes_back_with_all_it_had(home: Shelves) -> None:
    fox, owl, hers = home.picture("a fox"), home.picture("an owl"), home.picture("a fox", "bob")
    heap = home.marks.make_collection("ann", "animals")
    home.marks.collect("ann", heap, [fox.id, owl.id])
    home.marks.tag("ann", [fox.id], ["red"])
    home.marks.star("ann", [fox.id])
    before = home.page(words="fox").json()
    count, word = home.bin.put("ann", [fox.id, hers.id])
    assert count == 1
    assert (home.found(), home.found(words="fox"), home.marks.tags("ann")) == (["an owl"], [], [])
    assert home.found("bob") == ["a fox"]
    with pytest.raises(StudioError):
        home.library.get("ann", fox.id)
    assert home.bin.bring_back("bob", word) == 0
    assert home.bin.bring_back("ann", word) == 1
    assert home.page(words="fox").json() == before
    assert home.marks.tags("ann") == [("red", 1)]
    assert home.bin.bring_back("ann", word) == 0


def test_a_sweep_leaves_the_files_until_the_bin_is_emptied(home: Shelves) -> None:
    fox = home.picture("a fox", color="red")
    _, word = home.bin.put("ann", [fox.id])
    sweep_uploads(home.database, time.time(), [])
    sweep_files(home.library, young=-1)
    assert home.bin.empty(time.time() - 60) == 0
    assert home.library.blobs.read(fox.digest)
    home.library.blobs.young = -1
    assert home.bin.empty(time.time() + 1) == 1
    assert not home.library.blobs.path(fox.digest).exists()
    assert home.bin.bring_back("ann", word) == 0


def test_a_link_to_what_was_deleted_leads_nowhere_until_it_is_back(home: Shelves) -> None:
    fox, shares = home.picture("a fox"), Shares(home.database, home.library)
    secret = shares.make("ann", fox.id)
    _, word = home.bin.put("ann", [fox.id])
    assert (shares.item(secret), shares.of("ann")) == (None, [])
    home.bin.bring_back("ann", word)
    found = shares.item(secret)
    assert found is not None
    assert found.id == fox.id


def test_whoever_goes_takes_their_bins_along_and_nobody_elses(home: Shelves) -> None:
    fox, hers = home.picture("a fox", "a_n%n", color="red"), home.picture("a dog", "axnyn", color="blue")
    home.bin.put("a_n%n", [fox.id])
    _, word = home.bin.put("axnyn", [hers.id])
    with home.database.write() as session:
        sweep_owner(session, "a_n%n")
    sweep_files(home.library, young=-1)
    assert not home.library.blobs.path(fox.digest).exists()
    assert home.bin.bring_back("axnyn", word) == 1


@pytest.mark.parametrize("word", ["", "x", "../1", "0", "9" * 40, "1:ann", "%"])
def test_a_word_that_is_none_brings_nothing_back(home: Shelves, word: str) -> None:
    home.bin.put("ann", [home.picture("a fox").id])
    assert home.bin.bring_back("ann", word) == 0
    assert bins_of("ann") == "bin:%:ann"
