"""The tables of letters after they left: what the carrier saw of them, when it was asked last, and what came back.

A sighting never changes and is kept by the carrier's number of the letter, not by ours: one that is told before the
answer to its booking has been settled counts as soon as it is. Where a letter is, is worked out from its sightings.
"""

from sqlalchemy import Boolean, CheckConstraint, Column, Date, ForeignKey, Index, Table, text

from store.columns import Instant, Json, Word
from store.tables import metadata

tracking_events = Table(
    "tracking_events",
    metadata,
    Column("event_id", Word, primary_key=True),
    Column("booking", Word, nullable=False),
    Column("status", Word, nullable=False),
    Column("at", Instant, nullable=False),
    Column("told_by", Word, nullable=False),  # poll or push, whichever told it first
    Column("told_at", Instant, nullable=False),
    Column("words", Json, nullable=False),  # what else was said the first time
    Index("tracking_events_by_booking", "booking", "at"),
)

tracking_looks = Table(
    "tracking_looks",
    metadata,
    Column("shipment_id", Word, ForeignKey("shipments.shipment_id"), primary_key=True),
    Column("looked_at", Instant, nullable=False),
)

_FLAGGED = text("flags AND lifted_at IS NULL")

letter_returns = Table(
    "letter_returns",
    metadata,
    Column("shipment_id", Word, ForeignKey("shipments.shipment_id"), primary_key=True),
    Column("address_key", Word, nullable=False),
    Column("reason", Word, nullable=False),
    Column("returned_at", Instant, nullable=False),
    Column("returned_by", Word, nullable=False),
    Column("at_our_cost", Boolean, nullable=False),
    Column("destroy_from", Date, nullable=False),
    Column("flags", Boolean, nullable=False),  # nothing more is sent to the address until somebody lifts it
    Column("lifted_at", Instant),
    Column("lifted_by", Word),
    Column("lifted_why", Word),
    CheckConstraint(
        "(lifted_at IS NULL) = (lifted_by IS NULL) AND (lifted_at IS NULL) = (lifted_why IS NULL)",
        name="letter_returns_lifted_by_somebody",
    ),
    CheckConstraint("flags OR lifted_at IS NULL", name="letter_returns_only_flags_are_lifted"),
    Index("letter_returns_flagged", "address_key", sqlite_where=_FLAGGED, postgresql_where=_FLAGGED),
)
