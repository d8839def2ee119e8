"""Which invoices are to come of what is posted: one for each order, or one for a business's month, and on which day.

An order's is due at once. A month's is due on the first working day after the month; earlier where that would be later
than one month after the first delivery on it (bokføringsforskriften § 5-1-3): on the last working day before. What is
delivered after such an early invoice is collected in another.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from billing.invoices import issue_deadline
from billing.models import Collect, InvoiceTerms, Uninvoiced
from billing.terms import collect_on, first_day_after, month_of
from cards.days import oslo_day
from flows.house import House
from shipping.working_days import before, is_working_day

_DAY = timedelta(days=1)


@dataclass
class PlannedInvoice:
    """What waits for one invoice (an order delivered on several days gets one for each day).

    `month` (`2026-11`) is set where a business's deliveries are collected. Days are Oslo days.
    """

    org_number: str
    month: str | None
    first_delivered_on: date
    cards: int = 0
    orders: set[str] = field(default_factory=set)

    @property
    def key(self) -> str:
        """`B-2026-000401`, or `310149942/2026-11`."""
        return f"{self.org_number}/{self.month}" if self.month else min(self.orders)

    @property
    def issue_by(self) -> date:
        """The last day that the law gives."""
        return issue_deadline(self.first_delivered_on)

    @property
    def issue_on(self) -> date:
        """The day from which on the house issues it."""
        return collected_on(self.month, self.first_delivered_on) if self.month else self.first_delivered_on


def collected_on(month: str, first_delivered_on: date) -> date:
    """The day on which the invoice of a month is issued, given the first delivery on it."""
    day = first_day_after(month)
    while not is_working_day(day):
        day += _DAY
    last = issue_deadline(first_delivered_on)
    return day if day <= last else before(last + _DAY, 1)


def planned_invoices(
    waiting: Iterable[Uninvoiced], terms: Mapping[str, Sequence[InvoiceTerms]]
) -> list[PlannedInvoice]:
    """What waits, gathered into the invoices that it will stand on; those delivered first come first."""
    planned: dict[tuple[str, str | None], PlannedInvoice] = {}
    for some in waiting:
        day = oslo_day(some.posted_at)
        collected = collect_on(terms.get(some.org_number, ()), day) is Collect.MONTH
        month = month_of(day) if collected else None
        key = (some.org_number if collected else some.order_number, month)
        one = planned.setdefault(key, PlannedInvoice(some.org_number, month, day))
        one.first_delivered_on = min(one.first_delivered_on, day)
        one.cards += some.cards
        one.orders.add(some.order_number)
    return sorted(planned.values(), key=lambda one: (one.first_delivered_on, one.key))


def invoices_to_come(house: House) -> list[PlannedInvoice]:
    """Every invoice that is to come of what is posted now."""
    with house.store.read() as uow:
        return planned_invoices(uow.uninvoiced.waiting(), uow.terms.all())
