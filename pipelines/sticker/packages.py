"""The npm packages the sticker pictures and their names come from: versions, checksums, licences, and how to get them.

Fetching is left to npm, so that a person's own mirror and proxy settings hold. Knows archives; not pictures.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.errors import StudioError


@dataclass(frozen=True)
class Package:
    """A published package, pinned. ``style`` is the drawing style its pictures have; empty for the package of names."""

    name: str
    version: str
    sha256: str
    style: str
    title: str
    author: str
    licence: str
    homepage: str

    @property
    def archive(self) -> str:
        """The file name ``npm pack`` gives it."""
        return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}.tgz"


PACKAGES = (
    Package(
        "@iconify-json/fluent-emoji",
        "1.2.7",
        "8044210dbf11e016d4de85f15d01a243423bd832457e7e2491df1b751c0e272b",
        "glossy",
        "Fluent Emoji",
        "Microsoft Corporation",
        "MIT",
        "https://github.com/microsoft/fluentui-emoji",
    ),
    Package(
        "@iconify-json/fluent-emoji-flat",
        "1.2.6",
        "7d064769dee690815f823bc5bcc511d957198caf9f5edd8dd9c1aa48a6aeb175",
        "flat",
        "Fluent Emoji Flat",
        "Microsoft Corporation",
        "MIT",
        "https://github.com/microsoft/fluentui-emoji",
    ),
    Package(
        "@iconify-json/noto",
        "1.2.9",
        "3e918d88fc945c0bb3d468dbace6f88caef67f01c9f0e7bcae0915a042e8f1ad",
        "noto",
        "Noto Emoji",
        "Google Inc",
        "Apache-2.0",
        "https://github.com/googlefonts/noto-emoji",
    ),
    Package(
        "@iconify-json/twemoji",
        "1.2.5",
        "19046dff7d8707ce96212ec86468b36ac5f8e60409629dd13f809265c6d0ebb7",
        "twitter",
        "Twitter Emoji (Twemoji)",
        "Twitter, Inc and other contributors",
        "CC-BY-4.0",
        "https://github.com/jdecked/twemoji",
    ),
    Package(
        "@iconify-json/fxemoji",
        "1.2.2",
        "f3e72b3c59d05e1db03b7e308d55c0d05bd7ba3f625a90da1b79313c12858eef",
        "firefox",
        "Firefox OS Emoji",
        "Mozilla",
        "Apache-2.0",
        "https://github.com/mozilla/fxemoji",
    ),
    Package(
        "emojibase-data",
        "17.0.0",
        "d01d0e2ca4e22cb402679532155342c71e2e871f25c32223c013b8b166ebdf5a",
        "",
        "Emojibase (names and tags)",
        "Miles Johnson",
        "MIT",
        "https://github.com/milesj/emojibase",
    ),
)
NAMES = PACKAGES[-1]
DRAWN = PACKAGES[:-1]


def fetch(folder: Path) -> None:
    """Every archive of ``PACKAGES`` into ``folder``, by ``npm pack``, checked. What is there already is checked only.

    Raises ``StudioError`` without npm, without a network, or where an archive is not the pinned one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for package in PACKAGES:
        if not (folder / package.archive).exists():
            _pack(package, folder)
        _check(package, folder / package.archive)


def _pack(package: Package, folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise StudioError(
            "sticker.npm",
            "The sticker pictures are published as npm packages, and npm is not on this machine. Install Node.js, or "
            "put {archive} and the others into {folder}.",
            archive=package.archive,
            folder=str(folder),
        )
    told = subprocess.run(
        [npm, "pack", "--silent", f"{package.name}@{package.version}"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if told.returncode or not (folder / package.archive).exists():
        raise StudioError(
            "sticker.unfetched",
            "npm could not fetch {name} {version}: {words}",
            name=package.name,
            version=package.version,
            words=(told.stderr or told.stdout).strip()[-300:] or "it gave no reason",
        )


def _check(package: Package, archive: Path) -> None:
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != package.sha256:
        raise StudioError(
            "sticker.checksum",
            "{archive} is not the file this recipe was written for (sha256 {found}, wanted {wanted}). Delete it and "
            "run this again.",
            archive=archive.name,
            found=found[:12],
            wanted=package.sha256[:12],
        )


def read_json(folder: Path, package: Package, name: str) -> Any:
    """The JSON file ``name`` inside the package's archive; nothing is unpacked to the disk."""
    with tarfile.open(folder / package.archive) as archive:
        file = archive.extractfile(f"package/{name}")
        if file is None:
            raise FileNotFoundError(f"{name} in {package.archive}")
        return json.load(file)
