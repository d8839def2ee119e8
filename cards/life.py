"""The life of a card: its states, the only steps between them, why it may be held, and the journal that proves it.

A state is a past participle. The journal of a card is append-only and hash-chained: each event's digest covers the
one before, so a changed or missing row shows.
"""

import hashlib
import itertools
import json
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from cards.days import utc_text
from cards.errors import Refused
from cards.identifiers import CardNumber


class CardState(StrEnum):
    """Where a card stands. `held` remembers where it was and resumes there."""

    ORDERED = "ordered"
    PICTURED = "pictured"
    RENDERED = "rendered"
    PRINTED = "printed"
    ENCODED = "encoded"
    PROVED = "proved"
    PACKED = "packed"
    POSTED = "posted"
    HELD = "held"
    CANCELLED = "cancelled"
    RETURNED = "returned"
    FAULTY = "faulty"
    REPLACED = "replaced"
    BLOCKED = "blocked"
    EXPIRED = "expired"


PRODUCTION = (
    CardState.ORDERED,
    CardState.PICTURED,
    CardState.RENDERED,
    CardState.PRINTED,
    CardState.ENCODED,
    CardState.PROVED,
    CardState.PACKED,
    CardState.POSTED,
)
_UNPRINTED = (CardState.ORDERED, CardState.PICTURED, CardState.RENDERED)
_MADE = (CardState.PRINTED, CardState.ENCODED, CardState.PROVED)

_STEPS: dict[CardState, frozenset[CardState]] = {state: frozenset() for state in CardState}
for _earlier, _later in itertools.pairwise(PRODUCTION):
    _STEPS[_earlier] |= {_later}
for _state in (*_UNPRINTED, *_MADE):
    _STEPS[_state] |= {CardState.HELD, CardState.CANCELLED}
for _state in _MADE:  # a spoiled blank is made good: the same card is printed again on another blank
    _STEPS[_state] |= {CardState.RENDERED}
_STEPS[CardState.HELD] = frozenset({*_UNPRINTED, *_MADE, CardState.CANCELLED})
_STEPS[CardState.PACKED] |= {CardState.PROVED}  # taken out of a shipment that was never posted
for _state in (CardState.PROVED, CardState.PACKED, CardState.HELD):  # came back, and is on its way to be sent again
    _STEPS[_state] |= {CardState.BLOCKED}
_STEPS[CardState.POSTED] = frozenset({CardState.RETURNED, CardState.FAULTY, CardState.BLOCKED, CardState.EXPIRED})
_STEPS[CardState.RETURNED] = frozenset({CardState.PROVED, CardState.FAULTY, CardState.BLOCKED, CardState.EXPIRED})
_STEPS[CardState.FAULTY] = frozenset({CardState.REPLACED, CardState.BLOCKED})
_STEPS[CardState.REPLACED] = frozenset({CardState.BLOCKED})  # when the replacement is posted


def may_step(before: CardState, after: CardState) -> bool:
    """True when the life of a card allows this step."""
    return after in _STEPS[before]


class HoldReason(StrEnum):
    """Why a card waits for a person. The photo reasons are the portrait codes of printing, prefixed `photo.`."""

    PHOTO = "photo"
    NAME_GLYPH = "name_glyph"
    NAME_TOO_LONG = "name_too_long"
    ADDRESS_INVALID = "address_invalid"
    ADDRESS_RETURNED = "address_returned"
    FACE_MISMATCH = "face_mismatch"
    CHIP_QUARANTINED = "chip_quarantined"
    CHIP_MISMATCH = "chip_mismatch"
    NEW_PHOTO_NEEDED = "new_photo_needed"
    SECOND_REPLACEMENT = "second_replacement"
    TARIFF_UNKNOWN = "tariff_unknown"
    BY_HAND = "by_hand"


class Hold(BaseModel):
    """Why a card waits: `reason` to act on, `detail` (e.g. `no_face`), the field, and the way out for a person."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: HoldReason
    detail: str | None = None
    field: str | None = None
    fix: str


class Card(BaseModel):
    """A card as the house keeps it. `card_id` is `<order number>-<line>` and never changes; the number is printed.

    `resumes_in` is set while held. `replaces` and `replaced_by` are card ids. `photo` and `portrait` are blob keys.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    card_id: str
    order_number: str
    line: int
    number: CardNumber
    kind: str
    given_name: str
    family_name: str
    birth_date: date
    head_covering: bool = False
    photo: str | None
    portrait: str | None = None
    issued_on: date | None = None
    valid_until: date | None = None
    design: str | None = None
    state: CardState
    hold: Hold | None = None
    resumes_in: CardState | None = None
    replaces: str | None = None
    replaced_by: str | None = None
    batch_id: str | None = None
    shipment_id: str | None = None
    chip_uid: str | None = None


class CardEvent(BaseModel):
    """One line of a card's journal. `digest` covers this line and `previous`, the digest before it ("" at first)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    card_id: str
    position: int
    at: datetime
    actor: str
    what: str
    before: CardState | None
    after: CardState
    details: dict[str, Any]
    previous: str
    digest: str


def chained(
    *,
    card_id: str,
    at: datetime,
    actor: str,
    what: str,
    before: CardState | None,
    after: CardState,
    details: dict[str, Any],
    last: CardEvent | None,
) -> CardEvent:
    """The next event of a card's journal, linked to `last`. Refuses a step that the life of a card does not allow."""
    if before is not None and before != after and not may_step(before, after):
        raise Refused(
            "card.no_such_step",
            f"card {card_id} cannot go from {before} to {after}",
            fix="look at the card with `hsecard cards show` and use the command for its state",
        )
    position = last.position + 1 if last else 1
    previous = last.digest if last else ""
    event = CardEvent(
        card_id=card_id,
        position=position,
        at=at,
        actor=actor,
        what=what,
        before=before,
        after=after,
        details=details,
        previous=previous,
        digest="",
    )
    return event.model_copy(update={"digest": event_digest(event)})


def event_digest(event: CardEvent) -> str:
    """SHA-256 over the event's content and the digest before it, in canonical JSON."""
    content = event.model_dump(mode="json", exclude={"digest", "at"}) | {"at": utc_text(event.at)}
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def broken_links(events: list[CardEvent]) -> list[int]:
    """Positions at which a card's journal (in order) was changed, reordered or cut; empty when it is whole."""
    bad, previous = [], ""
    for expected, event in enumerate(events, start=1):
        if event.position != expected or event.previous != previous or event_digest(event) != event.digest:
            bad.append(event.position)
        previous = event.digest
    return bad
