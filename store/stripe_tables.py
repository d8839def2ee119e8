"""The tables of what Stripe tells: each event once, what all of them say was paid and returned, and what moved there.

An event is kept by its id and kind alone, since its content may name persons; Stripe itself keeps it for 30 days. Told
is told: events, movements, fetches and decisions are append-only, a payment's fields are filled once, and of a refund
only its state moves, up to the last one (triggers on both databases).
"""

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer, Table

from store.columns import Instant, Word
from store.tables import metadata

stripe_events = Table(
    "stripe_events",
    metadata,
    Column("event_id", Word, primary_key=True),
    Column("kind", Word, nullable=False),
    Column("object_id", Word, nullable=False),
    Column("happened_at", Instant, nullable=False),
    Column("received_at", Instant, nullable=False),
)

stripe_payments = Table(
    "stripe_payments",
    metadata,
    Column("reference", Word, primary_key=True),  # the invoice's id at Stripe
    Column("payment", Word),  # the payment intent, once Stripe has told it
    Column("currency", Word),
    Column("invoice", BigInteger),  # our number
    Column("amount_ore", BigInteger),
    Column("paid_at", Instant),
    Column("void_at", Instant),
)

stripe_refunds = Table(
    "stripe_refunds",
    metadata,
    Column("refund", Word, primary_key=True),
    Column("payment", Word, nullable=False),
    Column("currency", Word, nullable=False),
    Column("status", Word, nullable=False),
    Column("amount_ore", BigInteger, nullable=False),
    Column("key", Word),  # ours; a refund without one was made by hand in the dashboard
    Column("told_by", Word, nullable=False),  # the newest event about it
    Column("told_at", Instant, nullable=False),
)

stripe_movements = Table(
    "stripe_movements",
    metadata,
    Column("movement", Word, primary_key=True),  # the balance transaction's id
    Column("kind", Word, nullable=False),
    Column("source", Word, nullable=False),
    Column("amount_ore", BigInteger, nullable=False),  # of other currencies: in that currency's smallest unit
    Column("fee_ore", BigInteger, nullable=False),
    Column("currency", Word, nullable=False),
    Column("moved_at", Instant, nullable=False),
    Index("stripe_movements_by_source", "source"),
)

stripe_fetches = Table(
    "stripe_fetches",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("fetched_at", Instant, nullable=False),  # all movements of before it are here
    Column("movements", Integer, nullable=False),
    Column("balance_ore", BigInteger, nullable=False),
    Column("fetched_by", Word, nullable=False),
)

refund_decisions = Table(
    "refund_decisions",
    metadata,
    Column("key", Word, primary_key=True),  # the effect that came to nothing
    Column("how", Word, nullable=False),
    Column("next_key", Word),  # the effect that tries again
    Column("decided_by", Word, nullable=False),
    Column("decided_at", Instant, nullable=False),
    CheckConstraint(
        "(how = 'again' AND next_key IS NOT NULL) OR (how = 'bank' AND next_key IS NULL)", name="refund_decisions_how"
    ),
    Index("refund_decisions_next_once", "next_key", unique=True),
)
