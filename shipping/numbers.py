"""Numbers on letters and parcels: GS1's check digit and our own shipment code in the DataMatrix.

Untracked letters carry no number of the carrier's, so a returned one can be tied to its cards only by our own.
"""

import re

_CODE = re.compile(r"^S(\d{8,})$")


def check_digit(body: str) -> str:
    """GS1 mod-10 check digit of a number's other digits (weights 3, 1 from the right): SSCC, GSIN, GTIN."""
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(body)))
    return str(-total % 10)


def shipment_code(number: int) -> str:
    """What the DataMatrix of shipment `number` says: `S` and at least eight digits."""
    if number < 1:
        raise ValueError("shipments are numbered from 1")
    return f"S{number:08d}"


def shipment_number(code: str) -> int | None:
    """The shipment number in a scanned code, or None when it is no code of ours."""
    match = _CODE.match(code.strip())
    return int(match.group(1)) if match else None
