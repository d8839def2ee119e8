"""The printer, as the house sees it."""

from datetime import datetime
from typing import Protocol

from printing.models import PrinterStatus, PrintJob


class Printer(Protocol):
    """A card printer. One key is one job, however often it is submitted."""

    def submit(self, key: str, title: str, document: bytes) -> PrintJob:
        """Hand over a print-ready PDF once. The same key with another document is Refused (`print.key_reused`).

        Raises Unavailable (`print.printer_stopped`, `print.jam`, …) when nothing was taken, Unsure
        (`print.answer_lost`) when it may have been.
        """
        ...

    def look_up(self, key: str, asked_at: datetime) -> PrintJob | None:
        """The job that was submitted under `key`, or None when the printer never got it.

        A printer forgets. Raises Unsure (`print.history_gone`) when it knows no such job but does not remember
        everything since `asked_at`, the instant before the last attempt to submit.
        """
        ...

    def follow(self, key: str) -> PrintJob | None:
        """The job once it has ended or stopped, at the latest after the printer's patience; None when the printer
        does not know it any more. Raises Unavailable when the printer cannot be asked."""
        ...

    def status(self) -> PrinterStatus:
        """Whether it takes jobs now, and why not. Raises Unavailable when it cannot be asked."""
        ...
