"""The tables of what Stripe tells by webhook: each event once, and what all of them together say was paid and returned.

An event is kept by its id and kind alone, since its content may name persons; Stripe itself keeps it for 30 days.
"""

from sqlalchemy import BigInteger, Column, Table

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
