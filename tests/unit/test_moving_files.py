"""A studio of one machine becomes one of several: its files go into the storage, compared, and are found there."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.errors import StudioError
from pipelines.storage import Storage
from studio.library.__main__ import main
from studio.services import open_studio
from studio.store.blobs import Blobs
from studio.store.job_states import latest
from tests.studios import OWNER, settings
from tests.unit.test_moving import grown


def test_files_and_folders_of_jobs_are_found_in_the_storage(
    storage: Storage, address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    grown(data)
    job = data / "jobs" / ("ab" * 16)
    (job / "snapshots").mkdir(parents=True)
    for name in ("checkpoint-1", "snapshots/snapshot-1", "sample-1.webp", "preview-1.webp"):
        (job / name).write_bytes(name.encode())
    with pytest.raises(StudioError, match=r"migrate --data .* --storage"):
        open_studio(settings(data, storage=address))
    for _ in range(2):  # again is no harm
        assert main(["migrate", "--data", str(data), "--storage", address]) == 0
    assert "2  files" in capsys.readouterr().out
    assert set(latest(storage, "ab" * 16).files) == {"checkpoint-1", "snapshots/snapshot-1"}
    studio = open_studio(settings(data, storage=address))
    for digest in Blobs(data / "blobs").digests():
        assert studio.library.blobs.read(digest) in (b"0", b"1")
        studio.library.check_owned(OWNER, [digest])
    assert studio.workspaces.read("ab" * 16, "sample-1.webp") == b"sample-1.webp"
    studio.database.close()


def test_a_torn_file_ends_it(storage: Storage, address: str, tmp_path: Path) -> None:
    grown(tmp_path)
    blobs = Blobs(tmp_path / "blobs")
    blobs.path(next(blobs.digests())).write_bytes(b"torn")
    assert main(["migrate", "--data", str(tmp_path), "--storage", address]) == 1


def test_nowhere_to_move_to_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrate", "--data", str(tmp_path)]) == 1
    assert "--storage for the files" in capsys.readouterr().err
