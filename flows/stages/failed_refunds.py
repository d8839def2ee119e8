"""Refunds that came to nothing: the ledger owes the money to the payer again, and a person decides what becomes of it.

A refund fails days after it was made (a closed account, a withdrawn card). Nothing is sent again by itself: a person
says to try it once more, as a new act under a key of its own, or pays from the bank and says so.
"""

from dataclasses import dataclass
from datetime import date

from billing.ledger import entries_of_bank_refund, entries_of_returned_refund
from billing.models import Refund, RefundState
from cards.days import oslo_day
from cards.effects import OPEN, Effect, EffectKind
from cards.errors import Refused
from flows.house import House
from store.database import UnitOfWork

SETTLED = ("confirmed", "bank")
_CAME_TO_NOTHING = ("failed", "refused")


@dataclass(frozen=True, slots=True)
class FollowedRefund:
    """One amount of a case over one payment, followed to its last act: `key` names it, `attempt` counts it.

    `state` is that act's, or `failed` when the money came back, or `bank` when a person paid it from there.
    """

    case_id: str
    payment: str
    amount_ore: int
    key: str
    attempt: int
    state: str
    refund: str | None


def refund_key(case_id: str, payment: str) -> str:
    """The key of the first act that gives an amount of a case back over a payment."""
    return f"refund:{case_id}:{payment}"


def refund_of(uow: UnitOfWork, case_id: str, payment: str) -> FollowedRefund:
    """Where an amount of a case stands. Raises Refused `effect.unknown` when it was never planned."""
    key, attempt = refund_key(case_id, payment), 1
    while (decision := uow.refund_decisions.get(key)) and decision.next_key:
        key, attempt = decision.next_key, attempt + 1
    effect = uow.effects.get(key)
    refund = (effect.answer or {}).get("refund")
    if decision:
        state = "bank"
    elif refund and uow.stripe.failed(refund):
        state = "failed"
    else:
        state = effect.state.value
    amount = effect.request["amount_ore"]
    return FollowedRefund(case_id, payment, amount, key=key, attempt=attempt, state=state, refund=refund)


def refunds_of(uow: UnitOfWork, case_id: str) -> list[FollowedRefund]:
    """Every amount of a case that goes back over a payment, by payment; none before it is executed."""
    planned = uow.effects.of_subject(EffectKind.REFUND, case_id)
    return [refund_of(uow, case_id, payment) for payment in sorted({one.request["payment"] for one in planned})]


def came_back(uow: UnitOfWork, refund: str, *, key: str | None, today: date) -> None:
    """Stripe told that a refund failed. One that we have not settled yet is booked back when we do."""
    effect = uow.effects.find(key, hold=True) if key else None
    if effect and effect.kind is EffectKind.REFUND and (effect.answer or {}).get("refund") == refund:
        _book_back(uow, effect, today=today)


def came_back_before(uow: UnitOfWork, key: str, refund: str, *, today: date) -> None:
    """A refund that is settled just now may have failed before we knew that it was made."""
    if uow.stripe.failed(refund):
        _book_back(uow, uow.effects.get(key), today=today)


def _book_back(uow: UnitOfWork, effect: Effect, *, today: date) -> None:
    """A confirmed refund that failed, once: ours again, owed again, and its case open again."""
    case = uow.refunds.get(effect.subject)
    made = Refund(
        key=effect.key,
        reference=(effect.answer or {})["refund"],
        payment=effect.request["payment"],
        amount_ore=effect.request["amount_ore"],
    )
    try:
        uow.ledger.post(entries_of_returned_refund(made, booked_on=today, document=f"credit_note/{case.credit_note}"))
    except Refused as fault:  # told twice
        if fault.code != "ledger.posted_before":
            raise
    uow.refunds.reopen(case.case_id)


def failed_refunds(uow: UnitOfWork) -> list[FollowedRefund]:
    """Amounts that wait for a person, by case and payment: their refund failed, or was refused."""
    executing = uow.refunds.of_state(RefundState.EXECUTING)
    refunds = [followed for case in executing for followed in refunds_of(uow, case.case_id)]
    return [followed for followed in refunds if followed.state in _CAME_TO_NOTHING]


def try_again(house: House, case_id: str, payment: str, *, by: str) -> FollowedRefund:
    """Plan a failed refund once more, under a new key. Raises Refused `refund.not_failed`, `refund.unknown`."""
    with house.store.begin() as uow:
        followed, effect = _failed(uow, case_id, payment)
        key = f"{refund_key(case_id, payment)}:{followed.attempt + 1}"
        uow.refund_decisions.add(followed.key, "again", next_key=key, by=by)
        uow.effects.plan(key, EffectKind.REFUND, case_id, effect.request)
        return refund_of(uow, case_id, payment)


def paid_by_bank(house: House, case_id: str, payment: str, *, by: str) -> FollowedRefund:
    """A person has paid a failed refund from the bank. Raises Refused `refund.not_failed`, `refund.unknown`."""
    with house.store.begin() as uow:
        followed, _ = _failed(uow, case_id, payment)
        uow.refund_decisions.add(followed.key, "bank", next_key=None, by=by)
        case = uow.refunds.get(case_id)
        uow.ledger.post(
            entries_of_bank_refund(
                followed.key,
                amount_ore=followed.amount_ore,
                booked_on=oslo_day(house.clock.now()),
                document=f"credit_note/{case.credit_note}",
            )
        )
        return refund_of(uow, case_id, payment)


def _failed(uow: UnitOfWork, case_id: str, payment: str) -> tuple[FollowedRefund, Effect]:
    uow.refunds.get(case_id)
    first = uow.effects.find(refund_key(case_id, payment))
    followed = refund_of(uow, case_id, payment) if first else None
    if first is None or followed is None or followed.state not in _CAME_TO_NOTHING:
        raise Refused(
            "refund.not_failed",
            f"no refund of case {case_id} over payment {payment} has failed",
            field="payment",
            fix="see `hsecard payments failed` for what waits for a decision",
        )
    return followed, first


def is_open(followed: FollowedRefund) -> bool:
    """True when the last act of an amount is still to be done or settled."""
    return followed.state in OPEN
