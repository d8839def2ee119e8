"""Whose fault it was that a card has to be sent again: by the last of its letters that came back."""

from collections.abc import Sequence

from sqlalchemy import select

from shipping.models import Shipment
from store.tables import shipment_cards
from store.tracking_tables import letter_returns
from store.transaction import Transaction

_IDS_A_QUERY = 500  # SQLite takes a limited number of parameters in one statement


def back_by_our_fault(tx: Transaction, card_ids: Sequence[str], *, before: Shipment | None = None) -> set[str]:
    """Those of the cards whose last letter back (`before` another one, when given) is sent again at our cost."""
    last: dict[str, bool] = {}
    for start in range(0, len(card_ids), _IDS_A_QUERY):
        query = (
            select(shipment_cards.c.card_id, letter_returns.c.at_our_cost)
            .join(letter_returns, letter_returns.c.shipment_id == shipment_cards.c.shipment_id)
            .where(shipment_cards.c.card_id.in_(card_ids[start : start + _IDS_A_QUERY]))
            .order_by(letter_returns.c.returned_at)
        )
        if before is not None:
            query = query.where(letter_returns.c.shipment_id != before.shipment_id)
        if before is not None and before.posted_at is not None:
            query = query.where(letter_returns.c.returned_at <= before.posted_at)
        last |= {row[0]: row[1] for row in tx.connection.execute(query)}
    return {card_id for card_id, ours in last.items() if ours}
