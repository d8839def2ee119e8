"""A house on either database with proved cards for real addresses: what packs, posts, comes back and goes again."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from cards.address import Address
from cards.life import CardState
from flows.house import House, open_house
from flows.settings import Settings
from flows.stages.line import Tally, run_line
from flows.stages.postcodes import register_of
from flows.stages.ship import SHIP
from shipping.addresses import read_address
from store.audit import violations
from tests.store.small_world import a_card, a_move, an_order, finish_cards, step

MONDAY = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
OLD = Address(recipient="Fjordbygg AS", street="Storgata 5", postcode="0184", city="Oslo")
NEW = Address(recipient="Fjordbygg AS", street="Kirkegata 1", postcode="0153", city="Oslo")


@contextmanager
def a_mailroom(
    home: Path, database_url: str | None = None, *, at: datetime = MONDAY, **settings: Any
) -> Iterator[House]:
    """A house at an instant; opened again later over the same home and database, it is the next day's."""
    chosen = {"environment": "test", "clock": at, "engine": "inline", "durable": False} | settings
    with open_house(actor="a test", settings=Settings(home=home, database_url=database_url, **chosen)) as house:
        yield house


def prove(house: House, number: str, *, cards: int = 1, to: Address = OLD, **changes: Any) -> list[str]:
    """An order whose cards are made and proved, on a lot and in a batch of their own; their ids."""
    reading = read_address(to, register=register_of(house.settings.home))
    until = {"issued_on": date(2026, 11, 20), "valid_until": date(2028, 11, 20)}
    with house.store.begin() as uow:
        order = an_order(number, cards=cards, deliver_to=to, **changes)
        key = house.blobs.put("order", number.encode(), "json")
        uow.orders.add(order, reading=reading, document_key=key, received_at=MONDAY)
        serial = uow.series.next("card_number", cards)
        made = [a_card(number, line, serial + line - 1, **until) for line in range(1, cards + 1)]
        for card in made:
            uow.cards.add(card, actor="test", what="ordered")
            step(uow, card.card_id, CardState.PICTURED, CardState.RENDERED)
        ids = [card.card_id for card in made]
        uow.blanks.move(a_move(f"receive {number}", "supplier", "vault", cards))
        finish_cards(uow, house.blobs, f"P-{number}", ids)
    return ids


def ship(house: House) -> Tally:
    """Everything that is proved is packed and posted."""
    return run_line(house, SHIP)


def posted(house: House, number: str = "A-1", **changes: Any) -> tuple[str, list[str]]:
    """An order made and posted: its letter and its cards."""
    ids = prove(house, number, **changes)
    ship(house)
    with house.store.read() as uow:
        return str(uow.cards.get(ids[0]).shipment_id), ids


def states(house: House, ids: list[str]) -> list[str]:
    """Where the cards stand."""
    with house.store.read() as uow:
        return [card.state.value for card in uow.cards.get_many(ids)]


def whole(house: House) -> bool:
    """True when no rule of the audit is broken."""
    found = violations(house.store, house.blobs)
    assert found == []
    return True
