"""What the bank says was paid in: every payment once, and what its invoice owed when it came.

One import at a time: two that met on one invoice would both take it for open.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Select, case, func, insert, or_, select, text

from billing.bank_file import BankLine, Judged, Owed
from billing.ledger import RECEIVABLE
from store.ledger_tables import bank_payments
from store.refund_tables import refund_roads
from store.stripe_tables import stripe_payments
from store.tables import credit_notes, invoice_lines, invoices, ledger_entries, orders
from store.transaction import Transaction

_IMPORT_LOCK = 4_711_2028


@dataclass(frozen=True, slots=True)
class BankPayment:
    """A payment as it was imported. Amounts in øre; `difference` is what was wrong with it."""

    key: str
    source: str
    line: int
    received_on: date
    kid: str
    amount_ore: int
    currency: str
    invoice: int | None
    to_invoice_ore: int
    unallocated_ore: int
    difference: str | None
    imported_by: str
    imported_at: datetime


class Bank:
    """Payments by bank, append-only."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def hold(self) -> None:
        """Others who look at what is open wait until this transaction ends; SQLite has one writer anyway."""
        if self._tx.connection.dialect.name == "postgresql":
            self._tx.connection.execute(text(f"SELECT pg_advisory_xact_lock({_IMPORT_LOCK})"))

    def known(self, keys: Sequence[str]) -> dict[str, BankPayment]:
        """Those of at most some hundred keys that were imported before."""
        return {payment.key: payment for payment in self._read(select(bank_payments).where(_c.key.in_(keys)))}

    def all(self, *, differing: bool = False) -> list[BankPayment]:
        """Every payment in the order of day and key; with `differing` those that something is wrong with."""
        query = select(bank_payments).order_by(_c.received_on, _c.key)
        return self._read(query.where(_c.difference.is_not(None)) if differing else query)

    def _read(self, query: Select[Any]) -> list[BankPayment]:
        return [BankPayment(**row) for row in self._tx.connection.execute(query).mappings()]

    def add(self, payments: Iterable[tuple[BankLine, int | None, Judged]], *, source: str, by: str) -> None:
        """Keep payments that are not known, with their invoice and what was found of them."""
        at = self._tx.now()
        rows = [
            {
                **line._asdict(),
                **judged._asdict(),
                "invoice": invoice,
                "source": source,
                "imported_by": by,
                "imported_at": at,
            }
            for line, invoice, judged in payments
        ]
        if rows:
            self._tx.connection.execute(insert(bank_payments), rows)

    def owed(self, kids: Sequence[str]) -> dict[str, Owed]:
        """What is open on the invoices of at most some hundred KIDs: charged, less paid, less set off."""
        query = select(invoices.c.kid, invoices.c.number).where(invoices.c.kid.in_(kids))
        numbers = {number: kid for kid, number in self._tx.connection.execute(query)}
        return {numbers[owed.invoice]: owed for owed in self._owed(numbers)}

    def open_among(self, numbers: Iterable[int]) -> dict[int, int]:
        """Øre that is owed on some invoices, in their order; what is paid, set off or void is left out."""
        found = self._owed(numbers)
        return {owed.invoice: owed.open_ore for owed in found if owed.open_ore > 0 and not owed.void}

    def left_on(self, number: int) -> int:
        """Øre still open on an invoice, void or not; nothing where more was paid or set off."""
        (owed,) = self._owed([number])
        return max(owed.open_ore, 0)

    def open_of(self, org_number: str) -> dict[int, int]:
        """As `open_among`, of all of a payer's invoices, oldest first."""
        of_payer = select(orders.c.order_number).where(orders.c.org_number == org_number)
        query = select(invoice_lines.c.number).where(invoice_lines.c.order_number.in_(of_payer)).distinct()
        return self.open_among(self._tx.connection.scalars(query.order_by(invoice_lines.c.number)).all())

    def _owed(self, numbers: Iterable[int]) -> list[Owed]:
        numbers = list(numbers)
        moved, off, void = self._moved(numbers), self._set_off_before(), self._void(numbers)
        return [
            Owed(
                invoice=number,
                open_ore=sum(moved.get(number, {}).values()) - off.get(number, 0),
                paid=moved.get(number, {}).get("paid", 0) < 0,
                void=number in void,
            )
            for number in numbers
        ]

    def _moved(self, numbers: Iterable[int]) -> dict[int, dict[str, int]]:
        """Øre on the receivable of each invoice: charged by its own posting, set off, and paid by all others."""
        entry = ledger_entries.c
        documents = {f"invoice/{number}": number for number in numbers}
        how = case(
            (entry.posting.like("invoice:%"), "charged"), (entry.posting.like("set_off:%"), "set_off"), else_="paid"
        ).label("how")
        query = select(entry.document, how, func.sum(entry.amount_ore)).where(
            entry.account == RECEIVABLE, entry.document.in_(documents)
        )
        sums: dict[int, dict[str, int]] = {}
        for document, kind, ore in self._tx.connection.execute(query.group_by(entry.document, "how")):
            sums.setdefault(documents[document], {})[kind] = int(ore)
        return sums

    def _set_off_before(self) -> dict[int, int]:
        """Øre set off by credit notes before each set-off named its invoice: on those that the note credits, up to what
        it credits of each."""
        road, note = refund_roads.c, credit_notes.c
        query = select(note.content, road.amount_ore).join(credit_notes, note.case_id == road.case_id)
        off: dict[int, int] = {}
        for content, ore in self._tx.connection.execute(query.where(road.road == "set_off", road.invoice.is_(None))):
            left = ore
            for line in content["lines"]:
                share = min(left, line["net_ore"] + line["vat_ore"])
                left -= share
                if line["invoice_number"].isdigit():
                    off[int(line["invoice_number"])] = off.get(int(line["invoice_number"]), 0) + share
        return off

    def _void(self, numbers: Iterable[int]) -> set[int]:
        paid = stripe_payments.c
        query = select(paid.invoice).where(paid.void_at.is_not(None), paid.invoice.in_(list(numbers)))
        return set(self._tx.connection.scalars(query))

    def unbooked(self) -> list[str]:
        """Keys of payments in kroner that the ledger has not with the same amounts, for the audit."""
        entry = ledger_entries.c
        posting = "payment:bank:" + _c.key
        of_invoice = func.coalesce(func.sum(-entry.amount_ore).filter(entry.account == RECEIVABLE), 0)
        in_all = func.coalesce(func.sum(entry.amount_ore).filter(entry.amount_ore * _c.amount_ore > 0), 0)
        query = (
            select(_c.key)
            .outerjoin(ledger_entries, entry.posting == posting)
            .where(_c.currency == "NOK")
            .group_by(_c.key, _c.amount_ore, _c.to_invoice_ore)
            .having(or_(of_invoice != _c.to_invoice_ore, in_all != _c.amount_ore))
        )
        return list(self._tx.connection.scalars(query.order_by(_c.key)))


_c = bank_payments.c
