"""Instants are UTC, days are Oslo days: a letter posted at 00:30 in Oslo belongs to the new day and its tariff."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

OSLO = ZoneInfo("Europe/Oslo")


def oslo_day(at: datetime) -> date:
    """The calendar day in Oslo of an aware instant."""
    if at.tzinfo is None:
        raise ValueError("an instant without a time zone has no day")
    return at.astimezone(OSLO).date()


def utc_text(at: datetime) -> str:
    """An aware instant as `2026-11-23T08:00:00.000000Z`: sorts as it should, reads the same everywhere."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def two_years_after(day: date) -> date:
    """Last day of validity of a card issued on `day`: two years (construction § 8); 29 February ends on the 28th."""
    try:
        return day.replace(year=day.year + 2)
    except ValueError:
        return day.replace(year=day.year + 2, day=28)
