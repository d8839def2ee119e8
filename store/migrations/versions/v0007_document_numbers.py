"""Numbers of invoices and credit notes are the database's: nobody sets one, leaves one out or sets a counter back.

Bokføringsforskriften § 5-1-3 asks for numbers that a machine gives; UTV 2014/1021 refuses programs in which they are
easily overridden. So a document takes the number at which its counter stands, and its counter moves by one, and only
once the last number has its document. Counters of other series move forward only.
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

SERIES = (("invoice", "invoices"), ("credit_note", "credit_notes"))  # the series and the table it numbers
_DOCUMENTS = "('invoice', 'credit_note')"
_UNUSED = " OR ".join(
    f"(OLD.name = '{name}' AND OLD.last > 0 AND NOT EXISTS (SELECT 1 FROM {table} WHERE number = OLD.last))"  # noqa: S608 -- our names
    for name, table in SERIES
)
_BAD_MOVE = (
    f"NEW.name <> OLD.name OR NEW.last <= OLD.last OR (OLD.name IN {_DOCUMENTS} AND NEW.last <> OLD.last + 1) "
    f"OR {_UNUSED}"
)
_BAD_START = f"NEW.name IN {_DOCUMENTS} AND NEW.last <> 1"
_SAYS = "a number is given by its counter, one after the other"


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        _rules_postgresql()
    else:
        _rules_sqlite()


def _rules_sqlite() -> None:
    rules = [
        ("number_series_start", "INSERT ON number_series", _BAD_START),
        ("number_series_move", "UPDATE ON number_series", _BAD_MOVE),
        ("number_series_no_delete", "DELETE ON number_series", "1"),
        *((f"{table}_number_given", f"INSERT ON {table}", _not_given(name)) for name, table in SERIES),
    ]
    for name, act, wrong in rules:
        op.execute(f"CREATE TRIGGER {name} BEFORE {act} WHEN {wrong} BEGIN SELECT RAISE(ABORT, '{_SAYS}'); END")


def _rules_postgresql() -> None:
    rules = [
        ("number_series_start", "INSERT ON number_series", "ROW", _BAD_START),
        ("number_series_move", "UPDATE ON number_series", "ROW", _BAD_MOVE),
        ("number_series_no_delete", "DELETE ON number_series", "ROW", "true"),
        ("number_series_no_truncate", "TRUNCATE ON number_series", "STATEMENT", "true"),
        *((f"{table}_number_given", f"INSERT ON {table}", "ROW", _not_given(name)) for name, table in SERIES),
    ]
    for name, act, each, wrong in rules:
        op.execute(
            f"CREATE FUNCTION hsecard_{name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF {wrong} THEN "
            f"RAISE EXCEPTION '{_SAYS}' USING ERRCODE = 'integrity_constraint_violation'; "
            "END IF; RETURN NEW; END $$"
        )
        op.execute(f"CREATE TRIGGER {name} BEFORE {act} FOR EACH {each} EXECUTE FUNCTION hsecard_{name}()")


def _not_given(name: str) -> str:
    return f"NEW.number <> coalesce((SELECT last FROM number_series WHERE name = '{name}'), 0)"  # noqa: S608 -- our names
