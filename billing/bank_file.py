"""What the bank says was paid in: OCR giro or a CSV file, read whole or not at all, and each payment judged.

OCR giro is Mastercard Payment Services' (earlier Nets') file of 80-character records, amounts in øre. The control
figures of its end records are checked before a payment is believed. The CSV is `reference;booked_on;kid;amount`, with
`currency` where it is not NOK: what finance can make from the bank's own list of payments.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

from billing.kid import kid_is_valid
from cards.errors import Refused

_COLUMNS = ("reference", "booked_on", "kid", "amount")
_KRONER = re.compile(r"^(-?)(\d{1,13})(?:[.,](\d{1,2}))?$")
_RECORD = 80


class BankDifference(StrEnum):
    """What can be wrong with a payment. The money is booked all the same, what fits no invoice on account 2900."""

    NO_KID = "no_kid"
    BAD_KID = "bad_kid"  # length or check digit: a typing error
    UNKNOWN_KID = "unknown_kid"  # well formed, and no invoice of ours
    VOID_INVOICE = "void_invoice"
    PAID_TWICE = "paid_twice"
    CREDITED = "credited"  # nothing was owed any more
    OVERPAID = "overpaid"
    UNDERPAID = "underpaid"
    TAKEN_BACK = "taken_back"  # a negative amount: the bank corrects itself
    OTHER_CURRENCY = "other_currency"  # not booked: its amount says nothing about øre
    TWICE_IN_FILE = "twice_in_file"  # booked once
    CHANGED = "changed"  # known under this reference with other figures: not booked again


class BankLine(NamedTuple):
    """One payment of a file. `key` names it for ever; `line` is where it stands; `kid` is as the payer wrote it.

    A tuple, since a file has hundreds of thousands and is read whole before a line of it is believed.
    """

    key: str
    line: int
    received_on: date
    kid: str
    amount_ore: int
    currency: str = "NOK"


class Owed(NamedTuple):
    """An invoice as a payment meets it: what is open on it in øre, and whether something was paid before."""

    invoice: int
    open_ore: int
    paid: bool
    void: bool


class Judged(NamedTuple):
    """Where a payment goes: øre on its invoice, øre on account 2900, and what is wrong with it, if anything."""

    to_invoice_ore: int
    unallocated_ore: int
    difference: BankDifference | None


def judge(line: BankLine, owed: Owed | None) -> Judged:
    """Share a payment out. In kroner both parts sum to its amount; another currency has neither."""
    if line.currency != "NOK":
        return Judged(0, 0, BankDifference.OTHER_CURRENCY)
    if line.amount_ore < 0:
        return Judged(0, line.amount_ore, BankDifference.TAKEN_BACK)
    if owed is None:
        return Judged(0, line.amount_ore, _without_invoice(line.kid))
    if owed.void:
        return Judged(0, line.amount_ore, BankDifference.VOID_INVOICE)
    if owed.open_ore <= 0:
        return Judged(0, line.amount_ore, BankDifference.PAID_TWICE if owed.paid else BankDifference.CREDITED)
    fits = min(line.amount_ore, owed.open_ore)
    return Judged(fits, line.amount_ore - fits, _off_by(line.amount_ore - owed.open_ore))


def _without_invoice(kid: str) -> BankDifference:
    if not kid:
        return BankDifference.NO_KID
    return BankDifference.UNKNOWN_KID if kid_is_valid(kid) else BankDifference.BAD_KID


def _off_by(above_ore: int) -> BankDifference | None:
    if above_ore == 0:
        return None
    return BankDifference.OVERPAID if above_ore > 0 else BankDifference.UNDERPAID


def read_bank_file(text: str, *, name: str) -> list[BankLine]:
    """The payments in the order of the file; a line that stands twice comes twice.

    Raises Refused `bank.record` (not the documented form), `bank.control` (count or sum of an end record is not that
    of its payments); `field` names file and line, and nothing is read of such a file.
    """
    text = text.removeprefix("\ufeff")
    return _OcrGiro(name).read(text) if text.startswith("NY") else list(_csv(text, name))


class _OcrGiro:
    """A transmission holds assignments, an assignment payments of two or three records, numbered from 1."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lines: list[BankLine] = []
        self._sums: list[tuple[int, int]] = []  # payments and øre of each assignment
        self._account = self._assignment = ""
        self._in_assignment = self._ended = False
        self._first = 0

    def read(self, text: str) -> list[BankLine]:
        for number, record in enumerate(text.splitlines(), start=1):
            if record.strip():
                self._take(number, record.ljust(_RECORD))
        if not self._ended:
            raise self._wrong(len(text.splitlines()), "the record that ends the transmission (NY000089) is missing")
        return self._lines

    def _take(self, number: int, record: str) -> None:
        if len(record) != _RECORD or not record.startswith("NY") or self._ended:
            raise self._wrong(number, "no record of 80 characters of one transmission that begins with NY")
        service, kind = record[2:4], record[6:8]
        if (service, kind) == ("09", "20"):
            self._begin(number, record)
        elif (service, kind) == ("09", "30"):
            self._pay(number, record)
        elif (service, kind) == ("09", "88"):
            self._end_assignment(number, record)
        elif (service, kind) == ("00", "89"):
            self._end_transmission(number, record)
        elif (service, kind) not in {("00", "10"), ("09", "31"), ("09", "32")}:
            raise self._wrong(number, f"a record {record[:8]}, which OCR giro does not have")

    def _begin(self, number: int, record: str) -> None:
        if self._in_assignment:
            raise self._wrong(number, "an assignment begins before the last has ended")
        self._assignment, self._account = record[17:24], record[24:35]
        self._in_assignment, self._first = True, len(self._lines)

    def _pay(self, number: int, record: str) -> None:
        if not self._in_assignment:
            raise self._wrong(number, "a payment outside an assignment")
        amount = self._digits(number, record[32:49], "amount")
        sign = {"-": -1, "0": 1, " ": 1}.get(record[31])
        if sign is None or amount == 0:
            raise self._wrong(number, f"{record[31:49]!r} is no amount")
        day = record[15:21]
        self._lines.append(
            BankLine(
                key=f"ocr:{self._account}:{day}:{self._assignment}:{record[8:15]}",
                line=number,
                received_on=self._day(number, day),
                kid=record[49:74].strip(),
                amount_ore=sign * amount,
            )
        )

    def _end_assignment(self, number: int, record: str) -> None:
        if not self._in_assignment:
            raise self._wrong(number, "an assignment ends that did not begin")
        of_it = self._lines[self._first :]
        self._sums.append((len(of_it), sum(line.amount_ore for line in of_it)))
        self._in_assignment = False
        self._check(number, record, self._sums[-1:])

    def _end_transmission(self, number: int, record: str) -> None:
        if self._in_assignment:
            raise self._wrong(number, "the last assignment has no end")
        self._check(number, record, self._sums)
        self._ended = True

    def _check(self, number: int, record: str, sums: Sequence[tuple[int, int]]) -> None:
        told = self._digits(number, record[8:16], "count"), self._digits(number, record[24:41], "sum")
        found = sum(count for count, _ in sums), sum(ore for _, ore in sums)
        if told != found:
            raise Refused(
                "bank.control",
                f"{self._name}, line {number}: it tells of {told[0]} payments of {told[1]} øre, "
                f"there are {found[0]} of {found[1]} øre",
                field=f"{self._name}:{number}",
                fix="fetch the file from the bank again: this one is cut short or was changed; nothing was booked",
            )

    def _digits(self, number: int, text: str, what: str) -> int:
        if not (text.isascii() and text.isdigit()):
            raise self._wrong(number, f"{text!r} is no {what}")
        return int(text)

    def _day(self, number: int, text: str) -> date:
        try:
            return datetime.strptime(text, "%d%m%y").date()  # noqa: DTZ007 -- a day has no zone
        except ValueError:
            raise self._wrong(number, f"{text!r} is no day (DDMMYY)") from None

    def _wrong(self, number: int, what: str) -> Refused:
        return _record_fault(self._name, number, what)


def _csv(text: str, name: str) -> Iterator[BankLine]:
    heading_line = text.split("\n", 1)[0]
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=";" if ";" in heading_line else ",")
    heading = [cell.strip().casefold() for cell in next(lines, [])]
    if not set(_COLUMNS) <= set(heading) <= {*_COLUMNS, "currency"}:
        raise _record_fault(name, 1, f"neither OCR giro nor the columns {', '.join(_COLUMNS)} (and currency)")
    for cells in lines:
        if any(cell.strip() for cell in cells):
            row = dict(zip(heading, (cell.strip() for cell in cells), strict=False))
            yield _csv_line(name, lines.line_num, row)


def _csv_line(name: str, number: int, row: dict[str, str]) -> BankLine:
    for column in ("reference", "booked_on", "amount"):
        if not row.get(column):
            raise _record_fault(name, number, f"{column} is missing")
    match = _KRONER.match(row["amount"].replace(" ", "").replace("\u00a0", ""))
    if match is None or not any(digit in "123456789" for digit in match.group()):
        raise _record_fault(name, number, f"amount {row['amount']!r} is not kroner (455.00)")
    try:
        day = date.fromisoformat(row["booked_on"])
    except ValueError:
        raise _record_fault(name, number, f"booked_on {row['booked_on']!r} is no day (2026-11-23)") from None
    sign, kroner, rest = match.groups()
    ore = int(kroner) * 100 + int((rest or "").ljust(2, "0"))
    return BankLine(
        key=f"csv:{row['reference']}",
        line=number,
        received_on=day,
        kid=row.get("kid", ""),
        amount_ore=-ore if sign else ore,
        currency=(row.get("currency") or "NOK").upper(),
    )


def _record_fault(name: str, number: int, what: str) -> Refused:
    return Refused(
        "bank.record",
        f"{name}, line {number}: {what}",
        field=f"{name}:{number}",
        fix="give the OCR giro file as the bank sent it, or a CSV as `hsecard bank import --help` describes",
    )
