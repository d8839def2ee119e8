"""A card is blocked by a person: lost, stolen, or its holder has left. A blocked card opens no gate and is never sent.

A card that came back and waits in a letter to be sent again is taken out of it: the letter is taken apart before its
booking can be sent. That is decided by who gets the effect of the booking first, we or the sender.
"""

from cards.effects import EffectKind, EffectState
from cards.errors import Refused, Unavailable
from cards.life import Card, CardState
from flows.house import House
from flows.stages.pack import booking_key
from store.database import UnitOfWork

_IN_THE_FIELD = (CardState.POSTED, CardState.RETURNED, CardState.REPLACED)
_ON_ITS_WAY_AGAIN = (CardState.PROVED, CardState.PACKED, CardState.HELD)


def block(house: House, card_id: str, *, why: str) -> Card:
    """Block a card that has been posted, wherever it is now.

    Raises Refused `card.not_blockable`, `card.block_why`; Unavailable `card.letter_leaving`.
    """
    if not why.strip():
        raise Refused("card.block_why", "no reason is given", field="--why", fix="say why: lost, stolen, has left")
    with house.store.begin() as uow:
        card = _held_fast(uow, card_id)
        _refuse_unblockable(uow, card)
        if card.state is CardState.PACKED:
            _take_apart(house, uow, card)
        uow.cards.advance(
            card_id, card.state, CardState.BLOCKED, actor=house.actor, what="blocked", details={"why": why.strip()}
        )
        return uow.cards.get(card_id)


def _held_fast(uow: UnitOfWork, card_id: str) -> Card:
    """The card, locked after the letter that it lies in: whoever posts that letter locks in this order too."""
    card = uow.cards.get(card_id)
    if card.state is CardState.PACKED and card.shipment_id is not None:
        uow.shipments.locked(card.shipment_id)
    return uow.cards.locked_many([card_id])[0]


def _refuse_unblockable(uow: UnitOfWork, card: Card) -> None:
    again = card.state in _ON_ITS_WAY_AGAIN and uow.returns.was_posted(card.card_id)
    if card.state not in _IN_THE_FIELD and not again:
        raise Refused(
            "card.not_blockable",
            f"card {card.card_id} is {card.state.value}",
            field="CARD",
            fix="one that never left is cancelled or spoiled; a faulty one is replaced first (`hsecard reissue`)",
        )


def _take_apart(house: House, uow: UnitOfWork, card: Card) -> None:
    """Cancel the letter, its other cards wait for another. Raises Unavailable `card.letter_leaving`."""
    shipment_id = card.shipment_id or ""
    key = booking_key(shipment_id)
    uow.effects.plan(key, EffectKind.BOOK, shipment_id, {"shipment": shipment_id})
    if not uow.effects.start(key):
        raise Unavailable(
            "card.letter_leaving",
            f"{shipment_id} with card {card.card_id} is being booked at this moment",
            field="CARD",
            fix="run `hsecard reconcile` and block it then: it is posted, or back with the proved cards",
        )
    uow.effects.settle(key, EffectState.REFUSED, {"code": "card.blocked", "message": f"{card.card_id} was blocked"})
    uow.shipments.cancel(shipment_id)
    for other in uow.shipments.get(shipment_id).card_ids:
        if other != card.card_id:
            uow.cards.advance(
                other,
                CardState.PACKED,
                CardState.PROVED,
                actor=house.actor,
                what="unpacked",
                details={"shipment": shipment_id, "why": "card.blocked"},
                shipment_id=None,
            )
