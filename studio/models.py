"""The models of this machine, from the command line: ``python -m studio.models list|fetch|add|verify``.

For machines prepared ahead, and for operators who add a folder of their own. Knows the catalogue and how to print;
every sentence about what went wrong comes from the catalogue. Exit code 0: done; 1: said why not; 2: wrong usage.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from tqdm import tqdm

from pipelines.catalog import Catalog
from pipelines.entries import HUB_ID, TASKS, Entry, in_words
from pipelines.errors import StudioError
from studio.settings import ASSETS, Settings
from studio.store.storage import open_storage


def _say(text: object, stream: TextIO | None = None) -> None:
    print(text, file=stream)


class Bar:
    """A progress bar that follows a fetch: one line for each stage, on the error stream, gone when it is done."""

    def __init__(self) -> None:
        self._stage = ""
        self._bar: tqdm[None] | None = None

    def __call__(self, stage: str, done: float = 0, total: float | None = None, unit: str = "", /) -> None:
        if self._bar is None or stage != self._stage:
            self.close()
            self._stage = stage
            scaled = unit == "byte"
            self._bar = tqdm(
                desc=stage, total=total, unit="B" if scaled else unit or "it", unit_scale=scaled, leave=False
            )
        self._bar.total = total
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Clears the line."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    asked = _parser().parse_args(arguments)
    bar = Bar()
    try:
        catalog = Catalog(ASSETS, asked.data, open_storage(asked.storage))
        return int(asked.run(catalog, asked, bar))
    except StudioError as error:
        bar.close()
        _say(error, sys.stderr)
        return 1
    except KeyboardInterrupt:
        bar.close()
        _say("Stopped. Nothing half-fetched is used.", sys.stderr)
        return 1
    finally:
        bar.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m studio.models", description="The models of this machine.")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--data",
        type=Path,
        default=Settings().data,  # type: ignore[call-arg]  # mypy overlooks that every field has a default
        metavar="DIR",
        help="the data folder, the studio's own (default: STUDIO_DATA of the environment or .env, else ./data)",
    )
    common.add_argument(
        "--storage",
        default=Settings().storage,  # type: ignore[call-arg]
        metavar="PLACE",
        help="where several machines share files, as the studio's own setting: models are asked for and put there too",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    listed = commands.add_parser("list", parents=[common], help="what there is, how large, and what is here")
    listed.add_argument("--task", choices=TASKS, help="only models for this")
    listed.set_defaults(run=_list)

    fetched = commands.add_parser("fetch", parents=[common], help="bring models here, checked")
    fetched.add_argument("name", nargs="*", help="a name of the list or a Hugging Face id; none: every default")
    fetched.add_argument("--task", choices=("text", "image"), help="what a Hugging Face id is for")
    fetched.set_defaults(run=_fetch)

    added = commands.add_parser("add", parents=[common], help="put a folder or GGUF file of yours into the catalogue")
    added.add_argument("path", type=Path)
    added.add_argument("--name", default="", help="what to call it (default: the folder's name)")
    added.add_argument("--task", choices=("text", "image"), default="", help="refuse it where it is for another task")
    added.set_defaults(run=_add)

    verified = commands.add_parser("verify", parents=[common], help="read every byte again and compare")
    verified.add_argument("name", nargs="*", help="which; none: all that are here")
    verified.set_defaults(run=_verify)
    return parser


def _list(catalog: Catalog, asked: argparse.Namespace, _: Bar) -> int:
    rows: list[tuple[str, ...]] = [("NAME", "TASK", "HERE", "SIZE", "MEMORY", "LICENCE", "SOURCE")]
    rows += [_row(catalog, entry) for entry in catalog.entries(asked.task)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        _say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0


def _row(catalog: Catalog, entry: Entry) -> tuple[str, ...]:
    return (
        entry.name + (" *" if entry.default else ""),
        entry.task,
        "yes" if catalog.is_ready(entry) else "no",
        in_words(size) if (size := catalog.known_size(entry)) else "-",
        in_words(entry.min_memory_bytes) if entry.min_memory_bytes else "-",
        entry.licence + (" (gated)" if entry.gated else ""),
        entry.source.partition("/")[0] if entry.where.kind == "wheel" else entry.source,
    )


def _fetch(catalog: Catalog, asked: argparse.Namespace, bar: Bar) -> int:
    entries = [_meant(catalog, name, asked.task) for name in asked.name]
    for entry in entries or [entry for entry in catalog.entries() if entry.default]:
        if not catalog.is_ready(entry) and (size := catalog.size(entry)):
            _say(f"{entry.title}: {in_words(size)}, licence {entry.licence}")
        where = catalog.fetch(entry, bar)
        bar.close()
        _say(f"{entry.name} is here: {where}")
    return 0


def _meant(catalog: Catalog, name: str, task: str | None) -> Entry:
    """The entry ``name`` means. An unknown hub id needs its task, as nothing was asked of the hub yet."""
    known = catalog.named(name)
    if known is not None and task in (None, known.task):
        return known
    if task is None and HUB_ID.fullmatch(name):
        raise StudioError("models.whatfor", "Say what {name} is for: add --task text or --task image.", name=name)
    return catalog.resolve(name, task or "text")


def _add(catalog: Catalog, asked: argparse.Namespace, bar: Bar) -> int:
    entry = catalog.add(asked.path, asked.name, asked.task, bar)
    bar.close()
    _say(f"{entry.name} is in the catalogue, for {entry.task}: {len(entry.files)} files, {catalog.hash(entry)}")
    return 0


def _verify(catalog: Catalog, asked: argparse.Namespace, bar: Bar) -> int:
    entries = [_meant(catalog, name, None) for name in asked.name]
    failed = 0
    for entry in entries or [entry for entry in catalog.entries() if catalog.is_ready(entry)]:
        here = catalog.is_ready(entry)
        wrong = catalog.verify(entry, bar)
        bar.close()
        failed += bool(wrong) or not here
        _say(f"{entry.name}: {'as it was' if here and not wrong else 'not here' if not wrong else 'NOT as it was'}")
        for path, what in wrong.items():
            _say(f"  {what}: {path}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
