"""Cards that wait for a shipment, made by the repositories alone."""

import itertools
from datetime import date

from cards.address import Address
from cards.life import PRODUCTION, CardState
from store.database import UnitOfWork
from tests.store.small_world import OSLO, a_reading, accept


def place(key: str) -> Address:
    """The address that stands for a key: no two alike."""
    return OSLO.model_copy(update={"street": f"Storgata {key}"})


def make_ready(uow: UnitOfWork, number: str, *, cards: int = 1, key: str = "NO|000") -> list[str]:
    """An order of so many proved cards to the place of `key`; the cards' ids."""
    ids = accept(uow, number, cards=cards, key=key)
    uow.orders.readdress(number, place(key), a_reading(key))
    for before, after in itertools.pairwise(PRODUCTION[: PRODUCTION.index(CardState.PROVED) + 1]):
        drawn = {card_id: {"issued_on": date(2026, 1, 30)} if after == "rendered" else {} for card_id in ids}
        details: dict[str, dict[str, object]] = {card_id: {} for card_id in ids}
        uow.cards.advance_many(before, after, actor="test", what=after, details=details, changes=drawn)
    return ids
