"""Cards that came back and go nowhere: destroyed before two people, blocked for ever, their blanks counted out.

The blank goes from good to destroyed in its lot, in no batch: the count of the batch that made it stays as signed.
"""

from collections.abc import Sequence

from cards.blanks import BlankAccount, BlankMove
from cards.days import oslo_day
from cards.errors import Refused
from cards.life import Card, CardState
from flows.house import House
from flows.stages.line import Tally, tally
from flows.stages.reship import unknown_return
from flows.stages.returns import is_due
from store.database import UnitOfWork

_TO_BLOCK = (CardState.RETURNED, CardState.REPLACED)


def destroy(house: House, which: str, *, witnessed_by: str, why: str | None = None) -> Tally:
    """Destroy the cards of a returned letter, or one of them (by card id or number). `house.actor` does it.

    A card that may still be asked for (its days are not over) needs a reason. Raises Refused `return.two_people`,
    `return.unknown`, `return.not_due`, `return.fault_open`.
    """
    if house.actor.strip().casefold() == witnessed_by.strip().casefold() or not witnessed_by.strip():
        raise Refused(
            "return.two_people",
            f"{house.actor!r} cannot witness what they do themselves",
            field="--witnessed-by",
            fix="let a second person look on, and name them",
        )
    with house.store.begin() as uow:
        cards = _named(uow, which)
        _refuse_early(house, uow, cards, why)
        for card in uow.cards.locked_many([card.card_id for card in cards]):
            _destroy_card(house, uow, card, witnessed_by=witnessed_by.strip(), why=why)
    return tally("destroyed" for _ in cards)


def _named(uow: UnitOfWork, which: str) -> list[Card]:
    here = uow.returns.in_custody()
    named = uow.cards.named([which]).get(which)
    found = [card for card in here if card.shipment_id == which or (named and card.card_id == named.card_id)]
    if not found:
        raise unknown_return(which)
    return found


def _refuse_early(house: House, uow: UnitOfWork, cards: Sequence[Card], why: str | None) -> None:
    today = oslo_day(house.clock.now())
    for card in cards:
        came_back = uow.returns.find(card.shipment_id or "")
        if card.state is CardState.FAULTY:
            raise Refused(
                "return.fault_open",
                f"card {card.card_id} was reported faulty and is not replaced yet",
                field="CARD",
                fix="run `hsecard reissue` first: a card that is destroyed before is not replaced",
            )
        if came_back is not None and not is_due(card, came_back, today) and not (why or "").strip():
            raise Refused(
                "return.not_due",
                f"card {card.card_id} waits for an answer until {came_back.destroy_from}",
                field="--why",
                fix="wait, or say why it need not be kept (its orderer has answered, for one)",
            )


def _destroy_card(house: House, uow: UnitOfWork, card: Card, *, witnessed_by: str, why: str | None) -> None:
    details = {"shipment": card.shipment_id, "witnessed_by": witnessed_by} | ({"why": why} if why else {})
    if card.state in _TO_BLOCK:
        uow.cards.advance(
            card.card_id, card.state, CardState.BLOCKED, actor=house.actor, what="destroyed", details=details
        )
    else:
        uow.cards.note(card.card_id, actor=house.actor, what="destroyed", details=details)
    uow.blanks.move(
        BlankMove(
            move_key=f"destroy:{card.card_id}",
            at=house.clock.now(),
            actor=house.actor,
            lot=uow.batches.get(card.batch_id or "").lot,
            source=BlankAccount.GOOD,
            target=BlankAccount.DESTROYED,
            count=1,
            card_id=card.card_id,
            cause=f"returned mail, witnessed by {witnessed_by}",
        )
    )
