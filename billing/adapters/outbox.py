"""A folder that things leave by: a file is whole or not there, and the first under a key stands for ever."""

import hashlib
import os
from pathlib import Path


def outbox_file(folder: Path, key: str, suffix: str) -> Path:
    """A readable start for whoever opens the folder; the digest tells all keys apart."""
    readable = "".join(sign if sign.isascii() and sign.isalnum() else "-" for sign in key)[:40]
    return folder / f"{readable}-{key_digest(key)[:12]}.{suffix}"


def write_once(file: Path, data: bytes) -> None:
    """Write and flush to the disk, never over what was sent before. Raises OSError."""
    if file.exists():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(f".{os.getpid()}.new")
    with fresh.open("wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    try:
        os.link(fresh, file)
    except FileExistsError:
        pass  # another process sent it in this moment
    finally:
        fresh.unlink()


def key_digest(key: str) -> str:
    """Forty hexadecimal characters that stand for a key."""
    return hashlib.sha256(key.encode()).hexdigest()[:40]
