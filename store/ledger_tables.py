"""The tables around the ledger: months that are locked, and what the bank says was paid in.

A locked month stays locked and a payment stays as the bank told it: both are append-only, as the ledger itself.
"""

from sqlalchemy import BigInteger, CheckConstraint, Column, Date, Index, Integer, Table

from store.columns import Instant, Word
from store.tables import metadata

ledger_locks = Table(
    "ledger_locks",
    metadata,
    Column("month", Word, primary_key=True),  # 2026-10: it and all before it are locked
    Column("until", Date, nullable=False),
    Column("locked_by", Word, nullable=False),
    Column("locked_at", Instant, nullable=False),
)

bank_payments = Table(
    "bank_payments",
    metadata,
    Column("key", Word, primary_key=True),
    Column("source", Word, nullable=False),
    Column("line", Integer, nullable=False),
    Column("received_on", Date, nullable=False),
    Column("kid", Word, nullable=False),
    Column("amount_ore", BigInteger, nullable=False),
    Column("currency", Word, nullable=False),
    Column("invoice", BigInteger),
    Column("to_invoice_ore", BigInteger, nullable=False),
    Column("unallocated_ore", BigInteger, nullable=False),
    Column("difference", Word),
    Column("imported_by", Word, nullable=False),
    Column("imported_at", Instant, nullable=False),
    CheckConstraint("to_invoice_ore >= 0 AND (invoice IS NOT NULL OR to_invoice_ore = 0)", name="bank_payments_named"),
    CheckConstraint(
        "to_invoice_ore + unallocated_ore = CASE WHEN currency = 'NOK' THEN amount_ore ELSE 0 END",
        name="bank_payments_whole",
    ),
    Index("bank_payments_by_invoice", "invoice"),
)
