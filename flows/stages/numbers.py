"""The carrier's numbers as the house keeps them: a range is added by a person, and running short is told in time."""

from cards.errors import HseCardError, Refused, Unavailable
from flows.house import House
from flows.stages.line import Problem
from shipping.number_ranges import NumberKind, NumberRange, check_range


def add_range(house: House, kind: NumberKind, prefix: str, first: int, last: int, *, source: str) -> NumberRange:
    """Take in a range that the carrier gave. Raises Refused `numbers.invalid`, `numbers.overlap`."""
    check_range(kind, prefix, first, last)
    if not source.strip():
        raise Refused(
            "numbers.invalid", "no source is named", field="source", fix="name the carrier's letter, its date"
        )
    with house.store.begin() as uow:
        return uow.carrier_numbers.add(kind, prefix, first, last, source=source.strip(), by=house.actor)


def shortage(house: House) -> list[Problem]:
    """One warning when fewer numbers than HSECARD_NUMBERS_LOW are left of what our labels need."""
    asked = house.settings.carrier_numbers
    if asked == "none":
        return []
    with house.store.read() as uow:
        left = uow.carrier_numbers.left().get(asked, 0)
    if left >= house.settings.numbers_low:
        return []
    fault: HseCardError = Unavailable(
        "numbers.low",
        f"{left} {asked.upper()} numbers are left for labels",
        fix="ask the carrier for a new range in time, and add it with `hsecard numbers add`",
    )
    return [Problem.of("carrier numbers", fault)]
