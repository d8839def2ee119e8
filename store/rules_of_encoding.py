"""What must hold of the encoding queue: nobody works on a card that does not wait; two persons a release."""

from collections.abc import Iterator

from sqlalchemy import and_, exists, or_, select

from cards.life import CardState, HoldReason
from store.database import UnitOfWork
from store.encoder_tables import chip_quarantines, encode_leases
from store.ports import Blobs
from store.rule import Rule
from store.rules_of_cards import rows
from store.tables import cards


def _taken_but_not_printed(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    leases = encode_leases.c
    query = select(cards.c.card_id, cards.c.state, leases.encoder)
    query = query.join(encode_leases, leases.card_id == cards.c.card_id)
    wrong = or_(cards.c.state != CardState.PRINTED, cards.c.batch_id.is_distinct_from(leases.batch_id))
    for card_id, state, encoder in rows(uow, query.where(wrong).order_by(cards.c.card_id)):
        yield f"{card_id} ({state}, taken by {encoder})"


def _aside_and_not_held(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    unclosed = exists().where(chip_quarantines.c.card_id == cards.c.card_id, chip_quarantines.c.closed_at.is_(None))
    wrong = and_(unclosed, cards.c.hold_reason.is_distinct_from(HoldReason.CHIP_QUARANTINED))
    for card_id, state in rows(uow, select(cards.c.card_id, cards.c.state).where(wrong).order_by(cards.c.card_id)):
        yield f"{card_id} ({state})"


def _released_by_one(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    q = chip_quarantines.c
    two = and_(q.asker.is_not(None), q.releaser.is_not(None), q.asker.is_distinct_from(q.releaser))
    query = select(q.card_id, q.released_by).where(q.state == "released", ~two)
    for card_id, person in rows(uow, query.order_by(q.card_id)):
        yield f"{card_id} (released by {person})"


RULES = (
    Rule("encode.taken", "a card that an encoder has taken is printed and lies in that tray", _taken_but_not_printed),
    Rule("chip.aside", "a card in quarantine is held for its chip", _aside_and_not_held),
    Rule("chip.two_people", "a chip in quarantine was released by two persons", _released_by_one),
)
