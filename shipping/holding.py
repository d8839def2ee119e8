"""Post now, or wait for company? A proved card waits only for an order that is placed already and will be in time.

No forecast: of the policies tried on a year's stream, waiting for placed orders alone saved most of what perfect
knowledge would, at a third of a day a card. Every wait ends on a known day, the last on which posting keeps the
promise; a replacement, or a card that came back, never waits.
"""

from collections.abc import Sequence
from datetime import date

from shipping import working_days
from shipping.models import ComingOrder, MailHold, Promise, WaitingCard


def last_safe_day(ordered_on: date, promise: Promise) -> date:
    """The last day on which a card ordered on `ordered_on` may be posted and still keep the promise."""
    promised = working_days.after(ordered_on, promise.promised_days)
    return working_days.before(promised, promise.transit_days)


def expected_on(ordered_on: date, *, today: date, promise: Promise) -> date:
    """When an order in production will be ready: as long as production takes, and never before tomorrow."""
    return max(working_days.after(ordered_on, promise.production_days), working_days.after(today, 1))


def mail_holds(
    waiting: Sequence[WaitingCard], coming: Sequence[ComingOrder], *, today: date, promise: Promise
) -> list[MailHold]:
    """The addresses whose proved cards wait today, each with the day it ends and the orders it waits for.

    All cards ready for an address go together once one of them must: what is held is a whole address or none of it.
    """
    companions = _coming_by_key(coming)
    holds = []
    for key, cards in sorted(_by_key(waiting).items()):
        until = _must_go(cards, promise)
        if until is None or today >= until:
            continue
        in_time = [
            order.order_number
            for order in companions.get(key, ())
            if expected_on(order.ordered_on, today=today, promise=promise) <= until
        ]
        if in_time:
            ids = tuple(sorted(card.card_id for card in cards))
            holds.append(MailHold(address_key=key, card_ids=ids, until=until, waits_for=tuple(sorted(in_time))))
    return holds


def _must_go(cards: Sequence[WaitingCard], promise: Promise) -> date | None:
    """The first last safe day among the cards of one address; None when one of them may not wait at all."""
    days = [None if card.ordered_on is None else last_safe_day(card.ordered_on, promise) for card in cards]
    known = [day for day in days if day is not None]
    return min(known) if len(known) == len(days) else None


def _by_key(waiting: Sequence[WaitingCard]) -> dict[str, list[WaitingCard]]:
    groups: dict[str, list[WaitingCard]] = {}
    for card in waiting:
        groups.setdefault(card.address_key, []).append(card)
    return groups


def _coming_by_key(coming: Sequence[ComingOrder]) -> dict[str, list[ComingOrder]]:
    groups: dict[str, list[ComingOrder]] = {}
    for order in coming:
        groups.setdefault(order.address_key, []).append(order)
    return groups
