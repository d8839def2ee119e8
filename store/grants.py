"""Two users of PostgreSQL: the owner migrates, the house works as another that can do what the house does and no more.

That other user adds rows everywhere, changes rows only where rows live, and deletes only what is a claim for a time.
It owns nothing, so it cannot take a guard away; it makes no tables, not even temporary ones, with which a guard could
be led to read another counter than ours. A number is then set by nobody who has the house's password.
"""

import re
from collections.abc import Iterable

from sqlalchemy import Connection

from cards.adapters.system import SystemClock
from cards.errors import Refused
from store.database import Store, open_store
from store.tables import metadata

# Tables whose rows live, each with the columns that stay as they were written. All others are only added to.
LIVING: dict[str, tuple[str, ...]] = {
    "after_charges": ("finding_id", "net_ore", "asked_by", "asker", "asked_at"),
    "batch_cards": (),
    "batches": (),
    "blank_stock": (),
    "cards": ("order_number", "line"),
    "chip_bindings": (),
    "chip_faults": (),
    "chip_quarantines": (),
    "effects": ("key", "kind", "subject", "request", "digest", "planned_at"),
    "encode_leases": (),
    "encode_tries": (),
    "encoders": (),
    "letter_returns": ("shipment_id", "reason", "returned_at", "returned_by", "at_our_cost", "destroy_from", "flags"),
    "number_ranges": ("range_id", "kind", "prefix", "first_serial", "last_serial", "source", "added_at", "added_by"),
    "number_series": ("name",),
    "orders": ("order_number", "digest", "document_key", "received_at", "org_number", "business"),
    "packing_scans": ("shipment_id", "card_id", "round", "scanned_at", "scanned_by"),
    "postage_findings": ("finding_id", "charge_id", "kind", "due_net_ore", "refund_net_ore", "refund_vat_ore"),
    "print_jobs": (),
    "prints": (),
    "refund_cases": (
        *("case_id", "payer_org_number", "payer_name", "net_ore", "vat_ore", "gross_ore", "digest"),
        *("proposed_by", "proposer", "proposed_at"),
    ),
    "refund_items": ("case_id", "position", "finding_id", "net_ore", "vat_ore", "invoice_number", "content"),
    "refund_roles": ("role_id", "name", "person", "may_propose", "approve_up_to_ore", "set_by", "setter", "set_at"),
    "shipment_cards": ("shipment_id", "card_id"),
    "shipment_shares": ("shipment_id", "order_number", "place"),
    "shipments": ("shipment_id", "number"),
    "stripe_payments": (),
    "stripe_refunds": (),
    "tracking_looks": ("shipment_id",),
}
DELETED_FROM = ("encode_leases", "postage_findings")
_ROLE = re.compile(r"[a-z_][a-z0-9_]{0,62}")


def grant_rights(url: str, role: str, *, dry_run: bool = False) -> list[str]:
    """Give `role` the rights that the house needs, and take all others from it; the statements that do it.

    `url` names the database as its owner. Raises Refused `database.no_users` (SQLite), `database.role`,
    `database.not_owner`, and as `open_store` does.
    """
    store = open_store(url, clock=SystemClock())
    try:
        with store.begin() as uow:
            _refuse_unfit(uow.connection, role)
            statements = _statements(uow.connection, role)
            for statement in [] if dry_run else statements:
                uow.connection.exec_driver_sql(statement)
        return statements
    finally:
        store.close()


def owns_the_tables(store: Store) -> bool:
    """True where this user of PostgreSQL could take the guards away: it owns a table, or is a superuser."""
    with store.read() as uow:
        if uow.connection.dialect.name != "postgresql":
            return False
        owners = (
            "SELECT coalesce(bool_or(pg_has_role(current_user, relowner, 'MEMBER')), false) FROM pg_class "
            "WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace"
        )
        return bool(uow.connection.exec_driver_sql(owners).scalar_one())


def refuse_owner(store: Store) -> None:
    """Raises Refused `database.owner` where this user owns the tables."""
    if owns_the_tables(store):
        raise Refused(
            "database.owner",
            "this database user owns the tables, so it could set a number or change what was issued",
            field="HSECARD_DATABASE_URL",
            fix="let the owner run `hsecard database grants --role NAME`, and name that user in the setting",
        )


def _refuse_unfit(connection: Connection, role: str) -> None:
    if connection.dialect.name != "postgresql":
        raise Refused(
            "database.no_users",
            "SQLite has no users: who can write the file can write all of it",
            field="HSECARD_DATABASE_URL",
            fix="let only the house's user write the file; `hsecard audit` tells when a guard is gone",
        )
    known = connection.exec_driver_sql(
        "SELECT rolsuper OR rolcreaterole OR rolcreatedb FROM pg_roles WHERE rolname = %s", (role,)
    ).scalar_one_or_none()
    if known is not False or not _ROLE.fullmatch(role):
        raise Refused(
            "database.role",
            f"{role!r} is no user of this database, or one that may make users or databases",
            field="role",
            fix="make it as a superuser: CREATE ROLE hsecard_app LOGIN PASSWORD '…'",
        )
    owner = "SELECT pg_has_role(%s, relowner, 'MEMBER'), pg_has_role(current_user, relowner, 'MEMBER') FROM pg_class "
    rows = connection.exec_driver_sql(owner + "WHERE relname = 'invoices' AND relkind = 'r'", (role,)).one()
    if rows[0] or not rows[1]:
        raise Refused(
            "database.not_owner",
            "rights are given by the user that owns the tables, to another one",
            field="HSECARD_DATABASE_URL",
            fix="run this as the user that ran `hsecard doctor --migrate`, for a role that is no member of it",
        )


def _statements(connection: Connection, role: str) -> list[str]:
    schema, database = connection.exec_driver_sql("SELECT current_schema(), current_database()").one()
    quoted = connection.dialect.identifier_preparer.quote
    where = quoted(schema)
    tables = ", ".join(f"{where}.{name}" for name in sorted(metadata.tables))
    return [
        f"REVOKE ALL ON ALL TABLES IN SCHEMA {where} FROM PUBLIC, {role}",
        f"REVOKE ALL ON SCHEMA {where} FROM PUBLIC, {role}",
        f"REVOKE CREATE, TEMPORARY ON DATABASE {quoted(database)} FROM PUBLIC, {role}",
        f"GRANT USAGE ON SCHEMA {where} TO {role}",
        f"GRANT SELECT ON {where}.alembic_version TO {role}",
        f"GRANT SELECT, INSERT ON {tables} TO {role}",
        *(f"GRANT UPDATE{_columns(name)} ON {where}.{name} TO {role}" for name in sorted(LIVING)),
        *(f"GRANT DELETE ON {where}.{name} TO {role}" for name in DELETED_FROM),
    ]


def _columns(table: str) -> str:
    """` (state, answer)`: the columns that may change, where not all may."""
    fixed = LIVING[table]
    names: Iterable[str] = (column.name for column in metadata.tables[table].columns if column.name not in fixed)
    return f" ({', '.join(names)})" if fixed else ""
