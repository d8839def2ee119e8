"""From proved card to posted shipment: grouped by address key, priced by the day's tariff, lettered, packed by scan,
booked, listed.

The whole shipment is planned, with its cards, in one transaction; a card that somebody else took makes the plan fall
and be made again.
"""

from datetime import date

from cards.days import oslo_day
from cards.effects import Effect, EffectKind, EffectState
from cards.errors import HseCardError, Refused, Unavailable
from cards.life import Card, CardState, Hold, HoldReason
from flows.house import House
from flows.stages.documents import keep, shelf
from flows.stages.effects import Act, Answer, carry_out, leave_to_a_person
from flows.stages.flags import HOLD_FLAGGED
from flows.stages.left_out import left_out
from flows.stages.letters import LETTERS, LETTERS_PER_CHUNK, letters_ready, undo
from flows.stages.line import Chunk, Problem, Stage, Tally, chunks_of, tally
from flows.stages.pack import CLOSE, booking_key
from flows.stages.packing_list import PACKING_LIST
from shipping.countries import zone_of
from shipping.documents import label, manifest_csv, manifest_pdf
from shipping.holding import mail_holds as holds_of
from shipping.models import (
    Booking,
    LeftOut,
    MailHold,
    PlannedShipment,
    Promise,
    Shipment,
    ShipmentState,
    WaitingCard,
)
from shipping.planning import plan
from store.database import UnitOfWork

KEYS_PER_CHUNK = 250


class _Raced(Exception):
    """Another worker took one of the cards, or the address was flagged: this shipment is not made, the next look finds
    what is left."""


# --- grouping and postage --------------------------------------------------------------------------------------


def mail_holds(house: House) -> list[MailHold]:
    """The addresses whose ready cards wait today for company that is on its way, each with its last day."""
    if house.settings.hold_mail == "never":
        return []
    with house.store.read() as uow:
        coming = uow.cards.coming_to_waiting()
        keys = sorted({order.address_key for order in coming})
        waiting = [card for some in chunks_of(keys, KEYS_PER_CHUNK) for card in uow.cards.waiting_for_shipment(some)]
    promise = Promise(
        promised_days=house.settings.promised_days,
        transit_days=house.settings.transit_days,
        production_days=house.settings.production_days,
    )
    return holds_of(waiting, coming, today=oslo_day(house.clock.now()), promise=promise)


def _to_pack(house: House) -> list[Chunk]:
    """Chunks of address keys: what goes to one address is decided together, and one address is never parted."""
    held = {hold.address_key for hold in mail_holds(house)}
    with house.store.read() as uow:
        keys = [key for key, _ in uow.cards.addresses_waiting() if key not in held]
    return chunks_of(keys, KEYS_PER_CHUNK)


def _pack(house: House, chunk: Chunk) -> Tally:
    with house.store.read() as uow:
        waiting = uow.cards.waiting_for_shipment(chunk)
        orders = {card.address_key: uow.orders.get(card.order_number) for card in waiting}
    zones = {key: zone_of(order.deliver_to.country) for key, order in orders.items()}
    planned, unpriced = plan(
        waiting,
        day=oslo_day(house.clock.now()),
        zone_of_key=zones.__getitem__,
        rows=house.tariffs,
        weights=house.weights,
        handling_ore=house.settings.handling_ore,
    )
    total = tally(_hold_unpriced(house, card, fault) for card, fault in unpriced)
    total += Tally(problems=tuple(Problem.of(card.card_id, fault) for card, fault in unpriced))
    return total + tally(_pack_shipment(house, shipment) for shipment in planned)


def _hold_unpriced(house: House, card: WaitingCard, fault: Refused) -> str:
    hold = Hold(reason=HoldReason.TARIFF_UNKNOWN, detail=fault.code, fix=fault.fix)
    with house.store.begin() as uow:
        return "held" if uow.cards.hold(card.card_id, CardState.PROVED, hold, actor=house.actor) else "already_done"


def _pack_shipment(house: House, planned: PlannedShipment) -> str:
    try:
        with house.store.begin() as uow:
            if uow.returns.flagged([planned.address_key]):
                raise _Raced(planned.address_key)
            shipment = _shipment(house, uow, planned)
            for card_id in planned.card_ids:
                _pack_card(house, uow, card_id, shipment)
            uow.shipments.add(shipment)
    except _Raced:
        return "already_done"
    return "packed"


def _pack_card(house: House, uow: UnitOfWork, card_id: str, shipment: Shipment) -> None:
    packed = uow.cards.advance(
        card_id,
        CardState.PROVED,
        CardState.PACKED,
        actor=house.actor,
        what="packed",
        details={"shipment": shipment.shipment_id},
        shipment_id=shipment.shipment_id,
    )
    if not packed:
        raise _Raced(card_id)


def _shipment(house: House, uow: UnitOfWork, planned: PlannedShipment) -> Shipment:
    number = uow.series.next("shipment")
    order = uow.orders.get(uow.cards.get(planned.card_ids[0]).order_number)
    return Shipment(
        shipment_id=f"S-{number:06d}",
        number=number,
        address_key=planned.address_key,
        address=order.deliver_to,
        label_lines=order.label_lines,
        card_ids=planned.card_ids,
        weight_g=planned.weight_g,
        thickness_mm=planned.thickness_mm,
        product=planned.row.product,
        tariff=planned.row.tariff,
        postage_net_ore=planned.row.net_ore,
        vat_percent=planned.row.vat_percent,
        shares=planned.shares,
        state=ShipmentState.PACKED,
        planned_on=oslo_day(house.clock.now()),
    )


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
    if shipment.state is not ShipmentState.CLOSED:
        raise Unavailable(
            "shipment.reopened",
            f"letter {effect.subject} was opened again before it was booked",
            fix="scan its cards again; it is booked once it is closed",
        )
    return _booked(house, shipment, house.carrier.book(effect.key, shipment))


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
    """The carrier will not take it: the shipment is undone, its cards wait for a person."""
    undo(house, uow, effect.subject, fault)


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
    Stage("pack", _to_pack, _pack),
    LETTERS,
    PACKING_LIST,
    CLOSE,
    Stage("post", _to_post, _post),
    Stage("manifest", _to_list, _list),
)
