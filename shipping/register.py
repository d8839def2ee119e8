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
_CATEGORIES: dict[str, Category] = {"G": "G", "P": "P", "B": "B", "S": "S", "F": "F"}


@dataclass(frozen=True, slots=True)
class Postcode:
    """One code. `county` is its county's number; category and municipality are None where the source is silent."""

    code: str
    place: str
    county: str
    category: Category | None = None
    municipality: str | None = None


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
    be read and `register.layout`, with the line in `field`, when a line is not of that layout.
    """
    try:
        text = path.read_bytes().decode("latin-1")
    except OSError as fault:
        raise Refused(
            "register.unreadable",
            f"the postcode register {path} cannot be read: {fault.strerror}",
            fix="check the path; the file is published by Bring as postnummerregister-ansi.txt",
        ) from None
    codes = [_official_row(line, number) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    if not codes:
        raise _layout("the file has no postcodes", None)
    return Register({row.code: row for row in codes})


def _official_row(line: str, number: int) -> Postcode:
    cells = [cell.strip() for cell in line.split("\t")]
    where = f"line {number}"
    if len(cells) != 5:
        raise _layout(f"{where} has {len(cells)} columns, not 5", where)
    code, place, municipality_number, municipality, category = cells
    if not (len(code) == 4 and code.isdigit() and place and len(municipality_number) == 4):
        raise _layout(f"{where} does not begin with postcode, place and municipality number", where)
    if category not in _CATEGORIES:
        raise _layout(f"{where} has the category {category!r}; known are G, P, B, S and F", where)
    return Postcode(
        code=code,
        place=place,
        county=municipality_number[:2],
        category=_CATEGORIES[category],
        municipality=municipality,
    )


def _layout(message: str, where: str | None) -> Refused:
    return Refused(
        "register.layout",
        message,
        field=where,
        fix="download postnummerregister-ansi.txt from Bring again and load it unchanged (tab-separated, Latin-1)",
    )
