"""What the billing room needs beyond the first schema: locked months, the day a late document carries, bank payments.

A lock holds against everybody who writes to the ledger: by trigger, and on PostgreSQL with a lock that postings share,
so that no posting begun before the month was locked ends after it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

WORD = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
APPEND_ONLY = ("ledger_locks", "bank_payments")
POSTING_LOCK = 4_711_2027  # store/ledger.py takes the same one


def _words(names: str, *, nullable: bool = False) -> list[sa.Column[str]]:
    return [sa.Column(name, WORD, nullable=nullable) for name in names.split()]


def upgrade() -> None:
    op.add_column("ledger_entries", sa.Column("dated_on", sa.Date(), nullable=True))
    op.add_column("ledger_entries", sa.Column("entered_at", WORD, nullable=True))
    op.create_table(
        "ledger_locks",
        *_words("month"),
        sa.Column("until", sa.Date(), nullable=False),
        *_words("locked_by locked_at"),
        sa.PrimaryKeyConstraint("month"),
    )
    _bank_payments()
    if op.get_bind().dialect.name == "postgresql":
        _rules_postgresql()
    else:
        _rules_sqlite()


def _bank_payments() -> None:
    op.create_table(
        "bank_payments",
        *_words("key source"),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("received_on", sa.Date(), nullable=False),
        *_words("kid"),
        sa.Column("amount_ore", sa.BigInteger(), nullable=False),
        *_words("currency"),
        sa.Column("invoice", sa.BigInteger(), nullable=True),
        sa.Column("to_invoice_ore", sa.BigInteger(), nullable=False),
        sa.Column("unallocated_ore", sa.BigInteger(), nullable=False),
        *_words("difference", nullable=True),
        *_words("imported_by imported_at"),
        sa.PrimaryKeyConstraint("key"),
        sa.CheckConstraint(
            "to_invoice_ore >= 0 AND (invoice IS NOT NULL OR to_invoice_ore = 0)", name="bank_payments_named"
        ),
        sa.CheckConstraint(
            "to_invoice_ore + unallocated_ore = CASE WHEN currency = 'NOK' THEN amount_ore ELSE 0 END",
            name="bank_payments_whole",
        ),
    )
    op.create_index("bank_payments_by_invoice", "bank_payments", ["invoice"])


def _rules_sqlite() -> None:
    for table in APPEND_ONLY:
        for act in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{act.lower()} BEFORE {act} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
    op.execute(
        "CREATE TRIGGER ledger_entries_not_locked BEFORE INSERT ON ledger_entries "
        "WHEN NEW.booked_on <= (SELECT max(until) FROM ledger_locks) "
        "BEGIN SELECT RAISE(ABORT, 'ledger_entries: the month is locked'); END"
    )
    op.execute(
        "CREATE TRIGGER ledger_locks_in_order BEFORE INSERT ON ledger_locks "
        "WHEN NEW.until <= (SELECT max(until) FROM ledger_locks) "
        "BEGIN SELECT RAISE(ABORT, 'ledger_locks: the month is locked'); END"
    )


def _rules_postgresql() -> None:
    for table in APPEND_ONLY:
        for act, each in (("UPDATE", "ROW"), ("DELETE", "ROW"), ("TRUNCATE", "STATEMENT")):
            op.execute(
                f"CREATE TRIGGER {table}_no_{act.lower()} BEFORE {act} ON {table} "
                f"FOR EACH {each} EXECUTE FUNCTION hsecard_append_only()"
            )
    for name, table, lock, day in (
        ("ledger_entries_not_locked", "ledger_entries", "pg_advisory_xact_lock_shared", "booked_on"),
        ("ledger_locks_in_order", "ledger_locks", "pg_advisory_xact_lock", "until"),
    ):
        op.execute(
            f"CREATE FUNCTION hsecard_{name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "  # noqa: S608 -- our names
            f"PERFORM {lock}({POSTING_LOCK}); "
            f"IF NEW.{day} <= (SELECT max(until) FROM ledger_locks) THEN "
            f"RAISE EXCEPTION '{table}: the month is locked' USING ERRCODE = 'integrity_constraint_violation'; "
            "END IF; RETURN NEW; END $$"
        )
        op.execute(f"CREATE TRIGGER {name} BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION hsecard_{name}()")
