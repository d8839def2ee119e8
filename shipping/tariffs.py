"""What the carrier's list says a letter costs, by the day it is posted. A tariff is dated data with its source.

Posten left weight steps for format classes on 2026-02-01, so every row limits grams and millimetres. A day that no
source speaks for has no price: nothing falls back to a neighbouring year.
"""

from collections.abc import Sequence
from datetime import date
from functools import cache
from importlib.resources import files
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from cards.errors import Refused
from shipping.models import TariffRow, Zone

CONTRACT = "contract:"  # a tariff whose name begins so is an agreement and overrules the list
_ROWS = TypeAdapter(tuple[TariffRow, ...])


@cache
def bundled_tariffs() -> tuple[TariffRow, ...]:
    """The sourced tables that ship with the code: December 2016, 2020 (20/50 g), 2021, February 2026 (Små)."""
    folder = Path(str(files("shipping").joinpath("data", "tariffs")))
    return load_tariffs(*sorted(folder.glob("*.json")))


def load_tariffs(*paths: Path) -> tuple[TariffRow, ...]:
    """Read tariff files, each a JSON list of rows. Raises Refused `tariff.invalid_file`, the row in `field`."""
    rows: list[TariffRow] = []
    for path in paths:
        try:
            rows.extend(_ROWS.validate_json(path.read_bytes()))
        except OSError as fault:
            raise _invalid(path, f"cannot be read: {fault.strerror}", None) from None
        except ValidationError as fault:
            first = fault.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or None
            raise _invalid(path, first["msg"], where) from None
    return tuple(rows)


def _invalid(path: Path, what: str, field: str | None) -> Refused:
    return Refused(
        "tariff.invalid_file",
        f"the tariff file {path}: {what}",
        field=field,
        fix="correct the row; shipping/data/tariffs/ shows every field",
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
    agreed = [row for row in holding if row.tariff.startswith(CONTRACT)]
    return min(agreed or holding, key=_by_price, default=None)


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
