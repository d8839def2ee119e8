"""What does not go with a manifest, and why: every letter and every ready card that stays behind is named.

A list that only says what goes hides what was forgotten. The reasons are looked up when the manifest is decided and
kept with it, so that the papers come out the same however often they are drawn.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from cards.effects import EffectKind, EffectState
from cards.life import CardState
from flows.house import House
from flows.stages.pack import missing_places
from shipping.models import LeftOut, LeftOutReason, MailHold, Shipment, ShipmentState
from store.database import UnitOfWork


def left_out(house: House, uow: UnitOfWork, holds: Sequence[MailHold]) -> list[LeftOut]:
    """Letters that are not posted, bookings refused since the manifest before, ready cards that are held or wait."""
    bookings = {effect.subject: effect.state for effect in uow.effects.open_of(EffectKind.BOOK)}
    refused = list(_refused(uow))
    undone = {card_id for shipment, _ in refused for card_id in shipment.card_ids}
    return [
        *(_open(house, uow, shipment) for shipment in uow.shipments.in_state(ShipmentState.PACKED)),
        *(_closed(bookings, shipment) for shipment in uow.shipments.in_state(ShipmentState.CLOSED)),
        *(_letter(shipment, "booking_refused", code) for shipment, code in refused),
        *_held(uow, undone),
        *(_waits(uow, hold) for hold in holds),
    ]


def _letter(shipment: Shipment, reason: LeftOutReason, detail: str = "") -> LeftOut:
    return LeftOut(
        subject=shipment.shipment_id,
        number=shipment.number,
        cards=len(shipment.card_ids),
        reason=reason,
        detail=detail,
    )


def _open(house: House, uow: UnitOfWork, shipment: Shipment) -> LeftOut:
    if not uow.documents.of_subject(shipment.shipment_id):
        short = house.settings.carrier_numbers != "none" and shipment.carrier_number is None
        return _letter(shipment, "no_number" if short else "not_drawn")
    places = missing_places(uow, shipment)
    return _letter(shipment, "not_scanned", f"places {' '.join(map(str, places))}" if places else "not closed")


def _closed(bookings: Mapping[str, EffectState], shipment: Shipment) -> LeftOut:
    unsure = bookings.get(shipment.shipment_id) in (EffectState.SENT, EffectState.UNSURE)
    return _letter(shipment, "booking_unsure" if unsure else "not_booked")


def _refused(uow: UnitOfWork) -> Iterator[tuple[Shipment, str]]:
    """Letters whose booking the carrier refused after the newest manifest was decided, with its code."""
    before = max((effect.planned_at for effect in uow.effects.all_of(EffectKind.MANIFEST)), default=None)
    for effect in uow.effects.of_kind_in(EffectKind.BOOK, EffectState.REFUSED):
        if before is None or (effect.settled_at is not None and effect.settled_at > before):
            yield uow.shipments.get(effect.subject), str((effect.answer or {}).get("code", ""))


def _held(uow: UnitOfWork, undone: set[str]) -> Iterator[LeftOut]:
    """Finished cards that a person has to look at first, by order and reason."""
    held = [card for card in uow.cards.in_state(CardState.HELD) if card.resumes_in is CardState.PROVED]
    counted = Counter(
        (card.order_number, card.hold.reason.value, card.hold.detail or "")
        for card in held
        if card.hold and card.card_id not in undone
    )
    for (order, reason, detail), count in sorted(counted.items()):
        words = f"{reason} {detail}".strip()
        yield LeftOut(subject=order, number=None, cards=count, reason="held", detail=words)


def _waits(uow: UnitOfWork, hold: MailHold) -> LeftOut:
    orders = sorted({card.order_number for card in uow.cards.get_many(hold.card_ids)})
    return LeftOut(
        subject=" ".join(orders),
        number=None,
        cards=len(hold.card_ids),
        reason="waits_for_company",
        detail=f"until {hold.until.isoformat()} for {' '.join(hold.waits_for)}",
    )
