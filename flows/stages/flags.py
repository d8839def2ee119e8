"""Addresses that a letter came back from: nothing is taken in, packed or sent there until somebody has looked.

A flag is lifted by a person (`hsecard addresses clear`) or by a later delivery; sending an order elsewhere takes its
cards from under it. New rules or a new postcode register lift nothing: the flag follows its address to its new key.
"""

from datetime import datetime

from cards.days import oslo_day
from cards.errors import Refused
from cards.life import Card, CardState, Hold, HoldReason
from flows.house import House
from flows.stages.line import Chunk, Stage, Tally, chunks_of, tally
from flows.stages.postcodes import register_of
from shipping.addresses import read_address
from shipping.returns import LetterReturn
from store.database import UnitOfWork

KEYS_PER_CHUNK = 250


def flag_hold(flag: LetterReturn) -> Hold:
    """Why a card for a flagged address waits, and the two ways out."""
    return Hold(
        reason=HoldReason.ADDRESS_RETURNED,
        detail=flag.reason,
        field="deliver_to",
        fix=f"{flag.shipment_id} came back from this address on {oslo_day(flag.returned_at)}: "
        "`hsecard orders readdress`, or `hsecard addresses clear` when it is right",
    )


def held_for_return(card: Card) -> bool:
    """True for a card that waits only because a letter came back from its address."""
    return card.hold is not None and card.hold.reason is HoldReason.ADDRESS_RETURNED


def _flagged_with_cards(house: House) -> list[Chunk]:
    with house.store.read() as uow:
        flagged = {flag.address_key for flag in uow.returns.all_flags()}
        waiting = [key for key, _ in uow.cards.addresses_waiting() if key in flagged] if flagged else []
    return chunks_of(waiting, KEYS_PER_CHUNK)


def _hold(house: House, chunk: Chunk) -> Tally:
    with house.store.begin() as uow:
        flags = uow.returns.flagged(chunk)
        held = [
            uow.cards.hold(card.card_id, CardState.PROVED, flag_hold(flags[card.address_key]), actor=house.actor)
            for card in uow.cards.waiting_for_shipment(sorted(flags))
        ]
    return tally("held" if done else "already_done" for done in held)


HOLD_FLAGGED = Stage("flagged", _flagged_with_cards, _hold)


def lift_flag(
    house: House, uow: UnitOfWork, address_key: str, *, why: str, returned_before: datetime | None = None
) -> list[str]:
    """Lift the flag of an address and let the cards go on that waited for it; the outcomes."""
    lifted = uow.returns.lift(address_key, by=house.actor, why=why, returned_before=returned_before)
    if not lifted or uow.returns.flagged([address_key]):
        return ["lifted"] * lifted
    released = [uow.cards.release(card_id, actor=house.actor) for card_id in uow.returns.held_for(address_key)]
    return ["lifted"] * lifted + ["released"] * sum(released)


def clear_address(house: House, address_key: str, *, why: str) -> Tally:
    """A person says that an address is right after all. Raises Refused `address.not_flagged`, `address.clear_why`."""
    if not why.strip():
        raise Refused("address.clear_why", "no reason is given", field="--why", fix="say how you know that it is right")
    with house.store.begin() as uow:
        done = lift_flag(house, uow, address_key, why=why.strip())
        if not done:
            raise Refused(
                "address.not_flagged",
                f"no letter is back from the address {address_key!r}, or its flag is lifted",
                field="KEY",
                fix="take the key from `hsecard addresses flagged`",
            )
    return tally(done)


def rekey_flags(house: House) -> Tally:
    """Read the addresses of all flags again, after the rules or the postcode register have changed."""
    register = register_of(house.settings.home)
    outcomes = []
    with house.store.begin() as uow:
        for flag in uow.returns.all_flags():
            key = read_address(uow.shipments.get(flag.shipment_id).address, register=register).key
            if key != flag.address_key:
                uow.returns.rekey(flag.shipment_id, key)
                outcomes.append("flag_rekeyed")
    return tally(outcomes)
