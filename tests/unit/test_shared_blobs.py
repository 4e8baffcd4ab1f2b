"""Files that several machines share: each of them finds what another made, keeps copies in bounds, believes no copy
it did not check, and loses nothing to a kill."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.durable import PARTIAL
from pipelines.errors import StudioError
from pipelines.storage import Storage
from studio.settings import ROOT
from studio.store import shared_blobs
from studio.store.folder import FolderStorage
from studio.store.shared_blobs import Copies, SharedBlobs, open_blobs

ROOM = 10_000_000


@pytest.fixture
def node(storage: Storage, tmp_path: Path) -> Callable[[str], SharedBlobs]:
    """A machine by its name, with a disk of its own."""

    def make(name: str) -> SharedBlobs:
        found = open_blobs(tmp_path / name, storage, ROOM)
        assert isinstance(found, SharedBlobs)
        return found

    return make


def copies(blobs: SharedBlobs) -> set[str]:
    return {path.name for path in blobs.folder.glob("??/*")}


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_what_one_machine_keeps_another_reads(node: Callable[[str], SharedBlobs]) -> None:
    here, there = node("a"), node("b")
    digest = here.put(b"a picture")
    assert digest == digest_of(b"a picture") == here.put(b"a picture")
    assert there.read(digest) == b"a picture"
    assert list(there.digests()) == [digest]
    with there.open(digest) as file:
        file.seek(2)
        assert file.read(3) == b"pic"


def test_a_file_is_fetched_once_and_then_read_from_the_copy(
    node: Callable[[str], SharedBlobs], storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, digest = node("b"), node("a").put(b"seen twice")
    assert there.read(digest) == b"seen twice"
    monkeypatch.setattr(storage, "get", lambda *_: pytest.fail("asked again"))
    assert there.read(digest) == b"seen twice"
    assert there.beginning(digest, 4) == b"seen"


def test_the_beginning_of_a_large_file_is_read_without_fetching_it(node: Callable[[str], SharedBlobs]) -> None:
    here = node("a")
    digest = here.put(b"head" + bytes(shared_blobs.SMALL))
    there = node("b")
    assert there.beginning(digest, 4) == b"head"
    assert copies(there) == set()


def test_what_nobody_put_there_is_not_there(node: Callable[[str], SharedBlobs]) -> None:
    there, absent = node("b"), digest_of(b"never")
    for act in (there.open, there.read, lambda name: there.content(name, 5), lambda name: there.beginning(name, 2)):
        with pytest.raises(FileNotFoundError):
            act(absent)
    assert copies(there) == set()
    with pytest.raises(ValueError):
        there.open("../../etc/passwd")


def test_a_file_with_other_contents_than_its_name_says_is_not_used(
    node: Callable[[str], SharedBlobs], storage: Storage
) -> None:
    absent = digest_of(b"what it should be")
    storage.put(f"blobs/{absent[:2]}/{absent}", b"what it is not")
    there = node("b")
    with pytest.raises(StudioError, match="other contents"):
        there.read(absent)
    assert copies(there) == set()


def test_a_large_torn_file_that_is_sent_ends_before_its_last_piece(
    node: Callable[[str], SharedBlobs], storage: Storage
) -> None:
    size = shared_blobs.SMALL + 3_000_000
    absent = digest_of(bytes(size))
    storage.put(f"blobs/{absent[:2]}/{absent}", bytes(size - 1) + b"x")
    sent: list[bytes] = []
    with pytest.raises(StudioError, match="other contents"):
        sent.extend(node("b").content(absent, size))
    assert 0 < sum(map(len, sent)) < size


def test_what_is_removed_is_gone_from_the_storage_and_from_here(node: Callable[[str], SharedBlobs]) -> None:
    here = node("a")
    digest = here.put(b"gone soon")
    here.remove(digest)
    for blobs in (here, node("b")):
        with pytest.raises(FileNotFoundError):
            blobs.read(digest)


def test_only_old_files_that_no_row_names_are_swept(node: Callable[[str], SharedBlobs], storage: Storage) -> None:
    here = node("a")
    listed, orphan = here.put(b"listed"), here.put(b"an orphan")
    assert here.sweep({listed}) == 0, "another machine may be about to write its row"
    assert here.sweep_old({listed}, time.time() - 100) == (0, 0)
    assert here.sweep_old({listed}, time.time() + 100) == (1, len(b"an orphan"))
    assert set(here.digests()) == {listed}
    with pytest.raises(FileNotFoundError):
        node("b").read(orphan)


def test_what_was_put_again_a_moment_ago_is_not_removed_for_an_earlier_reason(
    node: Callable[[str], SharedBlobs], storage: Storage
) -> None:
    here = node("a")
    digest = here.put(b"made again")
    here.remove(digest, time.time() - here.young)
    assert node("b").read(digest) == b"made again"
    here.remove(digest, time.time() + 10)
    assert list(storage.list()) == []
    here.remove(digest, time.time() + 10)


@pytest.mark.parametrize("room_after", [0, 1, 2])
def test_a_full_disk_makes_room_of_copies_and_takes_nothing_from_whoever_asks(
    node: Callable[[str], SharedBlobs], monkeypatch: pytest.MonkeyPatch, room_after: int
) -> None:
    """``room_after``: how often the disk is full; twice, where copies were not what filled it."""
    digest, other = node("a").put(b"asked for"), node("a").put(b"kept before")
    there, sync, full = node("b"), os.fsync, []
    there.read(other)

    def syncing(handle: int) -> None:
        if len(full) < room_after:
            full.append(handle)
            raise OSError(errno.ENOSPC, "no room")
        sync(handle)

    monkeypatch.setattr(shared_blobs.os, "fsync", syncing)
    assert there.content(digest, 9).read() == b"asked for"
    assert copies(there) == [{digest, other}, {digest}, set()][room_after]


# ------------------------------------------------------------------------------------------------------ the copies


def test_copies_stay_in_bounds_and_those_used_longest_ago_go_first(tmp_path: Path) -> None:
    kept = Copies(tmp_path, room=4000)
    data = [bytes([number]) * 1000 for number in range(6)]
    for number, one in enumerate(data[:4]):
        kept.keep(digest_of(one), [one], "here").close()
        os.utime(kept.path(digest_of(one)), (time.time() - 100 + number,) * 2)
    used = kept.open(digest_of(data[0]))  # the oldest, and now the one used last
    assert used is not None
    used.close()
    for one in data[4:]:
        kept.keep(digest_of(one), [one], "here").close()
    assert {digest_of(one) for one in (data[0], data[3], data[4], data[5])} == {
        path.name for path in tmp_path.glob("??/*")
    }


def test_a_file_larger_than_all_the_room_is_read_and_not_kept(tmp_path: Path) -> None:
    kept = Copies(tmp_path, room=10)
    with kept.keep(digest_of(bytes(100)), [bytes(60), bytes(40)], "here") as file:
        assert file.read() == bytes(100)
    assert list(tmp_path.glob("??/*")) == []


def test_a_file_that_makes_room_while_it_is_read_is_read_to_its_end(tmp_path: Path) -> None:
    kept = Copies(tmp_path, room=1000)
    with kept.keep(digest_of(bytes(600)), [bytes(600)], "here") as file:
        kept.forget(digest_of(bytes(600)))
        assert file.read() == bytes(600)


def test_copies_nobody_uses_and_halves_of_copies_go(tmp_path: Path) -> None:
    kept = Copies(tmp_path, room=1_000_000)
    unused, half = digest_of(b"unused"), tmp_path / "ab" / f"{PARTIAL}x"
    kept.keep(unused, [b"unused"], "here").close()
    half.parent.mkdir(exist_ok=True)
    half.write_bytes(b"hal")
    long_ago = (time.time() - shared_blobs.UNUSED - 1,) * 2
    os.utime(kept.path(unused), long_ago)
    os.utime(half, long_ago)
    assert kept.tidy() == 1
    assert list(tmp_path.glob("??/*")) == []


def test_a_kill_while_files_are_fetched_leaves_no_torn_copy(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    storage = FolderStorage(tmp_path / "shared")
    digests = [open_blobs(tmp_path / "a", storage, ROOM).put(os.urandom(400_000)) for _ in range(20)]
    code = (
        "import sys; from pathlib import Path; from studio.store.shared_blobs import open_blobs; "
        "from studio.store.folder import FolderStorage\n"
        f"shared = FolderStorage(Path({str(tmp_path / 'shared')!r}))\n"
        f"blobs = open_blobs(Path({str(tmp_path / 'b')!r}), shared, {ROOM})\n"
        "print('ready', flush=True)\n"
        f"for digest in {digests!r} * 1000:\n"
        "    blobs.read(digest); blobs.copies.forget(digest)\n"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(0.3)
        child.kill()
    for path in (tmp_path / "b" / "cache" / "blobs").glob("??/*"):
        if not path.name.startswith(PARTIAL):
            assert digest_of(path.read_bytes()) == path.name
    again = open_blobs(tmp_path / "b", storage, ROOM)
    assert [digest_of(again.read(digest)) for digest in digests] == digests
