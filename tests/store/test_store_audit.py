"""Every rule of the audit is broken once, past the program and past the database's own rules, and found alone."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from cards.adapters.system import SteadyClock
from cards.life import CardEvent, CardState, event_digest
from store.audit import RULES, examine, violations
from store.blobs import FolderBlobs
from store.database import Store, migrate, open_store
from store.status import status, stock
from tests.servers import Postgres
from tests.store.small_world import NOON, settle_world

KEY = b"a key of thirty-two secret bytes"


@dataclass
class Hand:
    """Somebody with the database's password and the run of the disk."""

    sql: Callable[[str], Any]
    blobs: Path
    guards: dict[str, str]  # of SQLite, which has to lose them all while the hand is at work

    def drop_guard(self, name: str, table: str) -> None:
        if self.guards.pop(name, None) is None:
            self.sql(f"DROP TRIGGER {name} ON {table}")

    def first_blob(self, kind: str) -> Path:
        return sorted((self.blobs / kind).iterdir())[0]


@dataclass
class World:
    """A settled world whose database has lost its unique indexes and checks."""

    store: Store
    blobs: Path

    def after(self, act: Callable[[Hand], None], copy: Path) -> dict[str, list[str]]:
        """What the audit finds after `act`, which is then undone: rule → rows."""
        shutil.copytree(self.blobs, copy)
        found: dict[str, list[str]] = {}
        with suppress(_Undo), self.store.begin() as uow:
            hand = Hand(uow.connection.exec_driver_sql, copy, guards=_unbind(uow.connection))
            act(hand)
            for guard in hand.guards.values():
                hand.sql(guard)
            found = {violation.rule: violation.rows for violation in examine(uow, FolderBlobs(copy, KEY))}
            raise _Undo
        return found


class _Undo(Exception):
    """Ends a unit of work so that nothing of it stays."""


def _unbind(connection: Connection) -> dict[str, str]:
    """Let everything be done; the guards that had to go for it, name → statement that makes it again."""
    if connection.dialect.name != "sqlite":
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        return {}
    connection.exec_driver_sql("PRAGMA ignore_check_constraints = ON")
    connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
    guards = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").all()
    for row in guards:
        connection.exec_driver_sql(f"DROP TRIGGER {row.name}")
    return {row.name: row.sql for row in guards}


def _disarm(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        rules = "SELECT type, name FROM sqlite_master WHERE sql LIKE 'CREATE UNIQUE INDEX%'"
    else:
        rules = (
            "SELECT 'INDEX', indexname FROM pg_indexes WHERE schemaname = 'public' "
            "AND indexdef ~ '^CREATE UNIQUE' AND indexname !~ '_pk' UNION ALL "
            "SELECT 'TABLE ' || conrelid::regclass || ' DROP CONSTRAINT', conname FROM pg_constraint "
            "WHERE contype = 'c' AND connamespace = 'public'::regnamespace"
        )
    for kind, name in connection.exec_driver_sql(rules).all():
        connection.exec_driver_sql(f"{'ALTER' if 'CONSTRAINT' in kind else 'DROP'} {kind} {name}")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def settled_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('audit') / 'hsecard.sqlite'}"
        migrate(url)
        return url
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture(scope="module")
def world(settled_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    blobs = tmp_path_factory.mktemp("blobs")
    store = open_store(settled_url, clock=SteadyClock(NOON), durable=False)
    settle_world(store, FolderBlobs(blobs, KEY, durable=False))
    with store.begin() as uow:
        _disarm(uow.connection)
    yield World(store=store, blobs=blobs)
    store.close()


# --- how each rule is broken -----------------------------------------------------------------------------------


def _does(*statements: str) -> Callable[[Hand], None]:
    def act(hand: Hand) -> None:
        for statement in statements:
            hand.sql(statement)

    return act


def _forge_a_step(hand: Hand) -> None:
    """A well-chained event that starts where the card never stood."""
    last = hand.sql("SELECT position, digest FROM card_events WHERE card_id = 'B-2-3'").fetchall()[-1]
    content = {"card_id": "B-2-3", "position": last[0] + 1, "at": NOON, "actor": "x", "what": "y", "details": {}}
    states = {"before": CardState.RENDERED, "after": CardState.ORDERED}
    digest = event_digest(CardEvent(**content, **states, previous=last[1], digest=""))
    hand.sql(
        "INSERT INTO card_events VALUES ('B-2-3', 2, '2026-11-23T12:00:00.000000Z', 'x', 'y', 'rendered', 'ordered', "
        f"'{{}}', '{last[1]}', '{digest}')"
    )


def _change_a_letter(hand: Hand) -> None:
    hand.first_blob("letter").write_bytes(b"another letter")


def _erase_a_portrait(hand: Hand) -> None:
    hand.first_blob("portrait").unlink()


_SPOILED_IS_GOOD = (
    "UPDATE blank_moves SET target = 'good' WHERE move_key = 'spoiled B-2-1'",
    "UPDATE blank_stock SET count = count + 1 WHERE account = 'good'",
    "UPDATE blank_stock SET count = count - 1 WHERE account = 'spoiled'",
    "UPDATE batches SET good = good + 1, spoiled = spoiled - 1 WHERE batch_id = 'P-1'",
)
_GOOD_IS_SPOILED = (
    "UPDATE blank_moves SET target = 'spoiled' WHERE move_key = 'good B-1-2'",
    "UPDATE blank_stock SET count = count - 1 WHERE account = 'good'",
    "UPDATE blank_stock SET count = count + 1 WHERE account = 'spoiled'",
    "UPDATE batches SET good = good - 1, spoiled = spoiled + 1 WHERE batch_id = 'P-1'",
)
_AT = "'2026-11-23T12:00:00.000000Z'"

_SCANNED = "INSERT INTO packing_scans (shipment_id, card_id, round, scanned_at, scanned_by) VALUES "
_OF_A_LETTER = (
    "address_key, address, label_lines, weight_g, thickness_mm, product, tariff, postage_net_ore, vat_percent, state, "
    "planned_on, posted_at"
)
_AN_EMPTY_LETTER = (  # posted, with nothing in it: what is wrong with its return is wrong with nothing else
    f"INSERT INTO shipments (shipment_id, number, booking, {_OF_A_LETTER}) "
    f"SELECT 'S-3', 3, 'C-3', {_OF_A_LETTER} FROM shipments WHERE shipment_id = 'S-1'",
    "INSERT INTO effects (key, kind, subject, request, digest, state, planned_at, attempts) SELECT 'book:S-3', kind, "
    "'S-3', request, digest, state, planned_at, attempts FROM effects WHERE key = 'book:S-1'",
)


def _came_back(letter: str, at: str = "2026-11-23T12:00:00.000000Z", lifted: str = "NULL, NULL, NULL") -> str:
    return (
        f"INSERT INTO letter_returns VALUES ('{letter}', 'NO|0184|a', '02', '{at}', 'x', FALSE, '2026-12-23', TRUE, "
        f"{lifted})"
    )


_QUARANTINE = "INSERT INTO chip_quarantines (card_id, round, batch_id, encoder, cause, state, found_at) "

PLANTS: dict[str, Callable[[Hand], None]] = {
    "card.known_state": _does("UPDATE cards SET hold_reason = 'weather' WHERE card_id = 'B-2-2'"),
    "card.state_is_journal": _does("UPDATE cards SET state = 'pictured' WHERE card_id = 'B-2-3'"),
    "card.journal_whole": _does("UPDATE card_events SET actor = 'x' WHERE card_id = 'B-1-2' AND position = 3"),
    "card.journal_steps": _forge_a_step,
    "card.hold": _does("UPDATE cards SET hold_fix = NULL WHERE card_id = 'B-2-2'"),
    "card.number_once": _does("UPDATE cards SET number = '0000003' WHERE card_id = 'B-2-3'"),
    "card.refers": _does("UPDATE cards SET batch_id = 'P-9' WHERE card_id = 'B-2-3'"),
    "card.chip": _does(
        "UPDATE cards SET chip_uid = (SELECT chip_uid FROM cards WHERE card_id = 'B-1-2') WHERE card_id = 'B-1-1'"
    ),
    "card.replacement": _does("UPDATE cards SET replaced_by = NULL WHERE card_id = 'B-1-1'"),
    "card.replaced_once": _does(
        "INSERT INTO chip_faults "
        "(fault_id, card_id, reported_at, reported_by, symptom, decided_at, replacement_card_id) "
        f"VALUES ('F-2', 'B-1-1', {_AT}, 'x', 'y', {_AT}, 'B-1-1R1')"
    ),
    "fault.open": _does(
        "INSERT INTO chip_faults (fault_id, card_id, reported_at, reported_by, symptom) "
        f"VALUES ('F-9', 'B-1-2', {_AT}, 'x', 'y')"
    ),
    "fault.replacement": _does("UPDATE chip_faults SET replacement_card_id = 'B-1-2'"),
    "fault.report_whole": _does(
        "INSERT INTO fault_reports (report_id, digest, channel, reported_at, reported_by, symptom, answer) "
        f"VALUES ('FR-1', 'd', 'api', {_AT}, 'x', 'y', '{{\"counts\":{{\"reported\":1}}}}')"
    ),
    "print.one_live": _does(
        "INSERT INTO prints (card_id, attempt, batch_id, position, live) VALUES ('B-1-1', 9, 'P-1', 1, TRUE)",
        *_SPOILED_IS_GOOD,
    ),
    "print.made": _does(
        "UPDATE prints SET live = FALSE, outcome = 'spoiled', spoiled_cause = 'smear' WHERE card_id = 'B-1-2'",
        *_GOOD_IS_SPOILED,
    ),
    "print.job": _does("UPDATE print_jobs SET state = 'accepted' WHERE batch_id = 'P-1'"),
    "print.outcome": _does("UPDATE prints SET spoiled_cause = NULL WHERE NOT live"),
    "print.place": _does("UPDATE prints SET position = 2 WHERE card_id = 'B-1-1'"),
    "batch.frozen": _does("UPDATE batch_cards SET face_digest = 'x' WHERE batch_id = 'P-1' AND position = 1"),
    "batch.one_frozen": _does("UPDATE batch_cards SET waiting = TRUE WHERE card_id = 'B-2-1'"),
    "batch.counted": _does("UPDATE batches SET good = 3 WHERE batch_id = 'P-1'"),
    "batch.count_holds": _does("UPDATE batches SET good = 3, spoiled = 0 WHERE batch_id = 'P-1'"),
    "shipment.one_live": _does(
        "INSERT INTO shipment_cards (shipment_id, place, card_id, live) VALUES ('S-2', 9, 'B-1-2', TRUE)",
        _SCANNED + "('S-2', 'B-1-2', 1, '2026-11-23', 'x')",
    ),
    "shipment.packed": _does("UPDATE cards SET shipment_id = 'S-2' WHERE card_id = 'B-1-2'"),
    "shipment.state": _does(
        "INSERT INTO shipment_cards (shipment_id, place, card_id, live) VALUES ('S-2', 9, 'B-2-3', TRUE)",
        _SCANNED + "('S-2', 'B-2-3', 1, '2026-11-23', 'x')",
    ),
    "packing.whole": _does("UPDATE packing_scans SET taken_out_at = 'x', taken_out_by = 'y' WHERE card_id = 'B-1-2'"),
    "packing.belongs": _does(_SCANNED + "('S-1', 'B-2-1', 1, '2026-11-23', 'x')"),
    "carrier_number.range": _does("UPDATE number_ranges SET next_serial = first_serial"),
    "carrier_number.once": _does(
        "UPDATE number_ranges SET next_serial = next_serial + 1",
        f"INSERT INTO carrier_numbers VALUES ('RR473124846NO', 'N-0001', 47312484, 'S-1', {_AT})",
    ),
    "shipment.shares": _does("UPDATE shipment_shares SET net_ore = 1900"),
    "tracking.event": _does(
        f"INSERT INTO tracking_events VALUES ('of other words', 'C-1', 'RETURN', {_AT}, 'push', {_AT}, '{{}}')"
    ),
    "return.posted": _does(*_AN_EMPTY_LETTER, _came_back("S-3", "2026-11-23T11:59:59.000000Z")),
    "return.cards": _does(_came_back("S-1")),
    "return.destroyed": _does(
        "INSERT INTO blank_moves (move_key, at, actor, lot, source, target, count, card_id) "
        f"VALUES ('destroy:B-1-2', {_AT}, 'x', 'L-1', 'good', 'destroyed', 1, 'B-1-2')",
        "UPDATE blank_stock SET count = count - 1 WHERE account = 'good'",
        "INSERT INTO blank_stock VALUES ('L-1', 'destroyed', 1)",
    ),
    "return.blocked": _does(
        "DELETE FROM packing_scans WHERE card_id = 'B-1-1'", "DELETE FROM shipment_cards WHERE card_id = 'B-1-1'"
    ),
    "return.lifted": _does(*_AN_EMPTY_LETTER, _came_back("S-3", lifted=f"{_AT}, NULL, 'it is right'")),
    "blanks.stock": _does("UPDATE blank_stock SET count = count + 1 WHERE account = 'vault'"),
    "blanks.negative": _does(
        "INSERT INTO blank_moves (move_key, at, actor, lot, source, target, count) "
        f"VALUES ('by hand', {_AT}, 'x', 'L-1', 'sample', 'destroyed', 1)",
        "INSERT INTO blank_stock VALUES ('L-1', 'sample', -1)",
        "INSERT INTO blank_stock VALUES ('L-1', 'destroyed', 1)",
    ),
    "blanks.batches": _does("UPDATE blank_moves SET batch_id = NULL WHERE move_key = 'issue P-2'"),
    "blanks.prints": _does(*_GOOD_IS_SPOILED),
    "number.invoices": _does(
        "UPDATE invoices SET number = 2, content = replace(content, '\"number\":1,', '\"number\":2,')",
        "UPDATE invoice_lines SET number = 2",
        "UPDATE ledger_entries SET posting = 'invoice:2' WHERE posting = 'invoice:1'",
    ),
    "number.credit_notes": _does(
        "UPDATE credit_notes SET number = 2, content = replace(content, '\"number\":1,', '\"number\":2,')",
        "UPDATE refund_cases SET credit_note = 2 WHERE credit_note = 1",
        "UPDATE ledger_entries SET posting = 'credit_note:2' WHERE posting = 'credit_note:1'",
    ),
    "invoice.one_line": _does("UPDATE invoice_lines SET card_id = 'B-1-1' WHERE card_id = 'B-1-2'"),
    "invoice.free_card": _does("UPDATE invoice_lines SET card_id = 'B-1-1R1' WHERE card_id = 'B-1-1'"),
    "invoice.adds_up": _does("UPDATE invoice_lines SET net_ore = net_ore + 1 WHERE card_id = 'B-1-1'"),
    "credit.adds_up": _does(
        "UPDATE credit_notes SET content = replace(content, '\"vat_ore\":6000', '\"vat_ore\":6001')"
    ),
    "credit.within_invoice": _does(
        "UPDATE postage_charges SET origin = 'own'",
        'UPDATE credit_notes SET content = replace(content, \'"invoice_number":"9001"\', \'"invoice_number":"1"\')',
    ),
    "ledger.balanced": _does(
        "INSERT INTO ledger_entries (posting, position, booked_on, account, amount_ore, document, text) "
        "VALUES ('by hand', 1, '2026-11-23', '1920', 5, 'x', 'y')"
    ),
    "ledger.documents": _does(
        "UPDATE ledger_entries SET account = '1510' WHERE posting = 'invoice:1' AND account = '1500'"
    ),
    "ledger.locked": _does(
        "INSERT INTO ledger_locks (month, until, locked_by, locked_at) "
        "VALUES ('2026-11', '2026-11-30', 'x', '2026-11-23T11:59:59.000000Z')"
    ),
    "bank.booked": _does(
        "INSERT INTO bank_payments VALUES ('csv:1', 'a.csv', 2, '2026-11-23', '', 500, 'NOK', NULL, 0, 500, 'no_kid', "
        "'x', '2026-11-23T11:59:59.000000Z')"
    ),
    "refund.unchanged": _does("UPDATE refund_cases SET digest = 'other' WHERE case_id = 'R-2'"),
    "refund.two_people": _does("UPDATE refund_cases SET approved_by = proposed_by WHERE case_id = 'R-1'"),
    "refund.finding_once": _does("UPDATE refund_items SET finding_id = 'E-1/v1' WHERE case_id = 'R-2'"),
    "refund.acts": _does("DELETE FROM refund_acts WHERE case_id = 'R-1' AND act = 'approved'"),
    "refund.roads": _does(
        "INSERT INTO refund_roads (case_id, position, road, amount_ore) VALUES ('R-1', 9, 'pay_out', 5)"
    ),
    "refund.credited": _does("UPDATE refund_cases SET credit_note = 7 WHERE case_id = 'R-1'"),
    "stripe.told": _does("DELETE FROM stripe_events WHERE event_id = 'evt_1'"),
    "stripe.booked": _does("UPDATE stripe_payments SET amount_ore = amount_ore + 1"),
    "stripe.returned": _does(
        "UPDATE stripe_refunds SET status = 'failed' WHERE refund = 're_pay-1'",
        "UPDATE refund_cases SET state = 'executing' WHERE case_id = 'R-1'",
    ),
    "stripe.moved": _does("UPDATE stripe_movements SET fee_ore = fee_ore + 1 WHERE movement = 'txn_1'"),
    "refund.decision": _does(
        f"INSERT INTO refund_decisions VALUES ('refund:R-1:pay-1', 'again', 'refund:R-1:pay-1:2', 'x', {_AT})"
    ),
    "encode.taken": _does("INSERT INTO encode_leases VALUES ('B-2-2', 'P-2', 'a', 'run', '2026-11-23')"),
    "chip.aside": _does(_QUARANTINE + "VALUES ('B-2-1', 1, 'P-2', 'a', 'x', 'open', '2026-11-23')"),
    "chip.two_people": _does(
        _QUARANTINE + "VALUES ('B-2-1', 1, 'P-2', 'a', 'x', 'released', '2026-11-23')",
        "UPDATE chip_quarantines SET asker = 'bo', releaser = 'bo', closed_at = '2026-11-23'",
    ),
    "database.guards": lambda hand: hand.drop_guard("invoices_number_given", "invoices"),
    "document.bytes": _change_a_letter,
    "blob.there": _erase_a_portrait,
    "effect.posted": _does("UPDATE effects SET state = 'unsure' WHERE kind = 'book' AND subject = 'S-1'"),
    "effect.printed": _does("UPDATE effects SET state = 'sent' WHERE kind = 'print' AND subject = 'P-1'"),
    "effect.refunded": _does("UPDATE effects SET state = 'refused' WHERE key = 'refund:R-1:pay-1'"),
    "effect.request": _does("UPDATE effects SET request = '{\"n\":2}' WHERE key = 'book:S-1'"),
}


def test_a_world_made_by_the_rules_breaks_none(world: World) -> None:
    assert violations(world.store, FolderBlobs(world.blobs, KEY)) == []


def test_every_rule_has_its_plant() -> None:
    assert sorted(PLANTS) == sorted(rule.name for rule in RULES)


@pytest.mark.parametrize("rule", PLANTS)
def test_a_planted_violation_is_found_and_nothing_else(world: World, tmp_path: Path, rule: str) -> None:
    found = world.after(PLANTS[rule], tmp_path / "blobs")
    assert list(found) == [rule]
    assert found[rule]


@pytest.mark.parametrize(
    "tampering",
    [
        "DELETE FROM card_events WHERE card_id = 'B-1-2' AND position = 3",
        "UPDATE card_events SET details = '{\"batch\":\"other\"}' WHERE card_id = 'B-1-2' AND position = 4",
        "UPDATE card_events SET at = '2026-11-22T12:00:00.000000Z' WHERE card_id = 'B-1-2' AND position = 2",
        "UPDATE card_events SET position = position + 100 WHERE card_id = 'B-1-2' AND position = 5",
        "UPDATE card_events SET digest = 'a' WHERE card_id = 'B-1-2' AND position = 1",
        "UPDATE card_events SET state_after = 'lost' WHERE card_id = 'B-1-2' AND position = 2",
    ],
)
def test_a_journal_that_was_tampered_with_shows(world: World, tmp_path: Path, tampering: str) -> None:
    found = world.after(_does(tampering), tmp_path / "blobs")
    assert found["card.journal_whole"]
    assert all(row.startswith("B-1-2 ") for row in found["card.journal_whole"])


def test_status_counts_the_world(world: World) -> None:
    says = status(world.store)
    assert says["orders"] == 2
    assert says["cards"] == {
        "count": 6,
        "by_state": {"blocked": 1, "held": 1, "ordered": 1, "posted": 2, "printed": 1},
    }
    assert says["held"] == {"photo:no_face": 1}
    assert says["batches"] == {"closed": 1, "printed": 1}
    assert says["shipments"] == {"posted": 2}
    assert says["invoices"] == {"count": 1, "net_ore": 22720, "vat_ore": 5680, "gross_ore": 28400}
    assert says["credit_notes"] == {"count": 1, "net_ore": 24000, "vat_ore": 6000, "gross_ore": 30000}
    assert says["refunds"]["confirmed"] == {"count": 1, "net_ore": 24000, "gross_ore": 30000}
    assert says["refunds"]["proposed"]["count"] == 1
    assert says["effects"] == {"planned": 0, "sent": 0, "confirmed": 6, "refused": 0, "unsure": 0}
    assert says["faults"] == {"reported": 1, "open": 0, "replaced": 1}
    assert sum(says["blanks"].values()) == 0
    assert says["blanks"]["vault"] == stock(world.store)["L-1"]["vault"] == 15
    assert sum(says["ledger"].values()) == 0
