"""What Stripe tells stays as it was told; its balance transactions are kept; and a person decides on a failed refund.

Events, movements, fetches and decisions are append-only. A payment's fields are filled once, by events in any order; of
a refund only the state moves, and never again once it has failed.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

WORD = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
APPEND_ONLY = ("stripe_events", "stripe_movements", "stripe_fetches", "refund_decisions")
KEPT = ("stripe_payments", "stripe_refunds")  # rows move, and none goes
_FILLED = ("reference", "payment", "currency", "invoice", "amount_ore", "paid_at", "void_at")
_SAID = ("refund", "payment", "currency", "amount_ore", "key")
_ENDS = "('failed', 'canceled')"


def upgrade() -> None:
    _movements()
    op.create_table(
        "refund_decisions",
        *_words("key how"),
        *_words("next_key", nullable=True),
        *_words("decided_by decided_at"),
        sa.PrimaryKeyConstraint("key"),
        sa.CheckConstraint(
            "(how = 'again' AND next_key IS NOT NULL) OR (how = 'bank' AND next_key IS NULL)",
            name="refund_decisions_how",
        ),
    )
    op.create_index("refund_decisions_next_once", "refund_decisions", ["next_key"], unique=True)
    if op.get_bind().dialect.name == "postgresql":
        _rules_postgresql()
    else:
        _rules_sqlite()


def _words(names: str, *, nullable: bool = False) -> list[sa.Column[str]]:
    return [sa.Column(name, WORD, nullable=nullable) for name in names.split()]


def _movements() -> None:
    op.create_table(
        "stripe_movements",
        *_words("movement kind source"),
        sa.Column("amount_ore", sa.BigInteger(), nullable=False),
        sa.Column("fee_ore", sa.BigInteger(), nullable=False),
        *_words("currency moved_at"),
        sa.PrimaryKeyConstraint("movement"),
    )
    op.create_index("stripe_movements_by_source", "stripe_movements", ["source"])
    op.create_table(
        "stripe_fetches",
        sa.Column("number", sa.BigInteger(), autoincrement=False),
        *_words("fetched_at"),
        sa.Column("movements", sa.Integer(), nullable=False),
        sa.Column("balance_ore", sa.BigInteger(), nullable=False),
        *_words("fetched_by"),
        sa.PrimaryKeyConstraint("number"),
    )


def _rules_sqlite() -> None:
    for table in (*APPEND_ONLY, *KEPT):
        for act in ("DELETE", "UPDATE") if table in APPEND_ONLY else ("DELETE",):
            op.execute(
                f"CREATE TRIGGER {table}_no_{act.lower()} BEFORE {act} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
    for table, wrong in _moves("IS NOT").items():
        op.execute(
            f"CREATE TRIGGER {table}_as_told BEFORE UPDATE ON {table} WHEN {wrong} "
            f"BEGIN SELECT RAISE(ABORT, '{table}: what was told stays'); END"
        )


def _rules_postgresql() -> None:
    for table in (*APPEND_ONLY, *KEPT):
        acts = [("DELETE", "ROW"), ("TRUNCATE", "STATEMENT"), *([("UPDATE", "ROW")] if table in APPEND_ONLY else [])]
        for act, each in acts:
            op.execute(
                f"CREATE TRIGGER {table}_no_{act.lower()} BEFORE {act} ON {table} "
                f"FOR EACH {each} EXECUTE FUNCTION hsecard_append_only()"
            )
    for table, wrong in _moves("IS DISTINCT FROM").items():
        op.execute(
            f"CREATE FUNCTION hsecard_{table}_as_told() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF {wrong} THEN "
            f"RAISE EXCEPTION '{table}: what was told stays' USING ERRCODE = 'integrity_constraint_violation'; "
            "END IF; RETURN NEW; END $$"
        )
        op.execute(
            f"CREATE TRIGGER {table}_as_told BEFORE UPDATE ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION hsecard_{table}_as_told()"
        )


def _moves(differs: str) -> dict[str, str]:
    """What an update must not do, by table."""
    filled = [f"(OLD.{name} IS NOT NULL AND NEW.{name} {differs} OLD.{name})" for name in _FILLED]
    said = [f"NEW.{name} {differs} OLD.{name}" for name in _SAID]
    ended = f"(OLD.status IN {_ENDS} AND NEW.status NOT IN {_ENDS})"
    return {"stripe_payments": " OR ".join(filled), "stripe_refunds": " OR ".join([*said, ended])}
