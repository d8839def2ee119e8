"""The access point as a folder: one enveloped e-invoice a file, for the access point's own client to pick up.

Every Norwegian access point takes files in this envelope; which one it is, is a contract and not code.
"""

from pathlib import Path

from billing.adapters.outbox import outbox_file, write_once
from billing.envelope import enveloped
from cards.errors import Unavailable


class FolderAccessPoint:
    """Implements `billing.ports.AccessPoint` on a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, key: str, document: bytes, *, sender: str, receiver: str) -> str:
        file = outbox_file(self._folder, key, "xml")
        data = enveloped(document, key=key, sender=sender, receiver=receiver)
        try:
            write_once(file, data)
        except OSError as fault:
            raise Unavailable(
                "access_point.unavailable",
                f"the access point's folder cannot be written: {fault.strerror}",
                fix="make room or correct the folder's rights, then run again",
            ) from fault
        return file.name

    def look_up(self, key: str) -> str | None:
        file = outbox_file(self._folder, key, "xml")
        return file.name if file.exists() else None
