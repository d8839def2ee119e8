"""Where the money of a refund goes: its roads planned with the credit note, booked or paid, and the case then closed.

The plan is made in the crediting transaction from what is open and paid at that moment, and stays: a payment that
arrives later meets an invoice on which less is open, and what is too much of it is named by the bank's import.
"""

from collections.abc import Sequence

from billing.ledger import entries_of_payout, entries_of_set_off
from billing.models import CreditNote, RefundCase, RefundState
from billing.refund_roads import Refundable, RefundRoad, Road, plan_roads
from cards.days import oslo_day
from cards.effects import EffectKind
from cards.errors import Refused, Unavailable
from flows.house import House
from flows.stages.failed_refunds import SETTLED, refund_key, refunds_of
from flows.stages.stripe_credits import plan_at_stripe
from store.database import UnitOfWork
from store.refunds import Payout

BY_HAND = "hand/"  # how the id of a finding begins that no audit made


def plan_money(uow: UnitOfWork, case: RefundCase) -> tuple[RefundRoad, ...]:
    """The roads of a case as things stand now, in the transaction that credits it.

    Raises Unavailable `refund.payment_untold` while Stripe has not told by which payment an invoice was paid.
    """
    uow.bank.hold()
    own = own_invoices(uow, case)
    credited = sorted(set(own.values()))
    paid = {number: _refundable(uow, number) for number in credited}
    roads = plan_roads(case.items, own=own, open_ore=uow.bank.open_among(credited), paid=paid)
    if all(road.road is not Road.PAY_OUT for road in roads):
        return roads
    return plan_roads(case.items, own=own, open_ore=_open_elsewhere(uow, case, credited), paid=paid)


def _open_elsewhere(uow: UnitOfWork, case: RefundCase, credited: Sequence[int]) -> dict[int, int]:
    """What the payer owes, without other invoices that Stripe collects: there nobody would know of the set-off."""
    owed = uow.bank.open_of(case.payer_org_number)
    return {
        number: ore
        for number, ore in owed.items()
        if number in credited or uow.effects.find(f"deliver:invoice:{number}") is None
    }


def own_invoices(uow: UnitOfWork, case: RefundCase) -> dict[str, int]:
    """Finding → the invoice of this house that it is about; charges of before this system are left out."""
    found = uow.postage.findings(among=[item.finding_id for item in case.items])
    charged_here = {finding.finding_id for finding in found if finding.charge.origin == "own"}
    return {
        item.finding_id: int(item.invoice_number)
        for item in case.items
        if item.finding_id in charged_here or item.finding_id.startswith(BY_HAND)
    }


def _refundable(uow: UnitOfWork, number: int) -> Sequence[Refundable]:
    """What is left of each payment on an invoice, less what other cases or a hand at Stripe give back."""
    left = []
    for payment, ore in uow.stripe.paid_on(number):
        if payment is None:
            raise Unavailable(
                "refund.payment_untold",
                f"invoice {number} is paid at Stripe, which has not told by which payment",
                fix="wait for its webhook, then execute again; `hsecard payments list` shows what was told",
            )
        left.append((payment, ore - uow.refunds.planned_over(payment) - uow.stripe.given_back_by_hand(payment)))
    return left


def send_on_its_roads(uow: UnitOfWork, case: RefundCase, note: CreditNote, roads: Sequence[RefundRoad]) -> None:
    """Book what is set off and plan what goes back over payments; what is paid out by bank waits for finance."""
    for road in roads:
        if road.road is Road.SET_OFF and road.invoice is not None:
            amount, day = road.amount_ore, note.issued_on
            uow.ledger.post(entries_of_set_off(note, amount_ore=amount, invoice=road.invoice, booked_on=day))
        elif road.road is Road.PAYMENT:
            request = {"case": case.case_id, "payment": road.payment, "amount_ore": road.amount_ore}
            key = refund_key(case.case_id, str(road.payment))
            uow.effects.plan(key, EffectKind.REFUND, case.case_id, request)


def close_when_back(uow: UnitOfWork, case_id: str) -> bool:
    """Confirm a case once every refund of it stands and what goes by bank is paid; Stripe is told then.

    False while something waits, or when somebody else confirmed it.
    """
    refunded = all(refund.state in SETTLED for refund in refunds_of(uow, case_id))
    paid_out = all(payout.reference is not None for payout in uow.refunds.payouts(case_id))
    if not (refunded and paid_out and uow.refunds.confirm(case_id)):
        return False
    case = uow.refunds.get(case_id)
    plan_at_stripe(uow, case, sorted(set(own_invoices(uow, case).values())))
    return True


def tell_paid_out(house: House, case_id: str, *, reference: str, by: str) -> Payout:
    """Finance has paid by bank what a case gives back there: booked, and the case closed when nothing else waits.

    The same reference again changes nothing. Raises Refused `refund.nothing_to_pay_out`, `refund.paid_out`,
    `refund.no_reference`.
    """
    if not reference.strip():
        raise Refused(
            "refund.no_reference",
            "a payment by bank needs its reference",
            field="reference",
            fix="give the bank's reference of the payment",
        )
    with house.store.begin() as uow:
        case = uow.refunds.get(case_id)
        payout = _open_payout(uow, case)
        if uow.refunds.paid_out(payout, reference=reference.strip(), by=by):
            day, document = oslo_day(house.clock.now()), f"credit_note/{case.credit_note}"
            uow.ledger.post(entries_of_payout(case_id, amount_ore=payout.amount_ore, booked_on=day, document=document))
            close_when_back(uow, case_id)
        (told,) = uow.refunds.payouts(case_id)
        if told.reference != reference.strip():
            raise Refused(
                "refund.paid_out",
                f"case {case_id} was paid out under {told.reference}",
                field="reference",
                fix="nothing to do; was it paid twice, ask the payer for the second payment",
            )
        return told


def _open_payout(uow: UnitOfWork, case: RefundCase) -> Payout:
    payouts = uow.refunds.payouts(case.case_id)
    if not payouts or case.state not in (RefundState.EXECUTING, RefundState.CONFIRMED):
        raise Refused(
            "refund.nothing_to_pay_out",
            f"nothing of case {case.case_id} goes back by bank",
            field="case",
            fix="see `hsecard refunds payouts list`",
        )
    return payouts[0]
