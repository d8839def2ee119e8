"""What must hold of letters after they left: sightings unchanged, and every card that came back accounted for."""

from collections.abc import Iterator

from sqlalchemy import Select, and_, exists, func, or_, select

from cards.blanks import BlankAccount
from cards.life import CardState
from shipping.models import ShipmentState
from shipping.tracking import TrackingEvent
from store.database import UnitOfWork
from store.ports import Blobs
from store.rule import Rule
from store.rules_of_cards import rows
from store.tables import blank_moves, card_events, cards, shipment_cards, shipments
from store.tracking_tables import letter_returns, tracking_events


def _changed_sightings(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    query = select(
        tracking_events.c.event_id, tracking_events.c.booking, tracking_events.c.status, tracking_events.c.at
    )
    for event_id, booking, status, at in rows(uow, query.order_by(tracking_events.c.event_id)):
        if TrackingEvent(booking=booking, status=status, at=at).event_id != event_id:
            yield f"{event_id} ({booking} {status})"


def _back_before_it_left(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    gone = and_(shipments.c.state == ShipmentState.POSTED, shipments.c.posted_at <= letter_returns.c.returned_at)
    query = select(letter_returns.c.shipment_id, shipments.c.state).join(
        shipments, shipments.c.shipment_id == letter_returns.c.shipment_id
    )
    for shipment_id, state in rows(uow, query.where(~gone).order_by(letter_returns.c.shipment_id)):
        yield f"{shipment_id} ({state})"


def _cards_of_no_return(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    """A returned card's letter came back, and no card lies on in a letter that did."""
    back = exists().where(letter_returns.c.shipment_id == cards.c.shipment_id)
    alone = select(cards.c.card_id, cards.c.shipment_id).where(cards.c.state == CardState.RETURNED, ~back)
    for card_id, shipment_id in rows(uow, alone.order_by(cards.c.card_id)):
        yield f"{card_id} (returned, but {shipment_id} did not come back)"
    left = (
        select(shipment_cards.c.card_id, shipment_cards.c.shipment_id)
        .join(letter_returns, letter_returns.c.shipment_id == shipment_cards.c.shipment_id)
        .where(shipment_cards.c.live)
    )
    for card_id, shipment_id in rows(uow, left.order_by(shipment_cards.c.card_id)):
        yield f"{card_id} (still in {shipment_id}, which came back)"


def _destroyed_otherwise(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    """What the journals say is destroyed and the blanks that were counted out as such are the same cards."""
    said = select(card_events.c.card_id).where(card_events.c.what == "destroyed")
    told = {row.card_id for row in rows(uow, said)}
    good = and_(blank_moves.c.source == BlankAccount.GOOD, blank_moves.c.target == BlankAccount.DESTROYED)
    counted = {row.card_id: row.blanks for row in rows(uow, _sum_by_card().where(good))}
    for card_id in sorted(told | counted.keys(), key=str):
        if card_id not in told or counted.get(card_id) != 1:
            yield f"{card_id} ({'destroyed' if card_id in told else 'not destroyed'}, blanks {counted.get(card_id, 0)})"
    over = (CardState.BLOCKED, CardState.EXPIRED)
    alive = select(cards.c.card_id, cards.c.state).where(cards.c.card_id.in_(said), cards.c.state.not_in(over))
    for card_id, state in rows(uow, alive.order_by(cards.c.card_id)):
        yield f"{card_id} (destroyed, and {state})"


def _sum_by_card() -> Select[tuple[str | None, int]]:
    return select(blank_moves.c.card_id, func.sum(blank_moves.c.count).label("blanks")).group_by(blank_moves.c.card_id)


def _blocked_at_home(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    posted = (
        exists()
        .where(shipment_cards.c.card_id == cards.c.card_id)
        .where(shipments.c.shipment_id == shipment_cards.c.shipment_id, shipments.c.state == ShipmentState.POSTED)
    )
    query = select(cards.c.card_id).where(cards.c.state == CardState.BLOCKED, ~posted)
    for row in rows(uow, query.order_by(cards.c.card_id)):
        yield row.card_id


def _lifted_by_nobody(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    back = letter_returns.c
    half = or_(back.lifted_by.is_(None), back.lifted_why.is_(None), ~back.flags)
    query = select(back.shipment_id).where(back.lifted_at.is_not(None), half)
    for row in rows(uow, query.order_by(back.shipment_id)):
        yield row.shipment_id


RULES = (
    Rule("tracking.event", "no sighting of a letter was changed", _changed_sightings),
    Rule("return.posted", "a letter that came back was posted before", _back_before_it_left),
    Rule("return.cards", "a returned card's letter came back, and holds no card any more", _cards_of_no_return),
    Rule("return.destroyed", "a destroyed card is blocked and its blank is counted out once", _destroyed_otherwise),
    Rule("return.blocked", "a blocked card was posted before: it is owed for", _blocked_at_home),
    Rule("return.lifted", "the flag of an address was lifted by somebody, with a reason", _lifted_by_nobody),
)
