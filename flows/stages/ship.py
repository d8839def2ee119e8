"""From planned shipment to posted letter: drawn, packed by scan, booked at the carrier, listed and handed over."""

from contextlib import suppress
from datetime import date

from cards.days import oslo_day
from cards.effects import Effect, EffectKind, EffectState
from cards.errors import HseCardError, Refused, Unavailable
from cards.life import Card, CardState
from flows.house import House
from flows.stages.documents import keep, shelf
from flows.stages.effects import Act, Answer, carry_out, leave_to_a_person
from flows.stages.flags import HOLD_FLAGGED
from flows.stages.left_out import left_out
from flows.stages.letters import LETTERS, LETTERS_PER_CHUNK, letters_ready, undo
from flows.stages.line import Chunk, Stage, Tally, chunks_of, tally
from flows.stages.pack import CLOSE, booking_key
from flows.stages.packing_list import PACKING_LIST
from flows.stages.planning import PACK, mail_holds
from shipping.countries import zone_of
from shipping.documents import label, manifest_csv, manifest_pdf
from shipping.models import Booking, LeftOut, Shipment, ShipmentState
from shipping.planning import as_of
from store.database import UnitOfWork

# --- the carrier -----------------------------------------------------------------------------------------------


def _to_post(house: House) -> list[Chunk]:
    return chunks_of(letters_ready(house, ShipmentState.CLOSED), LETTERS_PER_CHUNK)


def _post(house: House, chunk: Chunk) -> Tally:
    total = Tally()
    for shipment_id in chunk:
        total += _book_closed(house, shipment_id)
    return total


def _book_closed(house: House, shipment_id: str) -> Tally:
    key = booking_key(shipment_id)
    with house.store.begin() as uow:
        if uow.shipments.locked(shipment_id).state is not ShipmentState.CLOSED:
            return tally(["already_done"])
        uow.effects.plan(key, EffectKind.BOOK, shipment_id, {"shipment": shipment_id})
    return carry_out(house, BOOKING, key)


def _book(house: House, effect: Effect) -> Answer:
    with house.store.read() as uow:
        shipment = uow.shipments.get(effect.subject)
        ours = uow.returns.at_our_cost(shipment)
    if shipment.state is not ShipmentState.CLOSED:
        raise Unavailable(
            "shipment.reopened",
            f"letter {effect.subject} was opened again before it was booked",
            fix="scan its cards again; it is booked once it is closed",
        )
    shipment = _priced_today(house, shipment, ours)
    return _booked(house, shipment, house.carrier.book(effect.key, shipment))


def _priced_today(house: House, shipment: Shipment, ours: set[str]) -> Shipment:
    """A letter costs what the list says on the day it is posted, whenever it was planned; `ours`: the cards in it that
    came back by our fault. Raises Refused as `price`."""
    day = oslo_day(house.clock.now())
    zone = zone_of(shipment.address.country)
    return as_of(shipment, day=day, zone=zone, rows=house.tariffs, at_our_cost=ours)


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
        name = f"carrier_label/{shipment.shipment_id}"
        keep(house, [shelf(house, document_id=name, subject=name, data=booking.label, suffix="pdf")], "kept")
    return {"consignment": booking.consignment, "packages": list(booking.packages)}


def settle_booking(house: House, shipment_id: str, *, consignment: str | None) -> Tally:
    """A person has looked at the carrier: it was booked as `consignment`, or (None) never, and is booked again.

    Raises Refused `effect.unknown`, `shipment.not_in_doubt`.
    """
    key = booking_key(shipment_id)
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
        uow.shipments.reprice(_priced_today(house, shipment, uow.returns.at_our_cost(shipment)))
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
    undo(house, uow, effect.subject, fault, hold=not fault.code.startswith("tariff."))


BOOKING = Act(send=_book, look_up=_look_up_booking, apply=_posted, refuse=_booking_refused)


# --- the manifest ----------------------------------------------------------------------------------------------


def _to_list(house: House) -> list[Chunk]:
    with house.store.read() as uow:
        unlisted = uow.shipments.without_manifest()
        planned = [effect.key for effect in uow.effects.open_of(EffectKind.MANIFEST)]
    return [("new",)] if unlisted or planned else []


def _list(house: House, chunk: Chunk) -> Tally:
    """One manifest of everything posted and not yet listed; then every manifest that was not handed over yet."""
    holds = mail_holds(house)
    with house.store.begin() as uow:
        unlisted = uow.shipments.without_manifest()
        if unlisted:
            day = oslo_day(house.clock.now())
            manifest_id = f"M-{uow.series.next('manifest'):06d}"
            uow.shipments.listed([shipment.shipment_id for shipment in unlisted], manifest_id)
            behind = [one.model_dump() for one in left_out(house, uow, holds)]
            request = {"manifest": manifest_id, "day": day.isoformat(), "left_out": behind}
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
    behind = [LeftOut.model_validate(one) for one in effect.request.get("left_out", [])]
    pdf = manifest_pdf(day, shipments, sender=house.settings.seller.address, left_out=behind)
    csv = manifest_csv(day, shipments, left_out=behind)
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
    HOLD_FLAGGED,
    PACK,
    LETTERS,
    PACKING_LIST,
    CLOSE,
    Stage("post", _to_post, _post),
    Stage("manifest", _to_list, _list),
)
