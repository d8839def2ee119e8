"""An address as typed → the same place's one key, the lines of its letter, and what is wrong with it.

The key is country | postcode | delivery point | c/o | recipient. The place's name is never in it (the postcode decides)
and nor is the person for attention. Nothing is joined because it looks alike: only spelling rules make two addresses
one, and likeness is used for suggestions alone.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from cards.address import Address
from shipping.abroad import country_rules, foreign_street_key
from shipping.address_parts import Parts, in_parts
from shipping.countries import country_code
from shipping.label_lines import laid_out
from shipping.models import AddressReading
from shipping.norway import lacks_house_number, street_key
from shipping.place_check import Verdict, checked_place
from shipping.register import Register, bundled_register
from shipping.spelling import (
    folded_no,
    has_control_characters,
    looks_like_formula,
    org_number_in,
    printable,
    recipient_key,
    seen,
)

RULE_VERSION = 1
FIELDS = ("recipient", "attention", "care_of", "street", "postcode", "city", "country")
_NOTHING = frozenset({"", "ukjent", "unknown", "na", "ingen", "x", "xx", "xxx", "none", "null", "mangler"})


@dataclass(frozen=True)
class _Point:
    """A delivery point: its key, its lines on the letter, whether it is a box, and what is wrong with it."""

    key: str
    lines: tuple[str, ...]
    box: bool
    reasons: tuple[str, ...]


def read_address(address: Address, *, register: Register | None = None) -> AddressReading:
    """Understand an address. `register` is Norway's postcode register; without one, the register that ships.

    Never raises: an address that cannot be delivered to comes back with `valid` false, codes in `reasons`
    (`postcode_unknown`, `city_mismatch`, …) and, where there is one, a suggestion for a person.
    """
    return read_typed(address.model_dump(), register=register)


def read_typed(fields: Mapping[str, object], *, register: Register | None = None) -> AddressReading:
    """The same for fields that came from outside and may be missing, empty, numbers or nonsense."""
    typed = {name: "" if fields.get(name) is None else str(fields[name]) for name in FIELDS}
    reasons = _unfit_text(typed)
    parts = in_parts({name: seen(text) for name, text in typed.items()})
    code = country_code(parts.country or "NO")
    if code is None:
        reasons.append("country_unknown")
    country = "NO" if code == "SJ" else (code or parts.country.upper())
    rules = register or bundled_register()
    place = checked_place(parts, country=country, svalbard=code == "SJ", register=rules)
    point = _norwegian_point(parts, place) if country == "NO" else _foreign_point(parts, country)
    reasons += [*_receiver_reasons(parts), *point.reasons, *place.reasons]
    lines, too_long = laid_out(parts, point.lines, place=place, country=country)
    if too_long:
        reasons.append("too_long")
    return AddressReading(
        valid=not reasons,
        key=_key(parts, country, place.postcode, point.key),
        rule_version=RULE_VERSION,
        reasons=tuple(dict.fromkeys(reasons)),
        label_lines=tuple(printable(line) for line in lines),
        suggestion=place.suggestion or _suggestion(reasons),
    )


def _unfit_text(typed: Mapping[str, str]) -> list[str]:
    reasons = []
    if any(has_control_characters(text) for text in typed.values()):
        reasons.append("control_characters")
    if any(looks_like_formula(text) for text in typed.values()):
        reasons.append("formula")
    return reasons


def _receiver_reasons(parts: Parts) -> list[str]:
    return [] if any(letter.isalpha() for letter in parts.recipient) else ["recipient_missing"]


def _is_nothing(text: str) -> bool:
    letters = "".join(letter for letter in text.casefold() if letter.isalpha())
    return letters in _NOTHING


def _norwegian_point(parts: Parts, place: Verdict) -> _Point:
    """Box or street, as the postcode's category wants it when it is known; a box otherwise goes before a street."""
    street = _in_order([street_key(text) for text in parts.street], parts.street)
    street_lines = tuple(text for _, text in street)
    written = " ".join(key for key, _ in street)
    has_street = any(letter.isalpha() for letter in written) and not _is_nothing(written)
    if parts.box is not None and not (has_street and place.category == "G"):
        reasons: tuple[str, ...] = () if parts.box.number else ("box_number_missing",)
        if place.category == "G":
            reasons += ("box_in_street_code",)
        return _Point(f"box{parts.box.number or ''}", (parts.box.line,), True, reasons)
    if not has_street:
        return _Point(written, street_lines, False, () if place.category == "S" else ("street_missing",))
    wrong: tuple[str, ...] = ()
    if place.category == "P" and re.search(r"\d", written):
        wrong = ("street_in_box_code",)
    elif lacks_house_number(written):
        wrong = ("house_number_missing",)
    return _Point(written, street_lines, False, wrong)


_UNIT = re.compile(r"^(?:\d+ ?etg|\d* ?(?:etg|oppg|leil|inng|bygg)|[hulk]\d{4}$)")
_NUMBERED = re.compile(r"[^\W\d_]\d")


def _in_order(keys: list[str], texts: tuple[str, ...]) -> list[tuple[str, str]]:
    """Street parts with the street itself first: `3. etg, Storgata 5` is `Storgata 5, 3. etg`."""
    pairs = [(key, text) for key, text in zip(keys, texts, strict=True) if key]
    main = next((pair for pair in pairs if _NUMBERED.search(pair[0]) and not _UNIT.match(pair[0])), None)
    if main is None or pairs[0] == main:
        return pairs
    return [main, *(pair for pair in pairs if pair != main)]


def _foreign_point(parts: Parts, country: str) -> _Point:
    keys = [foreign_street_key(text, country) for text in (*parts.street, *([parts.box.line] if parts.box else []))]
    boxes = [key for key, is_box in keys if is_box]
    lines = parts.street + ((parts.box.line,) if parts.box else ())
    written = boxes[0] if boxes else " ".join(key for key, _ in keys if key)
    missing = not any(letter.isalnum() for letter in written) or (written.isalpha() and _is_nothing(written))
    return _Point(written, lines, bool(boxes), ("street_missing",) if missing else ())


def _key(parts: Parts, country: str, postcode: str, point: str) -> str:
    fold = folded_no if country == "NO" else country_rules(country).fold
    folded = fold(parts.recipient)
    receiver = org_number_in(folded) or recipient_key(folded)
    care_of = recipient_key(fold(parts.care_of))
    return "|".join((country, postcode, point, "" if care_of == receiver else care_of, receiver))


_ADVICE = {
    "country_unknown": "give the country as a two-letter code, such as NO or SE",
    "recipient_missing": "say who is to receive the letter: a person or a business",
    "street_missing": "give the street with its number, the place name, or the post box",
    "house_number_missing": "give the house number too",
    "box_number_missing": "give the number of the post box",
    "control_characters": "type the address again: it holds characters that cannot be printed",
    "formula": "type the address again: it begins like a spreadsheet formula",
    "too_long": "shorten the address: at most six lines of 35 letters",
    "box_in_street_code": "this postcode is for street addresses: give the box's own postcode, or the street",
    "street_in_box_code": "this postcode is for post boxes: give the street's own postcode, or the box",
}


def _suggestion(reasons: list[str]) -> str | None:
    return next((_ADVICE[reason] for reason in reasons if reason in _ADVICE), None)
