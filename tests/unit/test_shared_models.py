"""Weights on several machines: the outside is asked once, by one of them; every file is checked wherever it comes."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from pipelines import shared_models
from pipelines.base import Cancelled
from pipelines.catalog import Catalog, quiet
from pipelines.durable import DiskFull
from pipelines.errors import StudioError
from pipelines.shared_models import SharedModels
from pipelines.storage import Content, Storage, StorageAway
from pipelines.verify import sha256_of
from studio.models import main
from tests.unit.hub_server import Hub
from tests.unit.test_catalog_hub import REPO, WEIGHTS, hub  # noqa: F401 - hub is a fixture


@pytest.fixture
def node(storage: Storage, tmp_path: Path) -> Callable[[str], Catalog]:
    """The catalogue of a machine by its name, with a disk of its own."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "catalog.toml").write_text("model = []")
    return lambda name: Catalog(tmp_path / "assets", tmp_path / name, storage)


def downloads(hub: Hub) -> list[str]:  # noqa: F811
    return [asked for asked in hub.asked if "/resolve/" in asked and asked.startswith("GET")]


def test_the_outside_is_asked_once_and_the_second_machine_gets_it_from_the_first(
    hub: Hub,  # noqa: F811
    node: Callable[[str], Catalog],
) -> None:
    first, second = node("a"), node("b")
    first.fetch(first.resolve(REPO, "text"))
    hub.asked.clear()
    entry = second.resolve(REPO, "text")
    heard: list[tuple[str, float, float | None]] = []
    folder = second.fetch(entry, lambda stage, done=0, total=None, unit="": heard.append((stage, done, total)))
    assert hub.asked == []
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert second.is_ready(entry)
    assert second.hash(entry) == first.hash(first.resolve(REPO, "text"))
    assert [one.name for one in second.entries("text")] == [REPO]
    assert {stage for stage, _, _ in heard} == {"fetching", "verifying"}
    assert not list(second.models.glob(".shared-*"))


def test_of_machines_that_want_it_at_once_one_goes_outside(
    hub: Hub,  # noqa: F811
    node: Callable[[str], Catalog],
) -> None:
    hub.stall_after = 1000
    waited: list[str] = []

    def fetch(name: str) -> None:
        catalog = node(name)
        catalog.fetch(catalog.resolve(REPO, "text"), lambda stage, *_: waited.append(stage))

    threads = [threading.Thread(target=fetch, args=(name,)) for name in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    while "waiting" not in waited:
        time.sleep(0.01)
    hub.stall_after = None
    hub.go_on.set()
    for thread in threads:
        thread.join()
    catalogs = [node(name) for name in ("a", "b", "c")]
    assert all(catalog.is_ready(catalog.resolve(REPO, "text")) for catalog in catalogs)
    assert len([asked for asked in hub.asked if asked.endswith("/revision/main")]) == 1


def test_a_machine_that_died_while_it_was_outside_is_not_waited_for_for_ever(
    hub: Hub,  # noqa: F811
    node: Callable[[str], Catalog],
    storage: Storage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    catalog = node("b")
    entry = catalog.resolve(REPO, "text")
    storage.put(f"models/{entry.folder_name}/turn/who", b"somebody dead")
    monkeypatch.setattr(shared_models, "SILENCE", 0.2)
    assert (catalog.fetch(entry) / "model.safetensors").read_bytes() == WEIGHTS
    assert not list(storage.list(f"models/{entry.folder_name}/turn"))


def test_whoever_waits_is_not_impatient_with_one_who_gives_signs_of_life(
    hub: Hub,  # noqa: F811
    node: Callable[[str], Catalog],
    storage: Storage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shared_models, "SILENCE", 0.6)
    monkeypatch.setattr(shared_models, "BEAT", 0.05)
    monkeypatch.setattr(shared_models, "_LOOK", 0.02)
    catalog = node("b")
    entry, shared, waits = catalog.resolve(REPO, "text"), SharedModels(storage), 0.0
    began = time.monotonic()

    def report(stage: str, *_: object) -> None:
        nonlocal waits
        waits = time.monotonic() - began
        if waits > 1.5:
            raise Cancelled

    with shared._turn(entry) as mine:
        assert mine
        with pytest.raises(Cancelled):
            catalog.fetch(entry, report)
    assert waits > 1.5
    assert hub.asked == []


@pytest.mark.parametrize("harm", ["torn", "missing"])
def test_a_file_that_is_not_whole_in_the_storage_is_fetched_from_outside_and_put_anew(
    hub: Hub,  # noqa: F811
    node: Callable[[str], Catalog],
    storage: Storage,
    harm: str,
) -> None:
    first = node("a")
    entry = first.resolve(REPO, "text")
    name = f"models/{entry.folder_name}/files/{sha256_of(first.fetch(entry) / 'model.safetensors')}"
    storage.delete([name])
    if harm == "torn":
        storage.put(name, WEIGHTS[:-1] + b"x")
    hub.asked.clear()
    assert (node("b").fetch(entry) / "model.safetensors").read_bytes() == WEIGHTS
    assert len([asked for asked in downloads(hub) if asked.endswith("/model.safetensors")]) == 1
    hub.asked.clear()
    assert (node("c").fetch(entry) / "model.safetensors").read_bytes() == WEIGHTS
    assert hub.asked == []


NOTE = '{"source": "x", "revision": "", "entry": "", "files": {%s}}'
NONE_SUCH = ("{nonsense", "[]", NOTE % "", *(NOTE % f'"{path}": ["{"a" * 64}", 7]' for path in ("../../up", "/tmp/x")))


def test_a_list_of_files_that_is_none_counts_as_not_there_and_goes(
    hub: Hub,  # noqa: F811
    node: Callable[[str], Catalog],
    storage: Storage,
) -> None:
    catalog, shared = node("a"), SharedModels(storage)
    entry = catalog.resolve(REPO, "text")
    folder = catalog.fetch(entry)
    (name,) = [one.name for one in storage.list("models") if "/notes/" in one.name]
    for note in NONE_SUCH:
        storage.delete([name])
        storage.put(name, note.encode())
        assert not shared.fetch(entry, folder.parent / "other", quiet), note
        assert name not in [one.name for one in storage.list("models")]
    shared.put(entry, folder)
    assert shared.fetch(entry, folder.parent / "other", quiet)


def test_what_is_in_the_storage_counts_only_as_the_catalogue_pins_it(
    hub: Hub,  # noqa: F811
    node: Callable[[str], Catalog],
    storage: Storage,
) -> None:
    first = node("a")
    entry = first.resolve(REPO, "text")
    folder = first.fetch(entry)
    files = {path.name: sha256_of(path) for path in folder.iterdir() if not path.name.startswith(".")}
    pinned, other = (entry.model_copy(update={"files": {**files, **more}}) for more in ({}, {"config.json": "0" * 64}))
    SharedModels(storage).put(other, folder)  # under the other's name: somebody meant harm, or a bug did
    assert not SharedModels(storage).fetch(other, folder.parent / "elsewhere", quiet)
    SharedModels(storage).put(pinned, folder)
    assert SharedModels(storage).fetch(pinned, folder.parent / "elsewhere", quiet)


def test_what_came_before_a_kill_is_not_fetched_again_and_what_is_no_part_of_it_goes(
    hub: Hub,  # noqa: F811
    node: Callable[[str], Catalog],
    storage: Storage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = node("a"), node("b")
    entry = first.resolve(REPO, "text")
    first.fetch(entry)
    beside = second.models / f".shared-{entry.folder_name}"
    beside.mkdir(parents=True)
    (beside / "model.safetensors").write_bytes(WEIGHTS[:-10])
    (beside / "config.json").write_bytes(b"of another kind")
    (beside / "old.safetensors").write_bytes(b"of an earlier revision")
    begun: list[int] = []
    get = storage.get

    def watched(name: str, start: int = 0, end: int | None = None) -> Content:
        begun.append(start)
        return get(name, start, end)

    monkeypatch.setattr(storage, "get", watched)
    folder = second.fetch(entry)
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert len(WEIGHTS) - 10 in begun
    assert {path.name for path in folder.iterdir()} == {path.name for path in first.path(entry).iterdir()}


def test_four_processes_of_one_machine_that_want_it_at_once_fetch_it_once(
    hub: Hub,  # noqa: F811
    node: Callable[[str], Catalog],
    storage: Storage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entry = node("a").resolve(REPO, "text")
    node("a").fetch(entry)
    asked: list[str] = []
    get = storage.get
    monkeypatch.setattr(storage, "get", lambda name, *rest: asked.append(name) or get(name, *rest))
    hub.asked.clear()
    threads = [threading.Thread(target=lambda: node("b").fetch(entry)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert node("b").is_ready(entry)
    assert len([name for name in asked if "/files/" in name]) == len(set(asked)) - 1
    assert hub.asked == []


def test_a_full_disk_is_said_and_what_came_stays(
    hub: Hub,  # noqa: F811
    node: Callable[[str], Catalog],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = node("a"), node("b")
    entry = first.resolve(REPO, "text")
    first.fetch(entry)

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "no room")

    with monkeypatch.context() as patched:
        patched.setattr(shared_models.os, "fsync", full)
        with pytest.raises(DiskFull):
            second.fetch(entry)
    assert not second.is_ready(entry)
    assert (second.fetch(entry) / "model.safetensors").read_bytes() == WEIGHTS


def test_a_storage_that_goes_away_once_the_model_is_here_takes_nothing_from_it(
    hub: Hub,  # noqa: F811
    node: Callable[[str], Catalog],
    storage: Storage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away(*_: object) -> None:
        raise StorageAway("there", "no route")

    catalog = node("a")
    entry = catalog.resolve(REPO, "text")
    monkeypatch.setattr(storage, "delete", away)
    assert (catalog.fetch(entry) / "model.safetensors").read_bytes() == WEIGHTS


def test_a_cancel_ends_it_and_what_came_whole_is_not_fetched_again(
    hub: Hub,  # noqa: F811
    node: Callable[[str], Catalog],
    storage: Storage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = node("a"), node("b")
    entry = first.resolve(REPO, "text")
    first.fetch(entry)

    def cancel(stage: str, done: float = 0, total: float | None = None, unit: str = "", /) -> None:
        if done > 100:
            raise Cancelled

    with pytest.raises(Cancelled):
        second.fetch(entry, cancel)
    assert not second.is_ready(entry)
    asked: list[str] = []
    get = storage.get
    monkeypatch.setattr(storage, "get", lambda name, *rest: asked.append(name) or get(name, *rest))
    assert (second.fetch(entry) / "model.safetensors").read_bytes() == WEIGHTS
    assert len([name for name in asked if "/files/" in name]) == 1, "two of three had come whole"


def test_a_storage_that_takes_nothing_leaves_the_model_on_this_machine(
    hub: Hub,  # noqa: F811
    node: Callable[[str], Catalog],
    storage: Storage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put = storage.put

    def full(name: str, *rest: object) -> bool:
        if "/files/" in name:
            raise StorageAway("there", "no route")
        return put(name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(storage, "put", full)
    catalog = node("a")
    entry = catalog.resolve(REPO, "text")
    catalog.fetch(entry)
    assert catalog.is_ready(entry)


def test_a_folder_the_operator_added_on_one_machine_is_known_and_fetched_on_another(
    node: Callable[[str], Catalog], tmp_path: Path
) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "config.json").write_text('{"model_type": "llama"}')
    (mine / "model.safetensors").write_bytes(WEIGHTS)
    single = tmp_path / "small.gguf"
    single.write_bytes(os.urandom(500))
    for place in (mine, single):
        node("a").add(place)
    contents = single.read_bytes()
    for path in (*mine.iterdir(), single):
        path.rename(tmp_path / "assets" / path.name)
    mine.rmdir()
    other = node("b")
    entry = other.resolve("mine", "text")
    assert not other.is_ready(entry)
    assert (other.fetch(entry) / "model.safetensors").read_bytes() == WEIGHTS
    assert other.is_ready(entry)
    small = other.resolve("small", "text")
    assert other.fetch(small).read_bytes() == contents
    assert other.path(small).name == "small.gguf"
    with pytest.raises(StudioError, match="no model named nobodys"):
        other.resolve("nobodys", "text")


def test_on_one_machine_one_process_fetches(
    hub: Hub,  # noqa: F811
    node: Callable[[str], Catalog],
) -> None:
    catalog = node("a")
    entry, heard = catalog.resolve(REPO, "text"), []
    catalog.models.mkdir(parents=True)

    def report(stage: str, *_: object) -> None:
        heard.append(stage)
        if stage == "waiting":
            held.release()

    with FileLock(catalog.models / f".{entry.folder_name}.lock") as held:
        catalog.fetch(entry, report)
    assert heard[0] == "waiting"


def test_the_command_line_puts_a_model_where_the_others_find_it(
    hub: Hub,  # noqa: F811
    address: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = ["fetch", REPO, "--task", "text", "--storage", address]
    assert main([*given, "--data", str(tmp_path / "a")]) == 0
    hub.asked.clear()
    assert main([*given, "--data", str(tmp_path / "b")]) == 0
    assert downloads(hub) == []
    assert (tmp_path / "b" / "models" / REPO.replace("/", "--") / "model.safetensors").read_bytes() == WEIGHTS
    assert "is here" in capsys.readouterr().out
