"""Cards that came back are sent again: they wait for a letter like proved cards do, and never for company.

Only a card that is `returned` at this very moment, and still valid, goes: one that was reported faulty, replaced,
blocked or has expired meanwhile stays where it is until it is destroyed.
"""

from collections.abc import Sequence
from datetime import date

from cards.days import oslo_day
from cards.errors import Refused
from cards.life import Card, CardState
from flows.house import House
from flows.stages.line import Tally, tally
from store.database import UnitOfWork


def send_again(house: House, uow: UnitOfWork, cards: Sequence[Card]) -> list[str]:
    """Returned → proved, card by card; the outcomes (`sent_again`, `not_sent_again`)."""
    today = oslo_day(house.clock.now())
    return [_send_card(house, uow, card) if still_valid(card, today) else "not_sent_again" for card in cards]


def still_valid(card: Card, today: date) -> bool:
    """A card past its two years opens no gate: it is not worth a stamp."""
    return card.valid_until is None or card.valid_until >= today


def _send_card(house: House, uow: UnitOfWork, card: Card) -> str:
    done = uow.cards.advance(
        card.card_id,
        CardState.RETURNED,
        CardState.PROVED,
        actor=house.actor,
        what="sent_again",
        details={"came_back_in": card.shipment_id},
    )
    return "sent_again" if done else "not_sent_again"


def reship(house: House, shipment_id: str) -> Tally:
    """A person has the cards of a returned letter sent again, to the addresses that their orders name now.

    Raises Refused `return.unknown`, `return.address_flagged`, `return.nothing_to_send`.
    """
    with house.store.begin() as uow:
        if uow.returns.find(shipment_id) is None:
            raise unknown_return(shipment_id)
        back = [card for card in uow.returns.in_custody(shipment_id) if card.state is CardState.RETURNED]
        _refuse_flagged(uow, back)
        outcomes = send_again(house, uow, back)
    if "sent_again" not in outcomes:
        raise Refused(
            "return.nothing_to_send",
            f"no card of {shipment_id} may be sent again",
            field="SHIPMENT",
            fix="see `hsecard shipments show`: faulty, replaced, blocked and expired cards are destroyed, not sent",
        )
    return tally(outcomes)


def unknown_return(name: str) -> Refused:
    """No such letter is back."""
    return Refused(
        "return.unknown",
        f"no letter {name!r} came back, nor is a card of that name here",
        field="SHIPMENT",
        fix="take it from `hsecard returns list`; a letter that just came back is scanned with `hsecard returns scan`",
    )


def _refuse_flagged(uow: UnitOfWork, cards: Sequence[Card]) -> None:
    orders = {card.order_number for card in cards}
    keys = sorted(uow.orders.get(number).address_key for number in orders)
    flagged = uow.returns.flagged(keys)
    if flagged:
        raise Refused(
            "return.address_flagged",
            f"letters came back from {', '.join(flagged)}",
            field="SHIPMENT",
            fix="give the order its new address with `hsecard orders readdress` (that sends its cards again), or say "
            "that the old one is right with `hsecard addresses clear`",
        )
