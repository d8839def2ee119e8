"""What packing by scan and the carrier's number ranges need beyond the schema so far.

Letters that were posted before, or whose booking was under way, were packed without a scan; each of their cards gets a
row that says so, so that the rules hold for every letter alike and nobody is named for a scan that was never made.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

WORD = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

_UNDER_WAY = (
    "shipments.state = 'packed' AND EXISTS (SELECT 1 FROM effects WHERE effects.key = 'book:' || shipments.shipment_id "
    "AND effects.state IN ('sent', 'unsure'))"
)


def _words(names: str, *, nullable: bool = False) -> list[sa.Column[str]]:
    return [sa.Column(name, WORD, nullable=nullable) for name in names.split()]


def _whole(names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in names.split()]


def upgrade() -> None:
    _bench()
    _numbers()
    op.execute(
        "INSERT INTO packing_scans (shipment_id, card_id, round, scanned_at, scanned_by) "  # noqa: S608 -- our names
        "SELECT shipments.shipment_id, shipment_cards.card_id, 1, coalesce(shipments.posted_at, effects.sent_at), "
        "'not scanned: before packing by scan' FROM shipments "
        "JOIN shipment_cards ON shipment_cards.shipment_id = shipments.shipment_id "
        "LEFT JOIN effects ON effects.key = 'book:' || shipments.shipment_id "
        f"WHERE shipments.state = 'posted' OR ({_UNDER_WAY})"
    )
    op.execute(f"UPDATE shipments SET state = 'closed' WHERE {_UNDER_WAY}")  # noqa: S608 -- our names


def _bench() -> None:
    op.create_table(
        "packing_scans",
        *_words("shipment_id card_id"),
        sa.Column("round", sa.Integer(), nullable=False),
        *_words("scanned_at scanned_by"),
        *_words("taken_out_at taken_out_by", nullable=True),
        sa.PrimaryKeyConstraint("shipment_id", "card_id", "round"),
        sa.ForeignKeyConstraint(["shipment_id"], ["shipments.shipment_id"]),
        sa.ForeignKeyConstraint(["card_id"], ["cards.card_id"]),
        sa.CheckConstraint(
            "(taken_out_at IS NULL) = (taken_out_by IS NULL)", name="packing_scans_taken_out_by_somebody"
        ),
    )
    inside = sa.text("taken_out_at IS NULL")
    op.create_index(
        "packing_scans_once",
        "packing_scans",
        ["shipment_id", "card_id"],
        unique=True,
        sqlite_where=inside,
        postgresql_where=inside,
    )
    op.create_table(
        "packing_refusals",
        *_whole("refusal"),
        *_words("refused_at refused_by code"),
        *_words("shipment_id card_id belongs_to", nullable=True),
        sa.PrimaryKeyConstraint("refusal"),
        sa.ForeignKeyConstraint(["shipment_id"], ["shipments.shipment_id"]),
        sa.ForeignKeyConstraint(["card_id"], ["cards.card_id"]),
        sa.ForeignKeyConstraint(["belongs_to"], ["shipments.shipment_id"]),
    )
    op.create_index("packing_refusals_by_card", "packing_refusals", ["card_id"])
    op.create_table(
        "packing_lists",
        *_words("shipment_id list_id"),
        sa.PrimaryKeyConstraint("shipment_id"),
        sa.ForeignKeyConstraint(["shipment_id"], ["shipments.shipment_id"]),
    )
    op.create_index("packing_lists_by_list", "packing_lists", ["list_id"])


def _numbers() -> None:
    op.create_table(
        "number_ranges",
        *_words("range_id kind prefix"),
        *_whole("first_serial last_serial next_serial"),
        *_words("source added_at added_by"),
        sa.PrimaryKeyConstraint("range_id"),
        sa.CheckConstraint("kind IN ('s10', 'sscc')", name="number_ranges_kinds"),
        sa.CheckConstraint(
            "0 <= first_serial AND first_serial <= next_serial AND next_serial <= last_serial + 1",
            name="number_ranges_in_order",
        ),
    )
    op.create_table(
        "carrier_numbers",
        *_words("number range_id"),
        *_whole("serial"),
        *_words("shipment_id given_at"),
        sa.PrimaryKeyConstraint("number"),
        sa.ForeignKeyConstraint(["range_id"], ["number_ranges.range_id"]),
        sa.ForeignKeyConstraint(["shipment_id"], ["shipments.shipment_id"]),
    )
    op.create_index("carrier_numbers_serial_once", "carrier_numbers", ["range_id", "serial"], unique=True)
    op.create_index("carrier_numbers_one_a_shipment", "carrier_numbers", ["shipment_id"], unique=True)
