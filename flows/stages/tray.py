"""What lies in a tray: the cards of a batch in a state, and the blank under each until it is good or spoiled."""

from cards.batch import Batch, BatchCard
from cards.blanks import BlankAccount, BlankMove
from cards.effects import EffectState
from cards.life import Card, CardState
from flows.house import House
from store.database import UnitOfWork


def cards_in(uow: UnitOfWork, batch: Batch, state: CardState) -> list[tuple[BatchCard, Card]]:
    """The batch's cards that stand in `state` and still lie in this batch's tray, in tray order."""
    cards = uow.cards.get_many([place.card_id for place in batch.cards])
    return [
        (place, card)
        for place, card in zip(batch.cards, cards, strict=True)
        if card.state is state and card.batch_id == batch.batch_id
    ]


def effect_key(card_id: str, batch_id: str) -> str:
    """One encoding per card and blank: a made-good card lies in another batch."""
    return f"encode:{card_id}:{batch_id}"


def spoil_card(house: House, uow: UnitOfWork, batch: Batch, card: Card, *, cause: str) -> str:
    """Count a card's blank as spoiled and send the card back to be printed on another, in the caller's transaction."""
    done = card.state is not CardState.RENDERED and uow.cards.advance(
        card.card_id,
        card.state,
        CardState.RENDERED,
        actor=house.actor,
        what="spoiled",
        details={"batch": batch.batch_id, "cause": cause},
        batch_id=None,
        chip_uid=None,
    )
    if done:
        if uow.encoding.quarantined(card.card_id):
            uow.effects.settle(effect_key(card.card_id, batch.batch_id), EffectState.REFUSED, {"verdict": "spoiled"})
        uow.encoding.forget(card.card_id)
        uow.prints.spoil(card.card_id, cause)
        uow.blanks.move(blank_out(house, batch, card.card_id, BlankAccount.SPOILED, cause))
    return "spoiled" if done else "already_done"


def blank_out(house: House, batch: Batch, card_id: str, target: BlankAccount, cause: str | None = None) -> BlankMove:
    """The blank under a card leaves the machine, good or spoiled."""
    return BlankMove(
        move_key=f"{target.value}:{batch.batch_id}:{card_id}",
        at=house.clock.now(),
        actor=house.actor,
        lot=batch.lot,
        source=BlankAccount.MACHINE,
        target=target,
        count=1,
        batch_id=batch.batch_id,
        card_id=card_id,
        cause=cause,
    )
