"""The second kind of storage: a bucket of an object store that speaks S3, by ``obstore``.

Knows obstore and what its errors mean. Endpoint, region and keys come from the environment, by the usual names:
AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, or from the machine's role.
A small file is put by a conditional request; a large one goes in parts, which no store does on a condition, so it is
looked for first: of two machines that put the same name at once the later wins. Large files are therefore to be named
by their contents. Each carries its sha256, by which one that is there already is compared without reading it. Parts of
an upload that a kill cut short are invisible; a lifecycle rule of the bucket (abort incomplete uploads) clears them.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pipelines.durable import DiskFull
from pipelines.errors import StudioError
from pipelines.storage import (
    PIECE,
    RENEW,
    Content,
    Source,
    StorageAway,
    Stored,
    Taken,
    checked,
    lets_nobody_in,
    sha256_of,
    size_of,
)

if TYPE_CHECKING:
    from obstore import GetResult

#: from this many bytes on a file is sent in parts, of at least as many each
PART = 16 << 20
#: S3 knows no more parts of one file
_PARTS = 9000
#: parts on their way at once: so many are in memory, of a file however large
_AT_ONCE = 4
_DIGEST = "sha256"
_FULL = ("507 Insufficient", "XMinioStorageFull", "QuotaExceeded", "ServiceQuotaExceeded", "NoSpaceLeft")
_ELSEWHERE = ("AuthorizationHeaderMalformed", "incorrectly configured region", "PermanentRedirect")
_BEYOND = ("416 Re", "416 Ra", "InvalidRange")
_REFUSED = ("403 Forbidden", "401 Unauthorized", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch")


class ObjectStorage:
    """Files in ``bucket``, below ``prefix``. Asked again for ``patience`` seconds where there is no answer."""

    def __init__(self, bucket: str, prefix: str = "", patience: float = 20.0) -> None:
        try:
            import obstore
            from obstore.store import S3Store
        except ImportError as error:
            raise StudioError(
                "storage.extra",
                "An object store needs one library more: pip install -e '.[cluster]'.",
            ) from error
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL", "")
        self._obstore: Any = obstore
        self._bucket = bucket
        self._store = S3Store(
            bucket,
            prefix=prefix or None,
            checksum_algorithm="SHA256",  # the store compares what arrived with what was sent
            client_options={
                "allow_http": endpoint.startswith("http://"),
                "connect_timeout": timedelta(seconds=5),
                "read_timeout": timedelta(seconds=30),
                "timeout": timedelta(hours=6),  # of one request, the longest download included
            },
            retry_config={"max_retries": 50, "retry_timeout": timedelta(seconds=patience)},
        )
        self.address = f"s3://{bucket}/{prefix}".rstrip("/")

    def put(self, name: str, source: Source, digest: str = "") -> bool:
        size, digest = size_of(source), digest or sha256_of(source)
        if size > PART:
            if (there := self._head(name)) is not None:
                return self._again(name, there, source, digest)
            self._send(name, source, digest, **_in_parts(size))
            return True
        try:
            self._send(name, source, digest, mode="create")
        except Taken:
            there = self._head(name)
            return self.put(name, source, digest) if there is None else self._again(name, there, source, digest)
        return True

    def get(self, name: str, start: int = 0, end: int | None = None) -> Content:
        options = {} if start == 0 and end is None else {"range": {"offset": start} if end is None else (start, end)}
        with self._sentences():
            if end is not None and end <= start:
                return self._nothing_of(name)
            try:
                found: GetResult = self._obstore.get(self._store, checked(name), options=options)
            except self._obstore.exceptions.BaseError as error:
                if not any(word in str(error) for word in _BEYOND):
                    raise
                return self._nothing_of(name)  # it ends before ``start``
        return Content(found.meta["size"], self._pieces(found), modified=found.meta["last_modified"].timestamp())

    def delete(self, names: Iterable[str]) -> None:
        gone = [checked(name) for name in names]
        with self._sentences():
            if gone:
                self._obstore.delete(self._store, gone)

    def list(self, folder: str = "") -> Iterator[Stored]:
        prefix = checked(folder) if folder else None
        with self._sentences():
            for some in self._obstore.list(self._store, prefix, chunk_size=1000):
                for one in some:
                    yield Stored(one["path"], one["size"], one["last_modified"].timestamp())

    # ------------------------------------------------------------------------------------------- inside

    def _send(self, name: str, source: Source, digest: str, **how: Any) -> None:
        with self._sentences():
            try:
                self._obstore.put(self._store, checked(name), source, attributes={_DIGEST: digest}, **how)
            except (self._obstore.exceptions.AlreadyExistsError, self._obstore.exceptions.PreconditionError):
                raise Taken(name) from None

    def _again(self, name: str, there: GetResult, source: Source, digest: str) -> bool:
        """False, as these bytes are there, and their time is a fresh one. Raises ``Taken`` for others.

        So it is also where an answer was lost and obstore asked again: what is there is what was sent.
        """
        if self._digest(name, there) != digest:
            raise Taken(name)
        if time.time() - there.meta["last_modified"].timestamp() > RENEW:
            size = size_of(source)
            self._send(name, source, digest, **_in_parts(size))  # whole or not at all: the same, with a new time
        return False

    def _digest(self, name: str, there: GetResult) -> str:
        """As the file says, else by reading it: another program put it there."""
        said = there.attributes.get(_DIGEST)
        return str(said) if said else sha256_of(self.get(name).read())

    def _head(self, name: str) -> GetResult | None:
        with self._sentences():
            try:
                found: GetResult = self._obstore.get(self._store, checked(name), options={"head": True})
            except FileNotFoundError as error:
                self._check_bucket(error)
                return None
        return found

    def _nothing_of(self, name: str) -> Content:
        meta = self._obstore.head(self._store, checked(name))
        return Content(meta["size"], iter(()), modified=meta["last_modified"].timestamp())

    def _pieces(self, found: GetResult) -> Iterator[bytes]:
        with self._sentences():
            yield from map(bytes, found.stream(min_chunk_size=PIECE))

    def _check_bucket(self, error: Exception) -> None:
        if "NoSuchBucket" in str(error):
            raise StudioError(
                "storage.bucket", "There is no bucket {bucket} in the object store. Make it once.", bucket=self._bucket
            ) from error

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        errors = self._obstore.exceptions
        try:
            yield
        except FileNotFoundError as error:
            self._check_bucket(error)
            raise FileNotFoundError(str(error).split(":", 1)[0]) from None
        except errors.BaseError as error:
            self._check_bucket(error)
            said = str(error)
            if any(word in said for word in _ELSEWHERE):
                raise StudioError(
                    "storage.region",
                    "The bucket {bucket} is in another region than this machine was told. Set AWS_REGION to it.",
                    bucket=self._bucket,
                ) from error
            shut = isinstance(error, (errors.PermissionDeniedError, errors.UnauthenticatedError))
            if shut or any(word in said for word in _REFUSED):
                raise lets_nobody_in(self.address, _code(said)) from error
            if any(word in said for word in _FULL):
                raise DiskFull from error
            raise StorageAway(self.address, _reason(said)) from error


def _code(said: str) -> str:
    """What the store calls its reason, such as SignatureDoesNotMatch or RequestTimeTooSkewed."""
    found = re.search(r"<Code>(\w+)</Code>", said)
    return found[1] if found else "403 Forbidden"


def _in_parts(size: int) -> dict[str, Any]:
    """How obstore sends a file of ``size`` bytes: what is small, in one request."""
    if size <= PART:
        return {"use_multipart": False}
    return {"use_multipart": True, "chunk_size": max(PART, size // _PARTS), "max_concurrency": _AT_ONCE}


def _reason(said: str) -> str:
    """The first line of what obstore says, without what is of use to programmers only."""
    return said.split("\n", 1)[0].split(" in ", 1)[-1][:160]
