"""What must hold of cards: one known state, a whole journal that led there, reasons, numbers, links to other rows."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Executable, RowMapping, and_, func, or_, select

from cards.life import CardEvent, CardState, HoldReason, broken_links, may_step
from store.cards import event_of
from store.database import UnitOfWork
from store.ports import Blobs
from store.rule import Rule
from store.tables import batches, card_events, cards, chip_bindings, chip_faults, shipments

_STATES = [state.value for state in CardState]
_REASONS = [reason.value for reason in HoldReason]


def rows(uow: UnitOfWork, query: Executable) -> Sequence[Any]:
    """All rows of a query."""
    return uow.connection.execute(query).all()


def _unknown_states(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    unknown = or_(
        cards.c.state.not_in(_STATES), cards.c.hold_reason.not_in(_REASONS), cards.c.resumes_in.not_in(_STATES)
    )
    for row in rows(uow, select(cards.c.card_id, cards.c.state).where(unknown).order_by(cards.c.card_id)):
        yield f"{row.card_id} ({row.state})"


def _state_is_not_journal(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    last = select(card_events.c.card_id, func.max(card_events.c.position).label("position"))
    last_of = last.group_by(card_events.c.card_id).subquery()
    query = (
        select(cards.c.card_id, cards.c.state, card_events.c.state_after)
        .outerjoin(last_of, last_of.c.card_id == cards.c.card_id)
        .outerjoin(
            card_events,
            and_(card_events.c.card_id == cards.c.card_id, card_events.c.position == last_of.c.position),
        )
        .where(or_(card_events.c.state_after.is_(None), card_events.c.state_after != cards.c.state))
        .order_by(cards.c.card_id)
    )
    for row in rows(uow, query):
        yield f"{row.card_id} (stands in {row.state}, its journal ends in {row.state_after})"


def _journals(uow: UnitOfWork) -> Iterator[tuple[str, list[RowMapping]]]:
    query = select(card_events).order_by(card_events.c.card_id, card_events.c.position)
    found = uow.connection.execute(query.execution_options(yield_per=2000)).mappings()
    for card_id, journal in groupby(found, key=lambda row: row["card_id"]):
        yield card_id, list(journal)


def _broken_journals(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    for card_id, journal in _journals(uow):
        for position in _broken(journal):
            yield f"{card_id} (event {position})"


def _broken(journal: list[RowMapping]) -> list[int]:
    try:
        return broken_links([event_of(row) for row in journal])
    except ValidationError:
        return [row["position"] for row in journal if not _readable(row)]


def _readable(row: RowMapping) -> bool:
    try:
        event_of(row)
    except ValidationError:
        return False
    return True


def _wrong_steps(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    for card_id, journal in _journals(uow):
        if not all(_readable(row) for row in journal):
            continue  # the journal is broken: that is another rule's finding
        standing: CardState | None = None
        for event in map(event_of, journal):
            if not _follows(standing, event):
                yield f"{card_id} (event {event.position}: {standing} → {event.before} → {event.after})"
            standing = event.after


def _follows(standing: CardState | None, event: CardEvent) -> bool:
    if event.before != standing:
        return False
    return event.before is None or event.before == event.after or may_step(event.before, event.after)


def _held_wrongly(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    held = cards.c.state == CardState.HELD
    whole = and_(cards.c.hold_reason.is_not(None), cards.c.resumes_in.is_not(None), cards.c.hold_fix.is_not(None))
    bare = and_(cards.c.hold_reason.is_(None), cards.c.resumes_in.is_(None))
    wrong = or_(and_(held, ~whole), and_(~held, ~bare))
    for row in rows(uow, select(cards.c.card_id, cards.c.state).where(wrong).order_by(cards.c.card_id)):
        yield f"{row.card_id} ({row.state})"


def _numbers_twice(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    query = select(cards.c.number, func.min(cards.c.card_id), func.max(cards.c.card_id)).group_by(cards.c.number)
    for number, first, last in rows(uow, query.having(func.count() > 1).order_by(cards.c.number)):
        yield f"{number} (on {first} and {last})"


def _dangling(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    for name, target in (("batch_id", batches.c.batch_id), ("shipment_id", shipments.c.shipment_id)):
        named = cards.c[name]
        query = select(cards.c.card_id, named).where(named.is_not(None), named.not_in(select(target)))
        for card_id, value in rows(uow, query.order_by(cards.c.card_id)):
            yield f"{card_id} ({name} {value})"


def _chip_of_another(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    bound = and_(chip_bindings.c.uid == cards.c.chip_uid, chip_bindings.c.card_id == cards.c.card_id)
    query = (
        select(cards.c.card_id, cards.c.chip_uid)
        .outerjoin(chip_bindings, bound)
        .where(cards.c.chip_uid.is_not(None), chip_bindings.c.uid.is_(None))
    )
    for card_id, uid in rows(uow, query.order_by(cards.c.card_id)):
        yield f"{card_id} (chip {uid})"


def _one_sided_replacements(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    old, new = cards.alias("old"), cards.alias("new")
    newer = (
        select(new.c.card_id, new.c.replaces)
        .outerjoin(old, and_(old.c.card_id == new.c.replaces, old.c.replaced_by == new.c.card_id))
        .where(new.c.replaces.is_not(None), old.c.card_id.is_(None))
    )
    for card_id, replaces in rows(uow, newer.order_by(new.c.card_id)):
        yield f"{card_id} (replaces {replaces}, which does not say so)"
    older = (
        select(old.c.card_id, old.c.replaced_by)
        .outerjoin(new, and_(new.c.card_id == old.c.replaced_by, new.c.replaces == old.c.card_id))
        .where(old.c.replaced_by.is_not(None), new.c.card_id.is_(None))
    )
    for card_id, replaced_by in rows(uow, older.order_by(old.c.card_id)):
        yield f"{card_id} (replaced by {replaced_by}, which does not say so)"


def _replaced_twice(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    query = select(chip_faults.c.card_id).where(chip_faults.c.replacement_card_id.is_not(None))
    for row in rows(uow, query.group_by(chip_faults.c.card_id).having(func.count() > 1)):
        yield row.card_id


RULES = (
    Rule("card.known_state", "every card is in one of the states, held for one of the reasons", _unknown_states),
    Rule("card.state_is_journal", "a card stands where its journal ends", _state_is_not_journal),
    Rule("card.journal_whole", "no event of a journal was changed, moved or taken out", _broken_journals),
    Rule(
        "card.journal_steps", "each event starts where the one before ended and is a step that cards take", _wrong_steps
    ),
    Rule(
        "card.hold", "a card is held if and only if it has a reason, a way out and a state to resume in", _held_wrongly
    ),
    Rule("card.number_once", "no two cards have the same number", _numbers_twice),
    Rule("card.refers", "the batch and the shipment that a card names exist", _dangling),
    Rule("card.chip", "a card's chip is bound to that card", _chip_of_another),
    Rule("card.replacement", "a replacement and the card it replaces name each other", _one_sided_replacements),
    Rule("card.replaced_once", "a faulty card has at most one free replacement", _replaced_twice),
)
