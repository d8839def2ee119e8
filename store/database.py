"""The database behind one door: units of work that are whole or not at all, on SQLite and on PostgreSQL.

SQLite takes its write lock at the start of a unit of work (an upgrade from reading to writing could only fail), and
inside one process units of work queue up here, which is faster and fairer than SQLite's own waiting.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from cards.errors import Refused, Unavailable
from cards.ports import Clock
from store.after_charges import AfterCharges
from store.bank import Bank
from store.billing import CreditNotes, Invoices
from store.blanks import Blanks
from store.cards import Cards
from store.carrier_numbers import CarrierNumbers
from store.chip import Chips
from store.cohorts import Cohorts
from store.documents import Documents
from store.effects import Effects, Series
from store.encoding import Encoding
from store.faults import translated
from store.field_faults import FieldFaults
from store.free_cards import FreeCards
from store.ledger import Ledger
from store.orders import Orders
from store.packing import Packing
from store.payments import StripePaid
from store.printing import Batches, PrintJobs, Prints
from store.refund_decisions import RefundDecisions
from store.refund_roles import RefundRoles
from store.refunds import Refunds
from store.returns import Returns
from store.shipping import Postage, Shipments
from store.stripe_compare import StripeCompared
from store.terms import Terms
from store.tracking import Tracking
from store.transaction import Transaction
from store.uninvoiced import UninvoicedDeliveries

SCHEMA = "0013"  # the newest migration this code knows; a test holds it against store/migrations
BUSY_S = 30
_MIGRATION_LOCK = 4_711_2026  # any number of ours: two migrations wait for each other


class UnitOfWork:
    """One transaction with every repository in it. Others see what is written when the context ends, or never."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    @cached_property
    def orders(self) -> Orders:
        """Accepted orders."""
        return Orders(self._tx)

    @cached_property
    def cards(self) -> Cards:
        """Cards and their journals."""
        return Cards(self._tx)

    @cached_property
    def batches(self) -> Batches:
        """Frozen batches."""
        return Batches(self._tx)

    @cached_property
    def prints(self) -> Prints:
        """Attempts to print a card."""
        return Prints(self._tx)

    @cached_property
    def print_jobs(self) -> PrintJobs:
        """Jobs at the printer."""
        return PrintJobs(self._tx)

    @cached_property
    def blanks(self) -> Blanks:
        """The blank ledger."""
        return Blanks(self._tx)

    @cached_property
    def chips(self) -> Chips:
        """Chip bindings."""
        return Chips(self._tx)

    @cached_property
    def encoding(self) -> Encoding:
        """Encoders and their queue."""
        return Encoding(self._tx)

    @cached_property
    def faults(self) -> FieldFaults:
        """Chips that fail in the field."""
        return FieldFaults(self._tx)

    @cached_property
    def cohorts(self) -> Cohorts:
        """Cards by what their chips have in common."""
        return Cohorts(self._tx)

    @cached_property
    def shipments(self) -> Shipments:
        """Letters with cards."""
        return Shipments(self._tx)

    @cached_property
    def packing(self) -> Packing:
        """Cards scanned into letters."""
        return Packing(self._tx)

    @cached_property
    def carrier_numbers(self) -> CarrierNumbers:
        """Number ranges of the carrier."""
        return CarrierNumbers(self._tx)

    @cached_property
    def tracking(self) -> Tracking:
        """What the carrier saw of them."""
        return Tracking(self._tx)

    @cached_property
    def returns(self) -> Returns:
        """Letters that came back."""
        return Returns(self._tx)

    @cached_property
    def postage(self) -> Postage:
        """Postage charged and judged."""
        return Postage(self._tx)

    @cached_property
    def invoices(self) -> Invoices:
        """Issued invoices."""
        return Invoices(self._tx)

    @cached_property
    def credit_notes(self) -> CreditNotes:
        """Issued credit notes."""
        return CreditNotes(self._tx)

    @cached_property
    def free_cards(self) -> FreeCards:
        """Cards that were replaced free of charge."""
        return FreeCards(self._tx)

    @cached_property
    def ledger(self) -> Ledger:
        """Double entry."""
        return Ledger(self._tx)

    @cached_property
    def terms(self) -> Terms:
        """How businesses are invoiced."""
        return Terms(self._tx)

    @cached_property
    def uninvoiced(self) -> UninvoicedDeliveries:
        """What is posted and on no invoice."""
        return UninvoicedDeliveries(self._tx)

    @cached_property
    def refunds(self) -> Refunds:
        """Refund cases."""
        return Refunds(self._tx)

    @cached_property
    def refund_decisions(self) -> RefundDecisions:
        """What becomes of refunds that came to nothing."""
        return RefundDecisions(self._tx)

    @cached_property
    def after_charges(self) -> AfterCharges:
        """What was charged too little and is charged after all."""
        return AfterCharges(self._tx)

    @cached_property
    def refund_roles(self) -> RefundRoles:
        """Who may propose and approve refunds."""
        return RefundRoles(self._tx)

    @cached_property
    def stripe(self) -> StripePaid:
        """What Stripe told by webhook, and what moved there."""
        return StripePaid(self._tx)

    @cached_property
    def stripe_compared(self) -> StripeCompared:
        """Stripe's movements beside the ledger."""
        return StripeCompared(self._tx)

    @cached_property
    def bank(self) -> Bank:
        """Payments by bank."""
        return Bank(self._tx)

    @cached_property
    def effects(self) -> Effects:
        """Acts towards the outside."""
        return Effects(self._tx)

    @cached_property
    def series(self) -> Series:
        """Number series without gaps."""
        return Series(self._tx)

    @cached_property
    def documents(self) -> Documents:
        """The register of issued documents."""
        return Documents(self._tx)

    @property
    def connection(self) -> Connection:
        """The open connection, for the audit and the tests of this room."""
        return self._tx.connection


class Store:
    """An open database. Threads may share it; worker processes never open one."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._reader = engine.execution_options(**_READING[engine.dialect.name])
        # PostgreSQL locks rows; SQLite has one writer, and who waits for it waits here.
        self._turn = threading.Lock() if engine.dialect.name == "sqlite" else None

    @contextmanager
    def begin(self) -> Iterator[UnitOfWork]:
        """One unit of work: kept whole at the end of the context, gone at any exception.

        Raises Unavailable (`store.busy`, `store.read_only`, `store.no_room`, `store.unavailable`) and Refused
        (`store.rule_broken`); then nothing was changed. Never open two in one thread: the second waits for the first.
        """
        with self._in_turn(), _in_our_words(), self._engine.begin() as connection:
            yield UnitOfWork(Transaction(connection, self._clock, writing=True))

    @contextmanager
    def read(self) -> Iterator[UnitOfWork]:
        """A snapshot to read from: what others commit meanwhile is not seen, writing raises `store.read_only`."""
        with _in_our_words(), self._reader.connect() as connection:
            yield UnitOfWork(Transaction(connection, self._clock, writing=False))

    def close(self) -> None:
        """Let all connections go."""
        self._engine.dispose()

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        if self._turn is None:
            yield
            return
        if not self._turn.acquire(timeout=BUSY_S):
            raise Unavailable(
                "store.busy",
                f"another unit of work in this process has held the database for {BUSY_S} s",
                fix="wait until the other work is done and run the same command again; nothing was changed",
            )
        try:
            yield
        finally:
            self._turn.release()


@contextmanager
def _in_our_words() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as fault:
        raise translated(fault) from fault


_READING: dict[str, dict[str, Any]] = {
    "sqlite": {"hsecard_reading": True},
    "postgresql": {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
}


def open_store(url: str, *, clock: Clock, durable: bool = True) -> Store:
    """Open `sqlite:///…` or `postgresql+psycopg://…`; never migrates. With `durable=False` the last commits may be
    lost when the machine (not the process) dies: for simulations.

    Raises Refused `store.url_invalid`, `store.schema_old`, `store.schema_new`; Unavailable `store.unavailable`,
    `store.read_only`.
    """
    target = _target(url)
    if target.get_backend_name() == "sqlite" and not Path(str(target.database)).exists():
        _look_at_folder(target)
        raise _schema_old(None)
    engine = _engine(target, durable=durable)
    try:
        with _in_our_words():
            _check_schema(engine)
    except BaseException:
        engine.dispose()
        raise
    return Store(engine, clock)


def migrate(url: str) -> None:
    """Bring the database to the schema of this code, in one transaction; a second caller waits and finds it done.

    Raises as `open_store` does, except for an older schema.
    """
    from alembic import command  # noqa: PLC0415 -- a fifth of a second that every other command would pay
    from alembic.config import Config  # noqa: PLC0415 -- as above

    target = _target(url)
    if target.get_backend_name() == "sqlite":
        _look_at_folder(target, to_write=True)
    engine = _engine(target, durable=True)
    try:
        with _in_our_words(), engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            _refuse_newer(_schema_of(connection))
            config = Config()
            config.set_main_option("script_location", str(files("store").joinpath("migrations")))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        engine.dispose()


def _target(url: str) -> URL:
    try:
        target = make_url(url)
    except ArgumentError:
        target = make_url("unknown://")
    if target.drivername == "postgresql":
        target = target.set(drivername="postgresql+psycopg")
    on_disk = target.drivername == "sqlite" and target.database not in (None, "", ":memory:")
    if not on_disk and target.drivername != "postgresql+psycopg":
        raise Refused(
            "store.url_invalid",
            "the database is neither sqlite:///path nor postgresql+psycopg://user@host/name",
            field="HSECARD_DATABASE_URL",
            fix="correct the setting, or leave it out for the embedded database",
        )
    return target


def _look_at_folder(target: URL, *, to_write: bool = False) -> None:
    folder = Path(str(target.database)).resolve().parent
    if not folder.is_dir():
        raise Unavailable(
            "store.unavailable", f"there is no folder {folder}", field="HSECARD_HOME", fix="make it, or name another"
        )
    if to_write and not os.access(folder, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        raise Unavailable(
            "store.read_only",
            f"the folder {folder} cannot be written",
            field="HSECARD_HOME",
            fix="let this user write there, or name another folder",
        )


def _engine(target: URL, *, durable: bool) -> Engine:
    if target.get_backend_name() == "sqlite":
        engine = create_engine(target, connect_args={"timeout": BUSY_S, "check_same_thread": False})
        _tune_sqlite(engine, durable=durable)
        return engine
    engine = create_engine(target, isolation_level="READ COMMITTED", pool_pre_ping=True, pool_size=10)
    if not durable:
        event.listen(engine, "connect", _without_waiting_for_the_disk)
    return engine


def _without_waiting_for_the_disk(connection: Any, _record: object) -> None:
    connection.execute("SET synchronous_commit = off")
    connection.commit()


def _tune_sqlite(engine: Engine, *, durable: bool) -> None:
    synchronous = "FULL" if durable else "OFF"
    pragmas = (
        "PRAGMA journal_mode = WAL",
        f"PRAGMA synchronous = {synchronous}",
        "PRAGMA foreign_keys = ON",
        "PRAGMA recursive_triggers = ON",  # so that INSERT OR REPLACE cannot pass by the append-only triggers
        "PRAGMA cache_size = -20000",
    )

    def connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # the driver's own BEGIN comes too late and is the wrong one
        for pragma in pragmas:
            connection.execute(pragma)

    def begin(connection: Connection) -> None:
        reading = connection.get_execution_options().get("hsecard_reading", False)
        connection.exec_driver_sql("PRAGMA query_only = ON" if reading else "PRAGMA query_only = OFF")
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    event.listen(engine, "connect", connect)
    event.listen(engine, "begin", begin)


def _schema_of(connection: Connection) -> str | None:
    if not connection.dialect.has_table(connection, "alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def _check_schema(engine: Engine) -> None:
    with engine.execution_options(**_READING[engine.dialect.name]).connect() as connection:
        found = _schema_of(connection)
    _refuse_newer(found)
    if found != SCHEMA:
        raise _schema_old(found)


def _refuse_newer(found: str | None) -> None:
    if found is not None and found > SCHEMA:
        raise Refused(
            "store.schema_new",
            f"the database has schema {found}, this program knows up to {SCHEMA}",
            fix="run the newer program that wrote this database, or restore a backup from before its migration",
        )


def _schema_old(found: str | None) -> Refused:
    return Refused(
        "store.schema_old",
        f"the database has schema {found}, this program needs {SCHEMA}" if found else "the database is not set up",
        fix="run `hsecard doctor --migrate` (back up the database first)",
    )
