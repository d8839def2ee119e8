"""Waiting cards into letters: one address, the cheapest division, one postage shared over the orders in it.

One letter is not always cheapest (in 2021 a letter of 400 g cost more than two of 200 g), so the division is found
exactly by dynamic programming over the number of cards.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from cards.errors import Refused
from cards.money import share_ore
from shipping.models import PlannedShipment, TariffRow, WaitingCard, WeightModel, Zone
from shipping.tariffs import cheapest_that_holds, price, rows_of_day, unknown_day
from shipping.weights import weigh

_REPLACEMENT = re.compile(r"R\d+$")


@dataclass(frozen=True)
class _Letter:
    """A letter of so many cards as one zone and day price it."""

    cards: int
    weight_g: float
    thickness_mm: float
    row: TariffRow


def plan(
    waiting: Sequence[WaitingCard],
    *,
    day: date,
    zone_of_key: Callable[[str], Zone],
    rows: Sequence[TariffRow],
    weights: WeightModel,
    handling_ore: int = 0,
) -> tuple[list[PlannedShipment], list[tuple[WaitingCard, Refused]]]:
    """Divide the waiting cards into letters at the least total of net postage and `handling_ore` a letter.

    Cards of one `address_key` share letters, cards of two never do. Returns the shipments in order of key, and the
    cards that cannot be posted on `day`, each with the refusal (`tariff.unknown_day`, `tariff.too_large`).
    """
    groups = _grouped(waiting)
    zones = {key: zone_of_key(key) for key in groups}
    shipments: list[PlannedShipment] = []
    refused: list[tuple[WaitingCard, Refused]] = []
    for zone in sorted(set(zones.values())):
        keys = [key for key in sorted(groups) if zones[key] == zone]
        most = max(len(groups[key]) for key in keys)
        try:
            divide = divider(most, day=day, zone=zone, rows=rows, weights=weights, handling_ore=handling_ore)
        except Refused as refusal:
            refused.extend((card, refusal) for key in keys for card in groups[key])
            continue
        for key in keys:
            shipments.extend(_packed(key, groups[key], divide(len(groups[key]))))
    return sorted(shipments, key=lambda planned: (planned.address_key, planned.card_ids)), refused


def divider(
    most: int, *, day: date, zone: Zone, rows: Sequence[TariffRow], weights: WeightModel, handling_ore: int = 0
) -> Callable[[int], list[_Letter]]:
    """A function that divides 1 … `most` cards into the cheapest letters, largest first; fewest letters on a tie.

    f(n) = min over m of f(n − m) + price(m) + handling, worked out once. Raises Refused when no letter can be priced.
    """
    letters = _priced_letters(most, day=day, zone=zone, rows=rows, weights=weights)
    best: list[tuple[int, int]] = [(0, 0)]  # cost and letters of n cards
    first = [0]
    costs = [(letter.cards, letter.row.net_ore + handling_ore) for letter in reversed(letters)]
    for n in range(1, most + 1):
        options = ((best[n - m][0] + cost, best[n - m][1] + 1, m) for m, cost in costs if m <= n)
        cost, count, m = min(options, key=lambda option: (option[0], option[1], -option[2]))
        best.append((cost, count))
        first.append(m)

    def divide(cards: int) -> list[_Letter]:
        division = []
        while cards:
            division.append(letters[first[cards] - 1])
            cards -= first[cards]
        return sorted(division, key=lambda letter: -letter.cards)

    return divide


def _priced_letters(
    most: int, *, day: date, zone: Zone, rows: Sequence[TariffRow], weights: WeightModel
) -> list[_Letter]:
    """Letters of 1, 2, … cards as long as a known row holds them (weight and thickness only grow)."""
    live = rows_of_day(rows, day=day, zone=zone)
    if not live:
        raise unknown_day(day, zone)
    letters: list[_Letter] = []
    for cards in range(1, most + 1):
        weight_g, thickness_mm = weigh(cards, weights)
        row = cheapest_that_holds(live, weight_g=weight_g, thickness_mm=thickness_mm)
        if row is None:
            break
        letters.append(_Letter(cards, weight_g, thickness_mm, row))
    if not letters:
        weight_g, thickness_mm = weigh(1, weights)
        price(rows, day=day, zone=zone, weight_g=weight_g, thickness_mm=thickness_mm)  # says why it cannot
    return letters


def _grouped(waiting: Sequence[WaitingCard]) -> dict[str, list[WaitingCard]]:
    groups: dict[str, list[WaitingCard]] = {}
    for card in sorted(waiting, key=lambda card: (card.address_key, card.order_number, card.card_id)):
        groups.setdefault(card.address_key, []).append(card)
    return groups


def _packed(key: str, cards: list[WaitingCard], division: list[_Letter]) -> list[PlannedShipment]:
    packed, start = [], 0
    for letter in division:
        inside = cards[start : start + letter.cards]
        start += letter.cards
        packed.append(
            PlannedShipment(
                address_key=key,
                card_ids=tuple(card.card_id for card in inside),
                weight_g=letter.weight_g,
                thickness_mm=letter.thickness_mm,
                row=letter.row,
                shares=_shares(inside, letter.row.net_ore),
            )
        )
    return packed


def _shares(cards: list[WaitingCard], net_ore: int) -> tuple[tuple[str, int], ...]:
    """Net postage an order, by its number of cards, largest remainder. A free replacement's order bears nothing, nor
    does that of a card that came back by our fault."""
    counts: dict[str, int] = {}
    for card in cards:
        if not card.at_our_cost and not _REPLACEMENT.search(card.card_id):
            counts[card.order_number] = counts.get(card.order_number, 0) + 1
    if not counts:
        return ()
    orders = sorted(counts)
    return tuple(zip(orders, share_ore(net_ore, [counts[order] for order in orders]), strict=True))
