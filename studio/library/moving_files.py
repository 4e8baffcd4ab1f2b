"""The files of a studio that was begun on one machine into the storage that several share, each compared with its hash.

Knows what lies in a data folder and what becomes of it in a storage. Nothing is taken away from the folder, and what is
there already is not put again, so it may be begun anew after a kill.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tqdm import tqdm

from pipelines.catalog import Catalog
from pipelines.errors import StudioError
from pipelines.storage import Storage, Taken, sha256_of
from studio.library.credentials import Credentials
from studio.library.library import Library
from studio.settings import ASSETS
from studio.store.blobs import Blobs
from studio.store.job_states import publish
from studio.store.shared_blobs import FOLDER, blob_name
from studio.store.workspaces import Workspaces


def move_files(data: Path, storage: Storage) -> dict[str, int]:
    """Copies made files, uploads, the folders of jobs, models and the signing key; returns how many of each.

    Raises ``StudioError`` for a file that is torn, or where the storage takes no more.
    """
    blobs, workspaces = Blobs(data / FOLDER), Workspaces(data / "jobs")
    digests, jobs = list(blobs.digests()), list(workspaces.jobs())
    for digest in tqdm(digests, desc="files", disable=not sys.stderr.isatty()):
        path = blobs.path(digest)
        if sha256_of(path) != digest:
            raise StudioError("move.torn", "The file {digest} is torn, and the moving ended there.", digest=digest)
        storage.put(blob_name(digest), path, digest)
    for job_id in tqdm(jobs, desc="folders of jobs", disable=not sys.stderr.isatty()):
        try:
            publish(storage, job_id, workspaces.folder / job_id)
        except Taken:  # moved before, or it has gone on since
            continue
    models = Catalog(ASSETS, data, storage).share()
    Credentials(data / "credentials", storage).share()
    return {"files": len(digests), "folders of jobs": len(jobs), "models": models}


def check_moved(data: Path, storage: Storage) -> None:
    """Raises ``StudioError`` where the files lie in the folder and none in the storage: they would be missing."""
    if next(Blobs(data / FOLDER).digests(), None) and next(iter(storage.list(FOLDER)), None) is None:
        raise StudioError(
            "storage.unmoved",
            "The files of this studio lie in {folder} and none in {place}. Bring them there first: python -m "
            "studio.library migrate --data {folder} --storage {place}",
            folder=str(data),
            place=storage.address,
        )


def check_listed(library: Library, storage: Storage) -> None:
    """Raises ``StudioError`` where rows name files and the storage has none: an empty folder is there where a share is
    to be mounted, or the bucket is another."""
    if (count := len(library.listed())) and next(iter(storage.list(FOLDER)), None) is None:
        raise StudioError(
            "storage.empty",
            "The database lists {count} files and there is none in {place}. Mount what belongs there, or name the "
            "place where they are.",
            count=count,
            place=storage.address,
        )
