"""How each business is invoiced, by day: for each order, or for all that a month brought. Append-only."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

WORD = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "invoice_terms",
        sa.Column("org_number", WORD, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("collect", WORD, nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("set_by", WORD, nullable=False),
        sa.Column("set_at", WORD, nullable=False),
        sa.CheckConstraint("collect IN ('order', 'month')", name="invoice_terms_collect"),
        sa.PrimaryKeyConstraint("org_number", "position"),
    )
    if op.get_bind().dialect.name == "postgresql":
        for act, each in (("UPDATE", "ROW"), ("DELETE", "ROW"), ("TRUNCATE", "STATEMENT")):
            op.execute(
                f"CREATE TRIGGER invoice_terms_no_{act.lower()} BEFORE {act} ON invoice_terms "
                f"FOR EACH {each} EXECUTE FUNCTION hsecard_append_only()"
            )
        return
    for act in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER invoice_terms_no_{act.lower()} BEFORE {act} ON invoice_terms "
            "BEGIN SELECT RAISE(ABORT, 'invoice_terms is append-only'); END"
        )
