"""What the carrier's list says a letter costs, by the day it is posted. A tariff is dated data with its source.

Posten left weight steps for format classes on 2026-02-01, so every row limits grams and millimetres. A day that no
source speaks for has no price: nothing falls back to a neighbouring year.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import get_args

from pydantic import TypeAdapter, ValidationError

from cards.errors import Refused
from shipping.models import TariffRow, Zone

CONTRACT = "contract:"  # a tariff whose name begins so is an agreement and overrules the list
ZONES: tuple[Zone, ...] = get_args(Zone)
_ROWS = TypeAdapter(tuple[TariffRow, ...])


@dataclass(frozen=True)
class _Written:
    """A row and where it stands: the file, and its place in the list there, from 1."""

    row: TariffRow
    path: Path
    place: int


@cache
def bundled_tariffs() -> tuple[TariffRow, ...]:
    """The sourced tables that ship with the code: December 2016, 2020 (20/50 g), 2021, February 2026 (Små)."""
    return tuple(each.row for each in _bundled())


def known_tariffs(*paths: Path) -> tuple[TariffRow, ...]:
    """The bundled tables and those of a bureau's own files, each a JSON list of rows.

    Raises Refused `tariff.invalid_file` with the file in the message and `row 3, valid_from` in `field`: for a row
    that cannot be read, for two prices of one day and class, and for a hole between the days of one tariff.
    """
    if not paths:
        return bundled_tariffs()
    written = [*_bundled(), *(each for path in paths for each in _read(path))]
    _refuse_two_prices(written)
    _refuse_holes(written)
    return tuple(each.row for each in written)


@cache
def _bundled() -> tuple[_Written, ...]:
    folder = Path(str(files("shipping").joinpath("data", "tariffs")))
    return tuple(each for path in sorted(folder.glob("*.json")) for each in _read(path))


def _read(path: Path) -> list[_Written]:
    try:
        rows = _ROWS.validate_json(path.read_bytes())
    except OSError as fault:
        raise _invalid(path, f"cannot be read: {fault.strerror}", None) from None
    except ValidationError as fault:
        first = fault.errors(include_url=False, include_input=False)[0]
        place, *column = first["loc"] or (None,)
        where = f"row {int(place) + 1}" + "".join(f", {name}" for name in column) if isinstance(place, int) else None
        raise _invalid(path, first["msg"], where) from None
    written = [_Written(row, path, place) for place, row in enumerate(rows, start=1)]
    for each in written:
        if each.row.valid_until is not None and each.row.valid_until < each.row.valid_from:
            raise _wrong(each, "valid_until", "ends before it begins")
    return written


def _refuse_two_prices(written: Sequence[_Written]) -> None:
    """One class of letter has one price a day: one on the list, and one by agreement."""
    classes = defaultdict(list)
    for each in written:
        row = each.row
        classes[_agreed(row), row.zone, row.max_weight_g, row.max_thickness_mm].append(each)
    for of_class in classes.values():
        for earlier, later in pairwise(sorted(of_class, key=_by_start)):
            if later.row.valid_from <= _last_day(earlier.row):
                what = (
                    f"{later.row.tariff} prices letters to {later.row.max_weight_g} g and "
                    f"{later.row.max_thickness_mm:g} mm in {later.row.zone} on {later.row.valid_from}, "
                    f"and so does row {earlier.place} of {earlier.path.name}"
                )
                raise _wrong(later, "valid_from", what)


def _refuse_holes(written: Sequence[_Written]) -> None:
    """The periods of one tariff follow each other day by day; a hole is a slip of the pen, not a day without price."""
    tariffs = defaultdict(list)
    for each in written:
        tariffs[each.row.tariff, each.row.zone].append(each)
    for of_tariff in tariffs.values():
        first, *others = sorted(of_tariff, key=_by_start)
        covered = _last_day(first.row)
        for each in others:
            if covered < date.max and each.row.valid_from > covered + timedelta(days=1):
                what = f"leaves {each.row.tariff} without a price in {each.row.zone} after {covered}"
                raise _wrong(each, "valid_from", what)
            covered = max(covered, _last_day(each.row))


def _agreed(row: TariffRow) -> bool:
    return row.tariff.startswith(CONTRACT)


def _last_day(row: TariffRow) -> date:
    return row.valid_until or date.max


def _by_start(each: _Written) -> date:
    return each.row.valid_from


def _wrong(each: _Written, column: str, what: str) -> Refused:
    return _invalid(each.path, what, f"row {each.place}, {column}")


def _invalid(path: Path, what: str, field: str | None) -> Refused:
    return Refused(
        "tariff.invalid_file",
        f"the tariff file {path}: {what}",
        field=field,
        fix="correct the row; shipping/data/tariffs/ shows every field, and `contract:` in front of a tariff's name "
        "makes it an agreement that overrules the list",
    )


def rows_of_day(rows: Sequence[TariffRow], *, day: date, zone: Zone) -> tuple[TariffRow, ...]:
    """The rows in force on an Oslo day in a zone, cheapest first."""
    found = (row for row in rows if row.zone == zone and row.valid_from <= day)
    live = [row for row in found if row.valid_until is None or day <= row.valid_until]
    return tuple(sorted(live, key=_by_price))


def _by_price(row: TariffRow) -> tuple[int, int, float, str]:
    return row.gross_ore, row.max_weight_g, row.max_thickness_mm, row.tariff


def cheapest_that_holds(live: Sequence[TariffRow], *, weight_g: float, thickness_mm: float) -> TariffRow | None:
    """The cheapest of the `live` rows whose limits hold the letter; an agreement's row before any of the list."""
    holding = [row for row in live if weight_g <= row.max_weight_g and thickness_mm <= row.max_thickness_mm]
    agreed = [row for row in holding if _agreed(row)]
    return min(agreed or holding, key=_by_price, default=None)


def in_force(rows: Sequence[TariffRow], *, day: date) -> list[tuple[TariffRow, bool]]:
    """Every row of an Oslo day by zone and class, and whether an agreement overrules it: then it prices no letter."""
    live = [row for zone in ZONES for row in rows_of_day(rows, day=day, zone=zone)]
    agreed = [row for row in live if _agreed(row)]
    ordered = sorted(live, key=lambda row: (ZONES.index(row.zone), row.max_thickness_mm, row.max_weight_g, row.tariff))
    return [(row, not _agreed(row) and any(_holds_all_of(row, by) for by in agreed)) for row in ordered]


def _holds_all_of(row: TariffRow, other: TariffRow) -> bool:
    """True when every letter that `row` takes is taken by `other`."""
    return (
        row.zone == other.zone
        and row.max_weight_g <= other.max_weight_g
        and row.max_thickness_mm <= other.max_thickness_mm
    )


def price(rows: Sequence[TariffRow], *, day: date, zone: Zone, weight_g: float, thickness_mm: float) -> TariffRow:
    """The row that prices one letter posted on `day` (Oslo).

    Raises Refused `tariff.unknown_day` when no source speaks for that day and zone, and `tariff.too_large` when the
    known rows hold no letter of that weight and thickness.
    """
    live = rows_of_day(rows, day=day, zone=zone)
    if not live:
        raise unknown_day(day, zone)
    row = cheapest_that_holds(live, weight_g=weight_g, thickness_mm=thickness_mm)
    if row is None:
        raise _too_large(live, weight_g, thickness_mm)
    return row


def unknown_day(day: date, zone: Zone) -> Refused:
    """The refusal of a day and zone that no tariff file speaks for."""
    return Refused(
        "tariff.unknown_day",
        f"no postage tariff is known for {day} in zone {zone}",
        field="day",
        fix="add a tariff file with its source that covers the day, or the rows of an agreement with the carrier",
    )


def _too_large(live: Sequence[TariffRow], weight_g: float, thickness_mm: float) -> Refused:
    heaviest = max(row.max_weight_g for row in live)
    thickest = max(row.max_thickness_mm for row in live)
    return Refused(
        "tariff.too_large",
        f"no known price holds a letter of {weight_g:g} g and {thickness_mm:g} mm "
        f"(known: to {heaviest} g, to {thickest:g} mm)",
        field="weight_g" if weight_g > heaviest else "thickness_mm",
        fix="divide the letter, or add the tariff rows of the larger class with their source",
    )
