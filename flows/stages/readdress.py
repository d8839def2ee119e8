"""An order sent to another address than its orderer first gave: cards that waited for a better one go on.

Cards of the order that came back in the post are the ones that most often wait for this: they are sent again.
"""

from cards.address import Address
from cards.errors import Refused
from cards.life import CardState
from flows.house import House
from flows.stages.flags import held_for_return
from flows.stages.intake import address_hold, held_for_address
from flows.stages.line import Tally, tally
from flows.stages.postcodes import register_of
from flows.stages.reship import send_again
from shipping.addresses import read_address
from shipping.models import AddressReading
from store.database import UnitOfWork


def readdress(house: House, order_number: str, address: Address) -> Tally:
    """Give an order another delivery address and let its cards go on that were held for the old one or came back.

    Raises Refused `address.invalid`, `order.unknown`.
    """
    reading = read_new_address(house, address)
    with house.store.begin() as uow:
        return tally(readdressed(house, uow, order_number, address, reading))


def read_new_address(house: House, address: Address) -> AddressReading:
    """What the house makes of it. Raises Refused `address.invalid`."""
    reading = read_address(address, register=register_of(house.settings.home))
    if not reading.valid:
        hold = address_hold(reading)
        raise Refused(
            "address.invalid", f"the new address is no better: {hold.detail}", field="deliver_to", fix=hold.fix
        )
    return reading


def readdressed(
    house: House, uow: UnitOfWork, order_number: str, address: Address, reading: AddressReading
) -> list[str]:
    """As `readdress`, within a unit of work; the outcomes."""
    uow.orders.readdress(order_number, address, reading)
    cards = uow.cards.of_order(order_number)
    for card in cards:
        if card.state is CardState.POSTED:  # so that a letter still under way is known to bear the address of its day
            uow.cards.note(card.card_id, actor=house.actor, what="readdressed")
    held = [card for card in cards if held_for_address(card) or held_for_return(card)]
    released = [uow.cards.release(card.card_id, actor=house.actor) for card in held]
    back = [card for card in cards if card.state is CardState.RETURNED]
    return ["readdressed", *["released"] * sum(released), *send_again(house, uow, back)]
