"""What the carrier saw of our letters, each sighting once, and which letters it has to be asked about next."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql, sqlite

from shipping.models import ShipmentState
from shipping.tracking import ENDS, TURNS_BACK, TrackingEvent
from store.tables import shipments
from store.tracking_tables import letter_returns, tracking_events, tracking_looks
from store.transaction import Transaction

_IDS_A_QUERY = 500


class Tracking:
    """Sightings of letters. They are kept also of bookings that are not (yet) ours to know."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def add(self, event: TrackingEvent, *, told_by: str, words: dict[str, Any] | None = None) -> bool:
        """Keep a sighting; `words` is what else was said. False when it is known, whoever told it first."""
        told = {name: text for name in ("description", "unit", "place") if (text := getattr(event, name))}
        row: dict[str, Any] = {
            "event_id": event.event_id,
            "booking": event.booking,
            "status": event.status,
            "at": event.at,
            "told_by": told_by,
            "told_at": self._tx.now(),
            "words": told | (words or {}),
        }
        return self._tx.insert_new(tracking_events, row)

    def of(self, bookings: Sequence[str]) -> dict[str, list[TrackingEvent]]:
        """The sightings of each booking, oldest first; a booking without any is left out."""
        found: dict[str, list[TrackingEvent]] = {}
        for start in range(0, len(bookings), _IDS_A_QUERY):
            part = tracking_events.c.booking.in_(bookings[start : start + _IDS_A_QUERY])
            ordered = select(tracking_events).where(part).order_by(tracking_events.c.at, tracking_events.c.event_id)
            for row in self._tx.connection.execute(ordered).mappings():
                words = {name: str(row["words"].get(name, "")) for name in ("description", "unit", "place")}
                event = TrackingEvent(booking=row["booking"], status=row["status"], at=row["at"], **words)
                found.setdefault(event.booking, []).append(event)
        return found

    def due(self, *, looked_before: datetime, posted_after: datetime, limit: int) -> list[str]:
        """Posted letters to ask about, the one looked at longest ago first: not at an end, not back with us.

        One that was posted later than `looked_before` is left alone: nobody has seen it yet.
        """
        end = tracking_events.alias("end")
        back = tracking_events.alias("back")
        turned = select(back.c.event_id).where(
            back.c.booking == end.c.booking, back.c.status == TURNS_BACK, back.c.at > end.c.at
        )
        ended = select(end.c.event_id).where(
            end.c.booking == shipments.c.booking, end.c.status.in_(ENDS), ~turned.exists()
        )
        returned = select(letter_returns.c.shipment_id).where(letter_returns.c.shipment_id == shipments.c.shipment_id)
        last = func.coalesce(tracking_looks.c.looked_at, shipments.c.posted_at)
        query = (
            select(shipments.c.shipment_id)
            .outerjoin(tracking_looks, tracking_looks.c.shipment_id == shipments.c.shipment_id)
            .where(shipments.c.state == ShipmentState.POSTED, shipments.c.posted_at > posted_after)
            .where(last <= looked_before, ~ended.exists(), ~returned.exists())
            .order_by(last, shipments.c.shipment_id)
            .limit(limit)
        )
        return list(self._tx.connection.scalars(query))

    def looked(self, shipment_ids: Sequence[str]) -> None:
        """The carrier was asked about these letters now."""
        if not shipment_ids:
            return
        dialect = postgresql if self._tx.connection.dialect.name == "postgresql" else sqlite
        rows = [{"shipment_id": shipment_id, "looked_at": self._tx.now()} for shipment_id in sorted(shipment_ids)]
        new = dialect.insert(tracking_looks)
        known = new.on_conflict_do_update(
            index_elements=[tracking_looks.c.shipment_id], set_={"looked_at": new.excluded.looked_at}
        )
        self._tx.connection.execute(known, rows)

    def unknown(self) -> int:
        """Bookings with sightings that no letter of ours has."""
        ours = select(shipments.c.shipment_id).where(shipments.c.booking == tracking_events.c.booking)
        query = select(func.count(tracking_events.c.booking.distinct())).where(~ours.exists())
        return self._tx.connection.scalar(query) or 0
