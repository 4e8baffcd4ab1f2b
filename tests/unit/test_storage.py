"""The four verbs over a folder and over an object store: the same promises, the same sentences."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pipelines.durable import PARTIAL, DiskFull
from pipelines.errors import StudioError
from pipelines.storage import PIECE, Storage, StorageAway, Taken
from studio.store import folder, objects
from studio.store.folder import FolderStorage
from studio.store.objects import ObjectStorage
from studio.store.storage import check, open_storage
from tests.object_store import ObjectStore
from tests.unreliable import breaking_off, refusing


def names(storage: Storage, folder: str = "") -> list[str]:
    return sorted(one.name for one in storage.list(folder))


def test_what_was_put_is_there_whole_and_in_parts(storage: Storage) -> None:
    assert storage.put("one/two.bin", b"0123456789")
    assert storage.get("one/two.bin").read() == b"0123456789"
    assert storage.get("one/two.bin").size == 10
    part = storage.get("one/two.bin", 2, 5)
    assert (part.size, part.read()) == (10, b"234")
    assert storage.get("one/two.bin", 7).read() == b"789"
    assert storage.get("one/two.bin", 7, 100).read() == b"789"
    assert storage.get("one/two.bin", 3, 3).read() == b""


def test_the_same_again_is_no_news_and_other_contents_are_refused(storage: Storage) -> None:
    assert storage.put("a", b"first")
    assert not storage.put("a", b"first")
    with pytest.raises(Taken):
        storage.put("a", b"other")
    assert storage.get("a").read() == b"first"


def test_an_empty_file_is_a_file(storage: Storage) -> None:
    assert storage.put("nothing", b"")
    assert storage.get("nothing").read() == b""


def test_of_many_who_put_one_name_at_once_one_wins(storage: Storage) -> None:
    def put(number: int) -> bool | None:
        try:
            return storage.put("race", b"contents %d" % number)
        except Taken:
            return None

    with ThreadPoolExecutor(8) as pool:
        won = [number for number, new in enumerate(pool.map(put, range(8))) if new]
    assert len(won) == 1
    assert storage.get("race").read() == b"contents %d" % won[0]


def test_a_large_file_is_sent_in_parts_and_comes_back_in_pieces(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "PART", 5 << 20)  # the least that S3 takes
    file = tmp_path / "large.bin"
    file.write_bytes(os.urandom((11 << 20) + 7))
    assert storage.put("large", file)
    assert not storage.put("large", file)
    pieces = list(storage.get("large"))
    assert b"".join(pieces) == file.read_bytes()
    assert max(map(len, pieces)) <= 2 * PIECE
    with pytest.raises(Taken):
        storage.put("large", bytes(11 << 20))


def test_a_part_beyond_the_end_is_nothing_and_no_error(storage: Storage) -> None:
    storage.put("empty", b"")
    storage.put("ten", b"0123456789")
    for name, start, end in (("empty", 0, 12), ("empty", 5, None), ("ten", 10, None), ("ten", 12, 20)):
        found = storage.get(name, start, end)
        assert (found.size, found.read()) == (10 if name == "ten" else 0, b""), (name, start, end)


def test_a_large_file_that_is_put_again_goes_in_as_large_parts_as_the_first_time(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else S3's ten thousand parts end at 48 GB."""
    monkeypatch.setattr(objects, "RENEW", -5)
    storage = ObjectStorage(*_parts(bucket), patience=1)
    asked: list[dict[str, Any]] = []
    put = storage._obstore.put
    monkeypatch.setattr(storage._obstore, "put", lambda *given, **how: asked.append(how) or put(*given, **how))
    data = bytes(objects.PART + 1)
    assert (storage.put("large", data), storage.put("large", data)) == (True, False)
    assert [how.get("chunk_size") for how in asked] == [objects.PART] * 2


def _parts(address: str) -> tuple[str, str]:
    name, _, prefix = address.removeprefix("s3://").partition("/")
    return name, prefix


def test_the_list_has_names_sizes_and_times_below_a_folder(storage: Storage) -> None:
    began = time.time() - 2
    for name in ("jobs/a/one", "jobs/a/two", "jobs/ab/one", "blobs/x"):
        storage.put(name, name.encode())
    assert names(storage, "jobs/a") == ["jobs/a/one", "jobs/a/two"]
    assert len(names(storage)) == 4
    assert names(storage, "nowhere") == []
    one = next(one for one in storage.list("blobs"))
    assert one.bytes == len("blobs/x")
    assert began <= one.modified <= time.time() + 2


def test_what_is_deleted_is_gone_and_what_was_never_there_is_no_error(storage: Storage) -> None:
    storage.put("a/b/c", b"1")
    storage.put("a/d", b"2")
    storage.delete(["a/b/c", "a/never"])
    storage.delete([])
    assert names(storage) == ["a/d"]
    with pytest.raises(FileNotFoundError):
        storage.get("a/b/c")
    assert storage.put("a/b/c", b"3"), "a name that is free again can be put again"


def test_what_is_put_again_after_a_while_counts_as_new(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    storage.put("old", b"1")
    if isinstance(storage, FolderStorage):
        os.utime(storage.folder / "old", (1_000_000, 1_000_000))
        before = 1_000_000.0
    else:
        before = next(iter(storage.list())).modified
        time.sleep(1.1)  # S3 tells whole seconds
        monkeypatch.setattr(objects, "RENEW", 0)
    assert not storage.put("old", b"1")
    assert next(iter(storage.list())).modified > before


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../up", "a/../b", "a//b", "a/", ".hidden", "a b", "ä", "a\n"])
def test_a_name_that_could_lead_elsewhere_is_a_bug(storage: Storage, name: str) -> None:
    with pytest.raises(ValueError):
        storage.put(name, b"")
    with pytest.raises(ValueError):
        storage.get(name)
    with pytest.raises(ValueError):
        storage.delete([name])


def test_a_storage_that_works_passes_its_check_and_is_left_as_it_was(storage: Storage) -> None:
    check(storage)
    assert names(storage) == []


# ------------------------------------------------------------------------------------------------ what goes wrong


@pytest.mark.parametrize("address", ["s3://", "s3://UPPER/x", "s3://bucket/../x", "s3:bucket", "s3://b cket"])
def test_an_address_that_makes_no_sense_is_a_sentence(address: str) -> None:
    with pytest.raises(StudioError, match=re.escape(address)):
        open_storage(address)


def test_no_address_is_no_storage() -> None:
    assert open_storage("") is None


def test_a_folder_that_is_not_mounted_is_a_sentence(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path / "share")
    acts: list[Any] = [lambda: storage.put("a/b", b""), lambda: storage.get("a/b"), lambda: check(storage)]
    for act in (*acts, lambda: list(storage.list()), lambda: list(storage.list("jobs/x"))):
        with pytest.raises(StudioError, match=r"no folder .*share on this machine"):
            act()


def test_a_missing_bucket_is_a_sentence(bucket: str) -> None:
    storage = ObjectStorage("no-such-bucket", patience=1)
    acts: list[Any] = [lambda: storage.put("a", b""), lambda: storage.get("a"), lambda: list(storage.list())]
    for act in (*acts, lambda: storage.delete(["a"]), lambda: storage.put("a", bytes(objects.PART + 1))):
        with pytest.raises(StudioError, match="no bucket no-such-bucket"):
            act()


def test_a_store_that_does_not_answer_is_a_sentence(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{taken.getsockname()[1]}")
        storage = ObjectStorage("anything", patience=0.3)
        with pytest.raises(StorageAway, match=r"s3://anything does not answer"):
            storage.put("a", b"")
        with pytest.raises(StorageAway):
            list(storage.list())


@pytest.mark.parametrize(
    ("number", "error"), [(errno.ENOSPC, DiskFull), (errno.EACCES, StudioError), (errno.ESTALE, StorageAway)]
)
def test_what_a_disk_refuses_is_a_sentence_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, error: type[StudioError]
) -> None:
    storage = FolderStorage(tmp_path)

    def refuse(_handle: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(folder.os, "fsync", refuse)
    with pytest.raises(error):
        storage.put("a/b", b"data")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_folder_that_cannot_be_looked_into_is_not_taken_for_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage, scan = FolderStorage(tmp_path), os.scandir
    storage.put("jobs/a/state/1", b"{}")

    def stale(path: Any) -> Any:
        if str(path).endswith("state"):
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return scan(path)

    monkeypatch.setattr(folder.os, "scandir", stale)
    with pytest.raises(StorageAway):
        list(storage.list("jobs/a"))


def test_a_file_system_without_hard_links_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(folder.os, "link", refuse)
    with pytest.raises(StudioError, match="no hard links"):
        check(FolderStorage(tmp_path))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_what_a_killed_check_left_goes_with_a_later_one(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path)
    storage.put("probe/old", b"1")
    storage.put("probe/young", b"1")
    os.utime(tmp_path / "probe" / "old", (1_000_000, 1_000_000))
    check(storage)
    assert names(storage) == ["probe/young"]


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (403, "InvalidAccessKeyId", r"neither read nor write \(InvalidAccessKeyId\)"),
        (403, "SignatureDoesNotMatch", r"\(SignatureDoesNotMatch\)"),
        (400, "AuthorizationHeaderMalformed", "Set AWS_REGION"),
        (404, "NoSuchBucket", "no bucket anything"),
        (503, "SlowDown", "does not answer"),
    ],
)
def test_a_store_that_says_no_does_so_at_the_start_in_a_sentence(
    bucket: str, monkeypatch: pytest.MonkeyPatch, status: int, code: str, words: str
) -> None:
    with refusing(status, code) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        with pytest.raises(StudioError, match=words):
            check(ObjectStorage("anything", patience=0.3))


def test_a_download_that_is_cut_off_goes_on_where_it_was(
    bucket: str, object_stores: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = os.urandom(5 << 20)
    ObjectStorage(*_parts(bucket)).put("cut", data)
    with breaking_off(object_stores.port, 2 << 20) as way:
        monkeypatch.setenv("AWS_ENDPOINT_URL", way.endpoint)
        assert ObjectStorage(*_parts(bucket), patience=5).get("cut").read() == data
    assert way.broken >= 2


def test_a_store_that_is_away_for_a_moment_is_waited_for(
    bucket: str, object_stores: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    storage = ObjectStorage(*_parts(bucket), patience=20)
    with ThreadPoolExecutor(1) as pool:
        put = pool.submit(storage.put, "late", b"there in the end")
        time.sleep(0.5)
        assert not put.done()
        with breaking_off(object_stores.port, 1 << 30, port):
            assert put.result(30)
            assert storage.get("late").read() == b"there in the end"


@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        ("Server returned non-2xx status code: 403 Forbidden: <Code>AccessDenied</Code>", StudioError, "neither read"),
        ("Server returned non-2xx status code: 507 Insufficient Storage: ", DiskFull, "full"),
        ("Error performing PUT http://x in 3s - HTTP error: error sending request", StorageAway, "error sending"),
    ],
)
def test_what_an_object_store_refuses_is_a_sentence(
    bucket: str, monkeypatch: pytest.MonkeyPatch, said: str, error: type[StudioError], words: str
) -> None:
    storage = ObjectStorage("anything", patience=0.3)

    class Refusing:
        exceptions = storage._obstore.exceptions

        def put(self, *_: Any, **__: Any) -> None:
            raise self.exceptions.GenericError(said)

    monkeypatch.setattr(storage, "_obstore", Refusing())
    with pytest.raises(error, match=words):
        storage.put("a", b"")


def test_what_a_kill_left_half_written_is_not_listed_and_goes_after_a_day(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path)
    storage.put("a/whole", b"1")
    old, young = tmp_path / "a" / f"{PARTIAL}old", tmp_path / "a" / f"{PARTIAL}young"
    for half in (old, young):
        half.write_bytes(b"hal")
    os.utime(old, (1_000_000, 1_000_000))
    assert names(storage) == ["a/whole"]
    assert (old.exists(), young.exists()) == (False, True)


def test_a_file_another_program_put_there_is_compared_by_reading_it(bucket: str) -> None:
    storage = open_storage(bucket, 1)
    assert isinstance(storage, ObjectStorage)
    storage._obstore.put(storage._store, "foreign", b"hello")
    assert not storage.put("foreign", b"hello")
    with pytest.raises(Taken):
        storage.put("foreign", hashlib.sha256(b"hello").digest())
