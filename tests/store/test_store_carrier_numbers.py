"""The carrier's numbers: eight writers at once, ranges that end, letters that are cancelled; none is given twice."""

import threading
from contextlib import suppress

import pytest

from cards.errors import Refused, Unavailable
from shipping.number_ranges import NumberKind
from store.database import Store
from tests.store.small_world import a_shipment, accept

S10, SSCC = NumberKind.S10, NumberKind.SSCC
_RR = {"source": "Posten 2026-11-01", "by": "kari"}


def _letters(store: Store, count: int) -> list[str]:
    with store.begin() as uow:
        cards = accept(uow, "B-1", cards=count)
        for number, card in enumerate(cards, start=1):
            uow.shipments.add(a_shipment(number, [card], shares=()))
    return [f"S-{number}" for number in range(1, count + 1)]


class _GivesUp(Exception):
    """A writer that changes its mind."""


def test_eight_writers_over_three_ranges_give_each_number_once(store: Store) -> None:
    letters = _letters(store, 40)
    with store.begin() as uow:
        for first, last in ((1, 7), (20, 20), (31, 62)):
            uow.carrier_numbers.add(S10, "RR", first, last, **_RR)
    start = threading.Barrier(8)
    given: list[tuple[str, str]] = []

    def write(writer: int) -> None:
        start.wait()
        for letter in letters[writer % 4 :: 4]:  # each letter is wanted by two of them
            if letter.endswith("5"):
                with suppress(_GivesUp), store.begin() as uow:
                    uow.shipments.locked(letter)
                    uow.carrier_numbers.give(letter, S10)
                    raise _GivesUp
            with store.begin() as uow:
                uow.shipments.locked(letter)
                given.append((letter, uow.carrier_numbers.give(letter, S10)))

    writers = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(given) == 80
    assert len(dict(given)) == len(set(given)) == len({number for _, number in given}) == 40
    with store.read() as uow:
        assert uow.carrier_numbers.left() == {"s10": 0}
        assert {uow.shipments.get(letter).carrier_number for letter in letters} == {number for _, number in given}


def test_what_is_used_up_says_so_and_a_new_range_goes_on(store: Store) -> None:
    one, two = _letters(store, 2)
    with store.begin() as uow:
        uow.carrier_numbers.add(S10, "RR", 47312482, 47312482, **_RR)
        assert uow.carrier_numbers.give(one, S10) == "RR473124829NO"
        assert uow.carrier_numbers.give(one, S10) == "RR473124829NO"
        for kind in (S10, SSCC):
            with pytest.raises(Unavailable, match=r"numbers\.exhausted"):
                uow.carrier_numbers.give(two, kind)
        uow.carrier_numbers.add(SSCC, "37043810", 126805853, 126805854, **_RR)
        assert uow.carrier_numbers.give(two, SSCC) == "370438101268058536"
        assert uow.carrier_numbers.left() == {"s10": 0, "sscc": 1}


def test_a_cancelled_letter_keeps_its_number(store: Store) -> None:
    one, two = _letters(store, 2)
    with store.begin() as uow:
        uow.carrier_numbers.add(S10, "RR", 1, 9, **_RR)
        kept = uow.carrier_numbers.give(one, S10)
        assert uow.shipments.cancel(one)
        assert uow.carrier_numbers.give(two, S10) != kept
        assert uow.shipments.get(one).carrier_number == kept


@pytest.mark.parametrize(
    ("kind", "prefix", "first", "last"),
    [
        (S10, "RR", 50, 60),
        (S10, "RR", 1, 100),
        (S10, "RR", 100, 200),
        (SSCC, "370438101", 26800000, 26900000),  # a longer prefix over the same numbers
    ],
)
def test_a_range_that_shares_a_number_is_refused(
    store: Store, kind: NumberKind, prefix: str, first: int, last: int
) -> None:
    with store.begin() as uow:
        uow.carrier_numbers.add(S10, "RR", 50, 100, **_RR)
        uow.carrier_numbers.add(SSCC, "37043810", 126805853, 126805999, **_RR)
        uow.carrier_numbers.add(S10, "RS", first, last, **_RR)  # other letters, other numbers
        with pytest.raises(Refused, match=r"numbers\.overlap"):
            uow.carrier_numbers.add(kind, prefix, first, last, **_RR)


def test_the_same_range_added_by_two_at_once_is_one(store: Store) -> None:
    start, outcomes = threading.Barrier(4), []

    def add() -> None:
        start.wait()
        try:
            with store.begin() as uow:
                outcomes.append(uow.carrier_numbers.add(S10, "RR", 1, 9, **_RR).range_id)
        except Refused as fault:
            outcomes.append(fault.code)

    hands = [threading.Thread(target=add) for _ in range(4)]
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join()
    assert sorted(outcomes) == ["N-0001", *["numbers.overlap"] * 3]
