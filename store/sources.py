"""Where approved orders come from: a file, a folder, or a prefix in S3; each document with the photos that it names."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from cards.errors import Refused, Unavailable
from store.s3 import S3Place, connect, said

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_MISSING_S3 = {"NoSuchKey", "NoSuchBucket", "NotFound", "404"}


class OrderSource(Protocol):
    """Order documents by name, and the photos that they refer to."""

    def documents(self) -> Iterator[tuple[str, bytes]]:
        """(name, bytes) of every `*.json`, by name. Raises Refused `source.missing`, Unavailable
        `source.unavailable`."""
        ...

    def photo(self, document_name: str, ref: str, *, max_bytes: int) -> bytes:
        """The photo `ref` of a document: relative to it, or an s3:// address.

        Raises Refused `photo.missing`, `photo.too_large`; Unavailable `source.unavailable`.
        """
        ...


def open_source(path_or_url: str | Path, *, place: S3Place | None = None) -> OrderSource:
    """A source for `path_or_url`: an order file, a folder (searched to its depths), or s3://bucket/prefix."""
    if str(path_or_url).startswith("s3://"):
        return S3Source(str(path_or_url), place or S3Place())
    return FolderSource(Path(path_or_url), place or S3Place())


def _photo_missing(ref: str) -> Refused:
    return Refused("photo.missing", f"there is no photo {ref}", fix="put the photo beside the order and import again")


def _photo_too_large(ref: str, size: int, limit: int) -> Refused:
    return Refused(
        "photo.too_large",
        f"photo {ref} has {size:,} bytes",
        fix=f"send a JPEG or PNG of at most {_size(limit)}",
    )


def _size(count: int) -> str:
    return f"{count // 1_000_000} MB" if count >= 1_000_000 else f"{count:,} bytes"


def _source_missing(name: str) -> Refused:
    return Refused(
        "source.missing", f"there is nothing at {name}", fix="name an order file, a folder or s3://bucket/prefix"
    )


def _relative(ref: str) -> PurePosixPath:
    path = PurePosixPath(ref)
    if path.is_absolute() or ".." in path.parts:
        raise _photo_missing(ref)
    return path


class _S3Reader:
    """Objects by bucket and key."""

    def __init__(self, place: S3Place) -> None:
        self._place = place

    @cached_property
    def _client(self) -> "S3Client":
        return connect(self._place)

    def read(self, bucket: str, key: str) -> bytes:
        """The bytes of an object. Raises Refused `source.missing`."""
        with _s3_in_our_words(f"s3://{bucket}/{key}"):
            return self._client.get_object(Bucket=bucket, Key=key)["Body"].read()

    def size(self, bucket: str, key: str) -> int:
        """The size of an object in bytes. Raises Refused `source.missing`."""
        with _s3_in_our_words(f"s3://{bucket}/{key}"):
            return self._client.head_object(Bucket=bucket, Key=key)["ContentLength"]

    def keys(self, bucket: str, prefix: str) -> list[str]:
        """The keys under a prefix, in order."""
        with _s3_in_our_words(f"s3://{bucket}/{prefix}"):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
            return sorted(item["Key"] for page in pages for item in page.get("Contents", []))

    def photo(self, ref: str, *, max_bytes: int) -> bytes:
        """The photo at an s3:// address, its size looked at first."""
        bucket, _, key = ref.removeprefix("s3://").partition("/")
        try:
            size = self.size(bucket, key)
            if size > max_bytes:
                raise _photo_too_large(ref, size, max_bytes)
            return self.read(bucket, key)
        except Refused as fault:
            raise (_photo_missing(ref) if fault.code == "source.missing" else fault) from None


@contextmanager
def _s3_in_our_words(name: str) -> Iterator[None]:
    try:
        yield
    except ClientError as fault:
        if said(fault) in _MISSING_S3:
            raise _source_missing(name) from None
        raise _unavailable(name, said(fault)) from fault
    except BotoCoreError as fault:
        raise _unavailable(name, type(fault).__name__) from fault


def _unavailable(name: str, why: str) -> Unavailable:
    return Unavailable(
        "source.unavailable", f"{name} cannot be read: {why}", fix="check the path and the rights to read it, run again"
    )


class FolderSource:
    """Order files on disk."""

    def __init__(self, path: Path, place: S3Place) -> None:
        self._path = path
        self._s3 = _S3Reader(place)

    @property
    def _root(self) -> Path:
        return self._path if self._path.is_dir() else self._path.parent

    def documents(self) -> Iterator[tuple[str, bytes]]:
        with _disk_in_our_words(self._path):
            if not self._path.exists():
                raise _source_missing(str(self._path))
            found = [self._path] if self._path.is_file() else self._path.rglob("*.json")
            names = sorted(path.relative_to(self._root).as_posix() for path in found if path.is_file())
        for name in names:
            with _disk_in_our_words(self._root / name):
                document = (self._root / name).read_bytes()
            yield name, document

    def photo(self, document_name: str, ref: str, *, max_bytes: int) -> bytes:
        if ref.startswith("s3://"):
            return self._s3.photo(ref, max_bytes=max_bytes)
        path = (self._root / document_name).parent / _relative(ref)
        with _disk_in_our_words(path):
            if not path.is_file():
                raise _photo_missing(ref)
            if path.stat().st_size > max_bytes:
                raise _photo_too_large(ref, path.stat().st_size, max_bytes)
            return path.read_bytes()


@contextmanager
def _disk_in_our_words(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        raise _unavailable(str(path), str(fault.strerror)) from fault


class S3Source:
    """Order objects under a folder-like prefix, or one object; a document's name is its key below the prefix."""

    def __init__(self, url: str, place: S3Place) -> None:
        self._bucket, _, prefix = url.removeprefix("s3://").partition("/")
        self._only = prefix if prefix.endswith(".json") else None
        folder = prefix.rpartition("/")[0] if self._only else prefix.strip("/")
        self._folder = f"{folder}/" if folder else ""
        self._s3 = _S3Reader(place)

    def documents(self) -> Iterator[tuple[str, bytes]]:
        found = [self._only] if self._only else self._s3.keys(self._bucket, self._folder)
        keys = [key for key in found if key.endswith(".json")]
        if not keys:
            raise _source_missing(f"s3://{self._bucket}/{self._folder}")
        for key in keys:
            yield key.removeprefix(self._folder), self._s3.read(self._bucket, key)

    def photo(self, document_name: str, ref: str, *, max_bytes: int) -> bytes:
        if ref.startswith("s3://"):
            return self._s3.photo(ref, max_bytes=max_bytes)
        key = PurePosixPath(self._folder + document_name).parent / _relative(ref)
        return self._s3.photo(f"s3://{self._bucket}/{key.as_posix()}", max_bytes=max_bytes)
