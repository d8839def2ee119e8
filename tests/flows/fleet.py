"""Posted cards by the thousand, made by the repositories alone: what a fault report or a recall finds in the field."""

import hashlib
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from cards.identifiers import card_number
from cards.life import PRODUCTION, Card, CardState
from chip.models import ChipVerdict
from flows.house import House, open_house
from flows.settings import Settings
from store.database import UnitOfWork
from store.tables import chip_bindings
from tests.store.small_world import NOON, a_batch, a_reading, an_order

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


@contextmanager
def a_house(home: Path, **settings: Any) -> Iterator[House]:
    """A house that works in this process, with nothing in it."""
    chosen = {"environment": "test", "clock": NOW, "engine": "inline", "durable": False} | settings
    with open_house(actor="a test", settings=Settings(home=home, **chosen)) as house:
        yield house


def post(
    house: House,
    lot: str,
    count: int,
    *,
    encoder: str = "one",
    generation: int = 1,
    encoded_at: datetime = NOON,
    state: CardState = CardState.POSTED,
    **changes: Any,
) -> list[str]:
    """`count` cards on blanks of a lot, made on one day by one encoder, standing in `state`; their ids."""
    with house.store.begin() as uow:
        cards = _ordered(house, uow, lot, count, changes)
        uow.batches.add(a_batch(f"P-{lot}", cards, lot))
        _bind(uow, cards, encoder, generation, encoded_at)
        for before, after in itertools.pairwise(PRODUCTION):
            if PRODUCTION.index(after) > PRODUCTION.index(state):
                break
            columns = {"batch_id": f"P-{lot}"}
            ids = [card.card_id for card in cards]
            changed = {
                card_id: columns | ({"chip_uid": uid_of(card_id)} if after == "encoded" else {}) for card_id in ids
            }
            details: dict[str, dict[str, Any]] = {card_id: {} for card_id in ids}
            stepped = uow.cards.advance_many(before, after, actor="test", what=after, details=details, changes=changed)
            assert stepped == sorted(ids)
    return [card.card_id for card in cards]


def _ordered(house: House, uow: UnitOfWork, lot: str, count: int, changes: dict[str, Any]) -> list[Card]:
    uow.orders.add(an_order(f"O-{lot}", cards=1), reading=a_reading(), document_key="", received_at=NOON)
    first = uow.series.next("card_number", count)
    content = {
        "portrait": "portrait/x.jpg",
        "valid_until": date(2028, 11, 20),
        "issued_on": date(2026, 11, 20),
    } | changes
    cards = [
        Card(
            card_id=f"O-{lot}-{line}",
            order_number=f"O-{lot}",
            line=line,
            number=card_number(first + line - 1, house.settings.key("card-number")),
            kind="construction",
            given_name="Paweł",
            family_name=f"Nr{line}",
            birth_date=date(1990, 2, 28),
            photo=None,
            state=CardState.ORDERED,
            **content,
        )
        for line in range(1, count + 1)
    ]
    uow.cards.add_many(cards, actor="test", what="ordered", details={})
    return cards


def uid_of(card_id: str) -> str:
    """The UID of the chip on a card."""
    return hashlib.sha256(card_id.encode()).hexdigest()[:14]


def _bind(uow: UnitOfWork, cards: list[Card], encoder: str, generation: int, at: datetime) -> None:
    chip = {"encoder": encoder, "generation": generation, "bound_at": at, "settled_at": at}
    chip |= {"outcome": {"verdict": ChipVerdict.DONE.value}}
    rows = [chip | {"uid": uid_of(card.card_id), "card_id": card.card_id} for card in cards]
    uow.connection.execute(insert(chip_bindings), rows)


def states(house: House, ids: list[str]) -> list[str]:
    """Where the cards stand."""
    with house.store.read() as uow:
        return [card.state.value for card in uow.cards.get_many(ids)]
