"""Postage that was charged before this system: read from a CSV file that finance can make from the old ledger.

`docs/postage-csv.md` tells finance what each column means. A file is taken whole or not at all, and what is wrong with
it is told by row and column, as a spreadsheet counts them.
"""

import csv
import io
import re
from collections.abc import Callable
from datetime import date
from typing import Any

from cards.errors import Refused
from cards.identifiers import org_number_is_valid
from shipping.models import PostageCharge

_YES = {"yes", "true", "1", "ja"}
_NO = {"no", "false", "0", "nei", ""}
_KRONER = re.compile(r"^(\d+)(?:[.,](\d{1,2}))?$", re.ASCII)
_DECIMAL = re.compile(r"^\d+([.,]\d+)?$", re.ASCII)
_ISO_DAY = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
_NORWEGIAN_DAY = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})")
_FAULTS_TOLD = 5


def read_earlier_charges(text: str, *, name: str) -> list[PostageCharge]:
    """Read earlier charges from the text of a CSV file; `name` is the file's name, for messages.

    Raises Refused `postage.columns` when the heading is not the documented one, and `postage.row` with row (as a
    spreadsheet counts) and column of the first fault in `field`; the message lists up to five faults.
    """
    lines = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), delimiter=_delimiter(text))
    heading = [cell.strip().casefold() for cell in next(lines, [])]
    _check_heading(heading, name)
    charges: list[PostageCharge] = []
    faults: list[tuple[str, str]] = []
    seen: set[str] = set()
    for number, cells in enumerate(lines, start=2):
        if not any(cell.strip() for cell in cells):
            continue
        values, wrong = _read_row(heading, cells)
        if not wrong and values["charge_id"] in seen:
            wrong = [("charge_id", f"{values['charge_id']} stands in the file twice")]
        if wrong:
            faults.extend((f"row {number}, {column}", what) for column, what in wrong)
        else:
            seen.add(values["charge_id"])
            charges.append(PostageCharge(origin="earlier", **values))
    if faults:
        raise _row_refusal(name, faults)
    return charges


def _delimiter(text: str) -> str:
    heading = text.split("\n", 1)[0]
    return ";" if ";" in heading else ","


def _check_heading(heading: list[str], name: str) -> None:
    missing = [column for column in _READERS if column not in heading and column not in _OPTIONAL]
    unknown = [column for column in heading if column not in _READERS]
    twice = sorted({column for column in heading if heading.count(column) > 1})
    if missing or unknown or twice:
        wrong = [f"missing: {', '.join(missing)}"] if missing else []
        wrong += [f"unknown: {', '.join(map(repr, unknown))}"] if unknown else []
        wrong += [f"twice: {', '.join(twice)}"] if twice else []
        raise Refused(
            "postage.columns",
            f"{name}: the heading is not the documented one ({'; '.join(wrong)})",
            field=(missing or unknown or twice)[0],
            fix=f"give the file the heading {';'.join(_READERS)} (the last four may be left out)",
        )


def _read_row(heading: list[str], cells: list[str]) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    if len(cells) != len(heading):
        return {}, [("cells", f"has {len(cells)} cells, the heading has {len(heading)}")]
    values: dict[str, Any] = {}
    wrong = []
    for column, cell in zip(heading, cells, strict=True):
        field, read = _READERS[column]
        try:
            values[field] = read(cell.strip())
        except ValueError as fault:
            wrong.append((column, str(fault)))
    return values, wrong


def _row_refusal(name: str, faults: list[tuple[str, str]]) -> Refused:
    told = "; ".join(f"{where}: {what}" for where, what in faults[:_FAULTS_TOLD])
    more = f"; and {len(faults) - _FAULTS_TOLD} more" if len(faults) > _FAULTS_TOLD else ""
    return Refused(
        "postage.row",
        f"{name}: {told}{more}",
        field=faults[0][0],
        fix="correct the rows named and import the file again; nothing of it was taken in",
    )


def _some(cell: str) -> str:
    if not cell:
        raise ValueError("is empty")
    return cell


def _perhaps(cell: str) -> str | None:
    return cell or None


def _org_number(cell: str) -> str:
    bare = cell.replace(" ", "")
    if not org_number_is_valid(bare):
        raise ValueError(f"{cell!r} is no organisation number (nine digits, the last a check digit)")
    return bare


def _day(cell: str) -> date | None:
    if not cell:
        return None
    iso, norwegian = _ISO_DAY.fullmatch(cell), _NORWEGIAN_DAY.fullmatch(cell)
    try:
        if iso:
            return date(*map(int, iso.groups()))
        if norwegian:
            return date(*map(int, reversed(norwegian.groups())))
    except ValueError:
        pass  # a day that no calendar has
    raise ValueError(f"{cell!r} is no day (write 2026-01-31 or 31.01.2026, or nothing when it was never shipped)")


def _zone(cell: str) -> str:
    if cell.upper() not in ("NO", "EUROPE", "WORLD"):
        raise ValueError(f"{cell!r} is no zone (NO, EUROPE, WORLD)")
    return cell.upper()


def _measure(cell: str) -> float:
    if not _DECIMAL.match(cell):
        raise ValueError(f"{cell!r} is no measure (write 17.4)")
    return float(cell.replace(",", "."))


def _whole(cell: str) -> int:
    if not (cell.isascii() and cell.isdigit()):
        raise ValueError(f"{cell!r} is no whole number")
    return int(cell)


def _ore(cell: str) -> int:
    bare = cell.replace(" ", "").replace("\u00a0", "")  # thousands, as spreadsheets part them
    match = _KRONER.match(bare)
    if bare.startswith("-"):
        raise ValueError(f"{cell!r} is negative (what was given back stands in refunded_net and refunded_vat)")
    if match is None:
        raise ValueError(f"{cell!r} is no amount in kroner (write 52.00 or 52,00)")
    kroner, ore = match.groups()
    return int(kroner) * 100 + int((ore or "0").ljust(2, "0"))


def _perhaps_ore(cell: str) -> int:
    return _ore(cell) if cell else 0


def _flag(cell: str) -> bool:
    if cell.casefold() not in _YES | _NO:
        raise ValueError(f"{cell!r} is neither yes nor no")
    return cell.casefold() in _YES


_READERS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "charge_id": ("charge_id", _some),
    "payer_org_number": ("payer_org_number", _org_number),
    "payer_name": ("payer_name", _some),
    "order_number": ("order_number", _some),
    "invoice_number": ("invoice_number", _some),
    "shipment": ("shipment", _some),
    "posted_on": ("posted_on", _day),
    "zone": ("zone", _zone),
    "weight_g": ("weight_g", _measure),
    "thickness_mm": ("thickness_mm", _measure),
    "cards": ("cards", _whole),
    "charged_net": ("charged_net_ore", _ore),
    "vat": ("vat_ore", _ore),
    "vat_percent": ("vat_percent", _whole),
    "payment": ("payment", _perhaps),
    "fault_reship": ("fault_reship", _flag),
    "refunded_net": ("refunded_net_ore", _perhaps_ore),
    "refunded_vat": ("refunded_vat_ore", _perhaps_ore),
}
_OPTIONAL = ("payment", "fault_reship", "refunded_net", "refunded_vat")
