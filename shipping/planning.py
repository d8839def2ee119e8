"""Waiting cards into letters: one address, the cheapest division, one postage shared over the orders in it.

One letter is not always cheapest (in 2021 a letter of 400 g cost more than two of 200 g), so the division is found
exactly by dynamic programming over the number of cards.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from cards.errors import Refused
from cards.money import share_ore
from shipping.models import PlannedShipment, Shipment, TariffRow, WaitingCard, WeightModel, Zone
from shipping.tariffs import cheapest_that_holds, price, rows_of_day, unknown_day
from shipping.weights import weigh


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


def as_of(
    shipment: Shipment, *, day: date, zone: Zone, rows: Sequence[TariffRow], at_our_cost: Collection[str] = ()
) -> Shipment:
    """The same letter at the price of the day it is posted on, which is what is charged; its postage shared anew.

    `at_our_cost`: the cards in it that came back by our fault.
    Raises Refused (`tariff.unknown_day`, `tariff.too_large`) when that day has no price for it.
    """
    row = price(rows, day=day, zone=zone, weight_g=shipment.weight_g, thickness_mm=shipment.thickness_mm)
    bearing = [card_id for card_id in shipment.card_ids if card_id not in at_our_cost and not is_replacement(card_id)]
    priced = {
        "product": row.product,
        "tariff": row.tariff,
        "postage_net_ore": row.net_ore,
        "vat_percent": row.vat_percent,
        "shares": _shares((card_id.rpartition("-")[0] for card_id in bearing), row.net_ore),
    }
    return shipment.model_copy(update=priced)


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
        bearing = (card.order_number for card in inside if not card.at_our_cost and not is_replacement(card.card_id))
        packed.append(
            PlannedShipment(
                address_key=key,
                card_ids=tuple(card.card_id for card in inside),
                weight_g=letter.weight_g,
                thickness_mm=letter.thickness_mm,
                row=letter.row,
                shares=_shares(bearing, letter.row.net_ore),
            )
        )
    return packed


def _shares(bearing: Iterable[str], net_ore: int) -> tuple[tuple[str, int], ...]:
    """Net postage an order, by its number of cards, largest remainder. `bearing`: the order of each card that bears
    postage. None does when it was made free of charge, or came back by our fault."""
    counts = Counter(bearing)
    if not counts:
        return ()
    orders = sorted(counts)
    return tuple(zip(orders, share_ore(net_ore, [counts[order] for order in orders]), strict=True))


def is_replacement(card_id: str) -> bool:
    """True for a card made free of charge in the place of another (`B-1-2R1`): it bears no postage."""
    return "R" in card_id.rpartition("-")[2]
