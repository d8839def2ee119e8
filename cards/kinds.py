"""Card kinds, issuer and ordering rules: an open list with dates, kept as data beside this file, looked up by day.

A kind, an issuer's name or a rule is never a constant: the scheme grew a kind in 2008, 2012, 2022 and 2026, changed
issuer in 2020, and will change again. A day that no row covers is refused.
"""

import json
from collections.abc import Sequence
from datetime import date
from functools import cache
from importlib.resources import files

from pydantic import BaseModel, ConfigDict

from cards.errors import Refused
from cards.identifiers import status_tag


class _Dated(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    valid_from: date
    valid_until: date | None = None  # last day, inclusive
    source: str

    def covers(self, day: date) -> bool:
        return self.valid_from <= day and (self.valid_until is None or day <= self.valid_until)


class CardKind(_Dated):
    """One row of the scheme: which card, its labels in both languages, since when."""

    code: str
    label_no: str
    label_en: str


class Issuer(_Dated):
    """Who issues cards in a period; the name is printed on the card."""

    name: str
    status_url: str


@cache
def _rows(name: str) -> tuple[dict[str, object], ...]:
    return tuple(json.loads(files("cards").joinpath("policies", name).read_text("utf-8")))


def card_kinds(day: date) -> dict[str, CardKind]:
    """The kinds that may be issued on `day`, by code."""
    kinds = (CardKind.model_validate(row) for row in _rows("card_kinds.json"))
    return {kind.code: kind for kind in kinds if kind.covers(day)}


def card_kind(code: str, day: date) -> CardKind:
    """The kind `code` on `day`. Raises Refused `order.unknown_kind`."""
    kinds = card_kinds(day)
    if code not in kinds:
        known = ", ".join(sorted(kinds))
        raise Refused(
            "order.unknown_kind", f"no card kind {code!r} on {day}", field="card_kind", fix=f"use one of: {known}"
        )
    return kinds[code]


def issuer(day: date) -> Issuer:
    """The card issuer on `day`. Raises Refused `policy.unknown_day`."""
    found: Sequence[Issuer] = [row for row in map(Issuer.model_validate, _rows("issuers.json")) if row.covers(day)]
    if len(found) != 1:
        raise Refused("policy.unknown_day", f"{len(found)} issuers are known for {day}", fix="correct issuers.json")
    return found[0]


def status_address(number: str, issued_on: date, key: bytes) -> str:
    """What the QR code of a card issued that day says: its issuer's status address, the number and its keyed tag.

    Raises Refused `policy.unknown_day`.
    """
    return f"{issuer(issued_on).status_url}/{number}/{status_tag(number, key)}"
