"""The tables of the carrier's numbers: the ranges that it gave us, and which shipment got which number of them.

A number row never goes, not even with a cancelled shipment: a label with it may be about.
"""

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, Table

from store.columns import Instant, Word
from store.tables import metadata

number_ranges = Table(
    "number_ranges",
    metadata,
    Column("range_id", Word, primary_key=True),
    Column("kind", Word, nullable=False),
    Column("prefix", Word, nullable=False),
    Column("first_serial", BigInteger, nullable=False),
    Column("last_serial", BigInteger, nullable=False),
    Column("next_serial", BigInteger, nullable=False),
    Column("source", Word, nullable=False),
    Column("added_at", Instant, nullable=False),
    Column("added_by", Word, nullable=False),
    CheckConstraint("kind IN ('s10', 'sscc')", name="number_ranges_kinds"),
    CheckConstraint(
        "0 <= first_serial AND first_serial <= next_serial AND next_serial <= last_serial + 1",
        name="number_ranges_in_order",
    ),
)

carrier_numbers = Table(
    "carrier_numbers",
    metadata,
    Column("number", Word, primary_key=True),
    Column("range_id", Word, ForeignKey("number_ranges.range_id"), nullable=False),
    Column("serial", BigInteger, nullable=False),
    Column("shipment_id", Word, ForeignKey("shipments.shipment_id"), nullable=False),
    Column("given_at", Instant, nullable=False),
    Index("carrier_numbers_serial_once", "range_id", "serial", unique=True),
    Index("carrier_numbers_one_a_shipment", "shipment_id", unique=True),
)
