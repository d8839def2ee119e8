"""What payments at Stripe need beyond the first schema: events seen, what was paid there, what was given back there."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

WORD = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _words(names: str, *, nullable: bool = False) -> list[sa.Column[str]]:
    return [sa.Column(name, WORD, nullable=nullable) for name in names.split()]


def upgrade() -> None:
    op.create_table(
        "stripe_events", *_words("event_id kind object_id happened_at received_at"), sa.PrimaryKeyConstraint("event_id")
    )
    op.create_table(
        "stripe_payments",
        *_words("reference"),
        *_words("payment currency", nullable=True),
        sa.Column("invoice", sa.BigInteger(), nullable=True),
        sa.Column("amount_ore", sa.BigInteger(), nullable=True),
        *_words("paid_at void_at", nullable=True),
        sa.PrimaryKeyConstraint("reference"),
    )
    op.create_table(
        "stripe_refunds",
        *_words("refund payment currency status"),
        sa.Column("amount_ore", sa.BigInteger(), nullable=False),
        *_words("key", nullable=True),
        *_words("told_by told_at"),
        sa.PrimaryKeyConstraint("refund"),
    )
