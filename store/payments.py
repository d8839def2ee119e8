"""What Stripe told us: every event once, and the payments, voids and refunds that they add up to in any order.

And what moved on our balance there, fetched whole up to an instant, as the comparison with the ledger needs it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, Table, and_, func, insert, literal, or_, select, update

from billing.reconcile_stripe import Movement
from billing.webhook import Told
from store.effects import Series
from store.stripe_tables import stripe_events, stripe_fetches, stripe_movements, stripe_payments, stripe_refunds
from store.transaction import Transaction

ENDED = ("failed", "canceled")  # a refund that came to nothing never comes to something again


@dataclass(frozen=True, slots=True)
class Fetch:
    """All movements of before `fetched_at` are here; `balance_ore` is what Stripe said then."""

    fetched_at: datetime
    movements: int
    balance_ore: int
    fetched_by: str


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
        """Each kind of event fills its own fields, which say the same in every event about one invoice."""
        self._tx.insert_new(stripe_payments, {"reference": told.reference})
        values: dict[str, Any] = {"payment": told.payment}
        if told.about == "paid":
            values = {"amount_ore": told.amount_ore, "currency": told.currency, "paid_at": told.paid_at}
        elif told.about == "void":
            values = {"void_at": told.happened_at}
        values["invoice"] = told.invoice
        one = stripe_payments.c
        filled = {name: func.coalesce(one[name], literal(value, one[name].type)) for name, value in values.items()}
        here = one.reference == told.reference
        self._tx.connection.execute(update(stripe_payments).where(here).values(**filled))

    def _refund(self, told: Told) -> None:
        """An end holds for ever; of two words of one weight the newer, of one second the one with the later id."""
        row = {"refund": told.reference, "payment": told.payment, "currency": told.currency, "status": told.status}
        row |= {"amount_ore": told.amount_ore, "key": told.key, "told_by": told.event_id, "told_at": told.happened_at}  # type: ignore[dict-item]  # amounts and instants beside words
        if self._tx.insert_new(stripe_refunds, row):
            return
        one = stripe_refunds.c
        older = or_(one.told_at < told.happened_at, and_(one.told_at == told.happened_at, one.told_by < told.event_id))
        going = one.status.not_in(ENDED)
        older = or_(going, older) if told.status in ENDED else and_(going, older)
        change = update(stripe_refunds).where(one.refund == told.reference, older)
        self._tx.connection.execute(change.values(status=told.status, told_by=told.event_id, told_at=told.happened_at))

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

    def failed(self, refund: str) -> RowMapping | None:
        """The refund with this id at Stripe, once it has failed."""
        query = select(stripe_refunds).where(stripe_refunds.c.refund == refund, stripe_refunds.c.status.in_(ENDED))
        return self._tx.connection.execute(query).mappings().one_or_none()

    def payment_of(self, reference: str) -> str | None:
        """The payment intent that paid an invoice at Stripe, once it was told."""
        query = select(stripe_payments.c.payment).where(stripe_payments.c.reference == reference)
        return self._tx.connection.scalar(query)

    def _rows(self, table: Table) -> Sequence[RowMapping]:
        query = select(table).order_by(*table.primary_key.columns)
        return self._tx.connection.execute(query).mappings().all()

    # --- movements ---------------------------------------------------------------------------------------------

    def add_movements(self, movements: Iterable[Movement]) -> list[Movement]:
        """Keep those of at most some hundred movements that are not here, and answer them."""
        by_id = {one.transaction: one for one in movements}
        known = select(stripe_movements.c.movement).where(stripe_movements.c.movement.in_(by_id))
        for name in self._tx.connection.scalars(known):
            del by_id[name]
        rows = [{**one.model_dump(exclude={"transaction"}), "movement": name} for name, one in by_id.items()]
        if rows:
            self._tx.connection.execute(insert(stripe_movements), rows)
        return list(by_id.values())

    def fetched(self, fetch: Fetch) -> None:
        """All movements of before `fetch.fetched_at` are here now. Only once they are."""
        values = {"number": Series(self._tx).next("stripe_fetch"), **asdict(fetch)}
        self._tx.connection.execute(insert(stripe_fetches), values)

    def last_fetch(self) -> Fetch | None:
        """The last time that the movements were whole."""
        columns = [column for column in stripe_fetches.c if column.name != "number"]
        query = select(*columns).order_by(stripe_fetches.c.number.desc()).limit(1)
        row = self._tx.connection.execute(query).mappings().one_or_none()
        return None if row is None else Fetch(**row)
