"""The tables of the encoding queue: encoders, who works on which card, who tried which card, chips in quarantine.

They are on a page of their own because they say where work stands, not what was made: emptied between two runs, all
but the quarantines could be written anew from the cards.
"""

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, Table, text

from store.columns import Instant, Word
from store.tables import metadata

encoders = Table(
    "encoders",
    metadata,
    Column("name", Word, primary_key=True),
    Column("state", Word, nullable=False),
    Column("failures_in_a_row", Integer, nullable=False),
    Column("why", Word),
    Column("changed_by", Word),
    Column("changed_at", Instant),
    Column("holder", Word),  # the run that works on it, until `held_until`
    Column("held_until", Instant),
    CheckConstraint("(holder IS NULL) = (held_until IS NULL)", name="encoders_held_for_a_time"),
    CheckConstraint("state IN ('running', 'stopped')", name="encoders_run_or_stop"),
)

encode_leases = Table(
    "encode_leases",
    metadata,
    Column("card_id", Word, ForeignKey("cards.card_id"), primary_key=True),
    Column("batch_id", Word, ForeignKey("batches.batch_id"), nullable=False),
    Column("encoder", Word, nullable=False),
    Column("holder", Word, nullable=False),
    Column("taken_at", Instant, nullable=False),
)

encode_tries = Table(
    "encode_tries",
    metadata,
    Column("card_id", Word, ForeignKey("cards.card_id"), primary_key=True),
    Column("batch_id", Word, ForeignKey("batches.batch_id"), primary_key=True),
    Column("encoder", Word, primary_key=True),
    Column("tries", Integer, nullable=False),
    Column("cause", Word, nullable=False),
    Column("last_at", Instant, nullable=False),
)

chip_quarantines = Table(
    "chip_quarantines",
    metadata,
    Column("card_id", Word, ForeignKey("cards.card_id"), primary_key=True),
    Column("round", Integer, primary_key=True),
    Column("batch_id", Word, ForeignKey("batches.batch_id"), nullable=False),
    Column("uid", Word),
    Column("encoder", Word, nullable=False),
    Column("step", Word),
    Column("cause", Word, nullable=False),
    Column("state", Word, nullable=False),
    Column("found_at", Instant, nullable=False),
    Column("asked_by", Word),
    Column("asker", Word),  # case-folded and trimmed, so that "Kari " is Kari
    Column("asked_at", Instant),
    Column("why", Word),
    Column("released_by", Word),
    Column("releaser", Word),
    Column("closed_at", Instant),
    CheckConstraint("asked_by <> released_by AND asker <> releaser", name="chip_quarantines_two_people"),
    CheckConstraint(
        "(state = 'released') = (asker IS NOT NULL AND releaser IS NOT NULL)", name="chip_quarantines_released_by_two"
    ),
    CheckConstraint("state IN ('open', 'asked', 'released', 'spoiled')", name="chip_quarantines_states"),
    Index(
        "chip_quarantines_one_open",
        "card_id",
        unique=True,
        sqlite_where=text("closed_at IS NULL"),
        postgresql_where=text("closed_at IS NULL"),
    ),
)
