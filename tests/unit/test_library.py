"""Made things and uploads: whose they are, what their files hold, and when a file goes."""

from __future__ import annotations

import io
import json
import os
import struct
from pathlib import Path

import pytest
from PIL import Image

from pipelines.base import Artifact
from pipelines.durable import write_durably
from pipelines.errors import StudioError
from studio.library.library import Item, Library, add_items
from studio.library.made import keep
from studio.library.recipe import compose, embed, extract
from studio.store.blobs import Blobs
from studio.store.database import Database
from studio.store.tables import JobRow


def picture(color: str = "teal") -> Artifact:
    out = io.BytesIO()
    Image.new("RGB", (40, 30), color).save(out, "PNG")
    return Artifact("picture.png", "image/png", out.getvalue(), "A teal card")


@pytest.fixture
def database(database: Database) -> Database:
    """With a job."""
    with database.write() as session:
        session.add(JobRow(id="job", owner="ann", kind="image", request={}, state="done", created=1.0))
    return database


@pytest.fixture
def library(database: Database, tmp_path: Path) -> Library:
    return Library(database, Blobs(tmp_path / "blobs"))


#: made once, as it says at which second
RECIPE = compose("image", {"prompt": "a card", "seed": 7, "model": "tiny"}, "f" * 64, {})


def add(database: Database, library: Library, artifact: Artifact, owner: str = "ann") -> Item:
    with database.write() as session:
        return add_items(session, owner, "job", "image", [keep(artifact, RECIPE, library.blobs)])[0]


def test_a_png_carries_its_recipe_and_the_same_pixels() -> None:
    artifact = picture()
    recipe = compose("image", {"prompt": "a card, 一张卡片", "seed": 7, "model": "tiny"}, "f" * 64, {"steps": 3})
    data = embed(artifact, recipe)
    assert extract(data) == recipe
    before, after = (Image.open(io.BytesIO(one)) for one in (artifact.data, data))
    assert list(before.tobytes()) == list(after.tobytes())


def test_a_safetensors_file_carries_its_recipe_and_the_same_tensors() -> None:
    header = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    data = struct.pack("<Q", len(header)) + header + struct.pack("<2f", 1.5, -2)
    marked = embed(Artifact("generator.safetensors", "application/octet-stream", data), {"seed": 3})
    assert extract(marked) == {"seed": 3}
    assert marked.endswith(struct.pack("<2f", 1.5, -2))
    from safetensors.numpy import load

    assert load(marked)["w"].tolist() == [1.5, -2]


def test_an_item_is_seen_by_its_maker_and_by_nobody_else(database: Database, library: Library) -> None:
    item = add(database, library, picture())
    assert [one.id for one in library.items("ann")] == [item.id]
    assert library.items("bob") == []
    with pytest.raises(StudioError, match="nothing named"):
        library.get("bob", item.id)
    with pytest.raises(StudioError):
        library.delete("bob", item.id)
    assert library.get("ann", item.id).recipe["seed"] == 7


def test_deleting_an_item_deletes_its_file_once_nothing_else_names_it(database: Database, library: Library) -> None:
    first, second = add(database, library, picture()), add(database, library, picture(), owner="bob")
    assert first.digest == second.digest
    library.blobs.young = -1
    library.delete("ann", first.id)
    assert library.blobs.path(first.digest).exists()
    library.delete("bob", second.id)
    assert not library.blobs.path(first.digest).exists()


def test_what_is_made_again_while_it_is_deleted_keeps_its_file(database: Database, library: Library) -> None:
    """A worker has put the very same picture, and its row is not written yet."""
    first = add(database, library, picture())
    data = library.blobs.read(first.digest)
    os.utime(library.blobs.path(first.digest), (1_000_000, 1_000_000))
    library.blobs.put(data)
    library.delete("ann", first.id)
    assert library.blobs.read(first.digest) == data
    assert library.listed() == set()


def test_a_digest_is_no_key_to_somebody_elses_file(library: Library) -> None:
    digest = library.keep_upload("ann", b"a photo")
    library.check_owned("ann", [digest])
    with pytest.raises(StudioError, match="no file"):
        library.check_owned("bob", [digest])


def test_newest_comes_first_and_pages_go_on(database: Database, library: Library) -> None:
    ids = [add(database, library, picture(color)).id for color in ("red", "green", "blue")]
    page = library.items("ann", limit=2)
    rest = library.items("ann", limit=2, before=page[-1].created)
    assert [item.id for item in page + rest] == ids[::-1]


def test_a_start_sweeps_partial_files_and_orphans_and_keeps_what_is_listed(
    database: Database, library: Library
) -> None:
    item = add(database, library, picture())
    orphan = library.blobs.put(b"written, then killed before its row")
    partial = library.blobs.path(item.digest).parent / ".partial-abc"
    partial.write_bytes(b"half")
    library.blobs.sweep(library.listed())
    assert not library.blobs.path(orphan).exists()
    assert not partial.exists()
    assert library.blobs.path(item.digest).exists()


def test_a_blob_name_that_is_not_a_digest_is_refused(library: Library) -> None:
    for name in ("../../etc/passwd", "", "A" * 64, "f" * 63):
        with pytest.raises(ValueError, match="64 hexadecimal"):
            library.blobs.path(name)


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        write_durably(tmp_path / "file", "not bytes")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_a_database_from_the_first_revision_matches_the_tables(database: Database) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from studio.store import people, shelf  # their modules add their tables to those of studio.store.tables

    def ours(name: str | None, kind: str, _parents: object) -> bool:
        return not (kind in ("table", "index") and str(name).startswith("item_search"))  # the full-text index

    assert shelf.WordsRow.metadata is people.Base.metadata
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_name": ours})
        assert compare_metadata(context, people.Base.metadata) == []


def test_a_png_says_whose_work_its_model_was_made_of_where_any_viewer_shows_it() -> None:
    credited = ["Drawings, Ann, MIT, https://example.org", "Reader, Bob, Apache-2.0, https://example.org"]
    recipe = compose("image", {"prompt": "a card", "model": "stickers"}, "f" * 64, {}, credited)
    data = embed(picture(), recipe)
    found = extract(data)
    assert found is not None
    assert found["credits"] == credited
    with Image.open(io.BytesIO(data)) as opened:
        opened.load()
        lines = opened.text["Credits"].splitlines()  # type: ignore[attr-defined]
    assert lines == ["Made with the model stickers, which was made of:", *credited]
    plain = Image.open(io.BytesIO(embed(picture(), compose("image", {"model": "tiny"}, None, {}))))
    plain.load()
    assert "Credits" not in plain.text  # type: ignore[attr-defined]
