"""The lines of a letter's address, in the order and form that Posten asks for.

Source: Posten, "Adressering til postmottakere i Norge" and "… i utlandet": the person for attention under the business,
c/o between name and street, postcode and place alone on the last line; abroad the country in Norwegian on its own last
line and a country code before an all-digit postcode.
"""

import textwrap

from shipping.abroad import code_stands_before_place, country_rules
from shipping.address_parts import Parts
from shipping.countries import country_code, country_in_norwegian
from shipping.place_check import Verdict

LINE_MAX = 35  # letters of a line; also what Bring's booking takes
LINES_MAX = 6  # a country's own line included
_PART_LINES_MAX = 2  # of the receiver, and of the delivery point, which Bring's booking has two lines for


def laid_out(parts: Parts, delivery: tuple[str, ...], *, place: Verdict, country: str) -> tuple[tuple[str, ...], bool]:
    """The lines, and whether they are too long or too many. Long lines are broken between words."""
    receiver = _broken(parts.recipient)
    above = [*receiver]
    above += _broken(f"Att: {parts.attention}") if parts.attention else []
    above += _broken(f"c/o {parts.care_of}") if parts.care_of else []
    point = _broken(", ".join(delivery))
    above += point
    last = _last_lines(place, country)
    lines = [line for line in (*above, *last) if line]
    if len(lines) > LINES_MAX and parts.attention and len(receiver) == 1:
        lines = _attention_beside(lines)
    too_long = (
        len(lines) > LINES_MAX
        or max(len(receiver), len(point)) > _PART_LINES_MAX
        or max(map(len, lines), default=0) > LINE_MAX
    )
    return tuple(lines), too_long


def _broken(text: str) -> list[str]:
    if len(text) <= LINE_MAX:
        return [text]
    return textwrap.wrap(text, LINE_MAX, break_long_words=False, break_on_hyphens=False)


def _attention_beside(lines: list[str]) -> list[str]:
    """Seven lines become six when the person fits beside the business."""
    joined = f"{lines[0]}, {lines[1]}"
    return [joined, *lines[2:]] if len(joined) <= LINE_MAX and lines[1].startswith("Att: ") else lines


def _last_lines(place: Verdict, country: str) -> list[str]:
    if country == "NO":
        return [f"{place.postcode} {place.city}".strip()]
    name = country_in_norwegian(country) if country_code(country) else country
    rules = country_rules(country)
    if not code_stands_before_place(country):
        return (
            [place.city, place.postcode, name] if country == "GB" else [f"{place.city} {place.postcode}".strip(), name]
        )
    code = f"{rules.label_prefix}{place.postcode}" if place.postcode else ""
    if not rules.label_prefix and place.postcode.isdigit():
        code = f"{country}-{place.postcode}"
    return [f"{code} {place.city}".strip(), name]
