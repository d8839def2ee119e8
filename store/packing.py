"""The packing bench as it is remembered: each card that was scanned into its letter, each scan that was turned away."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict
from sqlalchemy import ColumnElement, and_, exists, func, select, update

from shipping.models import ShipmentState
from store.effects import Series
from store.packing_tables import packing_lists, packing_refusals, packing_scans
from store.tables import shipment_cards, shipments
from store.transaction import Transaction


class RefusedScan(BaseModel):
    """A scan that was turned away: when, by whom, why; the letter, the card and where that belongs, where known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    refusal: int
    refused_at: datetime
    refused_by: str
    code: str
    shipment_id: str | None
    card_id: str | None
    belongs_to: str | None


class Packing:
    """Scans of cards into letters. A card lies in a letter at most once at a time."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def scan(self, shipment_id: str, card_id: str, *, by: str) -> bool:
        """The card was scanned into the letter. False when it lies in it already."""
        row = {"shipment_id": shipment_id, "card_id": card_id, "scanned_at": self._tx.now(), "scanned_by": by}
        if self._tx.insert_new(packing_scans, {**row, "round": 1}):
            return True
        of_pair = and_(packing_scans.c.shipment_id == shipment_id, packing_scans.c.card_id == card_id)
        last = self._tx.connection.scalar(select(func.max(packing_scans.c.round)).where(of_pair))
        return self._tx.insert_new(packing_scans, {**row, "round": int(last or 0) + 1})

    def scanned(self, shipment_id: str) -> frozenset[str]:
        """The cards that lie in the letter by their scans."""
        return frozenset(self._tx.connection.scalars(select(packing_scans.c.card_id).where(_inside(shipment_id))))

    def take_out(self, shipment_id: str, card_ids: Sequence[str], *, by: str) -> int:
        """These cards were taken out of the letter again; how many did lie in it."""
        out = update(packing_scans).where(_inside(shipment_id), packing_scans.c.card_id.in_(card_ids))
        return self._tx.connection.execute(out.values(taken_out_at=self._tx.now(), taken_out_by=by)).rowcount

    def refuse(
        self,
        code: str,
        *,
        by: str,
        shipment_id: str | None = None,
        card_id: str | None = None,
        belongs_to: str | None = None,
    ) -> None:
        """Keep a scan that was turned away."""
        refusal = RefusedScan(
            refusal=Series(self._tx).next("packing_refusal"),
            refused_at=self._tx.now(),
            refused_by=by,
            code=code,
            shipment_id=shipment_id,
            card_id=card_id,
            belongs_to=belongs_to,
        )
        self._tx.insert_new(packing_refusals, refusal.model_dump())

    def refusals(self) -> list[RefusedScan]:
        """Every scan that was turned away, in the order of their numbers."""
        query = select(packing_refusals).order_by(packing_refusals.c.refusal)
        return [RefusedScan.model_validate(dict(row)) for row in self._tx.connection.execute(query).mappings()]

    def counts(self) -> dict[str, int]:
        """Letters that are not closed, their cards that are not scanned yet, and scans that were turned away."""
        packed = shipments.c.state == ShipmentState.PACKED
        unscanned = ~exists().where(
            packing_scans.c.shipment_id == shipment_cards.c.shipment_id,
            packing_scans.c.card_id == shipment_cards.c.card_id,
            packing_scans.c.taken_out_at.is_(None),
        )
        there = select(func.count()).select_from(shipments.join(shipment_cards)).where(packed, unscanned)
        counted = {
            "letters": select(func.count()).select_from(shipments).where(packed),
            "cards_missing": there,
            "refused_scans": select(func.count()).select_from(packing_refusals),
        }
        return {name: int(self._tx.connection.scalar(query) or 0) for name, query in counted.items()}

    # --- packing lists ------------------------------------------------------------------------------------------

    def unlisted(self) -> list[str]:
        """Letters that are to be packed and stand on no packing list, by id."""
        listed = exists().where(packing_lists.c.shipment_id == shipments.c.shipment_id)
        query = select(shipments.c.shipment_id).where(shipments.c.state == ShipmentState.PACKED, ~listed)
        return list(self._tx.connection.scalars(query.order_by(shipments.c.shipment_id)))

    def listed(self, shipment_ids: Sequence[str], list_id: str) -> bool:
        """These letters stand on this list. False when one of them stands on a list already."""
        rows = [{"shipment_id": shipment_id, "list_id": list_id} for shipment_id in shipment_ids]
        return all(self._tx.insert_new(packing_lists, row) for row in rows)


def _inside(shipment_id: str) -> ColumnElement[bool]:
    return and_(packing_scans.c.shipment_id == shipment_id, packing_scans.c.taken_out_at.is_(None))
