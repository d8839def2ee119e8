"""Eight planners at once: every card in one live letter, every letter whole, every øre and number accounted for."""

import itertools
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

from cards.adapters.system import SteadyClock
from cards.life import CardState
from flows.house import House
from flows.stages.line import run_line, run_stage
from flows.stages.planning import PACK, mail_holds
from flows.stages.ship import SHIP
from shipping.models import ShipmentState
from tests.flows.fleet import a_house
from tests.flows.ready import make_ready, place
from tests.store.small_world import a_reading, accept, step

PLANNERS = 8


@contextmanager
def _houses(home: Path, url: str, count: int) -> Iterator[list[House]]:
    """As many houses as there would be processes: each with its own connections, none knows of another."""
    with ExitStack() as doors:
        yield [doors.enter_context(a_house(home / str(n), database_url=url, hold_mail="never")) for n in range(count)]


def _plan_by(house: House, seed: int, begin: threading.Barrier) -> None:
    """A planner that cuts the addresses its own way, so that its chunks overlap the others' in every manner."""
    chance = random.Random(seed)
    keys = [key for chunk in PACK.waiting(house) for key in chunk]
    chance.shuffle(keys)
    begin.wait()
    while keys:
        size = chance.choice([1, 3, 10, len(keys)])
        PACK.work(house, tuple(keys[:size]))
        keys = keys[size:]


def _move(house: House, orders: list[str], begin: threading.Barrier) -> None:
    """Meanwhile, orders are given another address, some before their cards are planned and some after."""
    begin.wait()
    for number in orders:
        with house.store.begin() as uow:
            uow.orders.readdress(number, place("NO|999"), a_reading("NO|999"))


def _abreast(houses: list[House], moved: list[str]) -> None:
    begin = threading.Barrier(len(houses) + 1)
    with ThreadPoolExecutor(len(houses) + 1) as pool:
        mover = pool.submit(_move, houses[0], moved, begin)
        list(pool.map(_plan_by, houses, range(len(houses)), itertools.repeat(begin)))
        mover.result()


def test_each_card_lies_in_one_live_letter_whoever_plans(database_url: str, tmp_path: Path) -> None:
    chance, cards, moved = random.Random(5), 0, [f"B-{n}00" for n in range(60) if n % 6 == 0]
    with _houses(tmp_path, database_url, PLANNERS) as houses:
        with houses[0].store.begin() as uow:
            for n in range(60):
                count = chance.randrange(1, 6)
                make_ready(uow, f"B-{n}00", cards=count, key=f"NO|{chance.randrange(25):03d}")
                cards += count
        _abreast(houses, moved)
        with houses[0].store.begin() as uow:  # more has become ready since; what is planned is left alone
            make_ready(uow, "B-LATE", cards=2, key="NO|000")
        run_stage(houses[0], PACK)
        assert run_stage(houses[1], PACK).counts == {}
        with houses[0].store.read() as uow:
            letters = uow.shipments.all()
            packed = {card.card_id: card.shipment_id for card in uow.cards.in_state(CardState.PACKED)}
            places = {order: uow.orders.get(order).deliver_to for order in {_order(card_id) for card_id in packed}}
    assert len(packed) == cards + 2
    assert [letter.number for letter in letters] == list(range(1, len(letters) + 1))
    inside = [(card_id, letter.shipment_id) for letter in letters for card_id in letter.card_ids]
    assert (len(inside), dict(inside)) == (len(packed), packed)
    for letter in letters:
        orders = {_order(card_id) for card_id in letter.card_ids}
        assert letter.state is ShipmentState.PACKED
        assert {order for order, _ in letter.shares} == orders
        assert sum(share for _, share in letter.shares) == letter.postage_net_ore
        assert {places[order] for order in orders.difference(moved)} <= {letter.address}
        assert letter.address == place(letter.address_key)


def _order(card_id: str) -> str:
    return card_id.rpartition("-")[0]


def _ordered_on_monday(house: House, *orders: tuple[str, bool]) -> None:
    """Orders to one address; those named True are ready, the others in production."""
    with house.store.begin() as uow:
        for number, ready in orders:
            if ready:
                make_ready(uow, number, key="NO|site")
            else:
                accept(uow, number, cards=1, key="NO|site")


def test_ready_cards_wait_for_a_placed_order_and_say_until_when(database_url: str, tmp_path: Path) -> None:
    with a_house(tmp_path, database_url=database_url) as house:
        _ordered_on_monday(house, ("B-1", True), ("B-2", False))
        (hold,) = mail_holds(house)
        assert (hold.card_ids, hold.waits_for, hold.until) == (("B-1-1",), ("B-2",), date(2026, 11, 26))
        assert run_stage(house, PACK).counts == {}
        last = replace(house, clock=SteadyClock(datetime(2026, 11, 26, 8, tzinfo=UTC)))
        assert mail_holds(last) == []
        assert run_stage(last, PACK).counts == {"packed": 1}


def test_a_business_that_wants_its_cards_at_once_gets_them(database_url: str, tmp_path: Path) -> None:
    with a_house(tmp_path, database_url=database_url, post_at_once=("310149942",)) as house:
        _ordered_on_monday(house, ("B-1", True), ("B-2", False))
        assert mail_holds(house) == []
        assert run_stage(house, PACK).counts == {"packed": 1}


def test_a_card_that_came_back_does_not_wait(database_url: str, tmp_path: Path) -> None:
    with a_house(tmp_path, database_url=database_url) as house:
        _ordered_on_monday(house, ("B-1", True))
        run_line(house, SHIP)
        with house.store.begin() as uow:
            step(uow, "B-1-1", CardState.RETURNED, CardState.PROVED)
            assert uow.shipments.came_back("B-1-1")
        _ordered_on_monday(house, ("B-2", False))
        assert mail_holds(house) == []
