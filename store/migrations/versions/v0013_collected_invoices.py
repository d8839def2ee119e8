"""How each business is invoiced, by day: for each order, or for all that a month brought. Append-only.

On PostgreSQL the guards made so far read our tables and no others, whatever the search path of who writes: a temporary
table of the name of ours would otherwise come first.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

WORD = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


_OUR_TABLES_ONLY = """
DO $$ DECLARE guard regprocedure; BEGIN
  FOR guard IN SELECT oid FROM pg_proc
    WHERE proname LIKE 'hsecard\\_%' AND pronamespace = current_schema()::regnamespace
  LOOP
    EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp', guard, current_schema());
  END LOOP;
END $$
"""


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
        op.execute(_OUR_TABLES_ONLY)
        return
    for act in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER invoice_terms_no_{act.lower()} BEFORE {act} ON invoice_terms "
            "BEGIN SELECT RAISE(ABORT, 'invoice_terms is append-only'); END"
        )
