"""The carrier, as the house sees it."""

from typing import Protocol

from shipping.models import Booking, Shipment
from shipping.tracking import TrackingEvent


class Carrier(Protocol):
    """Takes letters. One key is one booking, however often it is asked for."""

    def book(self, key: str, shipment: Shipment) -> Booking:
        """Announce a shipment. Raises Refused (`carrier.refused` and its kind: this shipment), Unavailable
        (`carrier.unavailable` and its kind: no shipment now), Unsure (`carrier.answer_lost`) when it may have been
        booked."""
        ...

    def look_up(self, key: str) -> Booking | None:
        """The booking made under `key`, or None when there is none. Raises Unsure `carrier.no_look_up` where the
        carrier cannot be asked that."""
        ...

    def hand_over(self, key: str, manifest_pdf: bytes, manifest_csv: bytes) -> None:
        """Give the day's manifest with the letters. The same key again changes nothing."""
        ...

    def track(self, booking: str) -> list[TrackingEvent]:
        """What was seen of a consignment, in any order; empty when the carrier knows nothing of it (yet)."""
        ...
