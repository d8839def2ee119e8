"""What must hold of Stripe: what it told rests on events that were kept, and the ledger says of it what it told."""

from collections.abc import Iterator

from sqlalchemy import and_, case, exists, func, or_, select

from billing.ledger import BANK, CLEARING, RECEIVABLE
from billing.reconcile_stripe import MovementKind
from cards.effects import EffectKind, EffectState
from store.database import UnitOfWork
from store.payments import ENDED
from store.ports import Blobs
from store.rule import Rule
from store.rules_of_cards import rows
from store.stripe_tables import refund_decisions, stripe_events, stripe_movements, stripe_payments, stripe_refunds
from store.tables import invoices, ledger_entries

_entry = ledger_entries.c


def _told_by_nobody(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    about, told = stripe_payments.c.reference, stripe_events.c
    query = select(about).where(~exists().where(told.object_id == about)).order_by(about)
    yield from uow.connection.scalars(query)
    refund = stripe_refunds.c
    known = exists().where(told.event_id == refund.told_by, told.object_id == refund.refund)
    yield from uow.connection.scalars(select(refund.refund).where(~known).order_by(refund.refund))


def _payments_unbooked(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    """A payment in kroner on an invoice of ours is booked with its amount, and no other is."""
    paid = stripe_payments.c
    told = stripe_payments.join(invoices, invoices.c.number == paid.invoice)
    received = and_(_entry.posting == "payment:stripe:" + paid.reference, _entry.account != RECEIVABLE)
    query = select(paid.reference, _entry.amount_ore).select_from(told.outerjoin(ledger_entries, received))
    wrong = or_(_entry.amount_ore.is_(None), _entry.amount_ore != paid.amount_ore)
    for reference, ore in rows(uow, query.where(paid.currency == "nok", wrong).order_by(paid.reference)):
        yield f"{reference} (booked {ore} øre)"
    named = select(_entry.posting).where(_entry.posting.like("payment:stripe:%"), _entry.account == RECEIVABLE)
    behind = exists().where("payment:stripe:" + paid.reference == _entry.posting, paid.currency == "nok")
    yield from uow.connection.scalars(named.where(~behind).order_by(_entry.posting))


def _returns_unbooked(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    """A refund that failed and stands in the ledger as given is booked back."""
    refund = stripe_refunds.c
    back = exists().where(_entry.posting == "refund_failed:" + refund.refund)
    for row in rows(uow, select(refund.refund, refund.key).where(refund.status.in_(ENDED), ~back)):
        effect = uow.effects.find(row.key) if row.key else None
        if effect and (effect.answer or {}).get("refund") == row.refund:
            yield row.refund


def _movements_unbooked(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    """Fees and payouts in kroner are on the clearing account, each with its amount."""
    one = stripe_movements.c
    fee = -one.fee_ore + case((one.kind == MovementKind.FEE, one.amount_ore), else_=0)
    paid_out = case((one.kind == MovementKind.PAYOUT, one.amount_ore), else_=0)
    names = ("stripe_fee:" + one.movement, "stripe_payout:" + one.movement)
    booked = and_(_entry.posting.in_(names), _entry.account == CLEARING)
    query = (
        select(one.movement)
        .outerjoin(ledger_entries, booked)
        .where(one.currency == "nok")
        .group_by(one.movement, one.kind, one.amount_ore, one.fee_ore)
        .having(func.coalesce(func.sum(_entry.amount_ore), 0) != fee + paid_out)
    )
    yield from uow.connection.scalars(query.order_by(one.movement))


def _idle_decisions(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    """A person decides on refunds that came to nothing only; what they decided was done."""
    decision = refund_decisions.c
    for key, next_key in rows(uow, select(decision.key, decision.next_key).order_by(decision.key)):
        effect = uow.effects.find(key)
        refund = ((effect.answer if effect else None) or {}).get("refund")
        failed = refund and uow.stripe.failed(refund)
        if effect is None or not (effect.state is EffectState.REFUSED or failed) or not _was_done(uow, key, next_key):
            yield key


def _was_done(uow: UnitOfWork, key: str, next_key: str | None) -> bool:
    if next_key is None:
        return uow.ledger.total(BANK, f"refund_bank:{key}") != 0
    again = uow.effects.find(next_key)
    return again is not None and again.kind is EffectKind.REFUND


RULES = (
    Rule("stripe.told", "what Stripe said of a payment or refund rests on an event that was kept", _told_by_nobody),
    Rule(
        "stripe.booked", "the ledger has each payment that Stripe told on an invoice of ours, once", _payments_unbooked
    ),
    Rule("stripe.returned", "a refund that failed is booked back", _returns_unbooked),
    Rule("stripe.moved", "the ledger has Stripe's fees and payouts", _movements_unbooked),
    Rule("refund.decision", "a person decided on refunds that came to nothing, and it was done", _idle_decisions),
)
