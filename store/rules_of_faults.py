"""What must hold of faults in the field: nobody waits forgotten, nobody is replaced twice, every report is whole."""

from collections.abc import Iterator

from sqlalchemy import and_, func, select

from cards.life import CardState
from store.database import UnitOfWork
from store.ports import Blobs
from store.rule import Rule
from store.rules_of_cards import rows
from store.tables import cards, chip_faults, fault_reports


def _open_but_not_faulty(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    """A card blocked by hand in the meantime is settled by the next `reissue`: that is not broken."""
    waiting = and_(chip_faults.c.card_id == cards.c.card_id, chip_faults.c.decided_at.is_(None))
    marked = cards.c.state.in_((CardState.FAULTY, CardState.BLOCKED))
    unmarked = select(cards.c.card_id, cards.c.state).join(chip_faults, waiting).where(~marked)
    for card_id, state in rows(uow, unmarked.order_by(cards.c.card_id)):
        yield f"{card_id} (reported, but {state})"
    forgotten = (
        select(cards.c.card_id)
        .outerjoin(chip_faults, waiting)
        .where(cards.c.state == CardState.FAULTY, chip_faults.c.fault_id.is_(None))
    )
    for row in rows(uow, forgotten.order_by(cards.c.card_id)):
        yield f"{row.card_id} (faulty, and no report of it is open)"


def _other_replacement(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    query = (
        select(chip_faults.c.fault_id, chip_faults.c.replacement_card_id, cards.c.replaced_by)
        .join(cards, cards.c.card_id == chip_faults.c.card_id)
        .where(cards.c.replaced_by != chip_faults.c.replacement_card_id)
    )
    for fault_id, decided, says in rows(uow, query.order_by(chip_faults.c.fault_id)):
        yield f"{fault_id} (replaced by {decided}, the card says {says})"


def _reports_not_whole(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    kept = select(chip_faults.c.report_id, func.count().label("kept")).group_by(chip_faults.c.report_id).subquery()
    query = (
        select(fault_reports.c.report_id, fault_reports.c.answer, func.coalesce(kept.c.kept, 0).label("kept"))
        .outerjoin(kept, kept.c.report_id == fault_reports.c.report_id)
        .order_by(fault_reports.c.report_id)
    )
    for report_id, answer, count in rows(uow, query):
        told = answer.get("counts", {}).get("reported", 0)
        if told != count:
            yield f"{report_id} (told of {told} cards, kept {count})"


RULES = (
    Rule("fault.open", "a card is faulty as long as a report of it waits, and no longer", _open_but_not_faulty),
    Rule("fault.replacement", "a fault names the card that replaces the faulty one", _other_replacement),
    Rule("fault.report_whole", "a report has a fault for every card that it says it reported", _reports_not_whole),
)
