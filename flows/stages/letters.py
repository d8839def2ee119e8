"""The papers of a planned shipment: its letter and its label, drawn once and kept before anything is packed.

A shipment whose papers cannot be drawn (an address too large for the window, a letter that the typeface lacks) is
undone and its cards are held; the others go on.
"""

from cards.address import Address
from cards.errors import HseCardError, Refused, Unavailable
from cards.life import Card, CardState, Hold, HoldReason
from flows.house import House
from flows.stages.documents import keep, shelf
from flows.stages.line import Chunk, Problem, Stage, Tally, chunks_of, tally
from shipping.barcodes import number_label
from shipping.documents import label, letter
from shipping.models import LetterCard, Shipment, ShipmentState
from shipping.number_ranges import NumberKind
from store.database import UnitOfWork

LETTERS_PER_CHUNK = 50


def letters_ready(house: House, state: ShipmentState, *, papers: bool = True) -> list[str]:
    """Shipments in `state` whose papers are drawn (or, without `papers`, are not), by id."""
    with house.store.read() as uow:
        found = uow.shipments.in_state(state)
        return [s.shipment_id for s in found if bool(uow.documents.of_subject(s.shipment_id)) is papers]


def _to_letter(house: House) -> list[Chunk]:
    return chunks_of(letters_ready(house, ShipmentState.PACKED, papers=False), LETTERS_PER_CHUNK)


def _letter(house: House, chunk: Chunk) -> Tally:
    return sum((_draw(house, shipment_id) for shipment_id in chunk), Tally())


def _draw(house: House, shipment_id: str) -> Tally:
    """A shipment for which no number is left stays undrawn; one whose papers cannot be drawn is undone."""
    try:
        shipment, cards = _numbered(house, shipment_id)
    except Unavailable as fault:
        return tally(["postponed"], [Problem.of(shipment_id, fault)])
    sender = house.settings.seller.address
    try:
        sheet = letter(shipment, letter_cards(cards), sender=sender)
        drawn = label_of(shipment, sender)
    except Refused as fault:
        with house.store.begin() as uow:
            undo(house, uow, shipment_id, fault)
        return tally(["held"] * len(shipment.card_ids), [Problem.of(shipment_id, fault)])
    papers = [
        shelf(house, document_id=f"letter/{shipment_id}", subject=shipment_id, data=sheet, suffix="pdf"),
        shelf(house, document_id=f"label/{shipment_id}", subject=shipment_id, data=drawn, suffix="pdf"),
    ]
    return tally([keep(house, papers, "lettered")])


def _numbered(house: House, shipment_id: str) -> tuple[Shipment, list[Card]]:
    """The shipment with the number that its label is to carry, and its cards. The number is its own from here on.

    Raises Unavailable `numbers.exhausted`.
    """
    if house.settings.carrier_numbers != "none":
        with house.store.begin() as uow:
            if uow.shipments.locked(shipment_id).state is ShipmentState.PACKED:
                uow.carrier_numbers.give(shipment_id, NumberKind(house.settings.carrier_numbers))
    with house.store.read() as uow:
        shipment = uow.shipments.get(shipment_id)
        return shipment, uow.cards.get_many(shipment.card_ids)


def label_of(shipment: Shipment, sender: Address) -> bytes:
    """Our label: with the carrier's number where the shipment has one. Raises Refused as the drawings do."""
    if shipment.carrier_number is None:
        return label(shipment)
    return number_label(shipment, shipment.carrier_number, sender=sender)


def letter_cards(cards: list[Card]) -> list[LetterCard]:
    """The cards as the letter names them, with their places from 1."""
    return [
        LetterCard(place=place, card_number=card.number, holder=f"{card.given_name} {card.family_name}")
        for place, card in enumerate(cards, start=1)
    ]


def undo(house: House, uow: UnitOfWork, shipment_id: str, fault: HseCardError, *, hold: bool = True) -> None:
    """The letter cannot go: it is cancelled. Its cards are held for a person to correct the address, or (without
    `hold`) planned again."""
    shipment = uow.shipments.get(shipment_id)
    if not uow.shipments.cancel(shipment_id):
        return
    wait = Hold(reason=HoldReason.ADDRESS_INVALID, detail=fault.code, field="deliver_to", fix=fault.fix)
    for card_id in shipment.card_ids:
        uow.cards.advance(
            card_id,
            CardState.PACKED,
            CardState.PROVED,
            actor=house.actor,
            what="unpacked",
            details={"shipment": shipment_id, "why": fault.code},
            shipment_id=None,
        )
        if hold:
            uow.cards.hold(card_id, CardState.PROVED, wait, actor=house.actor)


LETTERS = Stage("letters", _to_letter, _letter)
