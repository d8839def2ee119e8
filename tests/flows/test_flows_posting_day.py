"""A letter costs what the list says on the Oslo day it is posted, whenever it was planned; no price, no letter."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from cards.adapters.system import SteadyClock
from cards.errors import Unsure
from cards.life import CardState, HoldReason
from flows.house import House
from flows.stages.invoice import INVOICE
from flows.stages.line import Tally, run_line, run_stage
from flows.stages.planning import PACK
from flows.stages.reconcile import RECONCILE
from flows.stages.refund_postage import find
from flows.stages.ship import SHIP
from shipping.adapters.folder import FolderCarrier
from shipping.models import Booking, Shipment, TariffRow
from shipping.tariffs import bundled_tariffs
from tests.flows.fleet import a_house
from tests.flows.ready import make_ready

PLANNED = datetime(2026, 1, 31, 12, tzinfo=UTC)
BEFORE_MIDNIGHT = datetime(2026, 1, 31, 22, 59, 59, tzinfo=UTC)  # 23:59:59 in Oslo
MIDNIGHT = datetime(2026, 1, 31, 23, tzinfo=UTC)  # 1 February in Oslo, still 31 January in UTC
NEW = next(row for row in bundled_tariffs() if row.tariff == "posten-2026-02")  # 28 kr to 5 mm, 22.40 net
OLD = NEW.model_copy(
    update={
        "tariff": "until-january",
        "product": "Brev 2 cm",
        "valid_from": date(2026, 1, 1),
        "valid_until": date(2026, 1, 31),
        "max_thickness_mm": 20.0,
        "gross_ore": 2500,
    }
)


class _FallsSilent(FolderCarrier):
    """Takes the booking and then says nothing, whatever it is asked."""

    def book(self, key: str, shipment: Shipment) -> Booking:
        super().book(key, shipment)
        raise self._silence()

    def look_up(self, key: str) -> Booking | None:
        raise self._silence()

    def _silence(self) -> Unsure:
        return Unsure("carrier.answer_lost", "the line went dead", fix="ask again")


@pytest.fixture
def house(database_url: str, tmp_path: Path) -> Iterator[House]:
    with a_house(tmp_path, database_url=database_url, clock=PLANNED, hold_mail="never") as opened:
        yield replace(opened, tariffs=(OLD, NEW))


def _at(house: House, instant: datetime, tariffs: Sequence[TariffRow] | None = None) -> House:
    return replace(house, clock=SteadyClock(instant), tariffs=tuple(tariffs or house.tariffs))


def _planned(house: House, *orders: tuple[str, int]) -> list[Shipment]:
    with house.store.begin() as uow:
        for number, cards in orders:
            make_ready(uow, number, cards=cards)
    run_stage(house, PACK)
    return _letters(house)


def _letters(house: House) -> list[Shipment]:
    with house.store.read() as uow:
        return uow.shipments.all()


def _post(house: House) -> Tally:
    return run_line(house, [stage for stage in SHIP if stage is not PACK])


@pytest.mark.parametrize(
    ("posted", "tariff", "net_ore", "shares"),
    [
        (BEFORE_MIDNIGHT, "until-january", 2000, (("B-1", 667), ("B-2", 1333))),
        (MIDNIGHT, "posten-2026-02", 2240, (("B-1", 747), ("B-2", 1493))),
    ],
)
def test_a_letter_planned_on_the_last_day_of_a_tariff_is_charged_by_its_posting_day(
    house: House, posted: datetime, tariff: str, net_ore: int, shares: tuple[tuple[str, int], ...]
) -> None:
    (planned,) = _planned(house, ("B-1", 1), ("B-2", 2))
    assert (planned.tariff, planned.postage_net_ore) == ("until-january", 2000)
    then = _at(house, posted)
    _post(then)
    (letter,) = _letters(house)
    assert (letter.tariff, letter.postage_net_ore, letter.shares) == (tariff, net_ore, shares)
    run_line(then, INVOICE)
    with house.store.read() as uow:
        charged = {charge.order_number: charge.charged_net_ore for charge in uow.postage.charges()}
    assert charged == dict(shares)
    assert find(then)[1] == []


def test_a_letter_that_the_posting_day_has_no_price_for_is_not_posted(house: House) -> None:
    _planned(house, ("B-1", 1))
    later = _at(house, MIDNIGHT, [OLD])
    assert [problem.code for problem in _post(later).problems] == ["tariff.unknown_day"]
    run_line(later, SHIP)
    with house.store.read() as uow:
        (card,) = uow.cards.in_state(CardState.HELD)
        assert uow.shipments.counts() == {"cancelled": 1}
    assert card.hold is not None
    assert (card.hold.reason, card.hold.detail) == (HoldReason.TARIFF_UNKNOWN, "tariff.unknown_day")


def test_a_letter_too_thick_for_the_posting_day_is_divided_anew(house: House) -> None:
    """Seven cards on three sheets are 4.2 mm, thirteen on five 6.6 mm: over the 5 mm of the new list."""
    (planned,) = _planned(house, ("B-1", 13))
    assert planned.thickness_mm == 6.6
    later = _at(house, MIDNIGHT + timedelta(hours=8))
    assert [problem.code for problem in _post(later).problems] == ["tariff.too_large"]
    run_line(later, SHIP)
    letters = [letter for letter in _letters(house) if letter.posted_at]
    assert [letter.postage_net_ore for letter in letters] == [2240, 2240]
    assert max(letter.thickness_mm for letter in letters) <= 5.0
    assert sorted(card for letter in letters for card in letter.card_ids) == sorted(planned.card_ids)


def test_a_letter_booked_before_the_change_and_settled_after_it_costs_what_the_posting_day_says(house: House) -> None:
    """The answer to the booking was lost; it is found after midnight, and that is when the letter is posted."""
    _planned(house, ("B-1", 1))
    _post(replace(_at(house, BEFORE_MIDNIGHT), carrier=_FallsSilent(house.settings.home / "carrier")))
    assert _letters(house)[0].posted_at is None
    run_line(_at(house, MIDNIGHT), RECONCILE)
    assert (_letters(house)[0].tariff, _letters(house)[0].postage_net_ore) == ("posten-2026-02", 2240)
