"""The carrier, as the house sees it."""

from typing import Protocol

from shipping.models import Booking, Shipment


class Carrier(Protocol):
    """Takes letters. One key is one booking, however often it is asked for."""

    def book(self, key: str, shipment: Shipment) -> Booking:
        """Announce a shipment. Raises Refused (`carrier.refused`), Unavailable (`carrier.unavailable`), Unsure
        (`carrier.answer_lost`) when it may have been booked."""
        ...

    def look_up(self, key: str) -> Booking | None:
        """The booking made under `key`, or None when there is none."""
        ...

    def hand_over(self, key: str, manifest_pdf: bytes, manifest_csv: bytes) -> None:
        """Give the day's manifest with the letters. The same key again changes nothing."""
        ...
