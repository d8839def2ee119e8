"""Prices, costs and VAT rules by day: dated data beside this file, each row with its source and who of finance
confirmed it.

The price of a card moved five times in six years and differs by kind; the VAT rule follows the place of delivery, not
the buyer. A day or a place that no row covers is refused: nothing is charged on a guess.
"""

import json
import re
from collections.abc import Iterable, Sequence
from datetime import date
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, TypeVar

from billing.models import CostRow, Delivered, PriceRow, TaxRow
from cards.errors import Refused

_Row = TypeVar("_Row", PriceRow, CostRow, TaxRow)
_OUTSIDE_POSTCODES = frozenset({"8099", *(str(code) for code in range(9170, 9180))})
_NORWEGIAN_POSTCODE = re.compile(r"^(?:NO?-)?(\d{4})$", re.IGNORECASE)


def card_price(kind: str, day: date) -> PriceRow:
    """The price of one card of `kind` delivered on `day`, in øre net of VAT. Raises Refused `price.unknown_day`."""
    return _price_row(kind, day)


def card_cost(kind: str, day: date) -> CostRow:
    """What one card of `kind` posted on `day` cost us to make, in øre. Raises Refused `cost.unknown_day`."""
    found = _covering((row for row in _cost_rows() if row.kind == kind), day)
    if len(found) != 1:
        raise Refused(
            "cost.unknown_day",
            f"{len(found)} costs are known for card kind {kind!r} on {day}",
            field="kind",
            fix="let finance add or correct the dated row in billing/data/costs.json",
        )
    return found[0]


def tax_rule(country: str, postcode: str, day: date) -> TaxRow:
    """The VAT rule of a delivery to this place on `day`.

    `country` is ISO 3166-1 alpha-2. Mainland Norway is charged; Svalbard (9170–9179), Jan Mayen (8099) and every other
    country lie outside the VAT area (mval. § 1-2, § 6-21). Raises Refused `tax.unknown_place`, `tax.unknown_day`.
    """
    return _tax_row("mainland" if _is_mainland(country, postcode) else "outside", day)


def saft_code(category: str, percent: int, day: date, rows: Sequence[TaxRow] | None = None) -> str:
    """The SAF-T standard tax code of a category and rate on `day`, or of the last rule before it that had them: what is
    credited keeps the rate at which it was sold. Raises Refused `tax.unknown_rate`."""
    known = _tax_rows() if rows is None else rows
    begun = [row for row in known if row.valid_from <= day and (row.category, row.percent) == (category, percent)]
    if begun:
        return max(begun, key=lambda row: row.valid_from).saft_code
    raise Refused(
        "tax.unknown_rate",
        f"no VAT rule with category {category} and {percent} % on {day}",
        field="vat_percent",
        fix="correct the line, or let finance add the rule to billing/data/taxes.json",
    )


def price_rows() -> tuple[PriceRow, ...]:
    """Every dated price, as its file has them."""
    return _price_rows()


def refuse_unconfirmed(deliveries: Iterable[Delivered]) -> None:
    """Refuse what would be invoiced by a price or a VAT rule that finance has not confirmed.

    Raises Refused `price.not_confirmed`, `tax.not_confirmed`, and as `card_price` and `tax_rule` do.
    """
    for each in deliveries:
        day = each.delivered_on
        for kind in sorted({kind for _, kind in each.cards}):
            if card_price(kind, day).confirmed_by is None:
                raise Refused(
                    "price.not_confirmed",
                    f"nobody of finance confirmed the price of {kind} on {day}",
                    field="confirmed_by",
                    fix="let finance write into its row of billing/data/prices.json who confirmed it, and when",
                )
        rule = tax_rule(each.address.country, each.address.postcode, day)
        if rule.confirmed_by is None:
            raise Refused(
                "tax.not_confirmed",
                f"nobody of finance confirmed the VAT rule of a delivery {rule.delivery} on {day}",
                field="confirmed_by",
                fix="let finance write into its row of billing/data/taxes.json who confirmed it, and when",
            )


def tax_rows() -> tuple[TaxRow, ...]:
    """Every dated VAT rule, as its file has them."""
    return _tax_rows()


@lru_cache(maxsize=4096)  # a day's invoices ask for the same few rows
def _price_row(kind: str, day: date) -> PriceRow:
    found = _covering((row for row in _price_rows() if row.kind == kind), day)
    if len(found) != 1:
        raise Refused(
            "price.unknown_day",
            f"{len(found)} prices are known for card kind {kind!r} on {day}",
            field="kind",
            fix="let finance add or correct the dated row in billing/data/prices.json",
        )
    return found[0]


def _is_mainland(country: str, postcode: str) -> bool:
    if country.strip().upper() != "NO":
        return False
    match = _NORWEGIAN_POSTCODE.match(postcode.strip())
    if match is None:
        raise Refused(
            "tax.unknown_place",
            f"{postcode!r} is no Norwegian postcode, so the VAT rule of the delivery is unknown",
            field="delivery_address.postcode",
            fix="correct the delivery address: four digits",
        )
    return match.group(1) not in _OUTSIDE_POSTCODES


@lru_cache(maxsize=4096)
def _tax_row(delivery: str, day: date) -> TaxRow:
    found = _covering((row for row in _tax_rows() if row.delivery == delivery), day)
    if len(found) != 1:
        raise Refused(
            "tax.unknown_day",
            f"{len(found)} VAT rules are known for delivery {delivery} on {day}",
            field="delivered_on",
            fix="let finance add or correct the dated row in billing/data/taxes.json",
        )
    return found[0]


def _covering(rows: Iterable[_Row], day: date) -> list[_Row]:
    return [row for row in rows if row.valid_from <= day and (row.valid_until is None or day <= row.valid_until)]


@cache
def _price_rows() -> tuple[PriceRow, ...]:
    return tuple(PriceRow.model_validate(row) for row in _data("prices.json"))


@cache
def _cost_rows() -> tuple[CostRow, ...]:
    return tuple(CostRow.model_validate(row) for row in _data("costs.json"))


@cache
def _tax_rows() -> tuple[TaxRow, ...]:
    return tuple(TaxRow.model_validate(row) for row in _data("taxes.json"))


def _data(name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(files("billing").joinpath("data", name).read_text("utf-8"))
    return rows
