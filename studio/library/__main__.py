"""``python -m studio.library migrate --data DIR --database URL --storage PLACE``: from one machine to several.

The rows go from the studio's file into a PostgreSQL, the files and models from its folder into a shared storage: both,
or one of them. Stop the studio first. Nothing is taken away, so it may be begun anew after a kill; each file that a row
names is read and its hash compared.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from sqlalchemy import or_, select
from tqdm import tqdm

from pipelines.errors import StudioError
from pipelines.storage import sha256_of
from studio.library.moving_files import move_files
from studio.settings import Settings
from studio.store.blobs import Blobs
from studio.store.database import Database
from studio.store.moving import move
from studio.store.sqlite import is_in_use
from studio.store.storage import check, open_storage
from studio.store.tables import BlobRow, ItemRow


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    asked = _parser().parse_args(arguments)
    try:
        if not asked.database and not asked.storage:
            raise StudioError("move.where", "Say where to: --database for the rows, --storage for the files, or both.")
        check_at_rest(asked.data.resolve())
        if (storage := open_storage(asked.storage)) is not None:
            check(storage)
            _say(move_files(asked.data.resolve(), storage))
        if asked.database:
            migrate(asked.data, asked.database, files_here=storage is None)
    except StudioError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


def migrate(data: Path, url: str, files_here: bool = True) -> None:
    """Copies the rows of the studio in ``data`` to the empty database at ``url`` and tells how many there were.

    Raises ``StudioError`` where there is no studio, a file is missing or torn, or the database is not empty.
    """
    file = data.resolve() / "studio.db"
    if not file.exists():
        raise StudioError("move.none", "There is no studio in {folder}: it has no studio.db.", folder=str(data))
    source, target = Database(f"sqlite:///{file}"), Database(url)
    try:
        _check_files(source, Blobs(data.resolve() / "blobs"))
        moved = move(source, target)
    finally:
        source.close()
        target.close()
    _say(moved)
    same = "--data and --database" if files_here else "--data, --database and --storage"
    print(f"Every row was compared. Start the studio with the same {same}.")  # noqa: T201


def _say(moved: Mapping[str, int]) -> None:
    for what, count in moved.items():
        print(f"{count:>9,}  {what}")  # noqa: T201


def check_at_rest(data: Path) -> None:
    """Raises ``StudioError`` where a studio is at work in ``data``: what it writes meanwhile would be left behind."""
    file = data / "studio.db"
    if file.exists() and is_in_use(file):
        raise StudioError(
            "move.running", "The studio in {folder} is running. Stop it first, then move it.", folder=str(data)
        )


def _check_files(database: Database, blobs: Blobs) -> None:
    with database.read() as session:
        digests = session.scalars(select(BlobRow.digest)).all()
    for digest in tqdm(digests, desc="files", disable=not sys.stderr.isatty()):
        path = blobs.path(digest)
        if not path.exists() or sha256_of(path) != digest:
            raise StudioError(
                "move.file",
                "The file {digest} of {what} is missing or torn; nothing was moved. Put it back from a backup, or "
                "delete that for good, then try again.",
                digest=digest,
                what=_what(database, digest),
            )


def _what(database: Database, digest: str) -> str:
    """What a person knows the file by."""
    named = or_(ItemRow.digest == digest, ItemRow.thumbnail == digest)
    with database.read() as session:
        titles = session.scalars(select(ItemRow.title).where(named).limit(3)).all()
    return ", ".join(f"“{title}”" for title in titles) or "an upload"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m studio.library", description="The library of this studio.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    moving = commands.add_parser("migrate", help="move rows into an empty PostgreSQL, files into a storage; stop first")
    default = Settings()  # type: ignore[call-arg]  # mypy overlooks that every field has a default
    moving.add_argument("--data", type=Path, default=default.data, metavar="DIR", help="the studio's data folder")
    moving.add_argument("--database", default="", metavar="URL", help="postgresql+psycopg://NAME:PASSWORD@HOST/NAME")
    moving.add_argument(
        "--storage", default="", metavar="PLACE", help="a folder all machines see, or s3://BUCKET/PREFIX"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
