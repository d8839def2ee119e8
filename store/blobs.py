"""Bytes under content keys, in a folder or in S3; personal data sealed before it leaves this process.

Worker processes carry these objects with them, so they hold settings only and connect when first used.
"""

import errno
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from botocore.exceptions import BotoCoreError, ClientError

from cards.errors import HseCardError, Refused, Unavailable
from store.ports import Blobs
from store.s3 import S3Place, connect, said
from store.seal import Seal, sealed_kind

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_KEY = re.compile(r"^[a-z][a-z_]*/[0-9a-f]{64}\.[a-z0-9]{1,8}$")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_NO_ROOM_S3 = {"InsufficientStorage", "QuotaExceeded", "QuotaExceededException", "XMinioStorageFull", "507"}
_FORBIDDEN_S3 = {"AccessDenied", "403", "InvalidAccessKeyId", "SignatureDoesNotMatch"}
_MISSING_S3 = {"NoSuchKey", "NotFound", "404"}


def blob_key(kind: str, data: bytes, suffix: str) -> str:
    """`<kind>/<sha256 of the plain bytes>.<suffix>`. A kind is lower case, a suffix without its dot."""
    key = f"{kind}/{hashlib.sha256(data).hexdigest()}.{suffix}"
    if not _KEY.match(key):
        raise ValueError(f"{kind!r} and {suffix!r} make no blob key")
    return key


class _Sealing:
    """What both kinds of place share: keys judged, bytes sealed on the way in, opened and checked on the way out."""

    def __init__(self, seal_key: bytes) -> None:
        self._seal_key = seal_key

    @cached_property
    def _seal(self) -> Seal:
        return Seal(self._seal_key)

    def __getstate__(self) -> dict[str, Any]:
        """Settings travel to a worker process; ciphers and connections are made again there."""
        return {name: value for name, value in vars(self).items() if name not in ("_seal", "_client")}

    def __repr__(self) -> str:
        """Without the key."""
        return f"{type(self).__name__}(…)"

    def _closed(self, key: str, data: bytes) -> bytes:
        return self._seal.close(key, data) if sealed_kind(key) else data

    def _opened(self, key: str, kept: bytes) -> bytes:
        data = self._seal.open(key, kept) if sealed_kind(key) else kept
        if hashlib.sha256(data).hexdigest() != key.partition("/")[2].partition(".")[0]:
            raise Refused(
                "blobs.corrupt",
                f"{key} is not what was kept: its digest differs",
                fix="restore it from backup; a document can be drawn again and must come out the same",
            )
        return data


def _missing(key: str) -> Refused:
    return Refused(
        "blobs.missing", f"there is no {key}", fix="restore it from backup, or import what it came from again"
    )


def _judged(key: str) -> str:
    if not _KEY.match(key):
        raise Refused("blobs.key_invalid", f"{key!r} is no blob key", fix="use the key that `put` answered")
    return key


class FolderBlobs(_Sealing):
    """Blobs as files under `root`: written beside, flushed to disk, then moved into place, so never half there."""

    def __init__(self, root: Path | str, seal_key: bytes, *, durable: bool = True) -> None:
        super().__init__(seal_key)
        self.root = Path(root)
        self._durable = durable

    def put(self, kind: str, data: bytes, suffix: str) -> str:
        key = blob_key(kind, data, suffix)
        path = self.root / key
        closed = self._closed(key, data)
        with _disk_in_our_words(self.root):
            if not (path.is_file() and path.stat().st_size == len(closed)):
                path.parent.mkdir(parents=True, exist_ok=True)
                self._write(path, closed)
        return key

    def _write(self, path: Path, data: bytes) -> None:
        with NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".part", delete=False) as part:
            try:
                part.write(data)
                part.flush()
                if self._durable:
                    os.fsync(part.fileno())
                part.close()
                os.replace(part.name, path)
            except BaseException:
                with suppress(OSError):
                    os.unlink(part.name)
                raise
        if self._durable:
            _flush_folder(path.parent)

    def get(self, key: str) -> bytes:
        with _disk_in_our_words(self.root):
            try:
                kept = (self.root / _judged(key)).read_bytes()
            except FileNotFoundError:
                raise _missing(key) from None
        return self._opened(key, kept)

    def exists(self, key: str) -> bool:
        with _disk_in_our_words(self.root):
            return (self.root / _judged(key)).is_file()

    def delete(self, key: str) -> None:
        with _disk_in_our_words(self.root):
            (self.root / _judged(key)).unlink(missing_ok=True)

    def keys(self, prefix: str = "") -> Iterator[str]:
        with _disk_in_our_words(self.root):
            found = [path.relative_to(self.root).as_posix() for path in self.root.glob("*/*") if path.is_file()]
        yield from sorted(key for key in found if key.startswith(prefix) and _KEY.match(key))


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _disk_in_our_words(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        raise _of_disk(fault, root) from fault


def _of_disk(fault: OSError, root: Path) -> HseCardError:
    if fault.errno in _FULL:
        return Unavailable(
            "blobs.no_room",
            f"no room for blobs under {root}: {fault.strerror}",
            fix="make room on that disk and run again; what was kept so far stays",
        )
    if fault.errno in _FORBIDDEN:
        return Unavailable(
            "blobs.read_only",
            f"blobs under {root} cannot be read or written: {fault.strerror}",
            fix="give this user the right to write there, or name another place in the settings",
        )
    return Unavailable(
        "blobs.unavailable", f"blobs under {root} are not to be had: {fault.strerror}", fix="see `hsecard doctor`"
    )


class S3Blobs(_Sealing):
    """Blobs as objects `<prefix>/<key>` of a bucket. Credentials come from the environment unless given."""

    def __init__(
        self,
        bucket: str,
        prefix: str,
        seal_key: bytes,
        endpoint_url: str | None = None,
        *,
        region: str | None = None,
        access_key: str | None = None,
        secret_key: str | None = None,
    ) -> None:
        super().__init__(seal_key)
        self.place = S3Place(endpoint_url=endpoint_url, region=region, access_key=access_key, secret_key=secret_key)
        self.bucket = bucket
        self.prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    @cached_property
    def _client(self) -> "S3Client":
        return connect(self.place)

    def put(self, kind: str, data: bytes, suffix: str) -> str:
        key = blob_key(kind, data, suffix)
        with self._in_our_words(key):
            # Equal keys are equal bytes: writing them again, also at once by two workers, changes nothing.
            self._client.put_object(Bucket=self.bucket, Key=self.prefix + key, Body=self._closed(key, data))
        return key

    def get(self, key: str) -> bytes:
        with self._in_our_words(key):
            kept = self._client.get_object(Bucket=self.bucket, Key=self.prefix + _judged(key))["Body"].read()
        return self._opened(key, kept)

    def exists(self, key: str) -> bool:
        try:
            with self._in_our_words(key):
                self._client.head_object(Bucket=self.bucket, Key=self.prefix + _judged(key))
        except Refused as fault:
            if fault.code == "blobs.missing":
                return False
            raise
        return True

    def delete(self, key: str) -> None:
        with self._in_our_words(key):
            self._client.delete_object(Bucket=self.bucket, Key=self.prefix + _judged(key))

    def keys(self, prefix: str = "") -> Iterator[str]:
        with self._in_our_words(prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=self.prefix + prefix
            )
            found = [item["Key"].removeprefix(self.prefix) for page in pages for item in page.get("Contents", [])]
        yield from sorted(key for key in found if _KEY.match(key))

    @contextmanager
    def _in_our_words(self, key: str) -> Iterator[None]:
        try:
            yield
        except ClientError as fault:
            raise _of_s3(fault, self.bucket, key) from fault
        except BotoCoreError as fault:
            raise Unavailable(
                "blobs.unavailable",
                f"S3 does not answer for bucket {self.bucket}: {type(fault).__name__}",
                fix="check endpoint, network and credentials, then run again",
            ) from fault


def _of_s3(fault: ClientError, bucket: str, key: str) -> HseCardError:
    code = said(fault)
    if code in _MISSING_S3:
        return _missing(key)
    if code in _NO_ROOM_S3:
        return Unavailable("blobs.no_room", f"bucket {bucket} has no room ({code})", fix="make room and run again")
    if code in _FORBIDDEN_S3:
        return Unavailable(
            "blobs.read_only",
            f"bucket {bucket} does not let us read or write ({code})",
            fix="give these credentials the right to get, put, list and delete under the prefix",
        )
    return Unavailable(
        "blobs.unavailable", f"bucket {bucket} is not to be had ({code})", fix="check that the bucket exists, run again"
    )


def open_blobs(url: str | Path, *, seal_key: bytes) -> Blobs:
    """`file:///path`, a path, or `s3://bucket/prefix` → its blobs. Raises Refused `blobs.url_invalid`,
    `blobs.weak_key`."""
    Seal(seal_key)
    parts = urlsplit(str(url))
    if parts.scheme == "s3" and parts.netloc:
        return S3Blobs(parts.netloc, parts.path, seal_key)
    if parts.scheme == "file" and parts.path:
        return FolderBlobs(url2pathname(parts.path), seal_key)
    if "://" in str(url) or not str(url):
        raise Refused(
            "blobs.url_invalid",
            f"{url} names no place for blobs",
            field="HSECARD_BLOBS",
            fix="use a folder, file:///folder or s3://bucket/prefix",
        )
    return FolderBlobs(Path(url), seal_key)
