"""VAT per category and rate, on the sum of the net lines, half up: the one place where a document's VAT is computed.

Per line it would be off on more than a quarter of invoices with free øre (EN 16931 BR-CO-17 and BT-117 settle it for
the group).
"""

from collections.abc import Iterable
from datetime import date

from billing.models import VatLine
from billing.prices import saft_code
from cards.money import vat_ore

VatGroup = tuple[str, int]  # category, percent


def vat_lines(parts: Iterable[tuple[str, int, int]], day: date) -> tuple[VatLine, ...]:
    """(category, percent, net øre) of each line → one VatLine a group, ordered by category and rate."""
    return stated_vat_lines({group: (net, vat_ore(net, group[1])) for group, net in net_by_group(parts).items()}, day)


def net_by_group(parts: Iterable[tuple[str, int, int]]) -> dict[VatGroup, int]:
    """Net øre of each category and rate."""
    sums: dict[VatGroup, int] = {}
    for category, percent, net in parts:
        sums[category, percent] = sums.get((category, percent), 0) + net
    return sums


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
