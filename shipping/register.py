"""Norway's postcode register: which codes exist, what the place is called, and whether streets or boxes lie there.

A register taken from a package ships beside the code, so that an address can be judged on the first day. The official
file of Bring says more (category and municipality) and is fresher: an operator may load it instead.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path
from typing import Literal

from cards.errors import Refused
from shipping.spelling import folded_no

Category = Literal["G", "P", "B", "S", "F"]  # street, box, both, service, several; Bring's own letters
_FAULTS_TOLD = 5
_CODE = re.compile(r"[0-9]{4}")
_NAME = re.compile(r"[A-ZÀ-ÖØ-Þ ().,'/&-]+")  # as Posten writes them; UTF-8 read as Latin-1 has other letters
_LAST_CODES = "9900"  # Finnmark's: a file that ends before them was cut
_CATEGORIES: dict[str, Category] = {"G": "G", "P": "P", "B": "B", "S": "S", "F": "F"}


@dataclass(frozen=True, slots=True)
class Postcode:
    """One code. `county` is its county's number; category and municipality are None where the source is silent."""

    code: str
    place: str
    county: str
    category: Category | None = None
    municipality: str | None = None
    municipality_number: str | None = None


@dataclass(frozen=True)
class Register:
    """All codes in use, by code. Places and municipalities are as Posten writes them: upper case, full spelling."""

    codes: Mapping[str, Postcode] = field(repr=False)

    @cached_property
    def by_place(self) -> dict[str, tuple[Postcode, ...]]:
        """The codes of each place, in order of code."""
        found: dict[str, list[Postcode]] = {}
        for code in sorted(self.codes):
            found.setdefault(self.codes[code].place, []).append(self.codes[code])
        return {place: tuple(codes) for place, codes in found.items()}

    @cached_property
    def by_folded_place(self) -> dict[str, tuple[Postcode, ...]]:
        """The same by the place's comparison form, with and without its compass letter (`KRISTIANSAND S`)."""
        found: dict[str, list[Postcode]] = {}
        for place, codes in self.by_place.items():
            for name in {folded_place(place), without_compass(folded_place(place))}:
                found.setdefault(name, []).extend(codes)
        return {name: tuple(codes) for name, codes in found.items()}

    def find(self, code: str) -> Postcode | None:
        return self.codes.get(code)


def folded_place(text: str) -> str:
    """A place's comparison form: Norwegian letters folded, words apart, digits and punctuation gone."""
    return " ".join(re.findall(r"[^\W\d_]+", folded_no(text)))


def without_compass(folded: str) -> str:
    """A folded place without its last single letter: KRISTIANSAND S is Kristiansand."""
    return re.sub(r"\s[a-zæøå]$", "", folded)


@cache
def bundled_register() -> Register:
    """The register that ships with the code: codes, places and counties, no categories."""
    text = files("shipping").joinpath("data", "postcodes_no.tsv").read_text("utf-8")
    rows = (line.split("\t") for line in text.splitlines())
    return Register({code: Postcode(code=code, place=place, county=county) for code, place, county in rows})


def load_register(path: Path) -> Register:
    """Read the official file: postcode, place, municipality number, municipality, category; tab-separated, Latin-1.

    Source of the layout: Bring, postnummerregister-ansi.txt. Raises Refused `register.unreadable` when the file cannot
    be read and `register.layout`, naming up to five lines (the first in `field`), when lines are not of that layout or
    the codes do not reach the last ones of the country.
    """
    try:
        text = path.read_bytes().decode("latin-1")
    except OSError as fault:
        raise Refused(
            "register.unreadable",
            f"the postcode register {path} cannot be read: {fault.strerror}",
            fix="check the path; the file is published by Bring as postnummerregister-ansi.txt",
        ) from None
    codes: dict[str, Postcode] = {}
    faults: list[tuple[str, str]] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        read = _official_row(line)
        if isinstance(read, str):
            faults.append((f"line {number}", read))
        elif read.code in codes:
            faults.append((f"line {number}", f"repeats the code {read.code}"))
        else:
            codes[read.code] = read
    if faults:
        told = "; ".join(f"{where} {what}" for where, what in faults[:_FAULTS_TOLD])
        more = f"; and {len(faults) - _FAULTS_TOLD} more" if len(faults) > _FAULTS_TOLD else ""
        raise _layout(f"{path.name}: {told}{more}", faults[0][0])
    if not codes:
        raise _layout(f"{path.name} is empty: line 1 should hold the first postcode", "line 1")
    if (last := max(codes)) < _LAST_CODES:
        end = f"line {text.rstrip().count(chr(10)) + 1}"
        raise _layout(f"{path.name} ends in {end} at {last}, before {_LAST_CODES}: it is cut", end)
    return Register(codes)


def _official_row(line: str) -> Postcode | str:
    """One line of the official file, or what is wrong with it."""
    cells = [cell.strip() for cell in line.split("\t")]
    if len(cells) != 5:
        return f"has {len(cells)} columns, not 5"
    code, place, municipality_number, municipality, category = cells
    if not (_CODE.fullmatch(code) and place and _CODE.fullmatch(municipality_number)):
        return "does not begin with postcode, place and municipality number"
    if not (_NAME.fullmatch(place) and _NAME.fullmatch(municipality)):
        return "is not in Latin-1, as its letters show"
    if category not in _CATEGORIES:
        return f"has the category {category!r}; known are G, P, B, S and F"
    return Postcode(
        code=code,
        place=place,
        county=municipality_number[:2],
        category=_CATEGORIES[category],
        municipality=municipality,
        municipality_number=municipality_number,
    )


def as_official(register: Register) -> bytes:
    """A register that came from the official file, in the official layout: what `load_register` reads again."""
    rows = (
        "\t".join((row.code, row.place, row.municipality_number or "", row.municipality or "", row.category or ""))
        for row in (register.codes[code] for code in sorted(register.codes))
    )
    return "".join(f"{row}\r\n" for row in rows).encode("latin-1")


@dataclass(frozen=True)
class Changes:
    """What tells two registers apart, as `0184 OSLO`; `renamed` and `recategorised` say from what to what."""

    added: tuple[str, ...]
    gone: tuple[str, ...]
    renamed: tuple[str, ...]
    recategorised: tuple[str, ...]


def changes_between(old: Register, new: Register) -> Changes:
    """The codes that are added, gone, renamed, or in another category (a first category counts as one)."""
    both = sorted(set(old.codes) & set(new.codes))
    pairs = [(old.codes[code], new.codes[code]) for code in both]
    return Changes(
        added=tuple(f"{code} {new.codes[code].place}" for code in sorted(set(new.codes) - set(old.codes))),
        gone=tuple(f"{code} {old.codes[code].place}" for code in sorted(set(old.codes) - set(new.codes))),
        renamed=tuple(f"{was.code} {was.place} → {now.place}" for was, now in pairs if was.place != now.place),
        recategorised=tuple(
            f"{was.code} {was.category or 'unknown'} → {now.category}"
            for was, now in pairs
            if was.category != now.category
        ),
    )


def _layout(message: str, where: str | None) -> Refused:
    return Refused(
        "register.layout",
        message,
        field=where,
        fix="download postnummerregister-ansi.txt from Bring again and load it unchanged (tab-separated, Latin-1)",
    )
