"""How and when a business is invoiced: an invoice for each order, or one for all that a month brought.

An invoice is issued as soon as possible and within one month of the delivery; issued on one of the first fifteen days,
it may carry the last day of the month before when everything on it was delivered then (bokføringsforskriften § 5-1-3).
"""

from collections.abc import Iterable
from datetime import date, timedelta

from billing.models import Collect, InvoiceTerms

_LAST_DAY_FOR_THE_MONTH_BEFORE = 15


def collect_on(terms: Iterable[InvoiceTerms], day: date) -> Collect:
    """How a delivery of `day` is invoiced. `terms` are one business's, in the order in which they were set."""
    covering = sorted((row for row in terms if row.valid_from <= day), key=lambda row: row.valid_from)
    return covering[-1].collect if covering else Collect.ORDER


def month_of(day: date) -> str:
    """`2026-11`: the month in which a delivery of `day` is collected."""
    return f"{day:%Y-%m}"


def first_day_after(month: str) -> date:
    """The first day of the month after `2026-11`."""
    return (date.fromisoformat(f"{month}-01") + timedelta(days=31)).replace(day=1)


def document_day(delivered_until: date, today: date) -> date:
    """The date of a collected invoice issued today: the last day of the month that it collects, where it may be."""
    last = today.replace(day=1) - timedelta(days=1)
    in_time = today.day <= _LAST_DAY_FOR_THE_MONTH_BEFORE
    return last if in_time and month_of(delivered_until) == month_of(last) else today
