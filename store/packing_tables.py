"""The tables of the packing bench: which card was scanned into which letter, what was turned away, which list it is on.

A scan that was taken back stays as a row with its end, so that an opened letter shows what lay in it. A refused scan
keeps no text of the code that was read: it may be a stranger's.
"""

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, Integer, Table, text

from store.columns import Instant, Word
from store.tables import metadata

_IN_THE_LETTER = text("taken_out_at IS NULL")

packing_scans = Table(
    "packing_scans",
    metadata,
    Column("shipment_id", Word, ForeignKey("shipments.shipment_id"), primary_key=True),
    Column("card_id", Word, ForeignKey("cards.card_id"), primary_key=True),
    Column("round", Integer, primary_key=True),
    Column("scanned_at", Instant, nullable=False),
    Column("scanned_by", Word, nullable=False),
    Column("taken_out_at", Instant),
    Column("taken_out_by", Word),
    CheckConstraint("(taken_out_at IS NULL) = (taken_out_by IS NULL)", name="packing_scans_taken_out_by_somebody"),
    Index(
        "packing_scans_once",
        "shipment_id",
        "card_id",
        unique=True,
        sqlite_where=_IN_THE_LETTER,
        postgresql_where=_IN_THE_LETTER,
    ),
)

packing_refusals = Table(
    "packing_refusals",
    metadata,
    Column("refusal", BigInteger, primary_key=True, autoincrement=False),
    Column("refused_at", Instant, nullable=False),
    Column("refused_by", Word, nullable=False),
    Column("code", Word, nullable=False),
    Column("shipment_id", Word, ForeignKey("shipments.shipment_id")),
    Column("card_id", Word, ForeignKey("cards.card_id")),
    Column("belongs_to", Word, ForeignKey("shipments.shipment_id")),
    Index("packing_refusals_by_card", "card_id"),
)

packing_lists = Table(
    "packing_lists",
    metadata,
    Column("shipment_id", Word, ForeignKey("shipments.shipment_id"), primary_key=True),
    Column("list_id", Word, nullable=False),
    Index("packing_lists_by_list", "list_id"),
)
