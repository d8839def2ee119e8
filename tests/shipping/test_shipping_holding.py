"""Ready cards wait for placed orders only, never past the last safe day; held against trying every policy there is."""

import itertools
import random
from datetime import date, timedelta

import pytest

from shipping.holding import last_safe_day, mail_holds
from shipping.models import ComingOrder, Promise, WaitingCard
from shipping.working_days import after, before, is_working_day

PROMISE = Promise(promised_days=5, transit_days=2, production_days=2)
MONDAY = date(2026, 11, 23)
DAY = timedelta(days=1)


def _ready(order="A", ordered=MONDAY, key="k"):
    return WaitingCard(card_id=f"{order}-1", order_number=order, address_key=key, ordered_on=ordered)


def _coming(order="B", ordered=MONDAY, key="k"):
    return ComingOrder(order_number=order, address_key=key, ordered_on=ordered)


def _held(waiting, coming, today=MONDAY):
    return mail_holds(waiting, coming, today=today, promise=PROMISE)


@pytest.mark.parametrize(
    "day",
    [
        date(2026, 11, 21),  # Saturday
        date(2026, 4, 2),  # Maundy Thursday
        date(2026, 4, 6),  # Easter Monday
        date(2026, 5, 14),  # Ascension
        date(2027, 5, 17),  # Constitution Day and Whit Monday at once
        date(2026, 12, 25),
    ],
)
def test_no_mail_moves_on_a_holiday(day):
    assert not is_working_day(day)


def test_working_days_are_counted_over_easter():
    wednesday = date(2026, 4, 1)
    assert after(wednesday, 1) == date(2026, 4, 7)
    assert before(date(2026, 4, 7), 1) == wednesday
    assert after(wednesday, 0) == wednesday


def test_a_card_waits_for_an_order_that_will_be_in_time():
    (hold,) = _held([_ready()], [_coming()])
    assert (hold.address_key, hold.card_ids, hold.waits_for) == ("k", ("A-1",), ("B",))
    assert hold.until == date(2026, 11, 26) == last_safe_day(MONDAY, PROMISE)


@pytest.mark.parametrize(
    ("waiting", "coming", "today"),
    [
        ([_ready()], [], MONDAY),  # nobody is on the way
        ([_ready()], [_coming(key="elsewhere")], MONDAY),
        ([_ready()], [_coming(ordered=date(2026, 11, 25))], MONDAY),  # ready a day too late
        ([_ready()], [_coming()], date(2026, 11, 26)),  # the last safe day itself
        ([_ready()], [_coming()], date(2026, 12, 1)),  # long late
        ([_ready(), _ready("R", None)], [_coming()], MONDAY),  # a replacement goes now and takes the others along
        ([_ready(), _ready("C", date(2026, 11, 16))], [_coming()], MONDAY),  # one of them must go today
    ],
)
def test_a_card_goes_today(waiting, coming, today):
    assert _held(waiting, coming, today) == []


def test_every_address_is_judged_by_itself():
    holds = _held([_ready(), _ready("X", key="other")], [_coming(), _coming("Y", key="third")])
    assert [hold.address_key for hold in holds] == ["k"]


def _posting_days(orders, policy):
    """Live through the days: each order is ready `lag` working days after it was placed; one letter a day."""
    posted, today = {}, MONDAY
    while len(posted) < len(orders):
        ready = [n for n, (ordered, lag) in enumerate(orders) if n not in posted and after(ordered, lag) <= today]
        coming = [n for n, (ordered, lag) in enumerate(orders) if ordered <= today < after(ordered, lag)]
        if ready and is_working_day(today) and policy(today, ready, coming):
            posted |= dict.fromkeys(ready, today)
        today += DAY
    return [posted[n] for n in range(len(orders))]


def _placed_orders_only(orders):
    def policy(today, ready, coming):
        waiting = [_ready(str(n), orders[n][0]) for n in ready]
        return not _held(waiting, [_coming(str(n), orders[n][0]) for n in coming], today)

    return policy


def _random_orders(chance):
    return [
        (after(MONDAY - DAY, chance.randrange(1, 9)), chance.choice([2, 2, 2, 1, 3]))
        for _ in range(chance.randrange(1, 7))
    ]


def _fewest_letters(orders):
    """The fewest letters any policy could do with: every subset of days on which a letter leaves, tried."""
    spans = [
        (after(ordered, lag), max(after(ordered, lag), last_safe_day(ordered, PROMISE))) for ordered, lag in orders
    ]
    days = sorted({day for _, day in spans})
    for count in range(1, len(days) + 1):
        for chosen in itertools.combinations(days, count):
            if all(any(first <= day <= last for day in chosen) for first, last in spans):
                return count
    raise AssertionError("one letter an order always does")


def test_no_card_is_posted_late_for_waiting_and_letters_are_saved():
    chance, daily_letters, held_letters, fewest = random.Random(20261123), 0, 0, 0
    for _ in range(1500):
        orders = _random_orders(chance)
        daily = _posting_days(orders, lambda *_: True)
        held = _posting_days(orders, _placed_orders_only(orders))
        for (ordered, _), at_once, after_waiting in zip(orders, daily, held, strict=True):
            assert after_waiting <= max(at_once, last_safe_day(ordered, PROMISE))
        assert _fewest_letters(orders) <= len(set(held)) <= len(orders)
        daily_letters += len(set(daily))
        held_letters += len(set(held))
        fewest += _fewest_letters(orders)
    assert fewest <= held_letters < daily_letters
