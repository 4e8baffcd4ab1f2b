"""The studio's one signature, whichever machine signs."""

from __future__ import annotations

from pathlib import Path

from pipelines.storage import Storage
from studio.library.credentials import Credentials
from tests.library import drawn


def test_what_one_machine_signs_is_the_studios_own_on_every_other(storage: Storage, tmp_path: Path) -> None:
    first, second, page = (Credentials(tmp_path / name, storage) for name in ("a", "b", "web"))
    for signer in (first, second):
        signed = signer.sign(drawn(), "image/png", "A card", {"kind": "image"}, "1")
        found = page.read(signed, "image/png")
        assert found is not None
        assert found.state == "own"
    assert (tmp_path / "a" / "key.pem").read_bytes() == (tmp_path / "b" / "key.pem").read_bytes()
    assert (tmp_path / "b" / "key.pem").stat().st_mode & 0o77 == 0


def test_a_page_where_nothing_was_ever_signed_makes_no_key(storage: Storage, tmp_path: Path) -> None:
    assert Credentials(tmp_path / "web", storage).read(drawn(), "image/png") is None
    assert list(storage.list()) == []
