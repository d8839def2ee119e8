"""VAT per category and rate, on the sum of the net lines, half up: the one place where a document's VAT is computed.

Per line it would be off on more than a quarter of invoices with free øre (EN 16931 BR-CO-17 and BT-117 settle it for
the group).
"""

from collections.abc import Iterable
from datetime import date

from billing.models import TaxRow, VatLine
from billing.prices import saft_code
from cards.money import vat_ore

VatGroup = tuple[str, int]  # category, percent


def vat_lines(parts: Iterable[tuple[TaxRow, int]]) -> tuple[VatLine, ...]:
    """(its rule, net øre) of each line → one VatLine a group, ordered by category and rate."""
    rules: dict[VatGroup, TaxRow] = {}
    sums: dict[VatGroup, int] = {}
    for rule, net in parts:
        group = (rule.category, rule.percent)
        rules[group] = rule
        sums[group] = sums.get(group, 0) + net
    return tuple(
        VatLine(
            category=category,
            percent=percent,
            saft_code=rules[category, percent].saft_code,
            net_ore=net,
            vat_ore=vat_ore(net, percent),
        )
        for (category, percent), net in sorted(sums.items())
    )


def stated_vat_lines(sums: dict[VatGroup, tuple[int, int]], day: date) -> tuple[VatLine, ...]:
    """(net, VAT) of each group as VatLines with their SAF-T codes on `day`."""
    return tuple(
        VatLine(
            category=category,
            percent=percent,
            saft_code=saft_code(category, percent, day),
            net_ore=net,
            vat_ore=vat,
        )
        for (category, percent), (net, vat) in sorted(sums.items())
    )
