"""A house in which nothing lasts: `--dry-run` does the real act, with all its checks, and lets the transaction fall.

For acts of one transaction only; a line of stages is counted instead, since its later stages need the earlier ones'
results and the world outside.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import cast

from flows.house import House
from store.database import Store, UnitOfWork
from store.ports import Blobs


class _Enough(Exception):
    """Raised at the end of a rehearsed transaction so that it is rolled back."""


@dataclass(frozen=True)
class _Rehearsal:
    """A store whose transactions are always rolled back."""

    store: Store

    @contextmanager
    def begin(self) -> Iterator[UnitOfWork]:
        try:
            with self.store.begin() as uow:
                yield uow
                raise _Enough
        except _Enough:
            return

    @contextmanager
    def read(self) -> Iterator[UnitOfWork]:
        with self.store.read() as uow:
            yield uow


@dataclass(frozen=True)
class _Glass:
    """Blobs behind glass: to be looked at; what is put gets its key and is forgotten."""

    blobs: Blobs

    def put(self, kind: str, data: bytes, suffix: str) -> str:
        return f"{kind}/{hashlib.sha256(data).hexdigest()}.{suffix}"

    def get(self, key: str) -> bytes:
        return self.blobs.get(key)

    def exists(self, key: str) -> bool:
        return self.blobs.exists(key)

    def delete(self, key: str) -> None:
        return None

    def keys(self, prefix: str = "") -> Iterator[str]:
        return self.blobs.keys(prefix)


def rehearsing(house: House) -> House:
    """The same house over the same data; what is begun in it is checked and then undone."""
    return replace(house, store=cast(Store, _Rehearsal(house.store)), blobs=_Glass(house.blobs))
