"""The postcode register of this house: the official file once an operator has loaded it, the bundled one until then.

The file lies in the house's folder in the official layout, so that the next start reads what was checked at the import.
"""

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from shipping.register import Changes, Register, as_official, bundled_register, changes_between, load_register

FILE_NAME = "postcodes-no.tsv"


@dataclass(frozen=True)
class Imported:
    """What loading a register changes: `changes` against the one in use, and how many codes the new one has."""

    changes: Changes
    codes: int
    categories: int
    place: Path


def register_of(home: Path) -> Register:
    """The register that judges addresses in the house at `home`. Raises Refused `register.layout`."""
    path = home / FILE_NAME
    try:
        stamp = path.stat()
    except OSError:
        return bundled_register()
    return _loaded(path, stamp.st_mtime_ns, stamp.st_size)


@lru_cache(maxsize=4)
def _loaded(path: Path, changed_ns: int, size: int) -> Register:
    """Read once a file: `changed_ns` and `size` tell it from the next one of its name."""
    return load_register(path)


def import_postcodes(home: Path, path: Path, *, dry_run: bool = False) -> Imported:
    """Load the official file at `path` into the house and say what changed. With `dry_run`, only say it.

    Raises Refused `register.unreadable` or `register.layout` (naming the lines); then the house keeps the register
    that it had.
    """
    new, old, place = load_register(path), register_of(home), home / FILE_NAME
    changes = changes_between(old, new)
    if not dry_run:
        home.mkdir(parents=True, exist_ok=True)
        beside = place.with_suffix(".new")
        beside.write_bytes(as_official(new))
        os.replace(beside, place)
    return Imported(
        changes=changes,
        codes=len(new.codes),
        categories=sum(code.category is not None for code in new.codes.values()),
        place=place,
    )
