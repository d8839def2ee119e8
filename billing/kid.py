"""KID: the number a payer's bank carries back to us, by which a payment finds its invoice.

One fixed length, zero-padded, check digit mod 10, as the bank agreement wants it (2–25 digits, Mastercard Payment
Services 4–25, at most three structures of different length): customer, then invoice, then the check digit.
"""

from billing.models import Buyer
from cards.errors import Refused

CUSTOMER_DIGITS = 9  # the payer's organisation number: constant for a customer
INVOICE_DIGITS = 9
KID_DIGITS = CUSTOMER_DIGITS + INVOICE_DIGITS + 1


def kid(*, customer: int, invoice: int) -> str:
    """The KID of an invoice: 19 digits as text (leading zeros count). Raises Refused `kid.too_long`."""
    _refuse_overflow(customer, CUSTOMER_DIGITS, "customer")
    _refuse_overflow(invoice, INVOICE_DIGITS, "invoice")
    body = f"{customer:0{CUSTOMER_DIGITS}d}{invoice:0{INVOICE_DIGITS}d}"
    return body + check_digit(body)


def kid_of(buyer: Buyer, invoice: int) -> str:
    """The KID of a buyer's invoice: the customer part is the organisation number."""
    return kid(customer=int(buyer.org_number), invoice=invoice)


def kid_is_valid(text: str) -> bool:
    """True for a KID of our structure: its length, digits only, the right check digit."""
    if len(text) != KID_DIGITS or not text.isascii() or not text.isdigit():
        return False
    return check_digit(text[:-1]) == text[-1]


def check_digit(body: str) -> str:
    """Mod 10 over the digits before it: weights 2, 1, 2 … from the right, digit sums (60224 → 3)."""
    total = 0
    for place, digit in enumerate(reversed(body)):
        product = int(digit) * (2 if place % 2 == 0 else 1)
        total += product // 10 + product % 10
    return str(-total % 10)


def _refuse_overflow(value: int, digits: int, field: str) -> None:
    if not 0 <= value < 10**digits:
        raise Refused(
            "kid.too_long",
            f"{field} {value} does not fit the {digits} digits that the bank agreement gives it",
            field=field,
            fix="agree on another KID structure of another length with the bank",
        )
