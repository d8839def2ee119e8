"""What a virtual chip keeps without power: keys, settings, applications, files, counters.

It is stored sealed, because even a make-believe chip does not tell its keys to whoever finds its file.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from cards.errors import Refused

FACTORY_SETTINGS = 0x0F
CAPACITY = {1: 2048, 2: 4096, 3: 4096}
AES, DES = "aes", "des"


@dataclass
class StoredKey:
    """A key of the chip with its version byte."""

    kind: str
    value: bytes = field(repr=False)
    version: int = 0


@dataclass
class StoredFile:
    """A data file. `rights` are read, write, read-write, change (0 … 13 a key, 14 free, 15 never)."""

    backup: bool
    comm: int
    rights: tuple[int, int, int, int]
    data: bytes = field(repr=False)


@dataclass
class StoredApp:
    """An application: settings, keys by number, files by number."""

    settings: int
    keys: list[StoredKey]
    files: dict[int, StoredFile] = field(default_factory=dict)


@dataclass
class Memory:
    """A whole chip. Applications by AID in wire order (hex); `failures` count refused authentications a key."""

    uid: bytes
    generation: int
    free: int
    picc_key: StoredKey
    picc_settings: int = FACTORY_SETTINGS
    apps: dict[str, StoredApp] = field(default_factory=dict)
    failures: dict[str, list[int]] = field(default_factory=dict)
    random_uid: bool = False
    dead: bool = False
    strange: bool = False
    presentations: int = 0


def factory_chip(uid: bytes, *, generation: int) -> Memory:
    """As it leaves the supplier: card key single DES of zeros, no application."""
    return Memory(uid, generation, CAPACITY[generation], StoredKey(DES, bytes(8)))


def sealed(memory: Memory, seal_key: bytes) -> bytes:
    """The chip as bytes; the same chip gives the same bytes."""
    text = json.dumps(asdict(memory), default=bytes.hex, sort_keys=True, separators=(",", ":"))
    return AESSIV(seal_key).encrypt(text.encode(), [memory.uid])


def unsealed(data: bytes, *, uid: bytes, seal_key: bytes) -> Memory:
    """The chip from its bytes. Refused `chip.virtual_memory_damaged` when they are another's or were changed."""
    try:
        stored = json.loads(AESSIV(seal_key).decrypt(data, [uid]))
    except (InvalidTag, ValueError):
        raise Refused(
            "chip.virtual_memory_damaged",
            f"the stored memory of virtual chip {uid.hex().upper()} was changed, or written under another seed",
            fix="use the seed it was made with, or put the file back from a backup",
        ) from None
    return _memory(stored)


def seal_key(seed: bytes) -> bytes:
    """32 bytes for `sealed`."""
    return hashlib.sha256(b"hsecard virtual chip memory" + seed).digest()


def _memory(stored: dict[str, Any]) -> Memory:
    plain = {name: stored[name] for name in ("generation", "free", "picc_settings", "failures", "presentations")}
    flags = {name: stored[name] for name in ("random_uid", "dead", "strange")}
    apps = {aid: _app(app) for aid, app in stored["apps"].items()}
    uid = bytes.fromhex(stored["uid"])
    return Memory(uid=uid, picc_key=_key(stored["picc_key"]), apps=apps, **plain, **flags)


def _app(stored: dict[str, Any]) -> StoredApp:
    files = {int(number): _file(file) for number, file in stored["files"].items()}
    return StoredApp(stored["settings"], [_key(key) for key in stored["keys"]], files)


def _key(stored: dict[str, Any]) -> StoredKey:
    return StoredKey(stored["kind"], bytes.fromhex(stored["value"]), stored["version"])


def _file(stored: dict[str, Any]) -> StoredFile:
    read, write, both, change = stored["rights"]
    return StoredFile(stored["backup"], stored["comm"], (read, write, both, change), bytes.fromhex(stored["data"]))
