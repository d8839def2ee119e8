"""From planned shipment to posted letter: drawn, booked at the carrier, listed on a manifest and handed over."""

from contextlib import suppress
from datetime import date

from cards.days import oslo_day
from cards.effects import Effect, EffectKind, EffectState
from cards.errors import HseCardError, Refused
from cards.life import Card, CardState, Hold, HoldReason
from flows.house import House
from flows.stages.documents import keep, shelf
from flows.stages.effects import Act, Answer, carry_out, leave_to_a_person
from flows.stages.line import Chunk, Stage, Tally, chunks_of, tally
from flows.stages.planning import PACK
from shipping.countries import zone_of
from shipping.documents import label, letter, manifest_csv, manifest_pdf
from shipping.models import Booking, LetterCard, Shipment, ShipmentState
from shipping.planning import as_of
from store.database import UnitOfWork

LETTERS_PER_CHUNK = 50


# --- letters and labels ----------------------------------------------------------------------------------------


def _to_letter(house: House) -> list[Chunk]:
    with house.store.read() as uow:
        packed = uow.shipments.in_state(ShipmentState.PACKED)
        bare = [s.shipment_id for s in packed if not uow.documents.of_subject(s.shipment_id)]
    return chunks_of(bare, LETTERS_PER_CHUNK)


def _letter(house: House, chunk: Chunk) -> Tally:
    outcomes = []
    for shipment_id in chunk:
        with house.store.read() as uow:
            shipment = uow.shipments.get(shipment_id)
            cards = uow.cards.get_many(shipment.card_ids)
        sheet = letter(shipment, letter_cards(cards), sender=house.settings.seller.address)
        papers = [
            shelf(house, document_id=f"letter/{shipment_id}", subject=shipment_id, data=sheet, suffix="pdf"),
            shelf(house, document_id=f"label/{shipment_id}", subject=shipment_id, data=label(shipment), suffix="pdf"),
        ]
        outcomes.append(keep(house, papers, "lettered"))
    return tally(outcomes)


def letter_cards(cards: list[Card]) -> list[LetterCard]:
    """The cards as the letter names them, with their places from 1."""
    return [
        LetterCard(place=place, card_number=card.number, holder=f"{card.given_name} {card.family_name}")
        for place, card in enumerate(cards, start=1)
    ]


# --- the carrier -----------------------------------------------------------------------------------------------


def _to_post(house: House) -> list[Chunk]:
    with house.store.read() as uow:
        packed = uow.shipments.in_state(ShipmentState.PACKED)
        ready = [s.shipment_id for s in packed if uow.documents.of_subject(s.shipment_id)]
    return chunks_of(ready, LETTERS_PER_CHUNK)


def _post(house: House, chunk: Chunk) -> Tally:
    total = Tally()
    for shipment_id in chunk:
        key = f"book:{shipment_id}"
        with house.store.begin() as uow:
            uow.effects.plan(key, EffectKind.BOOK, shipment_id, {"shipment": shipment_id})
        total += carry_out(house, BOOKING, key)
    return total


def _book(house: House, effect: Effect) -> Answer:
    with house.store.read() as uow:
        shipment = _priced_today(house, uow.shipments.get(effect.subject))
    return _booked(house, shipment, house.carrier.book(effect.key, shipment))


def _priced_today(house: House, shipment: Shipment) -> Shipment:
    """A letter costs what the list says on the day it is posted, whenever it was planned. Raises Refused as `price`."""
    day = oslo_day(house.clock.now())
    return as_of(shipment, day=day, zone=zone_of(shipment.address.country), rows=house.tariffs)


def _look_up_booking(house: House, effect: Effect) -> Answer | None:
    booking = house.carrier.look_up(effect.key)
    if booking is None:
        return None
    with house.store.read() as uow:
        shipment = uow.shipments.get(effect.subject)
    return _booked(house, shipment, booking)


def _booked(house: House, shipment: Shipment, booking: Booking) -> Answer:
    """A label that the carrier drew itself is kept beside ours."""
    if booking.label is not None and booking.label != label(shipment):
        name = f"carrier-label/{shipment.shipment_id}"
        keep(house, [shelf(house, document_id=name, subject=name, data=booking.label, suffix="pdf")], "kept")
    return {"consignment": booking.consignment}


def settle_booking(house: House, shipment_id: str, *, consignment: str | None) -> Tally:
    """A person has looked at the carrier: it was booked as `consignment`, or (None) never, and is booked again.

    Raises Refused `effect.unknown`, `shipment.not_in_doubt`.
    """
    key = f"book:{shipment_id}"
    with house.store.begin() as uow:
        effect = uow.effects.get(key)
        if effect.state is not EffectState.UNSURE:
            raise Refused(
                "shipment.not_in_doubt",
                f"the booking of {shipment_id} is {effect.state.value}, not unsure",
                fix="nothing needs to be said; one that was just sent is settled by `hsecard reconcile`",
            )
        if consignment is None:
            uow.effects.settle(key, EffectState.PLANNED, None)
            return tally(["planned_again"])
        answer = {"consignment": consignment, "by": house.actor}
        uow.effects.settle(key, EffectState.CONFIRMED, answer)
        _posted(house, uow, effect, answer)
    return tally(["posted"])


def _posted(house: House, uow: UnitOfWork, effect: Effect, answer: Answer) -> None:
    """Booked: the letter is in the post, its cards are posted, and the cards they replace are blocked."""
    shipment = uow.shipments.get(effect.subject)
    with suppress(Refused):  # booked on a day that was known: then it keeps the price it had
        uow.shipments.reprice(_priced_today(house, shipment))
    uow.shipments.posted(shipment.shipment_id, answer["consignment"], house.clock.now())
    for card_id in shipment.card_ids:
        uow.cards.advance(
            card_id,
            CardState.PACKED,
            CardState.POSTED,
            actor=house.actor,
            what="posted",
            details={"shipment": shipment.shipment_id, "consignment": answer["consignment"]},
        )
        _block_replaced(house, uow, uow.cards.get(card_id))


def _block_replaced(house: House, uow: UnitOfWork, card: Card) -> None:
    if card.replaces is not None:
        uow.cards.advance(
            card.replaces,
            CardState.REPLACED,
            CardState.BLOCKED,
            actor=house.actor,
            what="blocked",
            details={"replacement": card.card_id},
        )


def _booking_refused(house: House, uow: UnitOfWork, effect: Effect, fault: HseCardError) -> None:
    """The carrier will not take it: the shipment is undone, its cards wait for a person.

    What today's tariff does not price is undone too; its cards are planned again by it, or held there.
    """
    shipment = uow.shipments.get(effect.subject)
    uow.shipments.cancel(shipment.shipment_id)
    hold = Hold(reason=HoldReason.ADDRESS_INVALID, detail=fault.code, field="deliver_to", fix=fault.fix)
    for card_id in shipment.card_ids:
        uow.cards.advance(
            card_id,
            CardState.PACKED,
            CardState.PROVED,
            actor=house.actor,
            what="unpacked",
            details={"shipment": shipment.shipment_id, "why": fault.code},
            shipment_id=None,
        )
        if not fault.code.startswith("tariff."):
            uow.cards.hold(card_id, CardState.PROVED, hold, actor=house.actor)


BOOKING = Act(send=_book, look_up=_look_up_booking, apply=_posted, refuse=_booking_refused)


# --- the manifest ----------------------------------------------------------------------------------------------


def _to_list(house: House) -> list[Chunk]:
    with house.store.read() as uow:
        unlisted = uow.shipments.without_manifest()
        planned = [effect.key for effect in uow.effects.open_of(EffectKind.MANIFEST)]
    return [("new",)] if unlisted or planned else []


def _list(house: House, chunk: Chunk) -> Tally:
    """One manifest of everything posted and not yet listed; then every manifest that was not handed over yet."""
    with house.store.begin() as uow:
        unlisted = uow.shipments.without_manifest()
        if unlisted:
            day = oslo_day(house.clock.now())
            manifest_id = f"M-{uow.series.next('manifest'):06d}"
            uow.shipments.listed([shipment.shipment_id for shipment in unlisted], manifest_id)
            request = {"manifest": manifest_id, "day": day.isoformat()}
            uow.effects.plan(f"manifest:{manifest_id}", EffectKind.MANIFEST, manifest_id, request)
        open_keys = [effect.key for effect in uow.effects.open_of(EffectKind.MANIFEST)]
    total = Tally()
    for key in open_keys:
        total += carry_out(house, HAND_OVER, key)
    return total


def _hand_over(house: House, effect: Effect) -> Answer:
    with house.store.read() as uow:
        shipments = uow.shipments.of_manifest(effect.subject)
    day = date.fromisoformat(effect.request["day"])
    pdf = manifest_pdf(day, shipments, sender=house.settings.seller.address)
    csv = manifest_csv(day, shipments)
    name = f"manifest/{effect.subject}"
    keep(
        house,
        [
            shelf(house, document_id=f"{name}.pdf", subject=effect.subject, data=pdf, suffix="pdf"),
            shelf(house, document_id=f"{name}.csv", subject=effect.subject, data=csv, suffix="csv"),
        ],
        "listed",
    )
    house.carrier.hand_over(effect.key, pdf, csv)
    return {"manifest": effect.subject}


def _hand_over_again(house: House, effect: Effect) -> Answer | None:
    """Handing the same manifest over again changes nothing at the carrier: so asking is doing."""
    return _hand_over(house, effect)


def _nothing_more(house: House, uow: UnitOfWork, effect: Effect, answer: Answer) -> None:
    """The answer itself is all that is kept."""


HAND_OVER = Act(send=_hand_over, look_up=_hand_over_again, apply=_nothing_more, refuse=leave_to_a_person)

SHIP = (
    PACK,
    Stage("letters", _to_letter, _letter),
    Stage("post", _to_post, _post),
    Stage("manifest", _to_list, _list),
)
