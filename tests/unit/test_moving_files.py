"""A studio of one machine becomes one of several: its files go into the storage, compared, and are found there."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.catalog import Catalog
from pipelines.errors import StudioError
from pipelines.storage import Storage
from studio.engine.siblings import runs_of
from studio.library.__main__ import main
from studio.library.shelf import Query
from studio.services import open_studio
from studio.settings import ASSETS
from studio.store.blobs import Blobs
from studio.store.job_states import latest
from studio.store.shared_workspaces import open_workspaces
from studio.sweeps import Sweeps, begin
from tests.postgres import PostgreSQL
from tests.studios import OWNER, endless_training, follow, open_in, settings, small_training
from tests.unit.test_moving import grown

JOB = "ab" * 16


def test_files_and_folders_of_jobs_are_found_in_the_storage(
    storage: Storage, address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    grown(data)
    job = data / "jobs" / (JOB)
    (job / "snapshots").mkdir(parents=True)
    for name in ("checkpoint-1", "snapshots/snapshot-1", "sample-1.webp", "preview-1.webp"):
        (job / name).write_bytes(name.encode())
    with pytest.raises(StudioError, match=r"migrate --data .* --storage"):
        open_studio(settings(data, storage=address))
    for _ in range(2):  # again is no harm
        assert main(["migrate", "--data", str(data), "--storage", address]) == 0
    assert "2  files" in capsys.readouterr().out
    assert set(latest(storage, JOB).files) == {"checkpoint-1", "snapshots/snapshot-1"}
    studio = open_studio(settings(data, storage=address))
    for digest in Blobs(data / "blobs").digests():
        assert studio.library.blobs.read(digest) in (b"0", b"1")
        studio.library.check_owned(OWNER, [digest])
    assert studio.workspaces.read(JOB, "sample-1.webp") == b"sample-1.webp"
    studio.database.close()


def test_what_was_begun_and_broken_off_is_done_again_though_the_studio_went_on_meanwhile(
    storage: Storage, address: str, tmp_path: Path
) -> None:
    grown(tmp_path)
    job = tmp_path / "jobs" / JOB
    job.mkdir(parents=True)

    def trained(step: int) -> None:
        for path in job.iterdir():
            path.unlink()
        (job / f"checkpoint-{step}").write_bytes(b"%d" % step)
        (job / "sample-1.webp").write_bytes(b"drawn at %d" % step)

    def saved() -> tuple[list[str], bytes]:
        page = open_workspaces(tmp_path / "web", storage, 1_000_000)
        return sorted(page.files(JOB)), page.read(JOB, "sample-1.webp")

    trained(1)
    storage.put(f"jobs/{JOB}/pictures/sample-1.webp", b"put before a kill")
    move = ["migrate", "--data", str(tmp_path), "--storage", address]
    for step in (1, 2):
        trained(step)
        assert main(move) == 0
        assert saved() == ([f"checkpoint-{step}"], b"drawn at %d" % step)
    assert len(list(storage.list(f"jobs/{JOB}"))) == 3, "the list, the checkpoint and the picture"
    moved = open_workspaces(tmp_path / "node", storage, 1_000_000).begin(JOB, claim=True)
    (moved.folder / "checkpoint-3").write_bytes(b"3")
    moved.saved()
    trained(2)
    assert main(move) == 0
    assert saved()[0] == ["checkpoint-2", "checkpoint-3"], "it has gone on there"


def test_models_of_this_machine_are_there_for_the_others(address: str, storage: Storage, tmp_path: Path) -> None:
    grown(tmp_path)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "config.json").write_text('{"model_type": "llama"}')
    (mine / "model.safetensors").write_bytes(b"weights")
    Catalog(ASSETS, tmp_path).add(mine, task="text")
    assert main(["migrate", "--data", str(tmp_path), "--storage", address]) == 0
    mine.rename(tmp_path / "away")
    node = Catalog(ASSETS, tmp_path / "node", storage)
    assert (node.fetch(node.resolve("mine", "text")) / "model.safetensors").read_bytes() == b"weights"


def test_a_share_that_is_not_mounted_is_not_taken_for_one_without_files(tmp_path: Path) -> None:
    """The folder it is to be mounted on is there, and empty."""
    for name in ("shared", "unmounted"):
        (tmp_path / name).mkdir()
    at = {"database": f"sqlite:///{tmp_path / 'rows.db'}"}
    studio = open_studio(settings(tmp_path / "data", storage=str(tmp_path / "shared"), **at))
    digest = studio.keep_upload(OWNER, b"a photo")
    studio.database.close()
    with pytest.raises(StudioError, match=r"lists 1 files and there is none in .*unmounted"):
        open_studio(settings(tmp_path / "data", storage=str(tmp_path / "unmounted"), **at))
    again = open_studio(settings(tmp_path / "data", storage=str(tmp_path / "shared"), **at))
    assert again.library.blobs.read(digest) == b"a photo"
    again.database.close()


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_a_whole_studio_moves_and_everything_is_there_and_goes_on(
    kind: str, request: pytest.FixtureRequest, postgresql: PostgreSQL, tmp_path: Path
) -> None:
    (tmp_path / "shared").mkdir()
    address = str(tmp_path / "shared") if kind == "folder" else request.getfixturevalue("bucket")
    studio = open_in(tmp_path / "data")
    studio.accounts.add("Ann", "administrator", "correct horse battery")
    runs = begin(studio, OWNER, runs_of(small_training(steps=2), 1, "width", [4, 8]))
    for job in runs:
        follow(studio, job)
    deleted, kept = (studio.library.of_job(OWNER, job.id)[0] for job in runs)
    _, word = studio.bin.put(OWNER, [deleted.id])
    studio.marks.tag(OWNER, [kept.id], add=["by the sea"], remove=[])
    upload = studio.keep_upload(OWNER, b"a photo")
    under_way = studio.jobs.submit(OWNER, "training", endless_training(name="goes on"))
    follow(studio, under_way, stop=lambda event: event.kind == "sample")
    studio.close()

    url, move = postgresql.empty(), ["migrate", "--data", str(tmp_path / "data")]
    assert main([*move, "--database", url, "--storage", address]) == 0
    moved = open_in(tmp_path / "elsewhere", database=url, storage=address)
    assert [person.name for person in moved.accounts.everybody()] == ["Ann"]
    assert moved.library.blobs.read(kept.digest) == studio.library.blobs.read(kept.digest)
    assert moved.library.blobs.read(upload) == b"a photo"
    assert [item.id for item in moved.shelf.page(OWNER, Query.parse({"tag": "by the sea"})).items] == [kept.id]
    assert len(Sweeps(moved).rows(OWNER, str(runs[0].request["sweep"]))) == 2
    assert moved.bin.bring_back(OWNER, word) == 1
    assert moved.library.blobs.read(deleted.digest)
    seen = len(moved.jobs.events(OWNER, under_way.id))
    assert moved.jobs.get(OWNER, under_way.id).state == "interrupted"
    moved.jobs.resume(OWNER, under_way.id)
    again = follow(moved, under_way, after=seen, stop=lambda event: event.kind == "metrics")
    assert "resumed" in [event.data["key"] for event in again if event.kind == "mark"]
    moved.jobs.finish(OWNER, under_way.id)
    assert follow(moved, under_way)[-1].data == {"state": "done"}
    moved.close()


def test_a_torn_file_ends_it(storage: Storage, address: str, tmp_path: Path) -> None:
    grown(tmp_path)
    blobs = Blobs(tmp_path / "blobs")
    blobs.path(next(blobs.digests())).write_bytes(b"torn")
    assert main(["migrate", "--data", str(tmp_path), "--storage", address]) == 1


def test_nowhere_to_move_to_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrate", "--data", str(tmp_path)]) == 1
    assert "--storage for the files" in capsys.readouterr().err
