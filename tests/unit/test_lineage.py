"""What was made of what: edges read from requests, trees both ways, and what becomes of them after a deletion."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from pipelines.errors import StudioError
from studio.library.lineage import Node, Tree
from studio.store.shelf import EdgeRow
from tests.library import Shelves, drawn, generator, png, text


@pytest.fixture
def home(tmp_path: Path, database_url: str) -> Iterator[Shelves]:
    made = Shelves(tmp_path, database_url)
    yield made
    made.close()


def by_title(tree: Tree) -> dict[str, Node]:
    return {node.title: node for node in tree.nodes}


def edges(home: Shelves) -> int:
    with home.database.read() as session:
        return int(session.scalar(select(func.count()).select_from(EdgeRow)) or 0)


def test_a_text_becomes_a_prompt_a_picture_a_style_and_a_training_set(home: Shelves) -> None:
    words = home.make("text", {"prompt": "Expand: fox"}, text("a red fox in the snow\n", "words"))
    fox = home.picture("a red fox in the snow")
    painted = home.make("style", {"photo": fox.digest, "style": "indigo-waves"}, png(drawn("navy"), "painted"))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("pictures/fox.png", home.library.blobs.read(painted.digest))
    pictures = home.library.keep_upload("ann", packed.getvalue(), "application/zip")
    request = {"dataset": "own", "pictures": pictures, "name": "Foxes", "recipe": "r1"}
    trained = home.make("training", request, generator())
    home.indexer.catch_up()
    tree = home.lineage.tree("ann", trained.id)
    found = by_title(tree)
    order = ["words", "a red fox in the snow", "painted", "Foxes", "A generator"]
    assert [found[title].generation for title in order] == [-4, -3, -2, -1, 0]
    assert [found[title].state for title in order] == ["here", "here", "here", "given", "here"]
    down = by_title(home.lineage.tree("ann", words.id))
    assert [down[title].generation for title in order if title in down] == [0, 1, 2, 3, 4]
    assert {(link.role) for link in tree.links} == {"prompt", "photo", "picture", "pictures"}


def test_a_tree_is_whole_before_the_indexer_came_by(home: Shelves) -> None:
    fox = home.picture("a fox")
    painted = home.make("style", {"photo": fox.digest, "style": "indigo-waves"}, png(drawn("navy"), "painted"))
    assert [node.title for node in home.lineage.tree("ann", painted.id).nodes] == ["painted", "a fox"]


def test_a_branched_training_names_the_one_it_came_from_running_or_done(home: Shelves) -> None:
    snapshot = home.library.keep_upload("ann", b"snapshot")
    request = {"dataset": "mnist", "recipe": "r1", "begin": snapshot, "parent": "a" * 32}
    first = home.make("training", {"dataset": "mnist", "recipe": "r1"}, generator(1), job="a" * 32)
    second = home.make("training", request, generator(2))
    tree = home.lineage.tree("ann", second.id)
    assert {link.role for link in tree.links if link.made == second.digest} == {"parent", "dataset"}
    assert next(node for node in tree.nodes if node.id == first.digest).generation == -1
    down = home.lineage.tree("ann", first.id)
    assert next(node for node in down.nodes if node.id == second.digest).generation == 1
    assert next(node for node in down.nodes if node.state == "set").title == "mnist"


def test_a_deleted_ancestor_is_shown_as_deleted_while_something_descends_from_it(home: Shelves) -> None:
    fox = home.picture("a fox")
    painted = home.make("style", {"photo": fox.digest, "style": "indigo-waves"}, png(drawn("navy"), "painted"))
    again = home.make("style", {"photo": painted.digest, "style": "indigo-waves"}, png(drawn("black"), "again"))
    home.indexer.catch_up()
    home.library.delete("ann", painted.id)
    nodes = by_title(home.lineage.tree("ann", again.id))
    assert (nodes["painted"].state, nodes["painted"].item, nodes["a fox"].state) == ("gone", None, "here")
    assert by_title(home.lineage.tree("ann", fox.id))["again"].generation == 2
    home.library.delete("ann", again.id)
    assert edges(home) == 0
    assert [node.title for node in home.lineage.tree("ann", fox.id).nodes] == ["a fox"]


def test_a_family_is_ones_own(home: Shelves) -> None:
    fox, same = (home.make("text", {"prompt": "x"}, text("a fox", "a fox"), owner) for owner in ("ann", "bob"))
    assert same.digest == fox.digest
    home.picture("a fox", owner="bob")
    home.indexer.catch_up()
    assert [node.title for node in home.lineage.tree("ann", fox.id).nodes] == ["a fox"]
    with pytest.raises(StudioError, match="nothing named"):
        home.lineage.tree("ann", same.id)


def test_a_large_family_is_shown_in_part_and_says_so(home: Shelves) -> None:
    fox = home.picture("a fox")
    for number in range(11):
        home.make(
            "style", {"photo": fox.digest, "style": "indigo-waves"}, png(drawn(f"rgb({number}, 9, 9)"), str(number))
        )
    home.indexer.catch_up()
    tree = home.lineage.tree("ann", fox.id)
    assert len(tree.nodes) == 9
    assert tree.nodes[0].more == 3


def test_a_job_whose_kind_is_gone_has_no_sources_and_does_no_harm(home: Shelves) -> None:
    item = home.make("plugin-of-yesterday", {"photo": "f" * 64}, png())
    home.indexer.catch_up()
    assert [node.state for node in home.lineage.tree("ann", item.id).nodes] == ["here"]


def test_a_zip_that_is_damaged_or_locked_stops_nothing(home: Shelves) -> None:
    for data in (b"PK\x05\x06" + bytes(18), b"PK\x03\x04 broken"):
        pictures = home.library.keep_upload("ann", data, "application/zip")
        home.make("training", {"dataset": "own", "pictures": pictures, "name": "x", "recipe": "r1"}, generator())
    home.indexer.catch_up()
    assert edges(home) == 2
