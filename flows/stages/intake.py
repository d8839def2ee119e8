"""Approved orders come in: read, checked, photos fetched, cards numbered, in one transaction an order.

An order that is refused leaves nothing behind and does not stop the next; the same order sent again is recognised.
"""

from cards.days import oslo_day
from cards.errors import HseCardError, Refused
from cards.identifiers import card_number
from cards.kinds import card_kind
from cards.life import Card, CardState, Hold, HoldReason
from cards.orders import ApprovedOrder, CardLine, parse_order
from flows.house import House
from flows.stages.flags import flag_hold
from flows.stages.line import Problem, Tally, tally
from flows.stages.postcodes import register_of
from shipping.addresses import read_address
from shipping.models import AddressReading
from store.database import UnitOfWork
from store.sources import OrderSource, open_source

PHOTO_BYTES_MAX = 10_000_000  # "JPEG or PNG, under 10 MB": the rules of the HSE card


def import_orders(house: House, path: str, *, dry_run: bool = False) -> Tally:
    """Every order document at `path` (a file, a folder, or s3://bucket/prefix). With `dry_run`, only checked."""
    source = open_source(path)
    total = Tally()
    for name, document in source.documents():
        total += import_order(house, source, name, document, dry_run=dry_run)
    return total


def import_order(house: House, source: OrderSource, name: str, document: bytes, *, dry_run: bool = False) -> Tally:
    """One order document. Outcomes: `accepted`, `already_known`, `refused` (with the file, the field and the fix)."""
    try:
        order = parse_order(document, today=oslo_day(house.clock.now()))
        card_kind(order.card_kind, oslo_day(order.approved_at))
        if _known(house, order):
            return tally(["already_known"])
        photos = [_photo(source, name, index, line) for index, line in enumerate(order.cards)]
        if not dry_run:
            _accept(house, order, document, photos)
    except HseCardError as fault:
        return tally(["refused"], [Problem.of(name, fault)])
    return tally(["accepted"]) + Tally(counts={"cards": len(order.cards)})


def _known(house: House, order: ApprovedOrder) -> bool:
    with house.store.read() as uow:
        return _same_as_before(uow.orders.digest(order.order_number), order)


def _same_as_before(digest: str | None, order: ApprovedOrder) -> bool:
    if digest is not None and digest != order.digest():
        raise Refused(
            "order.number_taken",
            f"order {order.order_number} was accepted before with other content",
            field="order_number",
            fix="give the changed order a new number, or cancel the cards of the old one",
        )
    return digest is not None


def _photo(source: OrderSource, name: str, index: int, line: CardLine) -> bytes:
    try:
        return source.photo(name, line.photo, max_bytes=PHOTO_BYTES_MAX)
    except HseCardError as fault:
        raise type(fault)(fault.code, fault.message, field=f"cards[{index}].photo", fix=fault.fix) from None


def _accept(house: House, order: ApprovedOrder, document: bytes, photos: list[bytes]) -> None:
    reading = read_address(order.deliver_to, register=register_of(house.settings.home))
    document_key = house.blobs.put("order", document, "json")
    photo_keys = [house.blobs.put("photo", photo, "bin") for photo in photos]
    with house.store.begin() as uow:
        if _same_as_before(uow.orders.digest(order.order_number), order):
            return
        uow.orders.add(order, reading=reading, document_key=document_key, received_at=house.clock.now())
        hold = _hold_of_address(uow, reading)
        serial = uow.series.next("card_number", len(order.cards))
        for line, photo in zip(order.cards, photo_keys, strict=True):
            card = _card(order, line, photo, card_number(serial, house.settings.key("card-number")))
            uow.cards.add(card, actor=house.actor, what="ordered")
            if hold is not None:
                uow.cards.hold(card.card_id, CardState.ORDERED, hold, actor=house.actor)
            serial += 1


def _hold_of_address(uow: UnitOfWork, reading: AddressReading) -> Hold | None:
    """Why cards for this address wait before they are made: nothing can be sent there, or a letter came back."""
    if not reading.valid:
        return address_hold(reading)
    flag = uow.returns.flagged([reading.key]).get(reading.key)
    return flag_hold(flag) if flag else None


def _card(order: ApprovedOrder, line: CardLine, photo: str, number: str) -> Card:
    return Card(
        card_id=f"{order.order_number}-{line.line}",
        order_number=order.order_number,
        line=line.line,
        number=number,
        kind=order.card_kind,
        given_name=line.given_name,
        family_name=line.family_name,
        birth_date=line.birth_date,
        head_covering=line.head_covering,
        photo=photo,
        state=CardState.ORDERED,
    )


def address_hold(reading: AddressReading) -> Hold:
    """Why a card of this order waits: it could not be posted."""
    hint = f" ({reading.suggestion})" if reading.suggestion else ""
    return Hold(
        reason=HoldReason.ADDRESS_INVALID,
        detail=",".join(reading.reasons),
        field="deliver_to",
        fix=f"correct the address with `hsecard orders readdress`{hint}",
    )


def held_for_address(card: Card) -> bool:
    """True for a card that waits only because its order's address cannot be delivered to."""
    return card.hold is not None and card.hold.reason is HoldReason.ADDRESS_INVALID
