"""Days on which mail is posted and carried in Norway: a promise to a customer is counted in these.

Not on Saturdays and Sundays, the days of helligdagsfredloven § 2, 1 May and 17 May. Posten carries letters to a door
on every other working day only, which the days of transit in the settings account for.
"""

from datetime import date, timedelta
from functools import lru_cache

from dateutil.easter import easter

_FIXED = ((1, 1), (5, 1), (5, 17), (12, 25), (12, 26))
_FROM_EASTER = (-3, -2, 1, 39, 50)  # Maundy Thursday, Good Friday, Easter Monday, Ascension, Whit Monday
_DAY = timedelta(days=1)


@lru_cache(maxsize=64)
def _holidays(year: int) -> frozenset[date]:
    sunday = easter(year)
    moving = (sunday + timedelta(days=days) for days in _FROM_EASTER)
    return frozenset({*(date(year, month, day) for month, day in _FIXED), *moving})


def is_working_day(day: date) -> bool:
    """True when mail is posted in Norway on `day`."""
    return day.weekday() < 5 and day not in _holidays(day.year)


def after(day: date, working_days: int) -> date:
    """The day that is `working_days` (≥ 0) working days after `day`; `day` itself for none."""
    return _walk(day, working_days, _DAY)


def before(day: date, working_days: int) -> date:
    """The day that is `working_days` (≥ 0) working days before `day`; `day` itself for none."""
    return _walk(day, working_days, -_DAY)


def _walk(day: date, working_days: int, step: timedelta) -> date:
    while working_days > 0:
        day += step
        working_days -= is_working_day(day)
    return day
