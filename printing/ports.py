"""The printer, as the house sees it."""

from typing import Protocol

from printing.models import PrintJob


class Printer(Protocol):
    """A card printer. One key is one job, however often it is submitted."""

    def submit(self, key: str, title: str, document: bytes) -> PrintJob:
        """Hand over a print-ready PDF once. The same key with another document is Refused (`print.key_reused`).

        Raises Unavailable (`print.printer_stopped`: jam, ribbon, off) when nothing was taken, Unsure
        (`print.answer_lost`) when it may have been.
        """
        ...

    def look_up(self, key: str) -> PrintJob | None:
        """The job that was submitted under `key`, or None when the printer never got it."""
        ...
