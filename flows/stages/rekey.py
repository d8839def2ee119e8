"""Addresses read again: after the rules of reading or the postcode register have changed, orders still on the way get
the key, the label and the verdict of today. What is packed or posted stays as it went out.
"""

from cards.life import PRODUCTION, Card, CardState
from flows.house import House
from flows.stages.flags import rekey_flags
from flows.stages.intake import address_hold, held_for_address
from flows.stages.line import Tally, tally
from flows.stages.postcodes import register_of
from shipping.addresses import read_address
from shipping.models import AddressReading
from store.database import UnitOfWork
from store.orders import StoredOrder

_ON_THE_WAY = {*PRODUCTION, CardState.HELD} - {CardState.PACKED, CardState.POSTED}


def rekey_addresses(house: House) -> Tally:
    """Read the delivery address of every order with cards on the way again, one transaction an order.

    Outcomes: `unchanged`, `rekeyed` (key, label or rule version differ), `released` and `held` (cards whose address
    is now valid, or no longer), `flag_rekeyed` (letters came back from an address whose key is another now).
    """
    register = register_of(house.settings.home)
    with house.store.read() as uow:
        numbers = uow.orders.numbers()
    total = rekey_flags(house)
    for number in numbers:
        with house.store.begin() as uow:
            order = uow.orders.get(number)
            waiting = [card for card in uow.cards.of_order(number) if card.state in _ON_THE_WAY]
            if waiting:
                reading = read_address(order.deliver_to, register=register)
                total += _reread(uow, order, waiting, reading, actor=house.actor)
    return total


def _reread(uow: UnitOfWork, order: StoredOrder, cards: list[Card], reading: AddressReading, *, actor: str) -> Tally:
    if _as_stored(order) == reading:
        return tally(["unchanged"])
    uow.orders.readdress(order.order_number, order.deliver_to, reading)
    outcomes = ["rekeyed"]
    for card in cards:
        if reading.valid and held_for_address(card):
            outcomes += ["released"] if uow.cards.release(card.card_id, actor=actor) else []
        elif not reading.valid and card.state is not CardState.HELD:
            outcomes += ["held"] if uow.cards.hold(card.card_id, card.state, address_hold(reading), actor=actor) else []
    return tally(outcomes)


def _as_stored(order: StoredOrder) -> AddressReading:
    return AddressReading(
        valid=order.address_valid,
        key=order.address_key,
        rule_version=order.rule_version,
        reasons=order.address_reasons,
        label_lines=order.label_lines,
        suggestion=order.address_suggestion,
    )
