"""The orderer is told that a letter came back, and asked where its cards should go.

One mail a returned letter and orderer, planned in the transaction that takes the letter back. It names orders and a
reason, never a holder: whoever reads it can look the order up.
"""

from datetime import date

from billing.models import Message
from cards.effects import Effect, EffectKind
from flows.house import House
from flows.stages.effects import Act, Answer, carry_out, leave_to_a_person
from flows.stages.line import Chunk, Stage, Tally, chunks_of
from shipping.models import Shipment
from shipping.returns import LetterReturn, ReturnRule, read_reason
from store.database import UnitOfWork

MAILS_PER_CHUNK = 50

_SENT_AGAIN_NO = "Kortene sendes på nytt. Dere trenger ikke å gjøre noe."
_SENT_AGAIN_EN = "The cards are sent again. You need not do anything."
_ASKED_NO = "Svar på denne e-posten med riktig adresse før {until}. Uten svar blir kortene destruert."
_ASKED_EN = "Reply to this mail with the right address before {until}. Without an answer the cards are destroyed."
_DESTROYED_NO = "Kortene blir destruert."
_DESTROYED_EN = "The cards are destroyed."
_THEN = {
    "sent_again": (_SENT_AGAIN_NO, _SENT_AGAIN_EN),
    "ask": (_ASKED_NO, _ASKED_EN),
    "destroy": (_DESTROYED_NO, _DESTROYED_EN),
}


def plan_mails(
    uow: UnitOfWork, shipment: Shipment, came_back: LetterReturn, rule: ReturnRule, *, sent_again: bool
) -> None:
    """One mail for each orderer with cards in the letter."""
    orders = {card.order_number for card in uow.cards.get_many(shipment.card_ids)}
    by_orderer: dict[str, list[str]] = {}
    for number in sorted(orders):
        by_orderer.setdefault(uow.orders.get(number).ordered_by.email.casefold(), []).append(number)
    then = "sent_again" if sent_again else "destroy" if rule.then == "destroy" else "ask"
    for numbers in by_orderer.values():
        request = {
            "orders": numbers,
            "reason": came_back.reason,
            "then": then,
            "until": came_back.destroy_from.isoformat(),
        }
        key = f"return:{shipment.shipment_id}:{numbers[0]}"
        uow.effects.plan(key, EffectKind.RETURN_MAIL, shipment.shipment_id, request)


def return_message(*, to: str, seller: str, orders: list[str], reason: str, then: str, until: str) -> Message:
    """The mail as it is sent, Norwegian first. `reason` is a code, `until` an ISO day."""
    why = read_reason(reason)
    then_no, then_en = _THEN[then]
    day, numbers = date.fromisoformat(until), ", ".join(orders)
    body = (
        f"Et brev med HMS-kort på bestilling {numbers} kom i retur: {why.norwegian}.\n"
        f"{then_no.format(until=day.strftime('%d.%m.%Y'))}\n\n"
        f"A letter with HSE cards of order {numbers} came back: {why.english}.\n"
        f"{then_en.format(until=day.isoformat())}\n\n{seller}\n"
    )
    return Message(to=to, subject=f"Brev i retur / Letter returned: {numbers}", body=body)


def _to_send(house: House) -> list[Chunk]:
    with house.store.read() as uow:
        return chunks_of([effect.key for effect in uow.effects.open_of(EffectKind.RETURN_MAIL)], MAILS_PER_CHUNK)


def _send(house: House, chunk: Chunk) -> Tally:
    total = Tally()
    for key in chunk:
        total += carry_out(house, ASKING, key)
    return total


def _mail(house: House, effect: Effect) -> Answer:
    with house.store.read() as uow:
        to = uow.orders.get(effect.request["orders"][0]).ordered_by.email
    message = return_message(to=to, seller=house.settings.seller.name, **effect.request)
    return {"message": house.mail.send(effect.key, message)}


def _mailed(house: House, effect: Effect) -> Answer | None:
    message = house.mail.look_up(effect.key)
    return {"message": message} if message else None


def _nothing_more(house: House, uow: UnitOfWork, effect: Effect, answer: Answer) -> None:
    """The answer comes by mail, to a person."""


ASKING = Act(send=_mail, look_up=_mailed, apply=_nothing_more, refuse=leave_to_a_person)
ASK = Stage("returned mail", _to_send, _send)
