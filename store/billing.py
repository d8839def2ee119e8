"""Invoices and credit notes: issued once, never changed.

The document is kept whole as it was issued; its lines stand beside it so that a card or a share of postage can be on
one invoice only.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from billing.models import CreditNote, Invoice, InvoiceLine
from cards.errors import Refused
from store.tables import credit_notes, invoice_lines, invoices, refund_items
from store.transaction import Transaction


class Invoices:
    """Issued invoices."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def add(self, invoice: Invoice) -> None:
        """Issue an invoice. Raises Refused `invoice.known` (number or KID taken), `invoice.card_invoiced` or
        `invoice.postage_invoiced` when a line stands on another invoice."""
        with self._tx.whole():
            if not self._tx.insert_new(invoices, _invoice_row(invoice)):
                raise Refused(
                    "invoice.known",
                    f"invoice {invoice.number} or its KID {invoice.kid} exists already",
                    fix="issue again with the next number of the series",
                )
            rows = [_line_row(invoice, position, line) for position, line in enumerate(invoice.lines, start=1)]
            if not self._tx.insert_many_new(invoice_lines, rows):
                raise self._invoiced_before(invoice)

    def _invoiced_before(self, invoice: Invoice) -> Refused:
        """Names the first line that found no place, since another invoice has its card or postage."""
        kept = select(invoice_lines.c.position).where(invoice_lines.c.number == invoice.number)
        placed = set(self._tx.connection.scalars(kept))
        line = next(line for position, line in enumerate(invoice.lines, start=1) if position not in placed)
        return _invoiced_before(invoice, line)

    def get(self, number: int) -> Invoice:
        """The invoice. Raises Refused `invoice.unknown`."""
        content = self._tx.connection.scalar(select(invoices.c.content).where(invoices.c.number == number))
        if content is None:
            raise Refused("invoice.unknown", f"there is no invoice {number}", fix="see `hsecard status`")
        return Invoice.model_validate(content)

    def all(self) -> list[Invoice]:
        """Every invoice, by number."""
        query = select(invoices.c.content).order_by(invoices.c.number)
        return [Invoice.model_validate(content) for content in self._tx.connection.scalars(query)]


def _invoice_row(invoice: Invoice) -> dict[str, Any]:
    """The column `order_number` is the first of its orders; each line has its own."""
    columns = {"number", "kid", "issued_on", "net_ore", "vat_ore", "gross_ore"}
    row = {**invoice.model_dump(include=columns), "order_number": invoice.order_numbers[0]}
    return row | {"content": invoice.model_dump(mode="json")}


def _line_row(invoice: Invoice, position: int, line: InvoiceLine) -> dict[str, Any]:
    columns = line.model_dump(include={"kind", "card_id", "shipment_id", "net_ore"})
    order_number = invoice.delivery_of(line).order_number
    return {**columns, "number": invoice.number, "position": position, "order_number": order_number}


def _invoiced_before(invoice: Invoice, line: InvoiceLine) -> Refused:
    if line.card_id is not None:
        return Refused(
            "invoice.card_invoiced",
            f"card {line.card_id} stands on another invoice",
            fix="nothing to do: it was invoiced; a wrong invoice is corrected by a credit note",
        )
    order_number = invoice.delivery_of(line).order_number
    return Refused(
        "invoice.postage_invoiced",
        f"the postage of order {order_number} in {line.shipment_id} stands on another invoice",
        fix="nothing to do: it was invoiced; a wrong invoice is corrected by a credit note",
    )


class CreditNotes:
    """Issued credit notes."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def add(self, note: CreditNote) -> None:
        """Issue a credit note. Raises Refused `credit_note.known` when the number or the case has one."""
        columns = {"number", "issued_on", "case_id", "net_ore", "vat_ore", "gross_ore"}
        row = {**note.model_dump(include=columns), "content": note.model_dump(mode="json")}
        if not self._tx.insert_new(credit_notes, row):
            raise Refused(
                "credit_note.known",
                f"credit note {note.number} exists already, or case {note.case_id} has one",
                fix="nothing to do: a case is credited once",
            )

    def get(self, number: int) -> CreditNote:
        """The credit note. Raises Refused `credit_note.unknown`."""
        content = self._tx.connection.scalar(select(credit_notes.c.content).where(credit_notes.c.number == number))
        if content is None:
            raise Refused("credit_note.unknown", f"there is no credit note {number}", fix="see `hsecard status`")
        return CreditNote.model_validate(content)

    def on_invoices(self, numbers: Sequence[int]) -> list[CreditNote]:
        """The credit notes with a line on one of these invoices of ours, by number."""
        named = refund_items.c.invoice_number.in_([str(number) for number in numbers])
        cases = select(refund_items.c.case_id).where(named)
        query = select(credit_notes.c.content).where(credit_notes.c.case_id.in_(cases)).order_by(credit_notes.c.number)
        return [CreditNote.model_validate(content) for content in self._tx.connection.scalars(query)]

    def all(self) -> list[CreditNote]:
        """Every credit note, by number."""
        query = select(credit_notes.c.content).order_by(credit_notes.c.number)
        return [CreditNote.model_validate(content) for content in self._tx.connection.scalars(query)]
