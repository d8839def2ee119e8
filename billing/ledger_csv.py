"""The ledger for a spreadsheet as Norwegian offices open it: semicolons, decimal comma, UTF-8 with BOM, CRLF.

One row an entry. Texts that a spreadsheet would run as a formula get an apostrophe in front; amounts are never
negative, they stand under debit or credit.
"""

import csv
import io
from collections.abc import Iterable

from billing.chart import account_named
from billing.models import LedgerEntry
from cards.money import nok

COLUMNS = (
    "posting",
    "line",
    "booked_on",
    "dated_on",
    "account",
    "account_name",
    "debit",
    "credit",
    "vat_code",
    "document",
    "text",
)


def ledger_csv(entries: Iterable[LedgerEntry]) -> bytes:
    """The entries in their order, under a heading. Raises Refused `ledger.account_unknown`."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for entry in entries:
        writer.writerow([_formula_safe(cell) for cell in _cells(entry)])
    return out.getvalue().encode("utf-8-sig")


def _cells(entry: LedgerEntry) -> tuple[str, ...]:
    return (
        entry.posting,
        str(entry.position),
        entry.booked_on.isoformat(),
        (entry.dated_on or entry.booked_on).isoformat(),
        entry.account,
        account_named(entry.account).name,
        _kroner(entry.amount_ore),
        _kroner(-entry.amount_ore),
        entry.vat_code or "",
        entry.document,
        entry.text,
    )


def _kroner(amount_ore: int) -> str:
    return nok(amount_ore).replace(".", ",") if amount_ore > 0 else ""


def _formula_safe(cell: str) -> str:
    return f"'{cell}" if cell.lstrip()[:1] in ("=", "+", "-", "@") or cell[:1] in ("\t", "\r", "\n") else cell
