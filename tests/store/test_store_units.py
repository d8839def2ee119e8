"""Units of work on both databases: whole or not at all, one winner a race, and a database that will not is told why."""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text

from cards.adapters.system import SteadyClock
from cards.blanks import BlankAccount
from cards.effects import EffectKind, EffectState
from cards.errors import Refused, Unavailable
from cards.life import CardState, broken_links
from store import database
from store.blobs import FolderBlobs
from store.columns import Instant, Word
from store.database import Store, migrate, open_store
from store.tables import APPEND_ONLY, metadata
from tests.servers import Postgres
from tests.store.small_world import NOON, a_case, a_charge, a_finding, a_move, accept, settle_world


def _everything(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    with store.read() as uow:
        return {
            table.name: [tuple(row) for row in uow.connection.execute(table.select().order_by(*table.primary_key))]
            for table in metadata.sorted_tables
        }


# --- whole or not at all ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_whatever_ends_a_unit_of_work_leaves_nothing(store: Store, end: type[BaseException]) -> None:
    with store.begin() as uow:
        accept(uow, "B-1")
        uow.blanks.move(a_move("m", "supplier", "vault", 5))
    before = _everything(store)
    with pytest.raises(end), store.begin() as uow:  # noqa: PT012 -- the error is the last thing of the unit
        accept(uow, "B-2")
        uow.cards.advance("B-1-1", CardState.ORDERED, CardState.PICTURED, actor="x", what="pictured")
        uow.blanks.move(a_move("n", "vault", "tray", 5))
        uow.effects.plan("k", EffectKind.BOOK, "s", {})
        uow.series.next("invoice")
        raise end
    assert _everything(store) == before


def test_a_killed_process_leaves_nothing_half(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.sqlite'}"
    migrate(url)
    script = (
        "import os, sys\n"
        "from cards.adapters.system import SteadyClock\n"
        "from store.database import open_store\n"
        "from tests.store.small_world import NOON, accept\n"
        "store = open_store(sys.argv[1], clock=SteadyClock(NOON))\n"
        "with store.begin() as uow:\n    accept(uow, 'B-1')\n"
        "with store.begin() as uow:\n    accept(uow, 'B-2')\n    os.kill(os.getpid(), 9)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script, url], check=False, env={**os.environ, "PYTHONPATH": "."})
    assert ended.returncode == -9
    store = open_store(url, clock=SteadyClock(NOON))
    with store.read() as uow:
        assert uow.orders.numbers() == ["B-1"]
        assert uow.series.last("card_number") == 1
    store.close()


def test_a_refusal_that_is_caught_leaves_nothing_of_its_own(store: Store) -> None:
    findings = [a_finding(a_charge(f"E-{n}")) for n in range(3)]
    with store.begin() as uow:
        uow.refunds.add(a_case("R-1", findings[2:]))
        with pytest.raises(Refused, match=r"refund\.finding_taken"):
            uow.refunds.add(a_case("R-2", findings))
        uow.series.next("after")
    with store.read() as uow:
        assert [case.case_id for case in uow.refunds.all()] == ["R-1"]
        assert uow.series.last("after") == 1


def test_a_reader_sees_one_moment_and_cannot_write(store: Store) -> None:
    with store.begin() as uow:
        accept(uow, "B-1")
    with store.read() as reader:
        assert reader.orders.count() == 1
        with store.begin() as uow:
            accept(uow, "B-2")
        assert reader.orders.count() == 1
    with store.read() as reader:
        assert reader.orders.count() == 2
    with pytest.raises(Unavailable, match=r"store\.read_only"), store.read() as reader:
        reader.series.next("invoice")


# --- races -----------------------------------------------------------------------------------------------------


def _race(runners: int, act: Callable[[int], Any]) -> list[Any]:
    start = threading.Barrier(runners)

    def run(runner: int) -> Any:
        start.wait()
        try:
            return act(runner)
        except (Refused, Unavailable) as fault:
            return fault.code

    with ThreadPoolExecutor(runners) as pool:
        return list(pool.map(run, range(runners)))


def test_of_eight_that_advance_a_card_one_wins(store: Store) -> None:
    with store.begin() as uow:
        accept(uow, "B-1", cards=5)

    for card_id in [f"B-1-{line}" for line in range(1, 6)]:

        def advance(runner: int, card_id: str = card_id) -> bool:
            with store.begin() as uow:
                return uow.cards.advance(
                    card_id, CardState.ORDERED, CardState.PICTURED, actor=f"runner {runner}", what="pictured"
                )

        assert sorted(_race(8, advance)) == [False] * 7 + [True]
    with store.read() as uow:
        for card in uow.cards.of_order("B-1"):
            events = uow.cards.events(card.card_id)
            assert [event.what for event in events] == ["ordered", "pictured"]
            assert broken_links(events) == []


def test_notes_from_many_hands_make_one_chain(store: Store) -> None:
    with store.begin() as uow:
        accept(uow, "B-1", cards=1)

    def note(runner: int) -> None:
        for n in range(5):
            with store.begin() as uow:
                uow.cards.note("B-1-1", actor=f"runner {runner}", what="looked", details={"n": n})

    _race(6, note)
    with store.read() as uow:
        events = uow.cards.events("B-1-1")
    assert [event.position for event in events] == list(range(1, 32))
    assert broken_links(events) == []


def test_numbers_have_no_gap_under_writers_that_give_up(store: Store) -> None:
    def draw(runner: int) -> list[int]:
        drawn = []
        for n in range(12):
            try:
                with store.begin() as uow:
                    number = uow.series.next("letter")
                    if (n + runner) % 3 == 0:
                        raise _GivesUp
                    uow.effects.plan(f"letter {number}", EffectKind.MAIL, str(number), {})
                drawn.append(number)
            except _GivesUp:
                pass
        return drawn

    drawn = sorted(number for numbers in _race(6, draw) for number in numbers)
    assert drawn == list(range(1, len(drawn) + 1)) == list(range(1, 49))
    with store.read() as uow:
        assert len(uow.effects.in_state(EffectState.PLANNED)) == 48


class _GivesUp(Exception):
    """A writer that changes its mind."""


def test_the_last_blank_is_taken_once(store: Store) -> None:
    with store.begin() as uow:
        uow.blanks.move(a_move("receive", "supplier", "vault", 3))

    def take(runner: int) -> bool:
        with store.begin() as uow:
            return uow.blanks.move(a_move(f"take {runner}", "vault", "tray", 1))

    outcomes = _race(8, take)
    assert outcomes.count(True) == 3
    assert outcomes.count("blanks.short") == 5
    with store.read() as uow:
        assert uow.blanks.balances()[BlankAccount.VAULT] == 0


def test_one_of_many_starts_an_effect(store: Store) -> None:
    def start(runner: int) -> bool:
        with store.begin() as uow:
            uow.effects.plan("book:S-1", EffectKind.BOOK, "S-1", {"shipment": "S-1"})
        with store.begin() as uow:
            return uow.effects.start("book:S-1")

    assert sorted(_race(6, start)) == [False] * 5 + [True]


def test_one_of_many_proposes_a_finding(store: Store) -> None:
    def propose(runner: int) -> str:
        with store.begin() as uow:
            uow.refunds.add(a_case(f"R-{runner}", [a_finding(a_charge("E-1"))]))
        return "proposed"

    assert sorted(_race(6, propose)) == ["proposed"] + ["refund.finding_taken"] * 5


# --- the database's own rules ----------------------------------------------------------------------------------


def test_what_was_written_once_stays(store: Store, tmp_path: Path) -> None:
    settle_world(store, FolderBlobs(tmp_path / "blobs", b"k" * 32, durable=False))
    before = _everything(store)
    for table in APPEND_ONLY:
        assert before[table], f"nothing in {table} to change"
        column = metadata.tables[table].columns.values()[-1].name
        for act in (f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}"):
            with pytest.raises(Refused, match=r"append-only \[store\.rule_broken\]"), store.begin() as uow:
                uow.connection.exec_driver_sql(act)
    assert _everything(store) == before


def test_replacing_a_row_does_not_pass_by_the_triggers(store: Store) -> None:
    with store.begin() as uow:
        accept(uow, "B-1", cards=1)
        if uow.connection.dialect.name != "sqlite":
            return  # PostgreSQL has no INSERT OR REPLACE
    with pytest.raises(Refused, match="append-only"), store.begin() as uow:
        uow.connection.exec_driver_sql("INSERT OR REPLACE INTO card_events SELECT * FROM card_events")


def test_the_database_itself_refuses_a_person_who_approves_their_own(store: Store) -> None:
    with store.begin() as uow:
        uow.refunds.add(a_case("R-1", [a_finding(a_charge("E-1"))], by="Kari"))
    with pytest.raises(Refused, match=r"store\.rule_broken"), store.begin() as uow:
        uow.connection.execute(
            text("UPDATE refund_cases SET state = 'approved', approved_by = proposed_by, approved_at = proposed_at")
        )


def test_messages_of_the_database_name_no_person(store: Store) -> None:
    with store.begin() as uow:
        accept(uow, "B-1", cards=1)
    with pytest.raises(Refused) as broken, store.begin() as uow:
        uow.connection.execute(text("UPDATE cards SET hold_reason = 'photo'"))
    assert broken.value.code == "store.rule_broken"
    assert "Paweł" not in str(broken.value)


# --- schema ----------------------------------------------------------------------------------------------------


def _compare_type(context: Any, _found_column: Any, _column: Any, found: Any, said: Any) -> bool | None:
    """Alembic looks past the collation that our own text types choose."""
    if not isinstance(said, Word | Instant):
        return None
    return bool(found.compile(context.dialect) != said.compile(context.dialect))


def test_migrations_build_what_the_tables_say(store: Store) -> None:
    with store.read() as uow:
        context = MigrationContext.configure(uow.connection, opts={"compare_type": _compare_type})
        assert compare_metadata(context, metadata) == []
        checks = {
            check["name"]
            for table in metadata.sorted_tables
            for check in inspect(uow.connection).get_check_constraints(table.name)
        }
    said = {check.name for table in metadata.sorted_tables for check in table.constraints if check.name}
    assert said <= checks


def test_text_sorts_by_code_point_on_postgresql(store: Store) -> None:
    with store.read() as uow:
        if uow.connection.dialect.name != "postgresql":
            return
        loose = uow.connection.execute(
            text(
                "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' "
                "AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'"
            )
        ).all()
    documents = {(t.name, c.name) for t in metadata.sorted_tables for c in t.c if type(c.type).__name__ == "Json"}
    assert {tuple(row) for row in loose} == documents


def test_the_code_knows_its_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(database.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_current_head() == database.SCHEMA


def test_a_database_is_set_up_from_nothing_and_again(tmp_path: Path, postgres: Postgres) -> None:
    for url in (f"sqlite:///{tmp_path / 'new.sqlite'}", postgres.new_database(template="template1")):
        with pytest.raises(Refused, match=r"store\.schema_old"):
            open_store(url, clock=SteadyClock(NOON))
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(migrate, [url] * 3))
        store = open_store(url, clock=SteadyClock(NOON))
        with store.begin() as uow:
            accept(uow, "B-1")
        store.close()
        migrate(url)
        store = open_store(url, clock=SteadyClock(NOON))
        with store.read() as uow:
            assert uow.orders.numbers() == ["B-1"]
        store.close()


@pytest.mark.parametrize(("found", "code"), [("9999", "store.schema_new"), ("0000", "store.schema_old")])
def test_another_schema_is_refused(database_url: str, found: str, code: str) -> None:
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :found"), {"found": found})
    engine.dispose()
    with pytest.raises(Refused) as refused:
        open_store(database_url, clock=SteadyClock(NOON))
    assert refused.value.code == code
    if code == "store.schema_new":
        with pytest.raises(Refused, match=r"store\.schema_new"):
            migrate(database_url)


# --- a database that is not to be had --------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["mysql://x/y", "sqlite://", "sqlite:///:memory:", "nonsense", ""])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(Refused, match=r"store\.url_invalid"):
        open_store(url, clock=SteadyClock(NOON))


def test_a_database_that_is_not_there(tmp_path: Path) -> None:
    clock = SteadyClock(NOON)
    with pytest.raises(Unavailable, match=r"store\.unavailable"):
        open_store(f"sqlite:///{tmp_path / 'no' / 'x.sqlite'}", clock=clock)
    with pytest.raises(Unavailable, match=r"store\.unavailable"):
        migrate(f"sqlite:///{tmp_path / 'no' / 'x.sqlite'}")
    with pytest.raises(Unavailable, match=r"store\.unavailable"):
        open_store(f"postgresql://postgres@/x?host={tmp_path}", clock=clock)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "x.sqlite").write_bytes(b"not a database at all, only text" * 100)
    with pytest.raises(Unavailable, match=r"store\.unavailable"):
        open_store(f"sqlite:///{tmp_path / 'x.sqlite'}", clock=SteadyClock(NOON))


def test_a_read_only_folder_is_told(sqlite_template: Path) -> None:
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    shutil.copy(sqlite_template, folder / "x.sqlite")
    (folder / "x.sqlite").chmod(0o444)
    folder.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)  # root may write anywhere
    try:
        with pytest.raises(Unavailable, match=r"store\.read_only"):
            open_store(f"sqlite:///{folder / 'x.sqlite'}", clock=SteadyClock(NOON))
        with pytest.raises(Unavailable, match=r"store\.read_only"):
            migrate(f"sqlite:///{folder / 'y.sqlite'}")
    finally:
        if root:
            os.seteuid(0)
        shutil.rmtree(folder)


def test_a_full_disk_is_told_and_nothing_is_kept(sqlite_template: Path, tmp_path: Path) -> None:
    shutil.copy(sqlite_template, tmp_path / "x.sqlite")
    store = open_store(f"sqlite:///{tmp_path / 'x.sqlite'}", clock=SteadyClock(NOON))
    with pytest.raises(Unavailable, match=r"store\.no_room"), store.begin() as uow:  # noqa: PT012 -- first it shrinks
        pages = uow.connection.exec_driver_sql("PRAGMA page_count").scalar()
        uow.connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        for n in range(200):
            accept(uow, f"B-{n + 10}", cards=3)
    with store.read() as uow:
        assert uow.orders.count() == 0
    store.close()


def test_another_process_in_the_way_is_told(
    sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_S", 0.2)
    shutil.copy(sqlite_template, tmp_path / "x.sqlite")
    store = open_store(f"sqlite:///{tmp_path / 'x.sqlite'}", clock=SteadyClock(NOON))
    with closing(sqlite3.connect(tmp_path / "x.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match=r"store\.busy"), store.begin() as uow:
            uow.series.next("invoice")
    with (
        store.begin() as uow,
        pytest.raises(Unavailable, match=r"store\.busy"),
        store.begin() as second,
    ):
        second.series.next("invoice")
    store.close()


def test_commits_wait_for_the_disk_unless_told_otherwise(sqlite_template: Path, tmp_path: Path) -> None:
    shutil.copy(sqlite_template, tmp_path / "x.sqlite")
    for durable, synchronous in ((True, 2), (False, 0)):
        store = open_store(f"sqlite:///{tmp_path / 'x.sqlite'}", clock=SteadyClock(NOON), durable=durable)
        with store.begin() as uow:
            says = {
                name: uow.connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("synchronous", "journal_mode", "foreign_keys")
            }
        store.close()
        assert says == {"synchronous": synchronous, "journal_mode": "wal", "foreign_keys": 1}
