"""What is posted and on no invoice: the only source of invoices, read anew in the transaction that issues one.

A card is owed for from its first posting on, whatever became of it since. A free replacement is not, and the postage of
a letter with nothing but free replacements is ours.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, exists, func, select

from billing.models import Delivered, Uninvoiced
from cards.address import Address
from cards.days import oslo_day
from cards.life import CardState
from shipping.models import ShipmentState
from store.tables import cards, invoice_lines, orders, shipment_cards, shipment_shares
from store.tables import shipments as letters
from store.transaction import Transaction

_DELIVERED = (
    CardState.POSTED,
    CardState.RETURNED,
    CardState.FAULTY,
    CardState.REPLACED,
    CardState.BLOCKED,
    CardState.EXPIRED,
)
_IN_ONE_QUESTION = 500
_Key = tuple[date, str]  # Oslo day and order number


def _to_be_invoiced() -> ColumnElement[bool]:
    invoiced = exists().where(invoice_lines.c.card_id == cards.c.card_id)
    return and_(cards.c.state.in_(_DELIVERED), cards.c.replaces.is_(None), ~invoiced, letters.c.posted_at.is_not(None))


def _posted_cards() -> FromClause:
    lying_in = shipment_cards.join(letters, letters.c.shipment_id == shipment_cards.c.shipment_id)
    return cards.join(lying_in, shipment_cards.c.card_id == cards.c.card_id)


_FIRST = func.min(letters.c.posted_at)


class UninvoicedDeliveries:
    """Posted cards and their postage that wait for an invoice."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def waiting(self) -> list[Uninvoiced]:
        """Orders with cards that wait, once for each instant at which some were posted first; oldest first."""
        first = (
            select(cards.c.card_id, cards.c.order_number, _FIRST.label("posted_at"))
            .select_from(_posted_cards())
            .where(_to_be_invoiced())
            .group_by(cards.c.card_id, cards.c.order_number)
            .subquery()
        )
        query = (
            select(first.c.order_number, orders.c.org_number, first.c.posted_at, func.count().label("cards"))
            .join(orders, orders.c.order_number == first.c.order_number)
            .group_by(first.c.order_number, orders.c.org_number, first.c.posted_at)
            .order_by(first.c.posted_at, first.c.order_number)
        )
        return [Uninvoiced.model_validate(dict(row)) for row in self._tx.connection.execute(query).mappings()]

    def hold(self, order_numbers: Iterable[str]) -> None:
        """Lock orders until the end of the transaction: two workers invoice one after the other.

        SQLite has one writer anyway.
        """
        if self._tx.connection.dialect.name == "sqlite":
            return
        for some in _portions(sorted(set(order_numbers))):
            lock = select(orders.c.order_number).where(orders.c.order_number.in_(some)).order_by(orders.c.order_number)
            self._tx.connection.execute(lock.with_for_update())

    def of(self, order_numbers: Sequence[str]) -> list[Delivered]:
        """What of these orders waits, by Oslo day and order; postage of orders without a waiting card stays out."""
        found: dict[_Key, dict[str, list[Any]]] = defaultdict(lambda: {"cards": [], "postage": []})
        places: dict[str, Address] = {}
        for some in _portions(order_numbers):
            for order_number, card_id, kind, posted_at in self._tx.connection.execute(_cards_of(some)):
                found[oslo_day(posted_at), order_number]["cards"].append((card_id, kind))
            waiting = {order_number for _, order_number in found}
            for order_number, shipment_id, net_ore, posted_at in self._tx.connection.execute(_postage_of(some)):
                if order_number in waiting:
                    found[oslo_day(posted_at), order_number]["postage"].append((shipment_id, net_ore))
            query = select(orders.c.order_number, orders.c.deliver_to).where(orders.c.order_number.in_(some))
            places |= {row[0]: Address.model_validate(row[1]) for row in self._tx.connection.execute(query)}
        return [
            Delivered(delivered_on=day, order_number=number, address=places[number], **found[day, number])
            for day, number in sorted(found)
        ]

    def orders_of(self, org_number: str) -> list[str]:
        """Numbers of the orders of one business that have cards waiting."""
        query = (
            select(cards.c.order_number)
            .select_from(_posted_cards().join(orders, orders.c.order_number == cards.c.order_number))
            .where(orders.c.org_number == org_number, _to_be_invoiced())
        )
        return list(self._tx.connection.scalars(query.distinct().order_by(cards.c.order_number)))


def _portions(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + _IN_ONE_QUESTION] for start in range(0, len(ids), _IN_ONE_QUESTION))


def _cards_of(order_numbers: Sequence[str]) -> Any:
    card = (cards.c.order_number, cards.c.line, cards.c.card_id, cards.c.kind)
    query = select(cards.c.order_number, cards.c.card_id, cards.c.kind, _FIRST).select_from(_posted_cards())
    return query.where(cards.c.order_number.in_(order_numbers), _to_be_invoiced()).group_by(*card).order_by(*card)


def _postage_of(order_numbers: Sequence[str]) -> Any:
    share = shipment_shares.c
    invoiced = exists().where(
        invoice_lines.c.shipment_id == share.shipment_id, invoice_lines.c.order_number == share.order_number
    )
    paid_for = exists().where(
        shipment_cards.c.shipment_id == letters.c.shipment_id,
        shipment_cards.c.card_id == cards.c.card_id,
        cards.c.replaces.is_(None),
    )
    return (
        select(share.order_number, share.shipment_id, share.net_ore, letters.c.posted_at)
        .join(letters, letters.c.shipment_id == share.shipment_id)
        .where(share.order_number.in_(order_numbers), letters.c.state == ShipmentState.POSTED)
        .where(~invoiced, paid_for)
        .order_by(share.order_number, share.shipment_id)
    )
