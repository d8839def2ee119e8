"""Ranges of numbers that the carrier gave us: what is a range, and which number its next serial makes.

S10 (Universal Postal Union) and SSCC (GS1) numbers are ours to print only out of such a range; a number of our own
making would be somebody else's parcel.
"""

import re
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from cards.errors import Refused
from shipping.numbers import check_digit, s10_check_digit

S10_COUNTRY = "NO"  # whoever gives the range; Posten's is the only one that a Norwegian sender gets
_S10_SERIAL_DIGITS = 8
_SSCC_BODY_DIGITS = 17


class NumberKind(StrEnum):
    """What the number is: UPU S10 for registered letters and mailbox parcels, GS1 SSCC for parcels."""

    S10 = "s10"
    SSCC = "sscc"


_PREFIXES = {
    NumberKind.S10: (re.compile(r"[A-Z]{2}"), "two capital letters, e.g. RR"),
    NumberKind.SSCC: (re.compile(r"\d{8,11}"), "the extension digit and the GS1 company prefix, 8 to 11 digits"),
}


class NumberRange(BaseModel):
    """Serials `first_serial` to `last_serial` under a prefix; `next_serial` is the first that was not given yet.

    The prefix is the service letters of S10, or extension digit and company prefix of SSCC. `source` is the carrier's
    letter that gave the range.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    range_id: str
    kind: NumberKind
    prefix: str
    first_serial: int
    last_serial: int
    next_serial: int
    source: str
    added_at: datetime
    added_by: str

    @property
    def left(self) -> int:
        """How many numbers of it were not given yet."""
        return self.last_serial - self.next_serial + 1


def number_of(kind: NumberKind, prefix: str, serial: int) -> str:
    """The whole number of a serial, with its check digit: 13 characters of S10 or 18 digits of SSCC."""
    if kind is NumberKind.S10:
        digits = f"{serial:0{_S10_SERIAL_DIGITS}d}"
        return f"{prefix}{digits}{s10_check_digit(digits)}{S10_COUNTRY}"
    body = f"{prefix}{serial:0{_SSCC_BODY_DIGITS - len(prefix)}d}"
    return body + check_digit(body)


def check_range(kind: NumberKind, prefix: str, first: int, last: int) -> None:
    """Raises Refused `numbers.invalid` naming the field when these are no serials of such a number."""
    pattern, what = _PREFIXES[kind]
    if not (prefix.isascii() and pattern.fullmatch(prefix)):
        raise _invalid("prefix", f"{prefix!r} is no prefix of {kind.value.upper()}: {what}")
    digits = _S10_SERIAL_DIGITS if kind is NumberKind.S10 else _SSCC_BODY_DIGITS - len(prefix)
    if not 0 <= first <= last:
        raise _invalid("last", f"the range ends ({last}) before it begins ({first})")
    if last >= 10**digits:
        raise _invalid("last", f"{last} has more than the {digits} digits that a serial has after this prefix")


def overlap(one: NumberRange, other: NumberRange) -> bool:
    """True when a number would lie in both; an SSCC prefix may be the beginning of another."""
    if one.kind is not other.kind or (one.kind is NumberKind.S10 and one.prefix != other.prefix):
        return False
    return _body(one, one.first_serial) <= _body(other, other.last_serial) and _body(other, other.first_serial) <= (
        _body(one, one.last_serial)
    )


def _body(of: NumberRange, serial: int) -> str:
    return number_of(of.kind, of.prefix, serial)[:_SSCC_BODY_DIGITS] if of.kind is NumberKind.SSCC else f"{serial:08d}"


def _invalid(field: str, message: str) -> Refused:
    return Refused(
        "numbers.invalid", message, field=field, fix="type the range as the carrier's letter has it, without the checks"
    )
