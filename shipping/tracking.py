"""What the carrier saw of a letter, and where the letter is by that: the same whatever the order or number of tellings.

An event is kept once under a fingerprint of what it says. Where the letter is, is a plain function of the set of its
events, so late, repeated and missing ones do no harm. A letter without events (most letters are not tracked) stays
posted.
"""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, field_validator

from cards.days import utc_text


class Whereabouts(StrEnum):
    """Where a posted letter is. `returning` is on its way back; `at_sender` is with us again, by the carrier's word."""

    POSTED = "posted"
    UNDER_WAY = "under_way"
    DELIVERED = "delivered"
    RETURNING = "returning"
    AT_SENDER = "at_sender"


class TrackingEvent(BaseModel):
    """One sighting. `status` is the carrier's word (an open list: unknown ones are kept), `at` is UTC to the second."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    booking: str
    status: str
    at: datetime
    description: str = ""
    unit: str = ""
    place: str = ""

    @field_validator("status")
    @classmethod
    def _in_capitals(cls, status: str) -> str:
        return status.strip().upper()

    @field_validator("at")
    @classmethod
    def _to_the_second(cls, at: datetime) -> datetime:
        return at.astimezone(UTC).replace(microsecond=0)

    @property
    def event_id(self) -> str:
        """The fingerprint: the same sighting told again, by poll or by push, is the same event.

        Letter, status and second alone: a push names neither the unit nor the place that a poll names, and the words
        follow the language of whoever asks. Were they part of it, one sighting would be two events.
        """
        content = "\x1f".join((self.booking, self.status, utc_text(self.at)))
        return hashlib.sha256(content.encode()).hexdigest()


# What ends or turns a journey, the later word at the same second first. Statuses of Bring's Tracking API v2.
_DECISIVE = {
    "RETURN": (1, Whereabouts.RETURNING),
    "DELIVERED": (2, Whereabouts.DELIVERED),
    "DELIVERED_SENDER": (3, Whereabouts.AT_SENDER),
}
DELIVERED = "DELIVERED"
ENDS = ("DELIVERED", "DELIVERED_SENDER")
TURNS_BACK = "RETURN"
_ANNOUNCED = frozenset({"PRE_NOTIFIED", "NOTIFICATION_SENT", "UNKNOWN"})  # words about the letter, not sightings of it


def whereabouts(events: Iterable[TrackingEvent]) -> Whereabouts:
    """Where the letter is: the latest decisive event says it; without one, a sighting says that it is under way."""
    seen = list(events)
    decisive = [(event.at, *_DECISIVE[event.status]) for event in seen if event.status in _DECISIVE]
    if decisive:
        return max(decisive)[2]
    return Whereabouts.UNDER_WAY if any(e.status not in _ANNOUNCED for e in seen) else Whereabouts.POSTED


def delivered_at(events: Iterable[TrackingEvent]) -> datetime | None:
    """When the letter was delivered, if that is where it is now."""
    told = list(events)
    if whereabouts(told) is not Whereabouts.DELIVERED:
        return None
    return max(event.at for event in told if event.status == DELIVERED)
