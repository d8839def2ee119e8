"""What the chip room needs beyond the first schema: fault reports of many cards at once."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

WORD = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _words(names: str, *, nullable: bool = False) -> list[sa.Column[str]]:
    return [sa.Column(name, WORD, nullable=nullable) for name in names.split()]


def _once(name: str, table: str, columns: list[str], *, where: str) -> None:
    rows = sa.text(where)
    op.create_index(name, table, columns, unique=True, sqlite_where=rows, postgresql_where=rows)


def upgrade() -> None:
    _field_faults()
    _encoding_queue()


def _field_faults() -> None:
    op.create_table(
        "fault_reports",
        *_words("report_id digest channel reported_at reported_by symptom"),
        *_words("report_key", nullable=True),
        sa.Column("cohort", sa.Text(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("report_id"),
    )
    _once("fault_reports_key_once", "fault_reports", ["report_key"], where="report_key IS NOT NULL")
    collation = 'COLLATE "C" ' if op.get_bind().dialect.name == "postgresql" else ""
    # by hand: Alembic adds the reference as a constraint of its own, which SQLite cannot
    op.execute(f"ALTER TABLE chip_faults ADD COLUMN report_id TEXT {collation}REFERENCES fault_reports (report_id)")
    op.create_index("chip_faults_by_report", "chip_faults", ["report_id"])
    _once("chip_faults_one_fault", "chip_faults", ["replacement_card_id"], where="replacement_card_id IS NOT NULL")
    op.create_index("cards_by_batch", "cards", ["batch_id"])


def _encoding_queue() -> None:
    op.create_table(
        "encoders",
        *_words("name state"),
        sa.Column("failures_in_a_row", sa.Integer(), nullable=False),
        *_words("why changed_by changed_at holder held_until", nullable=True),
        sa.PrimaryKeyConstraint("name"),
        sa.CheckConstraint("(holder IS NULL) = (held_until IS NULL)", name="encoders_held_for_a_time"),
        sa.CheckConstraint("state IN ('running', 'stopped')", name="encoders_run_or_stop"),
    )
    op.create_table(
        "encode_leases",
        *_words("card_id batch_id encoder holder taken_at"),
        sa.PrimaryKeyConstraint("card_id"),
        sa.ForeignKeyConstraint(["card_id"], ["cards.card_id"]),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.batch_id"]),
    )
    op.create_table(
        "encode_tries",
        *_words("card_id batch_id encoder"),
        sa.Column("tries", sa.Integer(), nullable=False),
        *_words("cause last_at"),
        sa.PrimaryKeyConstraint("card_id", "batch_id", "encoder"),
        sa.ForeignKeyConstraint(["card_id"], ["cards.card_id"]),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.batch_id"]),
    )
    _quarantines()


def _quarantines() -> None:
    op.create_table(
        "chip_quarantines",
        *_words("card_id"),
        sa.Column("round", sa.Integer(), nullable=False),
        *_words("batch_id"),
        *_words("uid", nullable=True),
        *_words("encoder"),
        *_words("step", nullable=True),
        *_words("cause state found_at"),
        *_words("asked_by asker asked_at why released_by releaser closed_at", nullable=True),
        sa.PrimaryKeyConstraint("card_id", "round"),
        sa.ForeignKeyConstraint(["card_id"], ["cards.card_id"]),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.batch_id"]),
        sa.CheckConstraint("asked_by <> released_by AND asker <> releaser", name="chip_quarantines_two_people"),
        sa.CheckConstraint(
            "(state = 'released') = (asker IS NOT NULL AND releaser IS NOT NULL)",
            name="chip_quarantines_released_by_two",
        ),
        sa.CheckConstraint("state IN ('open', 'asked', 'released', 'spoiled')", name="chip_quarantines_states"),
    )
    _once("chip_quarantines_one_open", "chip_quarantines", ["card_id"], where="closed_at IS NULL")
