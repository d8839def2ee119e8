"""Numbers that name things: organisations and cards, and the tag that keeps card numbers from being tried through.

Sources: Brønnøysundregistrene for the organisation number (nine digits, mod 11); the seven-digit card number as
site systems validate it (`^\\d{7}$`), opaque, never reused.
"""

import hashlib
import hmac
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

_ORG_WEIGHTS = (3, 2, 7, 6, 5, 4, 3, 2)
CARD_NUMBERS = 10_000_000
_HALF = 3163  # smallest whole number whose square covers all card numbers
_TAG_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # 32 letters and digits that people do not mix up


def org_number_is_valid(text: str) -> bool:
    """True for nine digits whose last is the mod-11 check digit. Synthetic units start with 2 or 3: no rule on that."""
    if len(text) != 9 or not text.isascii() or not text.isdigit():
        return False
    remainder = sum(weight * int(digit) for weight, digit in zip(_ORG_WEIGHTS, text[:8], strict=True)) % 11
    check = 0 if remainder == 0 else 11 - remainder
    return check == int(text[8])


def _checked_org_number(text: str) -> str:
    if not org_number_is_valid(text):
        raise ValueError(f"{text!r} is no organisation number: nine digits of which the last is the check digit")
    return text


OrgNumber = Annotated[str, AfterValidator(_checked_org_number)]
CardNumber = Annotated[str, StringConstraints(pattern=r"^\d{7}$")]


def card_number(serial: int, key: bytes) -> str:
    """The `serial`-th card number (0 …) under `key`: seven digits that do not tell their order.

    A keyed permutation of 0 … 9,999,999 (four Feistel rounds, walked until inside), so numbers from one counter are
    unique for ever without looking like a count.
    """
    if not 0 <= serial < CARD_NUMBERS:
        raise ValueError("card numbers have seven digits: the series is used up")
    value = _permute(serial, key)
    while value >= CARD_NUMBERS:
        value = _permute(value, key)
    return f"{value:07d}"


def _permute(value: int, key: bytes) -> int:
    left, right = divmod(value, _HALF)
    for step in range(4):
        message = bytes([step]) + right.to_bytes(2, "big")
        mixed = int.from_bytes(hmac.digest(key, message, "sha256")[:8], "big")
        left, right = right, (left + mixed) % _HALF
    return left * _HALF + right


def normalised_card_number(text: str) -> str:
    """A card number as people and site systems write it → seven digits, or the text unchanged when it is none.

    Spaces go; one leading zero goes when there are more than seven digits, as the site registers do before a look-up.
    """
    bare = "".join(text.split())
    return bare[1:] if len(bare) == 8 and bare.startswith("0") else bare


def status_tag(number: str, key: bytes) -> str:
    """Six characters that only the issuer can make for this card number (30 bits of HMAC-SHA-256)."""
    bits = int.from_bytes(hashlib.sha256(hmac.digest(key, number.encode(), "sha256")).digest()[:4], "big") >> 2
    return "".join(_TAG_ALPHABET[(bits >> shift) & 31] for shift in range(25, -1, -5))
