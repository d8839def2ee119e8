"""Where bytes are kept, as the rest of the house sees it."""

from collections.abc import Iterator
from typing import Protocol


class Blobs(Protocol):
    """Bytes under content keys: `<kind>/<sha256 of the bytes>.<suffix>`. Writing the same bytes twice changes nothing.

    Kinds `photo`, `portrait`, `order` are personal data: sealed (encrypted) at rest.
    """

    def put(self, kind: str, data: bytes, suffix: str) -> str:
        """Keep `data`, answer its key. Raises Unavailable (`blobs.no_room`, `blobs.read_only`, `blobs.unavailable`)."""
        ...

    def get(self, key: str) -> bytes:
        """The bytes under `key`. Raises Refused (`blobs.missing`, `blobs.corrupt`: digest does not match)."""
        ...

    def exists(self, key: str) -> bool:
        """True when `key` is kept."""
        ...

    def delete(self, key: str) -> None:
        """Erase `key`; erasing what is gone is no error."""
        ...

    def keys(self, prefix: str = "") -> Iterator[str]:
        """All keys with that prefix, in order."""
        ...
