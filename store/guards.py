"""The database's own guards: triggers that keep what is written once, and numbers that are given by their counter.

Whoever owns the tables could take a guard away; so the audit holds those that are there against the list here, and the
house works as a user that owns nothing (`store.grants`). A test holds the list against a new database.
"""

from collections.abc import Iterator

from sqlalchemy import Connection

APPEND_ONLY = (
    "bank_payments",
    "blank_moves",
    "card_events",
    "credit_notes",
    "invoice_lines",
    "invoice_terms",
    "invoices",
    "ledger_entries",
    "ledger_locks",
    "refund_acts",
    "refund_decisions",
    "refund_payouts",
    "refund_roads",
    "stripe_events",
    "stripe_fetches",
    "stripe_movements",
    "tracking_events",
)
_KEPT = ("after_charges", "refund_cases", "refund_items", "refund_roles")  # rows take allowed steps, and none goes
_FILLED = ("stripe_payments", "stripe_refunds")  # rows move as they are told, and none goes
_OTHERS = (
    "after_charges_agree",
    "after_charges_start",
    "credit_notes_number_given",
    "invoices_number_given",
    "ledger_entries_not_locked",
    "ledger_locks_in_order",
    "number_series_move",
    "number_series_no_delete",
    "number_series_start",
    "refund_acts_allowed",
    "refund_cases_move",
    "refund_cases_start",
    "refund_items_stand",
    "refund_items_with_case",
    "refund_payouts_planned",
    "refund_roads_once",
    "refund_roles_agree",
    "refund_roles_start",
    *(f"{table}_no_delete" for table in (*_KEPT, *_FILLED)),
    *(f"{table}_as_told" for table in _FILLED),
)
_TRUNCATED = (*APPEND_ONLY, *_KEPT, *_FILLED, "number_series")  # PostgreSQL empties a table past the guards of its rows
_IN_PLACE = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid "
    "WHERE NOT tgisinternal AND tgenabled IN ('O', 'A') AND relnamespace = current_schema()::regnamespace",
}


def guards_of(dialect: str) -> frozenset[str]:
    """The names of all guards that a database of ours has."""
    names = {f"{table}_no_{act}" for table in APPEND_ONLY for act in ("update", "delete")}
    if dialect == "postgresql":
        names |= {f"{table}_no_truncate" for table in _TRUNCATED}
    return frozenset(names | set(_OTHERS))


def guards_in_place(connection: Connection) -> frozenset[str]:
    """The names of the guards that this database has and that are switched on."""
    return frozenset(connection.exec_driver_sql(_IN_PLACE[connection.dialect.name]).scalars())


def missing_guards(connection: Connection) -> Iterator[str]:
    """Guards that somebody took away or switched off, by name."""
    yield from sorted(guards_of(connection.dialect.name) - guards_in_place(connection))
