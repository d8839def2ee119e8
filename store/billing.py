"""Invoices and credit notes: issued once, never changed, and what of the cards and postage is still open.

The document is kept whole as it was issued; its lines stand beside it so that a card or a share of postage can be on
one invoice only.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, select

from billing.models import CreditNote, Invoice, InvoiceLine, Uninvoiced
from cards.errors import Refused
from cards.life import Card, CardState
from shipping.models import ShipmentState
from store.cards import card_of
from store.tables import (
    cards,
    credit_notes,
    invoice_lines,
    invoices,
    orders,
    shipment_cards,
    shipment_shares,
)
from store.tables import shipments as letters
from store.transaction import Transaction

# A card that was posted is owed for, also when it failed, came back or was blocked before the invoice was written.
_DELIVERED = (
    CardState.POSTED,
    CardState.RETURNED,
    CardState.FAULTY,
    CardState.REPLACED,
    CardState.BLOCKED,
    CardState.EXPIRED,
)


def _to_be_invoiced() -> ColumnElement[bool]:
    invoiced = exists().where(invoice_lines.c.card_id == cards.c.card_id)
    return and_(cards.c.state.in_(_DELIVERED), cards.c.replaces.is_(None), ~invoiced)


class Invoices:
    """Issued invoices, and what waits for one."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def to_invoice(self) -> list[str]:
        """Numbers of orders with posted cards that are on no invoice; free replacements do not count."""
        query = select(cards.c.order_number).where(_to_be_invoiced()).distinct().order_by(cards.c.order_number)
        return list(self._tx.connection.scalars(query))

    def uninvoiced_cards(self, order_number: str) -> list[Card]:
        """The order's posted cards that are on no invoice, by line; no free replacements.

        In a transaction that writes, the order is locked until its end: two workers invoice one after the other.
        """
        if self._tx.writing:
            lock = select(orders.c.order_number).where(orders.c.order_number == order_number).with_for_update()
            self._tx.connection.execute(lock)
        query = select(cards).where(cards.c.order_number == order_number, _to_be_invoiced())
        rows = self._tx.connection.execute(query.order_by(cards.c.line, cards.c.card_id))
        return [card_of(row) for row in rows.mappings()]

    def waiting(self) -> list[Uninvoiced]:
        """Orders with posted cards that are on no invoice, by the day on which the first of them was posted."""
        letter_of = shipment_cards.join(letters, letters.c.shipment_id == shipment_cards.c.shipment_id)
        first = func.min(letters.c.posted_at).label("first_posted_at")
        query = (
            select(cards.c.order_number, func.count(cards.c.card_id.distinct()).label("cards"), first)
            .select_from(cards.join(letter_of, shipment_cards.c.card_id == cards.c.card_id))
            .where(_to_be_invoiced(), letters.c.posted_at.is_not(None))
            .group_by(cards.c.order_number)
            .order_by(first, cards.c.order_number)
        )
        return [Uninvoiced.model_validate(dict(row)) for row in self._tx.connection.execute(query).mappings()]

    def first_posted(self, card_ids: Sequence[str]) -> dict[str, datetime]:
        """When each card was posted for the first time; a card that never was is left out."""
        first = func.min(letters.c.posted_at)
        query = (
            select(shipment_cards.c.card_id, first)
            .join(letters, letters.c.shipment_id == shipment_cards.c.shipment_id)
            .where(shipment_cards.c.card_id.in_(card_ids), letters.c.posted_at.is_not(None))
            .group_by(shipment_cards.c.card_id)
        )
        return {row[0]: row[1] for row in self._tx.connection.execute(query)}

    def uninvoiced_postage(self, order_number: str) -> list[tuple[str, int, datetime]]:
        """(shipment id, net øre, when posted) of this order's shares in posted letters that are on no invoice.

        The postage of a letter with nothing but free replacements is ours.
        """
        invoiced = exists().where(
            invoice_lines.c.shipment_id == letters.c.shipment_id, invoice_lines.c.order_number == order_number
        )
        paid_for = exists().where(
            shipment_cards.c.shipment_id == letters.c.shipment_id,
            shipment_cards.c.card_id == cards.c.card_id,
            cards.c.replaces.is_(None),
        )
        query = (
            select(letters.c.shipment_id, shipment_shares.c.net_ore, letters.c.posted_at)
            .join(shipment_shares, shipment_shares.c.shipment_id == letters.c.shipment_id)
            .where(shipment_shares.c.order_number == order_number, letters.c.state == ShipmentState.POSTED)
            .where(~invoiced, paid_for)
            .order_by(letters.c.shipment_id)
        )
        return [(row[0], row[1], row[2]) for row in self._tx.connection.execute(query)]

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
            for position, line in enumerate(invoice.lines, start=1):
                if not self._tx.insert_new(invoice_lines, _line_row(invoice, position, line)):
                    raise _invoiced_before(invoice, line)

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

    def all(self) -> list[CreditNote]:
        """Every credit note, by number."""
        query = select(credit_notes.c.content).order_by(credit_notes.c.number)
        return [CreditNote.model_validate(content) for content in self._tx.connection.scalars(query)]
