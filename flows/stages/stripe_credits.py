"""Credit notes on invoices that lie at Stripe are made there too, with our figures, once the money has gone back.

Planned in the transaction that confirms the refund case, one act an invoice. The refunds that gave the money back are
linked; where nothing was paid, the invoice there owes so much less.
"""

from collections.abc import Iterable

from billing.models import RefundCase
from billing.stripe_credit import Credit, GivenBack
from cards.effects import Effect, EffectKind, EffectState
from flows.house import House
from flows.stages.effects import Act, Answer, carry_out, leave_to_a_person, road_closed
from flows.stages.line import Chunk, Stage, Tally, chunks_of
from store.database import UnitOfWork

_PER_CHUNK = 50


def plan_at_stripe(uow: UnitOfWork, case: RefundCase, invoices: Iterable[int]) -> None:
    """Plan what Stripe has to know of a confirmed case: a credit note on each of its `invoices` that lies there."""
    for number in invoices:
        sent = _sent(uow, number)
        if sent is not None and sent.state is not EffectState.REFUSED:
            request = {"credit_note": case.credit_note, "invoice": number}
            key = f"stripe_credit:{case.credit_note}:{number}"
            uow.effects.plan(key, EffectKind.STRIPE_CREDIT, f"credit_note/{case.credit_note}", request)


def _sent(uow: UnitOfWork, number: int) -> Effect | None:
    """How the invoice went to Stripe, if it did."""
    return uow.effects.find(f"deliver:invoice:{number}")


def _to_credit(house: House) -> list[Chunk]:
    """Credit notes whose invoice has arrived there."""
    with house.store.read() as uow:
        planned = [one for one in uow.effects.open_of(EffectKind.STRIPE_CREDIT) if one.state is EffectState.PLANNED]
        ready = [one.key for one in planned if _has_arrived(uow, one.request["invoice"])]
        return chunks_of(ready, _PER_CHUNK)


def _has_arrived(uow: UnitOfWork, number: int) -> bool:
    sent = _sent(uow, number)
    return sent is not None and sent.state is EffectState.CONFIRMED


def _credit(house: House, chunk: Chunk) -> Tally:
    total = Tally()
    for key in chunk:
        total += carry_out(house, CREDITING, key)
    return total


def _send(house: House, effect: Effect) -> Answer:
    if house.crediting is None:
        raise road_closed("Stripe", "HSECARD_PAYMENTS", "stripe")
    return {"stripe_credit_note": house.crediting.credit(effect.key, _content(house, effect))}


def _look_up(house: House, effect: Effect) -> Answer | None:
    if house.crediting is None:
        raise road_closed("Stripe", "HSECARD_PAYMENTS", "stripe")
    found = house.crediting.credited(effect.key, _content(house, effect))
    return {"stripe_credit_note": found} if found else None


def _content(house: House, effect: Effect) -> Credit:
    with house.store.read() as uow:
        note = uow.credit_notes.get(effect.request["credit_note"])
        invoice = uow.invoices.get(effect.request["invoice"])
        sent = uow.effects.get(f"deliver:invoice:{invoice.number}")
        credit = Credit(note=note, invoice=invoice, reference=(sent.answer or {})["stripe_invoice"])
        return credit.model_copy(update={"refunds": _given_back(uow, credit)})


def _given_back(uow: UnitOfWork, credit: Credit) -> tuple[GivenBack, ...]:
    """The case's refunds that stand, over the payment of this invoice, up to what the note credits of it."""
    case, left = uow.refunds.get(credit.note.case_id), credit.gross_ore
    payments = {item.payment for item in case.items if item.invoice_number == str(credit.invoice.number)}
    payments |= {uow.stripe.payment_of(credit.reference)}
    given = []
    for effect in uow.effects.of_subject(EffectKind.REFUND, case.case_id):
        refund = (effect.answer or {}).get("refund")
        stands = effect.state is EffectState.CONFIRMED and refund and uow.stripe.failed(refund) is None
        if stands and effect.request["payment"] in payments and left:
            amount = min(effect.request["amount_ore"], left)
            left -= amount
            given.append(GivenBack(refund=str(refund), amount_ore=amount))
    return tuple(given)


def _nothing_more(house: House, uow: UnitOfWork, effect: Effect, answer: Answer) -> None:
    """The credit note is issued, booked and delivered already."""


CREDITING = Act(send=_send, look_up=_look_up, apply=_nothing_more, refuse=leave_to_a_person)
AT_STRIPE = Stage("stripe_credits", _to_credit, _credit)
