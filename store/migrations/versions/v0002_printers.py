"""What the printing room needs beyond the first schema: jobs at the printer, and how each printed card came out."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

WORD = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _words(names: str, *, nullable: bool = False) -> list[sa.Column[str]]:
    return [sa.Column(name, WORD, nullable=nullable) for name in names.split()]


def upgrade() -> None:
    op.create_table(
        "print_jobs",
        *_words("key batch_id asked_at state"),
        *_words("reference reason seen_at", nullable=True),
        sa.PrimaryKeyConstraint("key"),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.batch_id"]),
    )
    op.create_index("print_jobs_one_a_batch", "print_jobs", ["batch_id"], unique=True)
    op.create_index("print_jobs_by_state", "print_jobs", ["state", "batch_id"])
    for column in _words("outcome outcome_by outcome_at", nullable=True):
        op.add_column("prints", column)
    op.execute("UPDATE prints SET outcome = 'spoiled' WHERE NOT live")
