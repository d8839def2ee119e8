"""An address as typed → the same place's one key, the lines of its letter, and what is wrong with it.

The key is country | postcode | delivery point | c/o | recipient. The place's name is never in it (the postcode decides)
and nor is the person for attention. Nothing is joined because it looks alike: only spelling rules make two addresses
one, and likeness is used for suggestions alone.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from cards.address import Address
from shipping.abroad import country_rules, foreign_street_key, is_flat, lacking_abroad
from shipping.address_parts import Parts, in_parts
from shipping.label_lines import laid_out
from shipping.models import AddressReading
from shipping.norway import is_unit, lacks_house_number, spelled, street_key
from shipping.place_check import Verdict, checked_place
from shipping.receivers import name_key, receiver_key
from shipping.register import Register, bundled_register
from shipping.spelling import (
    folded_no,
    has_control_characters,
    has_lost_letters,
    looks_like_formula,
    printable,
    seen,
)

RULE_VERSION = 3
FIELDS = ("recipient", "attention", "care_of", "street", "postcode", "city", "country")
_EMPTY = dict.fromkeys(FIELDS, "")
# a spreadsheet makes 5-7 the fifth of July; a street may be named for a day, but its number comes after that
_BECAME_DATE = re.compile(
    r"\b\d{1,2}[.-]\s?(?:jan|feb|mar|apr|mai|jun|jul|aug|sep|okt|nov|des)\.?$"
    r"|\b\d{1,2}(?P<sep>[./-])\d{1,2}(?P=sep)20\d\d$|\b20\d\d-\d\d-\d\d\b",
    re.IGNORECASE,
)
_ELECTRONIC = re.compile(r"\S@\S+\.\w")
_LETTERS = re.compile(r"[^\W\d_]+")
_NOTHING = frozenset({"", "ukjent", "unknown", "na", "nan", "ingen", "none", "null", "mangler", "ikkeoppgitt"})
_NO_ADDRESS = _NOTHING | {
    "x", "xx", "xxx", "tbd", "tom", "empty", "nodata", "ingenadresse", "ukjentadresse", "utenfastbopel",
    "utenfastadresse", "utflyttet", "hemmelig", "hemmeligadresse", "fortroligadresse", "strengtfortroligadresse",
    "sperretadresse", "okänd", "ukendt", "unbekannt",
}  # fmt: skip


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
    given = {name: _as_text(value) for name in FIELDS if (value := fields.get(name)) is not None}
    odd = [name for name, text in given.items() if text is None]
    typed = {name: text for name, text in given.items() if text}
    reasons = (["not_text"] if odd else []) + _unfit_text(typed)
    parts = in_parts(_EMPTY | {name: seen(text) for name, text in typed.items()})
    if parts.code is None:
        reasons.append("country_unknown")
    country = "NO" if parts.code == "SJ" else (parts.code or parts.country.upper())
    rules = register or bundled_register()
    place = checked_place(parts, country=country, register=rules)
    point = _norwegian_point(parts, place, rules) if country == "NO" else _foreign_point(parts, country)
    reasons += [*_receiver_reasons(parts), *point.reasons, *place.reasons]
    lines, too_long = laid_out(parts, point.lines, place=place, country=country)
    if too_long:
        reasons.append("too_long")
    return AddressReading(
        valid=not reasons,
        key=_key(parts, country, place.postcode, point.key),
        rule_version=RULE_VERSION,
        reasons=tuple(dict.fromkeys(reasons)),
        label_lines=tuple(filter(str.strip, map(printable, lines))),
        suggestion=f"give {', '.join(odd)} as text" if odd else place.suggestion or _suggestion(reasons),
    )


def _as_text(value: object) -> str | None:
    """A field's text; a number as a spreadsheet shows it (184.0 is 184), and None for what is neither."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, int | float) and not isinstance(value, bool) and value == value:  # noqa: PLR0124 -- NaN is not
        return str(value)
    return None


def _unfit_text(typed: Mapping[str, str]) -> list[str]:
    reasons = []
    together = " ".join(typed.values())
    if has_control_characters(together):
        reasons.append("control_characters")
    if has_lost_letters(together):
        reasons.append("unreadable_characters")
    if any(not text[0].isalnum() and looks_like_formula(text) for text in typed.values()):
        reasons.append("formula")
    if "@" in together and any(_ELECTRONIC.search(typed.get(name, "")) for name in ("recipient", "street")):
        reasons.append("not_postal")
    return reasons


def _receiver_reasons(parts: Parts) -> list[str]:
    return ["recipient_missing"] if _letters(parts.recipient) in _NOTHING else []


def _letters(text: str) -> str:
    """The letters alone: what tells a text from the words that people type where they have nothing to say."""
    return "".join(_LETTERS.findall(text.casefold()))


def _norwegian_point(parts: Parts, place: Verdict, register: Register) -> _Point:
    """Box or street, as the postcode's category wants it when it is known; a box otherwise goes before a street."""
    found = _in_order(parts.street)
    street_lines = tuple(part.text for part in found)
    written = found[0].key if len(found) == 1 else street_key(part.words for part in found)
    if written[-1:].isalpha() and len(found) == 1 and folded_no(found[0].text) == folded_no(parts.city):
        written, found = "", []  # `Utsira, 5547 UTSIRA`: the place once more, no street
    if (written[-1:].isalpha() or "20" in written) and any(map(_BECAME_DATE.search, parts.street)):
        return _Point(written, street_lines, False, ("house_number_date",))
    streets = [part.key for part in found if not is_unit(part.key)]
    has_street = _letters(" ".join(streets)) not in _NO_ADDRESS
    if parts.box is not None and not (has_street and place.category == "G"):
        reasons: tuple[str, ...] = () if parts.box.number else ("box_number_missing",)
        if place.category == "G":
            reasons += ("box_in_street_code",)
        return _Point(f"box{parts.box.number or ''}".casefold(), (parts.box.line,), True, reasons)
    if not has_street:
        enough = not written and _is_place_enough(place, register)
        return _Point(written, street_lines, False, () if enough else ("street_missing",))
    wrong: tuple[str, ...] = ()
    if place.category == "P" and not written.startswith("posterestante"):
        wrong = ("street_in_box_code",)
    elif not any(map(str.isdigit, "".join(streets))) and lacks_house_number(streets[0]):
        wrong = ("house_number_missing",)
    return _Point(written, street_lines, False, wrong)


def _is_place_enough(place: Verdict, register: Register) -> bool:
    """True where name and postcode are a full address: one receiver's own code, or a place that has one code only.

    Source: Posten, "Adressering til postmottakere i Norge": in some places no street is needed.
    """
    if place.category in ("S", "B"):
        return True
    return place.category != "P" and len(register.by_place.get(place.city, ())) == 1


_NUMBERED = re.compile(r"[^\W\d_]\d")


class _StreetPart(NamedTuple):
    text: str
    words: str
    key: str


def _in_order(texts: list[str]) -> list[_StreetPart]:
    """The parts of the street that say something, the street itself first: `3. etg, Storgata 5` the other way round."""
    spelt = [(text, spelled(text)) for text in texts]
    parts = [_StreetPart(text, words, key) for text, words in spelt if (key := street_key([words]))]
    if len(parts) < 2:
        return parts
    main = next((part for part in parts if _NUMBERED.search(part.key) and not is_unit(part.key)), parts[0])
    return [main, *(part for part in parts if part is not main)]


def _foreign_point(parts: Parts, country: str) -> _Point:
    texts = sorted(parts.street, key=lambda text: is_flat(text, country))  # stable: the house first, then the flat
    keys = [foreign_street_key(text, country) for text in texts]
    boxes = [key for key, is_box in keys if is_box]
    whole = keys[0][0] if len(keys) == 1 else foreign_street_key(", ".join(texts), country)[0]
    written = boxes[0] if boxes else whole
    reasons: tuple[str, ...] = ()
    if not boxes and _letters(written) in _NO_ADDRESS:
        reasons = ("street_missing",)
    elif not boxes and len(texts) == 1:
        reasons = tuple(filter(None, [lacking_abroad(texts[0], country)]))
    return _Point(written, tuple(parts.street), bool(boxes), reasons)


def _key(parts: Parts, country: str, postcode: str, point: str) -> str:
    fold = folded_no if country == "NO" else country_rules(country).fold
    receiver = receiver_key(fold(parts.recipient))
    care_of = name_key(fold(parts.care_of)) if parts.care_of else ""
    return "|".join((country, postcode, point, "" if care_of == receiver else care_of, receiver))


_ADVICE = {
    "not_postal": "give a postal address: this is an e-mail address",
    "country_unknown": "give the country as a two-letter code, such as NO or SE",
    "recipient_missing": "say who is to receive the letter: a person or a business",
    "street_missing": "give the street with its number, the place name, or the post box",
    "postcode_missing": "give the postcode: four digits in Norway",
    "postcode_unknown": "give a postcode that is in use",
    "city_missing": "give the name of the place too",
    "house_number_missing": "give the house number too",
    "house_number_date": "type the house number again: a spreadsheet has made it a date",
    "box_number_missing": "give the number of the post box",
    "control_characters": "type the address again: it holds characters that cannot be printed",
    "unreadable_characters": "type the address again: a program has damaged its letters",
    "formula": "type the address again: it begins like a spreadsheet formula",
    "too_long": "shorten the address: at most six lines of 35 letters, two for the receiver, two for the street",
    "box_in_street_code": "this postcode is for street addresses: give the box's own postcode, or the street",
    "street_in_box_code": "this postcode is for post boxes: give the street's own postcode, or the box",
}


def _suggestion(reasons: list[str]) -> str | None:
    if not reasons:
        return None
    return next((_ADVICE[reason] for reason in reasons if reason in _ADVICE), None)
