"""What Stripe told us: every event once, and the payments, voids and refunds that they add up to in any order."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import RowMapping, Table, func, or_, select, update

from billing.webhook import Told
from store.stripe_tables import stripe_events, stripe_payments, stripe_refunds
from store.transaction import Transaction


class StripePaid:
    """Events and what follows from them. An event's row and its effect are one transaction."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def take(self, told: Told) -> bool:
        """Keep an event and what it says. False when its id was here before: then nothing changes."""
        row = {"event_id": told.event_id, "kind": told.kind, "object_id": told.reference}
        row |= {"happened_at": told.happened_at, "received_at": self._tx.now()}  # type: ignore[dict-item]  # instants beside words
        if not self._tx.insert_new(stripe_events, row):
            return False
        if told.about == "refund":
            self._refund(told)
        elif told.about != "other":
            self._payment(told)
        return True

    def _payment(self, told: Told) -> None:
        """Each kind of event fills its own fields; the first word about a field holds."""
        self._tx.insert_new(stripe_payments, {"reference": told.reference})
        values: dict[str, Any] = {"payment": told.payment}
        if told.about == "paid":
            values = {"amount_ore": told.amount_ore, "currency": told.currency, "paid_at": told.happened_at}
        elif told.about == "void":
            values = {"void_at": told.happened_at}
        if told.invoice is not None:
            values["invoice"] = told.invoice
        here = stripe_payments.c.reference == told.reference
        self._tx.connection.execute(update(stripe_payments).where(here).values(**values))

    def _refund(self, told: Told) -> None:
        """The newest event holds; of two of one second, the one with the later id, so that order does not matter."""
        row = {"refund": told.reference, "payment": told.payment, "currency": told.currency, "status": told.status}
        row |= {"amount_ore": told.amount_ore, "key": told.key, "told_by": told.event_id, "told_at": told.happened_at}  # type: ignore[dict-item]  # amounts and instants beside words
        if self._tx.insert_new(stripe_refunds, row):
            return
        one = stripe_refunds.c
        older = or_(one.told_at < told.happened_at, (one.told_at == told.happened_at) & (one.told_by < told.event_id))
        change = update(stripe_refunds).where(one.refund == told.reference, older)
        self._tx.connection.execute(change.values(**row))

    def payments(self) -> Sequence[RowMapping]:
        """Invoices at Stripe that something was told about, by their id there."""
        return self._rows(stripe_payments)

    def paid_on(self, invoice: int) -> list[tuple[str | None, int]]:
        """(payment or None while untold, øre) of what was paid in kroner on an invoice, void ones left out."""
        paid = stripe_payments.c
        here = (paid.invoice == invoice) & paid.paid_at.is_not(None) & paid.void_at.is_(None) & (paid.currency == "nok")
        query = select(paid.payment, paid.amount_ore).where(here, paid.amount_ore > 0).order_by(paid.reference)
        return [(row[0], row[1]) for row in self._tx.connection.execute(query)]

    def given_back_by_hand(self, payment: str) -> int:
        """Øre given back over a payment in Stripe's dashboard, not by us."""
        one = stripe_refunds.c
        by_hand = (one.payment == payment) & one.key.is_(None) & one.status.not_in(("failed", "canceled"))
        return int(self._tx.connection.scalar(select(func.sum(one.amount_ore)).where(by_hand)) or 0)

    def refunds(self) -> Sequence[RowMapping]:
        """Refunds as last told, by their id at Stripe."""
        return self._rows(stripe_refunds)

    def events(self) -> Sequence[RowMapping]:
        """Every event, also of kinds that mean nothing to us, by id."""
        return self._rows(stripe_events)

    def _rows(self, table: Table) -> Sequence[RowMapping]:
        query = select(table).order_by(*table.primary_key.columns)
        return self._tx.connection.execute(query).mappings().all()
