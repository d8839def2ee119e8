"""Postage as it was charged before this system. To be filled."""

from pathlib import Path


def write_earlier(folder: Path) -> None:
    """Nothing yet."""
