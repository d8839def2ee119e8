"""What the carrier saw of posted letters, asked for (poll) or told by it (push): each sighting once, in any order.

A letter is asked about until it is delivered or back, for six weeks at most. A sighting of a booking that is not ours
(yet) is kept and changes nothing: the answer to its booking may still be on its way. A later delivery to an address
lifts its flag.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from cards.errors import HseCardError, Refused
from flows.house import House
from flows.stages.flags import lift_flag
from flows.stages.line import Chunk, Problem, Stage, Tally, chunks_of, tally
from shipping.models import Shipment
from shipping.tracking import TrackingEvent, delivered_at
from store.database import UnitOfWork

LOOKS_A_RUN = 500  # a run every ten minutes asks about 72,000 letters a day
LETTERS_PER_CHUNK = 50
LOOK_AGAIN = timedelta(hours=6)
LOOK_FOR = timedelta(days=42)
_KNOWN_FIELDS = ("status", "shipment", "created")
_WORDS_MAX = 200

# --- asked -----------------------------------------------------------------------------------------------------


def _to_ask(house: House) -> list[Chunk]:
    now = house.clock.now()
    with house.store.read() as uow:
        due = uow.tracking.due(looked_before=now - LOOK_AGAIN, posted_after=now - LOOK_FOR, limit=LOOKS_A_RUN)
    return chunks_of(due, LETTERS_PER_CHUNK)


def _ask(house: House, chunk: Chunk) -> Tally:
    """The carrier is asked letter by letter; what it told is kept together. Where it stops answering, we stop."""
    with house.store.read() as uow:
        letters = [uow.shipments.get(shipment_id) for shipment_id in chunk]
    told: list[tuple[Shipment, list[TrackingEvent]]] = []
    problems: list[Problem] = []
    for letter in letters:
        try:
            told.append((letter, house.carrier.track(letter.booking or "")))
        except HseCardError as fault:
            problems.append(Problem.of(letter.shipment_id, fault))
            break
    with house.store.begin() as uow:
        new = [sum(_keep(house, uow, event, told_by="poll") for event in events) for _, events in told]
        uow.tracking.looked([letter.shipment_id for letter, _ in told])
    return tally(["seen"] * sum(new) + ["already_known"] * new.count(0), problems)


# --- told ------------------------------------------------------------------------------------------------------


def take_push(house: House, body: bytes) -> str:
    """A webhook of Bring's Event Cast: `seen`, `already_seen`, or `seen_unknown` for a letter that is not ours (yet).

    Raises Refused `tracking.push_unreadable`.
    """
    event, words = _read_push(body)
    with house.store.begin() as uow:
        new = _keep(house, uow, event, told_by="push", words=words)
        ours = uow.returns.shipment_of(number=None, code=event.booking) is not None
    return ("seen" if ours else "seen_unknown") if new else "already_seen"


def _read_push(body: bytes) -> tuple[TrackingEvent, dict[str, Any]]:
    try:
        told = json.loads(body)
        status, booking, created = (str(told[name]).strip() for name in _KNOWN_FIELDS)
        at = datetime.fromisoformat(created)
        if not status or not booking:
            raise ValueError("status and shipment are empty")
    except (ValueError, KeyError, TypeError, RecursionError) as fault:
        raise Refused(
            "tracking.push_unreadable",
            f"this is no event of a letter: {type(fault).__name__} {fault}",
            field="body",
            fix="send JSON with status, shipment and created (UTC, e.g. 2026-11-24T08:00:00Z)",
        ) from None
    in_utc = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    event = TrackingEvent(booking=booking, status=status, at=in_utc)
    return event, {name: _short(value) for name, value in told.items() if name not in _KNOWN_FIELDS}


def _short(value: object) -> object:
    """What we do not know is kept, but not at any length."""
    return value if isinstance(value, int | bool | None) else str(value)[:_WORDS_MAX]


def _keep(
    house: House, uow: UnitOfWork, event: TrackingEvent, *, told_by: str, words: dict[str, Any] | None = None
) -> bool:
    """Keep a sighting; one that says that the letter was delivered speaks for its address."""
    if not uow.tracking.add(event, told_by=told_by, words=words):
        return False
    shipment_id = uow.returns.shipment_of(number=None, code=event.booking)
    if shipment_id is not None and event.at == delivered_at(uow.tracking.of([event.booking])[event.booking]):
        key = uow.shipments.get(shipment_id).address_key
        lift_flag(house, uow, key, why=f"{shipment_id} was delivered there", returned_before=event.at)
    return True


TRACK = Stage("track", _to_ask, _ask)
