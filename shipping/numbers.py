"""Numbers on letters and parcels: GS1's check digit and our own shipment code in the DataMatrix.

Untracked letters carry no number of the carrier's, so a returned one can be tied to its cards only by our own.
"""

import re

_CODE = re.compile(r"^S(\d{8,})$")
_S10 = re.compile(r"[A-Z]{2}([0-9]{8})([0-9])[A-Z]{2}")
_SSCC = re.compile(r"[0-9]{18}")
_S10_WEIGHTS = (8, 6, 4, 2, 3, 5, 9, 7)


def check_digit(body: str) -> str:
    """GS1 mod-10 check digit of a number's other digits (weights 3, 1 from the right): SSCC, GSIN, GTIN."""
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(body)))
    return str(-total % 10)


def s10_check_digit(serial: str) -> str:
    """UPU S10's check digit of eight digits: weights 8 6 4 2 3 5 9 7, 11 less the sum mod 11; 10 is 0, 11 is 5."""
    rest = 11 - sum(int(digit) * weight for digit, weight in zip(serial, _S10_WEIGHTS, strict=True)) % 11
    return {10: "0", 11: "5"}.get(rest, str(rest))


def is_s10(number: str) -> bool:
    """Whether a text is an S10 number (13 characters, no blanks) with a right check digit."""
    match = _S10.fullmatch(number)
    return match is not None and s10_check_digit(match.group(1)) == match.group(2)


def is_sscc(number: str) -> bool:
    """Whether a text is an SSCC-18 (digits only, without its application identifier) with a right check digit."""
    return _SSCC.fullmatch(number) is not None and check_digit(number[:-1]) == number[-1]


def shipment_code(number: int) -> str:
    """What the DataMatrix of shipment `number` says: `S` and at least eight digits."""
    if number < 1:
        raise ValueError("shipments are numbered from 1")
    return f"S{number:08d}"


def shipment_number(code: str) -> int | None:
    """The shipment number in a scanned code, or None when it is no code of ours."""
    match = _CODE.match(code.strip())
    return int(match.group(1)) if match else None
