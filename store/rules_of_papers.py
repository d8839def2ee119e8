"""What must hold of papers and acts: every byte a row names is there, every act a state claims is answered."""

from collections import defaultdict
from collections.abc import Iterator

from sqlalchemy import Exists, exists, select

from billing.models import RefundState
from cards.batch import BatchState
from cards.effects import EffectKind, EffectState, request_digest
from cards.errors import Refused
from shipping.models import ShipmentState
from store.database import UnitOfWork
from store.guards import missing_guards
from store.payments import ENDED
from store.ports import Blobs
from store.printing import JOB_OVER
from store.rule import Rule
from store.rules_of_cards import rows
from store.stripe_tables import refund_decisions, stripe_refunds
from store.tables import batch_cards, batches, cards, documents, effects, orders, print_jobs, shipments


def _changed_documents(uow: UnitOfWork, blobs: Blobs) -> Iterator[str]:
    for row in rows(uow, select(documents).order_by(documents.c.document_id)):
        wrong = _wrong_bytes(blobs, row.blob_key, row.sha256, row.size)
        if wrong:
            yield f"{row.document_id} ({wrong})"


def _wrong_bytes(blobs: Blobs, key: str, sha256: str, size: int) -> str | None:
    if key.partition("/")[2].partition(".")[0] != sha256:
        return "its blob is of other bytes"
    try:
        found = len(blobs.get(key))
    except Refused as fault:
        return fault.code
    return None if found == size else f"{found} bytes for {size}"


def _missing_blobs(uow: UnitOfWork, blobs: Blobs) -> Iterator[str]:
    named = (
        (cards.c.card_id, cards.c.photo),
        (cards.c.card_id, cards.c.portrait),
        (orders.c.order_number, orders.c.document_key),
        (batches.c.batch_id, batches.c.print_file),
        (batches.c.batch_id, batches.c.run_sheet),
        (batches.c.batch_id, batches.c.contact_sheet),
    )
    for owner, column in named:
        for owner_id, key in rows(uow, select(owner, column).where(column.is_not(None)).order_by(owner)):
            if not blobs.exists(key):
                yield f"{owner_id} ({column.name} {key})"


def _confirmed(kind: EffectKind) -> Exists:
    return exists().where(effects.c.kind == kind, effects.c.state == EffectState.CONFIRMED)


def _posted_without_booking(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    booked = _confirmed(EffectKind.BOOK).where(effects.c.subject == shipments.c.shipment_id)
    posted = shipments.c.state == ShipmentState.POSTED
    query = select(shipments.c.shipment_id, shipments.c.state).where((posted & ~booked) | (~posted & booked))
    for shipment_id, state in rows(uow, query.order_by(shipments.c.shipment_id)):
        yield f"{shipment_id} ({state})"


def _printed_without_job(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    """A job that the printer has taken and not ended leaves its batch frozen."""
    job = _confirmed(EffectKind.PRINT).where(effects.c.subject == batches.c.batch_id)
    under_way = exists().where(print_jobs.c.batch_id == batches.c.batch_id, print_jobs.c.state.not_in(JOB_OVER))
    to_print = exists().where(batch_cards.c.batch_id == batches.c.batch_id, batch_cards.c.struck.is_(None))
    printed = batches.c.state != BatchState.FROZEN
    query = select(batches.c.batch_id, batches.c.state).where(
        (printed & to_print & ~job) | (~printed & job & ~under_way)
    )
    for batch_id, state in rows(uow, query.order_by(batches.c.batch_id)):
        yield f"{batch_id} ({state})"


def _refund_effects(uow: UnitOfWork) -> dict[str, dict[str, int]]:
    """Øre that the payment service confirmed and that have not come back, or that left the bank instead, by case."""
    given: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    failed = set(uow.connection.scalars(select(stripe_refunds.c.refund).where(stripe_refunds.c.status.in_(ENDED))))
    query = select(effects.c.subject, effects.c.request, effects.c.state, effects.c.answer, refund_decisions.c.how)
    query = query.outerjoin(refund_decisions, refund_decisions.c.key == effects.c.key)
    for case_id, request, state, answer, how in rows(uow, query.where(effects.c.kind == EffectKind.REFUND)):
        stands = state == EffectState.CONFIRMED and (answer or {}).get("refund") not in failed
        if stands or how == "bank":
            given[case_id][request["payment"]] += request["amount_ore"]
    return given


def _refunds_without_money(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    given = _refund_effects(uow)
    for case in uow.refunds.all():
        due = {road.payment: road.amount_ore for road in uow.refunds.roads(case.case_id) if road.payment is not None}
        paid = given.get(case.case_id, {})
        too_much = any(amount > due.get(payment, 0) for payment, amount in paid.items())
        if too_much or (case.state is RefundState.CONFIRMED and paid != due):
            yield f"{case.case_id} (due {sum(due.values())} øre, given back {sum(paid.values())} øre)"


def _changed_requests(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    for row in uow.connection.execute(select(effects.c.key, effects.c.request, effects.c.digest)):
        if request_digest(row.request) != row.digest:
            yield row.key


def _guards_gone(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    yield from missing_guards(uow.connection)


RULES = (
    Rule("document.bytes", "the bytes of every issued document are there, unchanged", _changed_documents),
    Rule("blob.there", "every blob that a card, an order or a batch names is there", _missing_blobs),
    Rule("effect.posted", "a shipment is posted if and only if the carrier confirmed it", _posted_without_booking),
    Rule(
        "effect.printed", "a batch is printed if and only if the printer took its job and is done", _printed_without_job
    ),
    Rule(
        "effect.refunded",
        "a confirmed case was given back payment by payment, and none too much",
        _refunds_without_money,
    ),
    Rule("effect.request", "no planned request was changed", _changed_requests),
    Rule("database.guards", "every guard of the database is in its place and switched on", _guards_gone),
)
