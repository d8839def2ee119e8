"""Who may do what to the database: the guards that are there, and the user as whom the house works on PostgreSQL."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError

from cards.adapters.system import SteadyClock
from cards.errors import Refused
from store.database import Store, open_store
from store.grants import DELETED_FROM, LIVING, grant_rights, owns_the_tables, refuse_owner
from store.guards import APPEND_ONLY, guards_in_place, guards_of, missing_guards
from store.tables import metadata
from tests.servers import Postgres
from tests.store.small_world import NOON, accept, an_invoice

STORE = Path(__file__).parents[2] / "store"
ROLE = "hsecard_app"


# --- guards -----------------------------------------------------------------------------------------------------


def test_a_new_database_has_the_listed_guards_and_no_others(store: Store) -> None:
    with store.read() as uow:
        assert guards_in_place(uow.connection) == guards_of(uow.connection.dialect.name)


def test_each_guard_that_is_taken_away_is_named(store: Store) -> None:
    with store.begin() as uow:
        if uow.connection.dialect.name == "sqlite":
            uow.connection.exec_driver_sql("DROP TRIGGER ledger_entries_no_update")
        else:
            uow.connection.exec_driver_sql("ALTER TABLE ledger_entries DISABLE TRIGGER ledger_entries_no_update")
        assert list(missing_guards(uow.connection)) == ["ledger_entries_no_update"]


# --- the house's own user ---------------------------------------------------------------------------------------


def _changed(act: str) -> set[str]:
    """The tables that our statements of one kind name; PostgreSQL lets a row be locked by who may change it."""
    modules = (path.read_text("utf-8") for path in STORE.glob("*.py"))
    return {name for text in modules for name in re.findall(rf"{act}(\w+)\)", text) if name in metadata.tables}


def test_rights_are_for_what_the_code_does_and_no_more() -> None:
    upserted = {"number_series", "tracking_looks"}
    assert _changed(r"\bupdate\(") | _changed(r"with_for_update\(of=") | upserted == set(LIVING)
    assert _changed(r"\bdelete\(") == set(DELETED_FROM)
    assert not set(APPEND_ONLY) & set(LIVING)


@pytest.fixture
def owned(postgres: Postgres) -> Iterator[str]:
    """The URL of a database of PostgreSQL as its owner, with a user beside it that has no rights yet."""
    url = postgres.new_database()
    postgres.execute(
        f"DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = '{ROLE}') "
        f"THEN CREATE ROLE {ROLE} LOGIN; END IF; END $$"
    )
    yield url
    postgres.drop(url)


def _as_role(url: str) -> str:
    return make_url(url).set(username=ROLE).render_as_string()


@pytest.fixture
def app(owned: str) -> Iterator[Store]:
    """The database as the house's user, with one order and two issued invoices in it."""
    grant_rights(owned, ROLE)
    opened = open_store(_as_role(owned), clock=SteadyClock(NOON), durable=False)
    with opened.begin() as uow:
        accept(uow, "B-1", cards=1)
        for _ in range(2):
            uow.invoices.add(an_invoice(uow.series.next("invoice"), [], []))
    yield opened
    opened.close()


def test_the_owner_is_known_and_refused_in_production(owned: str, app: Store) -> None:
    owner = open_store(owned, clock=SteadyClock(NOON))
    assert owns_the_tables(owner)
    with pytest.raises(Refused, match=r"database\.owner"):
        refuse_owner(owner)
    owner.close()
    assert not owns_the_tables(app)
    refuse_owner(app)


def test_rights_are_given_again_without_harm_and_a_dry_run_gives_none(owned: str) -> None:
    said = grant_rights(owned, ROLE, dry_run=True)
    with pytest.raises(Refused, match=r"store\.not_allowed"):
        open_store(_as_role(owned), clock=SteadyClock(NOON))
    assert grant_rights(owned, ROLE) == grant_rights(owned, ROLE) == said


@pytest.mark.parametrize("role", ["nobody", "postgres", 'x"; DROP TABLE invoices; --'])
def test_rights_for_a_user_that_is_unknown_or_too_mighty_are_refused(owned: str, role: str) -> None:
    with pytest.raises(Refused, match=r"database\.role"):
        grant_rights(owned, role)


def test_who_does_not_own_the_tables_gives_no_rights(owned: str, app: Store) -> None:
    with pytest.raises(Refused, match=r"database\.not_owner"):
        grant_rights(_as_role(owned), ROLE)


def test_sqlite_has_no_users(sqlite_template: Path) -> None:
    with pytest.raises(Refused, match=r"database\.no_users"):
        grant_rights(f"sqlite:///{sqlite_template}", ROLE)


SETS_A_NUMBER = [
    # by the counter
    "UPDATE number_series SET last = 98 WHERE name = 'invoice'",
    "UPDATE number_series SET last = last - 1 WHERE name = 'invoice'",
    "UPDATE number_series SET name = 'other'",
    "DELETE FROM number_series",
    "TRUNCATE number_series",
    "INSERT INTO number_series VALUES ('credit_note', 5)",
    # by the document
    "UPDATE invoices SET number = 99 WHERE number = 2",
    "UPDATE invoices SET content = content",
    "DELETE FROM invoices WHERE number = 2",
    "TRUNCATE invoices CASCADE",
    "INSERT INTO invoices SELECT 99, 'k', issued_on, order_number, net_ore, vat_ore, gross_ore, content FROM invoices",
    "UPDATE documents SET sha256 = 'x'",
    "UPDATE ledger_entries SET amount_ore = 1",
    "DELETE FROM ledger_entries",
    "UPDATE refund_cases SET net_ore = 1",
    "UPDATE effects SET request = '{}'",
    # past the guards
    "ALTER TABLE invoices DISABLE TRIGGER ALL",
    "DROP TRIGGER invoices_number_given ON invoices",
    "SET session_replication_role = replica",
    "CREATE OR REPLACE FUNCTION hsecard_append_only() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "ALTER FUNCTION hsecard_append_only() RENAME TO other",
    "CREATE TABLE mine (number bigint)",
    "CREATE SCHEMA mine",
    "CREATE TEMPORARY TABLE number_series (name text, last bigint)",
    "ALTER TABLE invoices RENAME TO old_invoices",
    "DROP TABLE invoices",
    "CREATE RULE nothing AS ON INSERT TO invoices DO INSTEAD NOTHING",
    "GRANT DELETE ON invoices TO hsecard_app; DELETE FROM invoices",
    "SET ROLE postgres",
    "UPDATE alembic_version SET version_num = '0001'",
]


@pytest.mark.parametrize("act", SETS_A_NUMBER)
def test_check_6_the_houses_user_cannot_set_skip_rewrite_or_delete(app: Store, act: str) -> None:
    with app.read() as uow:
        before = uow.invoices.all()
    with pytest.raises(Refused, match=r"store\.(not_allowed|rule_broken)"), app.begin() as uow:
        uow.connection.exec_driver_sql(act)
    with app.read() as uow:
        assert uow.invoices.all() == before
        assert uow.series.last("invoice") == 2


def test_every_guard_of_postgresql_names_its_search_path(owned: str) -> None:
    """A guard made by a later migration without one would be led astray by a temporary table."""
    owner = open_store(owned, clock=SteadyClock(NOON), durable=False)
    with owner.read() as uow:
        astray = "SELECT proname FROM pg_proc WHERE proname LIKE 'hsecard%%' AND proconfig IS NULL"
        assert uow.connection.exec_driver_sql(astray).scalars().all() == []
    owner.close()


def test_a_temporary_table_of_the_owner_leads_no_guard_astray(owned: str, app: Store) -> None:
    """Even where somebody may make one: the guards read our tables, whatever stands first in the search path."""
    owner = open_store(owned, clock=SteadyClock(NOON), durable=False)
    with owner.begin() as uow:
        uow.connection.exec_driver_sql("CREATE TEMPORARY TABLE number_series (name text, last bigint)")
        uow.connection.exec_driver_sql("INSERT INTO number_series VALUES ('invoice', 99)")
        with pytest.raises(IntegrityError, match="a number is given by its counter"):
            uow.invoices.add(an_invoice(99, [], []))
    owner.close()
