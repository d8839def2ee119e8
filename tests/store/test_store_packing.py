"""The packing bench at the repositories' door, and what the migration makes of letters that went before it."""

import threading
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, text

from cards.adapters.system import SteadyClock
from shipping.models import ShipmentState
from store.database import Store, migrate, open_store
from tests.servers import Postgres
from tests.store.small_world import NOON, a_shipment, accept

MIGRATIONS = Path(__file__).parents[2] / "store" / "migrations"


def test_a_letter_closes_when_every_card_lies_in_it_and_opens_again(store: Store) -> None:
    with store.begin() as uow:
        first, second = accept(uow, "B-1")
        uow.shipments.add(a_shipment(1, [first, second]))
        assert uow.packing.scan("S-1", first, by="kari")
        assert not uow.packing.scan("S-1", first, by="ola")
        assert not uow.shipments.close("S-1")
        assert uow.packing.counts() == {"letters": 1, "cards_missing": 1, "refused_scans": 0}
        assert uow.packing.scan("S-1", second, by="kari")
        assert uow.shipments.close("S-1")
        assert not uow.shipments.close("S-1")
        assert uow.packing.take_out("S-1", [first], by="ola") == 1
        assert uow.shipments.reopen("S-1")
        assert not uow.shipments.reopen("S-1")
        assert uow.packing.scanned("S-1") == {second}
        assert not uow.shipments.close("S-1")
        assert uow.packing.scan("S-1", first, by="kari")
        assert uow.shipments.close("S-1")
        assert uow.shipments.get("S-1").state is ShipmentState.CLOSED
        assert uow.shipments.cancel("S-1")


def test_refused_scans_are_numbered_and_kept(store: Store) -> None:
    with store.begin() as uow:
        first, second = accept(uow, "B-1")
        uow.shipments.add(a_shipment(1, [first]))
        uow.shipments.add(a_shipment(2, [second]))
        uow.packing.refuse("pack.other_letter", by="kari", shipment_id="S-1", card_id=second, belongs_to="S-2")
        uow.packing.refuse("pack.unknown_code", by="kari")
        one, two = uow.packing.refusals()
    assert (one.refusal, one.code, one.shipment_id, one.card_id, one.belongs_to) == (
        1,
        "pack.other_letter",
        "S-1",
        second,
        "S-2",
    )
    assert (two.refusal, two.card_id, two.refused_by) == (2, None, "kari")


def test_a_letter_stands_on_one_packing_list(store: Store) -> None:
    with store.begin() as uow:
        first, second = accept(uow, "B-1")
        uow.shipments.add(a_shipment(1, [first]))
        uow.shipments.add(a_shipment(2, [second]))
        assert uow.packing.unlisted() == ["S-1", "S-2"]
        assert uow.packing.listed(["S-1"], "L-1")
        assert not uow.packing.listed(["S-1", "S-2"], "L-2")
        assert uow.packing.unlisted() == ["S-2"]


def test_eight_hands_at_one_letter_make_one_row_a_card_and_close_it_once(store: Store) -> None:
    with store.begin() as uow:
        cards = accept(uow, "B-1", cards=4)
        uow.shipments.add(a_shipment(1, cards))
    new, closed = [], []
    start = threading.Barrier(8)

    def pack() -> None:
        start.wait()
        for card in cards:
            with store.begin() as uow:
                uow.shipments.locked("S-1")
                new.append(uow.packing.scan("S-1", card, by="x"))
                closed.append(uow.shipments.close("S-1"))

    hands = [threading.Thread(target=pack) for _ in range(8)]
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join()
    assert (sum(new), sum(closed), len(new)) == (4, 1, 32)


# --- what was there before -------------------------------------------------------------------------------------


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'old.sqlite'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database(template="template1")


_AT = "2026-11-23T12:00:00.000000Z"
_BEFORE: dict[str, dict[str, object]] = {
    "orders": {
        **dict.fromkeys(("digest", "document_key", "org_number", "card_kind", "address_key"), "x"),
        **dict.fromkeys(("received_at", "ordered_at", "approved_at"), _AT),
        **dict.fromkeys(("ordered_by", "business", "deliver_to", "address_reasons", "label_lines"), "{}"),
        "order_number": "B-1",
        "address_valid": True,
        "rule_version": 1,
    },
    "cards": {
        **dict.fromkeys(("kind", "given_name", "family_name", "search_name"), "x"),
        "order_number": "B-1",
        "line": 1,
        "birth_date": "1990-02-28",
        "head_covering": False,
        "state": "packed",
    },
    "shipments": {
        **dict.fromkeys(("address_key", "product", "tariff"), "x"),
        **dict.fromkeys(("address", "label_lines"), "{}"),
        "weight_g": 1,
        "thickness_mm": 1,
        "postage_net_ore": 1,
        "vat_percent": 25,
        "planned_on": "2026-11-23",
    },
    "shipment_cards": {"place": 1, "live": True},
    "effects": {"kind": "book", "request": "{}", "digest": "x", "planned_at": _AT, "sent_at": _AT, "attempts": 1},
}


def _put(connection: Connection, table: str, **values: object) -> None:
    """A row as the schema before knew it."""
    row = _BEFORE[table] | values
    names = ", ".join(row)
    connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({', '.join(f':{name}' for name in row)})"), row)


def _put_letter(connection: Connection, number: int, state: str, **more: object) -> None:
    _put(connection, "cards", card_id=f"B-1-{number}", number=f"{number:07d}")
    _put(connection, "shipments", shipment_id=f"S-{number}", number=number, state=state, **more)
    _put(connection, "shipment_cards", shipment_id=f"S-{number}", card_id=f"B-1-{number}")


def test_letters_that_went_before_get_their_rows_and_no_name(empty_url: str) -> None:
    """A database of the schema before: one letter posted, one whose booking is under way, one not booked."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = create_engine(empty_url)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0007")
        _put(connection, "orders")
        _put_letter(connection, 1, "posted", booking="C-1", posted_at=_AT)
        for number, state in ((2, "unsure"), (3, "planned")):
            _put_letter(connection, number, "packed")
            _put(connection, "effects", key=f"book:S-{number}", subject=f"S-{number}", state=state)
    engine.dispose()
    migrate(empty_url)
    old = open_store(empty_url, clock=SteadyClock(NOON), durable=False)
    with old.begin() as uow:
        states = {row.shipment_id: row.state for row in uow.connection.execute(text("SELECT * FROM shipments"))}
        rows = uow.connection.execute(text("SELECT shipment_id, card_id, scanned_by FROM packing_scans")).all()
    old.close()
    assert states == {"S-1": "posted", "S-2": "closed", "S-3": "packed"}
    assert sorted((row.shipment_id, row.card_id) for row in rows) == [("S-1", "B-1-1"), ("S-2", "B-1-2")]
    assert {row.scanned_by for row in rows} == {"not scanned: before packing by scan"}
