"""What a letter costs and which place a postcode is, by our own tables and by the carrier that is asked at run time.

The carrier's word is for a person to compare: letters are priced by dated tariffs, addresses judged by the register.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

from cards.days import oslo_day
from cards.errors import Refused
from flows.house import House
from flows.stages.postcodes import register_of
from shipping.adapters.bring import BringCarrier
from shipping.tariffs import price
from shipping.weights import weigh


@dataclass(frozen=True)
class Quote:
    """A letter's net price by the tariff of its day (None with `why_none`) and by the carrier, in øre.

    `asked` says whether the carrier was; then no price means that its product does not go there.
    """

    day: date
    weight_g: float
    thickness_mm: float
    tariff: str | None
    tariff_net_ore: int | None
    why_none: str | None
    asked: bool = False
    product: str | None = None
    carrier_net_ore: int | None = None

    def carrier_words(self, money: Callable[[int], str]) -> str:
        """What the carrier says, in words."""
        if not self.asked:
            return "not asked: HSECARD_CARRIER is folder"
        return money(self.carrier_net_ore) if self.carrier_net_ore is not None else f"{self.product} does not go there"


@dataclass(frozen=True)
class Postcode:
    """The place of a postcode by our register and, where it was `asked`, by the carrier; None where it is unknown."""

    postcode: str
    register_place: str | None
    asked: bool
    carrier_place: str | None = None

    @property
    def differs(self) -> bool:
        """True when the carrier knows it otherwise."""
        ours, theirs = (self.register_place or "").casefold(), (self.carrier_place or "").casefold()
        return self.asked and ours != theirs


def quote(house: House, *, to_postcode: str, cards: int, day: date | None = None) -> Quote:
    """The price of one letter within Norway. Raises Refused `postcode.malformed`, and what the carrier raises."""
    postcode = _four_digits(to_postcode)
    ours = _by_tariff(house, cards, day or oslo_day(house.clock.now()))
    if not isinstance(house.carrier, BringCarrier):
        return ours
    product = house.settings.carrier_product.partition("+")[0]
    grams = math.ceil(ours.weight_g)
    told = house.carrier.price(product=product, to_postcode=postcode, weight_g=grams, on=ours.day)
    return replace(ours, asked=True, product=product, carrier_net_ore=told.net_ore if told else None)


def _by_tariff(house: House, cards: int, day: date) -> Quote:
    weight_g, thickness_mm = weigh(cards, house.weights)
    try:
        row = price(house.tariffs, day=day, zone="NO", weight_g=weight_g, thickness_mm=thickness_mm)
    except Refused as fault:
        return Quote(day, weight_g, thickness_mm, tariff=None, tariff_net_ore=None, why_none=fault.message)
    name = f"{row.tariff}, {row.product}"
    return Quote(day, weight_g, thickness_mm, tariff=name, tariff_net_ore=row.net_ore, why_none=None)


def ask_postcode(house: House, code: str) -> Postcode:
    """Which place it is. Raises Refused `postcode.malformed`, and what the carrier raises."""
    postcode = _four_digits(code)
    known = register_of(house.settings.home).codes.get(postcode)
    place = known.place if known else None
    if not isinstance(house.carrier, BringCarrier):
        return Postcode(postcode=postcode, register_place=place, asked=False)
    return Postcode(postcode=postcode, register_place=place, asked=True, carrier_place=house.carrier.place_of(postcode))


def _four_digits(text: str) -> str:
    code = text.strip()
    if not (code.isascii() and code.isdigit() and len(code) == 4):
        raise Refused(
            "postcode.malformed",
            f"{text[:20]!r} is no Norwegian postcode",
            field="CODE",
            fix="write its four digits, noughts included (0184)",
        )
    return code
