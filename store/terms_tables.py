"""The table of how a business is invoiced: dated rows, append-only, so that who set what from when stays to be seen."""

from sqlalchemy import CheckConstraint, Column, Date, Integer, Table

from store.columns import Instant, Word
from store.tables import metadata

invoice_terms = Table(
    "invoice_terms",
    metadata,
    Column("org_number", Word, primary_key=True),
    Column("position", Integer, primary_key=True),  # of two rows for the same day, the later one holds
    Column("collect", Word, nullable=False),
    Column("valid_from", Date, nullable=False),
    Column("set_by", Word, nullable=False),
    Column("set_at", Instant, nullable=False),
    CheckConstraint("collect IN ('order', 'month')", name="invoice_terms_collect"),
)
