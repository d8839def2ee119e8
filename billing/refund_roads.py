"""Which road each øre of a refund takes back to its payer; planned when the case is credited, and then fixed.

What is unpaid on the credited invoice is set off there, what was paid over a payment that can be refunded goes back
over it, what is left is set off against the payer's other open invoices, oldest first, and only the rest is paid out by
bank. Pure: the caller says what is open and what was paid at that moment.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from billing.models import RefundItem

Refundable = tuple[str, int]  # payment, øre left on it


class Road(StrEnum):
    """How money goes back."""

    PAYMENT = "payment"  # over the payment by which it came
    SET_OFF = "set_off"  # against an invoice of ours that is not paid
    PAY_OUT = "pay_out"  # by bank, by hand


class RefundRoad(BaseModel):
    """Øre of a case and their road; `payment` or `invoice` says over or against which, where there is one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    road: Road
    amount_ore: int
    payment: str | None = None
    invoice: int | None = None


def plan_roads(
    items: Sequence[RefundItem],
    *,
    own: Mapping[str, int],
    open_ore: Mapping[int, int],
    paid: Mapping[int, Sequence[Refundable]],
) -> tuple[RefundRoad, ...]:
    """The roads of a case; they sum to its gross.

    `own` says which findings are about an invoice of ours; `open_ore` holds what the payer owes by invoice, oldest
    first; `paid` what can still be refunded of the payments on each credited invoice.
    """
    plan = _Plan(dict(open_ore))
    for item in items:
        if item.payment is not None:
            plan.take(Road.PAYMENT, item.payment, item.net_ore + item.vat_ore)
    for number, ore in _by_invoice(items, own).items():
        plan.rest += _back_where_it_came_from(plan, number, ore, paid.get(number, ()))
    plan.rest += sum(i.net_ore + i.vat_ore for i in items if i.payment is None and i.finding_id not in own)
    for number in list(plan.open_ore):
        plan.rest = plan.set_off(number, plan.rest)
    plan.take(Road.PAY_OUT, None, plan.rest)
    return tuple(_road(road, target, ore) for (road, target), ore in plan.taken.items() if ore)


class _Plan:
    """What is taken so far, what is still open, and what has no road yet."""

    def __init__(self, open_ore: dict[int, int]) -> None:
        self.open_ore, self.rest = open_ore, 0
        self.taken: dict[tuple[Road, str | int | None], int] = {}

    def take(self, road: Road, target: str | int | None, ore: int) -> None:
        self.taken[road, target] = self.taken.get((road, target), 0) + ore

    def set_off(self, number: int, ore: int) -> int:
        """Set off what fits on an invoice; what is left."""
        fits = max(0, min(ore, self.open_ore.get(number, 0)))
        self.open_ore[number] = self.open_ore.get(number, 0) - fits
        self.take(Road.SET_OFF, number, fits)
        return ore - fits


def _by_invoice(items: Sequence[RefundItem], own: Mapping[str, int]) -> dict[int, int]:
    sums: dict[int, int] = {}
    for item in items:
        if item.payment is None and item.finding_id in own:
            number = own[item.finding_id]
            sums[number] = sums.get(number, 0) + item.net_ore + item.vat_ore
    return sums


def _back_where_it_came_from(plan: _Plan, number: int, ore: int, paid: Sequence[Refundable]) -> int:
    ore = plan.set_off(number, ore)
    for payment, left in paid:
        already = plan.taken.get((Road.PAYMENT, payment), 0)
        fits = max(0, min(ore, left - already))
        plan.take(Road.PAYMENT, payment, fits)
        ore -= fits
    return ore


def _road(road: Road, target: str | int | None, ore: int) -> RefundRoad:
    payment = target if isinstance(target, str) else None
    invoice = target if isinstance(target, int) else None
    return RefundRoad(road=road, amount_ore=ore, payment=payment, invoice=invoice)
