"""Letters after they left: sightings by the carrier, when it was asked last, and letters that came back.

Sightings are append-only by trigger: where a letter is, and what follows from it, is worked out from all of them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

WORD = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _words(names: str, *, nullable: bool = False) -> list[sa.Column[str]]:
    return [sa.Column(name, WORD, nullable=nullable) for name in names.split()]


def _booleans(names: str) -> list[sa.Column[bool]]:
    return [sa.Column(name, sa.Boolean(), nullable=False) for name in names.split()]


def upgrade() -> None:
    op.create_table(
        "tracking_events",
        *_words("event_id booking status at told_by told_at"),
        sa.Column("words", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("event_id"),
    )
    op.create_index("tracking_events_by_booking", "tracking_events", ["booking", "at"])
    op.create_table(
        "tracking_looks",
        *_words("shipment_id looked_at"),
        sa.PrimaryKeyConstraint("shipment_id"),
        sa.ForeignKeyConstraint(["shipment_id"], ["shipments.shipment_id"]),
    )
    op.create_index("shipments_by_booking", "shipments", ["booking"])
    _letter_returns()
    if op.get_bind().dialect.name == "postgresql":
        _append_only_postgresql("tracking_events")
    else:
        _append_only_sqlite("tracking_events")


def _letter_returns() -> None:
    op.create_table(
        "letter_returns",
        *_words("shipment_id address_key reason returned_at returned_by"),
        *_booleans("at_our_cost"),
        sa.Column("destroy_from", sa.Date(), nullable=False),
        *_booleans("flags"),
        *_words("lifted_at lifted_by lifted_why", nullable=True),
        sa.PrimaryKeyConstraint("shipment_id"),
        sa.ForeignKeyConstraint(["shipment_id"], ["shipments.shipment_id"]),
        sa.CheckConstraint(
            "(lifted_at IS NULL) = (lifted_by IS NULL) AND (lifted_at IS NULL) = (lifted_why IS NULL)",
            name="letter_returns_lifted_by_somebody",
        ),
        sa.CheckConstraint("flags OR lifted_at IS NULL", name="letter_returns_only_flags_are_lifted"),
    )
    flagged = sa.text("flags AND lifted_at IS NULL")
    op.create_index(
        "letter_returns_flagged", "letter_returns", ["address_key"], sqlite_where=flagged, postgresql_where=flagged
    )


def _append_only_sqlite(table: str) -> None:
    for act in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {table}_no_{act.lower()} BEFORE {act} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )


def _append_only_postgresql(table: str) -> None:
    for act, each in (("UPDATE", "ROW"), ("DELETE", "ROW"), ("TRUNCATE", "STATEMENT")):
        op.execute(
            f"CREATE TRIGGER {table}_no_{act.lower()} BEFORE {act} ON {table} "
            f"FOR EACH {each} EXECUTE FUNCTION hsecard_append_only()"
        )
