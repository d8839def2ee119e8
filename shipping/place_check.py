"""Postcode and place: is the code in use, is it the code of that place, and what a person may have meant.

A place name that belongs elsewhere in Norway shows that one of the two is wrong, and the letter waits. A name that is
no post place at all (a part of town, a municipality) shows nothing, since the postcode alone decides.
"""

import difflib
import re
from dataclasses import dataclass

from shipping.abroad import country_rules, has_postcodes, printed_postcode
from shipping.address_parts import Parts, inline_conflicts
from shipping.register import Category, Postcode, Register, folded_place, without_compass

_NEAR = 300  # codes of a town's outskirts lie this close to the town's own: 5145 Fyllingsdalen is written Bergen
_TYPO = 0.75
# Danish codes have four digits too: with the country left out, 2100 København would go to 2100 Skarnes. A large town
# of another country shows as surely that code, place and country do not belong together.
_TOWNS_ABROAD = frozenset(
    folded_place(
        "København Kbh Copenhagen Frederiksberg Aarhus Odense Aalborg Esbjerg Randers Kolding Horsens Vejle Roskilde "
        "Herning Silkeborg Næstved Fredericia Viborg Køge Holstebro Taastrup Slagelse Hillerød Sønderborg Svendborg "
        "Hjørring Holbæk "
        "Frederikshavn Helsingør Skive Ringsted Hvidovre Valby Gentofte Hellerup Lyngby Glostrup Ballerup "
        "Stockholm Göteborg Malmö Uppsala Helsinki Helsingfors Espoo Tampere Turku Berlin Hamburg München Köln "
        "London Manchester Birmingham Edinburgh Glasgow Warszawa Kraków Gdańsk Gdynia Poznań Wrocław Łódź Szczecin "
        "Vilnius Kaunas Klaipėda"
    ).split()
)
_SVALBARD_COUNTIES = ("21", "22")


@dataclass(frozen=True)
class Verdict:
    """The postcode in its country's form, the place as it is printed, and what is wrong."""

    postcode: str
    city: str
    category: Category | None
    reasons: tuple[str, ...]
    suggestion: str | None = None


def checked_place(parts: Parts, *, country: str, register: Register) -> Verdict:
    """Judge postcode and place of an address."""
    verdict = _norwegian(_digits(parts), parts.city, register) if country == "NO" else _foreign(parts, country)
    if parts.inline_code and parts.postcode and inline_conflicts(parts, verdict.postcode, country):
        hint = f"the address also says {parts.inline_code} where the postcode is {verdict.postcode}"
        return _with(verdict, "postcode_conflict", hint)
    found = register.find(verdict.postcode) if parts.code == "SJ" else None
    if found is not None and found.county not in _SVALBARD_COUNTIES:
        return _with(verdict, "country_mismatch", f"{found.code} {found.place} does not lie on Svalbard or Jan Mayen")
    return verdict


_COUNTRY_PREFIX = re.compile(r"^(?:NO?R?|SJ)[\s-]*(?=\w)")
_DECIMAL = re.compile(r"[.,]0$")
_SPACE = re.compile(r"\s|^'|(?<=^\d)[.,](?=\d{3}$)|[.,]$")


def _digits(parts: Parts) -> str:
    """The postcode without country, spaces and a spreadsheet's decimal."""
    typed = parts.postcode or parts.inline_code
    if typed.isdigit():
        return typed
    return _SPACE.sub("", _DECIMAL.sub("", _COUNTRY_PREFIX.sub("", typed.upper())))


def _with(verdict: Verdict, reason: str, suggestion: str) -> Verdict:
    return Verdict(verdict.postcode, verdict.city, verdict.category, (*verdict.reasons, reason), suggestion)


def _norwegian(digits: str, city: str, register: Register) -> Verdict:
    if not digits:
        return Verdict("", city.upper(), None, ("postcode_missing",), _codes_of(city, register))
    code = (
        digits if len(digits) == 4 else digits.zfill(4)
    )  # a spreadsheet takes the zeros from 0184; only the place's name can give them back
    found = register.find(code)
    if not _has_form(digits) or (len(digits) < 4 and (found is None or not _is_named(found, city))):
        return _misformed(digits, city, register)
    if found is None:
        return Verdict(code, city.upper(), None, ("postcode_unknown",), _nearest(code, city, register))
    return _of_known_code(found, city, register)


def _has_form(digits: str) -> bool:
    """Four digits, or fewer that do not begin with a zero: a spreadsheet takes all leading zeros or none."""
    return digits.isascii() and digits.isdigit() and (len(digits) == 4 or (len(digits) < 4 and digits[0] != "0"))


def _of_known_code(found: Postcode, city: str, register: Register) -> Verdict:
    reason = suggestion = None
    if not any(map(str.isalpha, city)):
        reason, suggestion = "city_missing", f"{found.code} is {found.place}"
    elif not _agrees(found, city, register):
        reason, suggestion = "city_mismatch", _mismatch(found, city, register)
    return Verdict(found.code, found.place, found.category, (reason,) if reason else (), suggestion)


def _misformed(digits: str, city: str, register: Register) -> Verdict:
    repaired = digits.translate(str.maketrans("OoIlS", "00115")).zfill(4)
    found = register.find(repaired)
    hint = f"did you mean {found.code} {found.place}?" if found else _codes_of(city, register)
    return Verdict(digits, city.upper(), None, ("postcode_format",), hint or "a Norwegian postcode has four digits")


def _is_named(found: Postcode, city: str) -> bool:
    """The typed place is the code's own, to the letter (compass letter and fuller name aside)."""
    if city.upper() == found.place:
        return True
    typed, place = folded_place(city), folded_place(found.place)
    if not typed:
        return False
    names = {place, without_compass(place)} | ({folded_place(found.municipality)} if found.municipality else set())
    if typed in names or without_compass(typed) in names:
        return True
    return typed.startswith(f"{place} ") or place.startswith(f"{typed} ")


def _agrees(found: Postcode, city: str, register: Register) -> bool:
    if _is_named(found, city):
        return True
    typed = folded_place(city)
    elsewhere = register.by_folded_place.get(typed) or register.by_folded_place.get(without_compass(typed))
    if elsewhere:
        return any(
            other.county == found.county and abs(int(other.code) - int(found.code)) <= _NEAR for other in elsewhere
        )
    return typed.split()[0] not in _TOWNS_ABROAD


def _mismatch(found: Postcode, city: str, register: Register) -> str:
    codes = _codes_of(city, register)
    return f"{found.code} is {found.place}" + (f"; {codes}" if codes else "")


def _codes_of(city: str, register: Register) -> str | None:
    """`OSLO has 0001 to 1299`, for a typed place or the one it most resembles."""
    typed = folded_place(city)
    if not typed:
        return None
    codes = register.by_folded_place.get(typed)
    if codes is None:
        alike = difflib.get_close_matches(typed, register.by_folded_place, n=1, cutoff=_TYPO)
        codes = register.by_folded_place[alike[0]] if alike else None
    if not codes:
        return None
    first, last = min(code.code for code in codes), max(code.code for code in codes)
    return f"{codes[0].place} has {first}" + (f" to {last}" if last != first else "")


def _nearest(code: str, city: str, register: Register) -> str | None:
    """The code of the typed place that differs least from the unknown one."""
    codes = register.by_folded_place.get(folded_place(city))
    if not codes:
        return _codes_of(city, register)
    best = min(codes, key=lambda other: (_differences(other.code, code), abs(int(other.code) - int(code))))
    return f"did you mean {best.code} {best.place}?"


def _differences(one: str, other: str) -> int:
    return sum(a != b for a, b in zip(one, other, strict=True))


def _foreign(parts: Parts, country: str) -> Verdict:
    rules = country_rules(country)
    typed = parts.postcode or parts.inline_code
    city = " ".join(parts.city.split())
    reasons = () if any(letter.isalpha() for letter in city) else ("city_missing",)
    if not typed:
        if not has_postcodes(country):
            return Verdict("", city.upper(), None, reasons)
        return Verdict(
            "", city.upper(), None, ("postcode_missing", *reasons), f"give the postcode, such as {rules.example}"
        )
    printed = printed_postcode(typed, country)
    if printed is not None:
        return Verdict(printed, city.upper(), None, reasons)
    bare = re.sub(r"\D", "", typed)
    hint = f"a postcode of {country} looks like {rules.example}"
    if rules.digits and bare and rules.digits - 2 <= len(bare) < rules.digits:
        hint = f"did you mean {printed_postcode(bare.zfill(rules.digits), country)}? Spreadsheets drop leading zeros"
    return Verdict(typed.upper(), city.upper(), None, ("postcode_format", *reasons), hint)
