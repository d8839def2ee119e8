"""What is posted and on no invoice: the only source of invoices, read anew in the transaction that issues one.

A card is owed for from its first posting on, whatever became of it since. A free replacement is not, and the postage of
a letter with nothing but free replacements is ours. Postage alone is left of a card that came back and was sent again.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, and_, exists, func, select

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
        """Orders with cards or postage that wait, once for each instant at which some were posted; oldest first."""
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
        found = [Uninvoiced.model_validate(dict(row)) for row in self._tx.connection.execute(query).mappings()]
        with_cards = {(one.order_number, one.posted_at) for one in found}
        alone = [one for one in self._postage_waiting() if (one.order_number, one.posted_at) not in with_cards]
        return sorted([*found, *alone], key=lambda one: (one.posted_at, one.order_number))

    def _postage_waiting(self) -> list[Uninvoiced]:
        """As `waiting`, for postage: no cards are counted."""
        columns = (shipment_shares.c.order_number, orders.c.org_number, letters.c.posted_at)
        query = _open_shares(*columns).join(orders, orders.c.order_number == shipment_shares.c.order_number).distinct()
        rows = self._tx.connection.execute(query).mappings()
        return [Uninvoiced.model_validate({**row, "cards": 0}) for row in rows]

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
        """What of these orders waits, by Oslo day and order."""
        found: dict[_Key, dict[str, list[Any]]] = defaultdict(lambda: {"cards": [], "postage": []})
        places: dict[str, Address] = {}
        for some in _portions(order_numbers):
            for order_number, card_id, kind, posted_at in self._tx.connection.execute(_cards_of(some)):
                found[oslo_day(posted_at), order_number]["cards"].append((card_id, kind))
            for order_number, shipment_id, net_ore, posted_at in self._tx.connection.execute(_postage_of(some)):
                found[oslo_day(posted_at), order_number]["postage"].append((shipment_id, net_ore))
            query = select(orders.c.order_number, orders.c.deliver_to).where(orders.c.order_number.in_(some))
            places |= {row[0]: Address.model_validate(row[1]) for row in self._tx.connection.execute(query)}
        return [
            Delivered(delivered_on=day, order_number=number, address=places[number], **found[day, number])
            for day, number in sorted(found)
        ]

    def orders_of(self, org_number: str) -> list[str]:
        """Numbers of the orders of one business that have cards or postage waiting."""
        owed = (
            select(cards.c.order_number)
            .select_from(_posted_cards().join(orders, orders.c.order_number == cards.c.order_number))
            .where(orders.c.org_number == org_number, _to_be_invoiced())
        )
        ordered = orders.c.order_number == shipment_shares.c.order_number
        postage = _open_shares(shipment_shares.c.order_number).join(orders, ordered)
        return sorted(self._tx.connection.scalars(owed.union(postage.where(orders.c.org_number == org_number))))


def _portions(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + _IN_ONE_QUESTION] for start in range(0, len(ids), _IN_ONE_QUESTION))


def _cards_of(order_numbers: Sequence[str]) -> Any:
    card = (cards.c.order_number, cards.c.line, cards.c.card_id, cards.c.kind)
    query = select(cards.c.order_number, cards.c.card_id, cards.c.kind, _FIRST).select_from(_posted_cards())
    return query.where(cards.c.order_number.in_(order_numbers), _to_be_invoiced()).group_by(*card).order_by(*card)


def _postage_of(order_numbers: Sequence[str]) -> Any:
    share = shipment_shares.c
    columns = (share.order_number, share.shipment_id, share.net_ore, letters.c.posted_at)
    of_orders = _open_shares(*columns).where(share.order_number.in_(order_numbers))
    return of_orders.order_by(share.order_number, share.shipment_id)


def _open_shares(*columns: ColumnElement[Any]) -> Select[Any]:
    """`columns` of the shares of postage in posted letters that somebody is to pay and that are on no invoice."""
    share = shipment_shares.c
    invoiced = exists().where(
        invoice_lines.c.shipment_id == share.shipment_id, invoice_lines.c.order_number == share.order_number
    )
    paid_for = exists().where(
        shipment_cards.c.shipment_id == letters.c.shipment_id,
        shipment_cards.c.card_id == cards.c.card_id,
        cards.c.replaces.is_(None),
    )
    shares = shipment_shares.join(letters, letters.c.shipment_id == share.shipment_id)
    posted = letters.c.state == ShipmentState.POSTED
    return select(*columns).select_from(shares).where(posted, share.net_ore > 0, ~invoiced, paid_for)
