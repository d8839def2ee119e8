"""What must hold of the packing bench: no letter closes or goes with a card that was not scanned into it."""

from collections.abc import Iterator

from sqlalchemy import and_, exists, select

from shipping.models import ShipmentState
from store.database import UnitOfWork
from store.packing_tables import packing_scans
from store.ports import Blobs
from store.rule import Rule
from store.rules_of_cards import rows
from store.tables import shipment_cards, shipments

_SCANS, _PLACES = packing_scans.c, shipment_cards.c
_SAME_PAIR = and_(_SCANS.shipment_id == _PLACES.shipment_id, _SCANS.card_id == _PLACES.card_id)


def _gone_unscanned(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    whole = shipments.c.state.in_((ShipmentState.CLOSED, ShipmentState.POSTED))
    scanned = exists().where(_SAME_PAIR, _SCANS.taken_out_at.is_(None))
    query = select(_PLACES.card_id, _PLACES.shipment_id, shipments.c.state).join(shipments).where(whole, ~scanned)
    for card_id, shipment_id, state in rows(uow, query.order_by(_PLACES.shipment_id, _PLACES.place)):
        yield f"{card_id} in {shipment_id} ({state})"


def _scanned_into_another(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    query = select(_SCANS.card_id, _SCANS.shipment_id).where(~exists().where(_SAME_PAIR))
    for card_id, shipment_id in rows(uow, query.order_by(_SCANS.shipment_id, _SCANS.card_id)):
        yield f"{card_id} in {shipment_id}"


RULES = (
    Rule("packing.whole", "every card of a closed or posted letter was scanned into it", _gone_unscanned),
    Rule("packing.belongs", "no card was scanned into a letter that is not its own", _scanned_into_another),
)
