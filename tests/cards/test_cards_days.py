"""Instants and Oslo days."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from cards.days import oslo_day, two_years_after, utc_text


@pytest.mark.parametrize(
    ("at", "day"),
    [
        (datetime(2026, 11, 23, 22, 59, tzinfo=UTC), date(2026, 11, 23)),  # winter: one hour ahead
        (datetime(2026, 11, 23, 23, 0, tzinfo=UTC), date(2026, 11, 24)),
        (datetime(2026, 7, 1, 21, 59, tzinfo=UTC), date(2026, 7, 1)),  # summer: two
        (datetime(2026, 7, 1, 22, 0, tzinfo=UTC), date(2026, 7, 2)),
        (datetime(2026, 11, 24, 8, 30, tzinfo=timezone(timedelta(hours=9))), date(2026, 11, 24)),
    ],
)
def test_the_day_is_that_of_oslo(at: datetime, day: date) -> None:
    assert oslo_day(at) == day


def test_an_instant_needs_a_zone() -> None:
    with pytest.raises(ValueError, match="time zone"):
        oslo_day(datetime(2026, 11, 23))  # noqa: DTZ001 -- that is the point


def test_text_is_utc_and_sorts() -> None:
    oslo = timezone(timedelta(hours=1))
    early, late = datetime(2026, 11, 23, 9, 14, tzinfo=oslo), datetime(2026, 11, 23, 8, 15, tzinfo=UTC)
    assert utc_text(early) == "2026-11-23T08:14:00.000000Z"
    assert utc_text(early) < utc_text(late)


@pytest.mark.parametrize(
    ("day", "until"),
    [
        (date(2026, 11, 23), date(2028, 11, 23)),
        (date(2028, 2, 29), date(2030, 2, 28)),
        (date(2026, 2, 28), date(2028, 2, 28)),
    ],
)
def test_a_card_is_valid_two_years(day: date, until: date) -> None:
    assert two_years_after(day) == until
