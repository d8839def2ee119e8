"""Cards that were replaced free of charge: which, why, who decided, and what each cost us.

It is the record that stands in the place of an invoice.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Select, func, select

from billing.ledger import COST_OF_FREE_REPLACEMENTS
from store.tables import cards, chip_faults, ledger_entries, shipment_cards, shipments
from store.transaction import Transaction


class FreeCard(BaseModel):
    """A free replacement: the order's line, the card that failed, its fault and who decided, when it was posted.

    `cost_ore` is what the ledger has for it, None while that is not booked.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    card_id: str
    kind: str
    order_number: str
    line: int
    state: str
    replaces: str
    fault_id: str | None
    report_id: str | None
    symptom: str | None
    reported_by: str | None
    reported_at: datetime | None
    decided_by: str | None
    why: str | None
    posted_at: datetime | None
    cost_ore: int | None


class FreeCards:
    """Free replacements."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def all(self) -> list[FreeCard]:
        """Every free replacement, by card."""
        return self._read(_query())

    def to_book(self, among: Sequence[str] | None = None) -> list[FreeCard]:
        """Posted ones whose cost is not in the ledger, by card; of these cards when given."""
        query = _query().where(_posted.c.posted_at.is_not(None), _cost.c.cost_ore.is_(None))
        return self._read(query if among is None else query.where(cards.c.card_id.in_(among)))

    def _read(self, query: Select[Any]) -> list[FreeCard]:
        rows = self._tx.connection.execute(query.order_by(cards.c.card_id)).mappings()
        return [FreeCard.model_validate(dict(row)) for row in rows]


_posted = (
    select(shipment_cards.c.card_id, func.min(shipments.c.posted_at).label("posted_at"))
    .join(shipments, shipments.c.shipment_id == shipment_cards.c.shipment_id)
    .where(shipments.c.posted_at.is_not(None))
    .group_by(shipment_cards.c.card_id)
    .subquery()
)
_cost = (
    select(ledger_entries.c.document, func.sum(ledger_entries.c.amount_ore).label("cost_ore"))
    .where(ledger_entries.c.account == COST_OF_FREE_REPLACEMENTS)
    .group_by(ledger_entries.c.document)
    .subquery()
)


def _query() -> Select[Any]:
    card, fault = cards.c, chip_faults.c
    columns = (card[name] for name in ("card_id", "kind", "order_number", "line", "state", "replaces"))
    told = (fault[name] for name in ("fault_id", "report_id", "symptom", "reported_by", "reported_at"))
    return (
        select(*columns, *told, fault.decided_by, fault.why, _posted.c.posted_at, _cost.c.cost_ore)
        .outerjoin(chip_faults, fault.replacement_card_id == card.card_id)
        .outerjoin(_posted, _posted.c.card_id == card.card_id)
        .outerjoin(_cost, _cost.c.document == "card/" + card.card_id)
        .where(card.replaces.is_not(None))
    )
