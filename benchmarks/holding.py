"""Post at once, or wait for company? Four policies live through the same invented year, day by day.

20,000 addresses, some of them building sites that order every other day; every order is ready a working day after
it was placed and must be posted by the fourth, so that company may still be ordered while a card lies ready. The
policy of the house is the house's own code; full knowledge of the year, by dynamic programming, is what no policy
can beat.
"""

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from itertools import accumulate

from shipping.holding import last_safe_day, mail_holds
from shipping.models import ComingOrder, Promise, WaitingCard
from shipping.planning import divider
from shipping.tariffs import bundled_tariffs
from shipping.weights import bundled_weights
from shipping.working_days import after, is_working_day

ADDRESSES, CARDS = 20_000, 197_000
FIRST, LAST = date(2021, 1, 4), date(2021, 12, 23)
PROMISE = Promise(promised_days=6, transit_days=2, production_days=1)  # posted by the fourth day after the order
MOST = 200
Orders = Mapping[str, Sequence[tuple[date, int]]]  # by address: the day and the cards of each order, oldest first
Letters = dict[tuple[str, date], int]  # cards to an address on a day
_DAY = timedelta(days=1)


def invented_year() -> Orders:
    """Orders of one to three cards; a few addresses have most of them, as building sites do."""
    chance = random.Random(2026)
    days = [day for day in _days(FIRST, LAST) if is_working_day(day)][:-8]
    weights = list(accumulate(chance.lognormvariate(0, 1.7) for _ in range(ADDRESSES)))
    keys = [f"NO|{n:05d}" for n in range(ADDRESSES)]
    orders = defaultdict(list)
    left = CARDS
    for key in keys:
        orders[key].append((chance.choice(days), 1))
        left -= 1
    while left > 0:
        cards = min(left, chance.choice([1, 2, 2, 3]))
        orders[chance.choices(keys, cum_weights=weights)[0]].append((chance.choice(days), cards))
        left -= cards
    return {key: sorted(placed) for key, placed in orders.items()}


def _days(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first += _DAY


@cache
def ready_on(ordered: date) -> date:
    """When an order is made."""
    return after(ordered, PROMISE.production_days)


@cache
def must_go(ordered: date) -> date:
    """The last day on which it may be posted."""
    return last_safe_day(ordered, PROMISE)


def post_daily(orders: Orders) -> Letters:
    """Whatever is ready goes."""
    letters: Letters = defaultdict(int)
    for key, placed in orders.items():
        for ordered, cards in placed:
            letters[key, ready_on(ordered)] += cards
    return letters


def hold_to_the_last_day(orders: Orders) -> Letters:
    """Everything waits until one of the address must go."""
    letters: Letters = defaultdict(int)
    for key, placed in orders.items():
        day = date.min
        for ordered, cards in placed:
            if ready_on(ordered) > day:
                day = must_go(ordered)
            letters[key, day] += cards
    return letters


def hold_for_placed_orders(orders: Orders) -> Letters:
    """What the house does: each day, cards wait only for orders that are placed and will be in time."""
    placed_on, ready = defaultdict(list), defaultdict(list)
    for key, placed in orders.items():
        for n, (ordered, cards) in enumerate(placed):
            name = f"{key}-{n}"
            placed_on[ordered].append(ComingOrder(order_number=name, address_key=key, ordered_on=ordered))
            ready[ready_on(ordered)].append((WaitingCard(name, name, key, ordered), cards))
    coming: dict[str, ComingOrder] = {}
    waiting: dict[str, tuple[WaitingCard, int]] = {}
    letters: Letters = defaultdict(int)
    for day in filter(is_working_day, _days(FIRST, LAST)):
        coming |= {order.order_number: order for order in placed_on[day]}
        waiting |= {card.order_number: (card, cards) for card, cards in ready[day]}
        for card, _ in ready[day]:
            del coming[card.order_number]
        held = mail_holds([card for card, _ in waiting.values()], list(coming.values()), today=day, promise=PROMISE)
        keys = {hold.address_key for hold in held}
        for name, (card, cards) in list(waiting.items()):
            if card.address_key not in keys:
                letters[card.address_key, day] += cards
                del waiting[name]
    return letters


def know_the_year(orders: Orders) -> Letters:
    """The cheapest of all: cards in order of their days, cut into letters so that each cut keeps every promise."""
    cost = costs()
    letters: Letters = defaultdict(int)
    for key, placed in orders.items():
        best: list[tuple[int, int]] = [(0, 0)]
        for end, (ordered, _) in enumerate(placed, start=1):
            options, cards = [], 0
            for start in range(end - 1, -1, -1):
                cards += placed[start][1]
                if must_go(placed[start][0]) < ready_on(ordered):
                    break
                options.append((best[start][0] + cost[cards], start))
            best.append(min(options))
        end = len(placed)
        while end:
            start = best[end][1]
            letters[key, ready_on(placed[end - 1][0])] += sum(cards for _, cards in placed[start:end])
            end = start
    return letters


@cache
def costs() -> list[int]:
    """Net øre of 0, 1, … cards to one address on one day."""
    divide = divider(MOST, day=FIRST, zone="NO", rows=bundled_tariffs(), weights=bundled_weights())
    return [sum(letter.row.net_ore for letter in divide(cards)) for cards in range(MOST + 1)]


def added_days(orders: Orders, letters: Letters) -> float:
    """Calendar days a card waits after it is ready; the oldest go first. A card posted after its day ends it all."""
    waited = 0
    by_address = defaultdict(list)
    for (key, day), cards in sorted(letters.items()):
        by_address[key] += [day] * cards
    for key, placed in orders.items():
        cards_of = [ordered for ordered, cards in placed for _ in range(cards)]
        for ordered, posted in zip(cards_of, by_address[key], strict=True):
            if not ready_on(ordered) <= posted <= must_go(ordered):
                raise SystemExit(f"{key}: ordered {ordered}, posted {posted}")
            waited += (posted - ready_on(ordered)).days
    return waited / CARDS


POLICIES: tuple[tuple[str, Callable[[Orders], Letters]], ...] = (
    ("post daily", post_daily),
    ("hold to the last safe day", hold_to_the_last_day),
    ("hold for placed orders (ours)", hold_for_placed_orders),
    ("know the whole year", know_the_year),
)


def holding() -> None:
    """A row a policy: postage, what it saves, what it adds."""
    orders = invented_year()
    placed = sum(len(each) for each in orders.values())
    print(f"{CARDS} cards in {placed} orders to {len(orders)} addresses, list of 2021, posted by day 4")
    print(f"{'policy':<30} {'letters':>8} {'kroner net':>11} {'saved':>7} {'days a card':>12}")
    daily = 0
    for name, policy in POLICIES:
        letters = policy(orders)
        ore = sum(costs()[cards] for cards in letters.values())
        daily = daily or ore
        days = added_days(orders, letters)
        print(f"{name:<30} {len(letters):>8} {ore / 100:>11.0f} {1 - ore / daily:>7.1%} {days:>+12.2f}")


if __name__ == "__main__":
    holding()
