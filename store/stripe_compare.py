"""Stripe's movements and what is booked about them, summed key by key by the database; only unlike keys come out.

Half a million rows on each side are one pass of the database each, and no list of them here.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    Select,
    and_,
    case,
    cast,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
    type_coerce,
    union_all,
)

from billing.ledger import BANK, CLEARING
from billing.reconcile_stripe import Comparison, Difference, Finding, MovementKind, Pair, Tie, judge
from cards.days import utc_text
from cards.effects import EffectKind, EffectState
from cards.errors import Refused
from store.columns import Word
from store.payments import Fetch, StripePaid
from store.stripe_tables import stripe_movements, stripe_payments
from store.tables import effects, invoices, ledger_entries
from store.transaction import Transaction

_BY_SOURCE = (MovementKind.PAYMENT, MovementKind.REFUND, MovementKind.RETURNED)
_ROWS_AT_ONCE = 1000
_entry, _moved = ledger_entries.c, stripe_movements.c


class StripeCompared:
    """Both sides of Stripe, read in one snapshot."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def compared(self) -> Comparison:
        """Every difference, up to the last fetch. Raises Refused `payments.not_fetched`.

        What was booked after the fetch and has not moved there may have moved since: it waits for the next one.
        """
        fetch = StripePaid(self._tx).last_fetch()
        if fetch is None:
            raise Refused(
                "payments.not_fetched",
                "nothing was fetched from Stripe yet",
                fix="run `hsecard payments fetch`, or the flow `reconcile`, and compare again",
            )
        findings, unfetched, last_known = [], 0, utc_text(fetch.fetched_at)
        for pair, entered_at in self._unlike():
            if not pair.rows_there and (entered_at or "") > last_known:
                unfetched += pair.here_ore
            elif (finding := judge(pair)) is not None:
                findings.append(finding)
        tie = self._tie(fetch, findings, unfetched)
        found = [*findings, *self._misplaced(), *_left_over(tie)]
        return Comparison(findings=tuple(sorted(found, key=lambda one: (one.source, one.kind))), tie=tie)

    def _unlike(self) -> Iterator[tuple[Pair, str | None]]:
        """Keys whose sides are not one row each of the same øre, with when ours was last entered."""
        both = union_all(*_theirs(), *_ours(self._tx.connection.dialect.name)).subquery()
        sums = {name: func.sum(both.c[name]) for name in ("rows_there", "there", "foreign", "rows_here", "here")}
        same = and_(
            sums["rows_there"] == 1, sums["rows_here"] == 1, sums["foreign"] == 0, sums["there"] == sums["here"]
        )
        query = select(both.c.kind, both.c.key, *sums.values(), func.max(both.c.entered_at))
        grouped = query.group_by(both.c.kind, both.c.key).having(not_(same)).order_by(both.c.key, both.c.kind)
        streamed = self._tx.connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(grouped)
        for kind, key, *sides, entered_at in streamed:
            yield Pair(MovementKind(kind), key, *map(int, sides)), entered_at

    def _misplaced(self) -> Iterator[Finding]:
        """Payments booked on an invoice that is void at Stripe; an unknown one is never booked."""
        paid = stripe_payments.c
        query = (
            select(func.coalesce(paid.payment, paid.reference), paid.invoice, _entry.amount_ore, invoices.c.number)
            .join(ledger_entries, and_(_entry.posting == "payment:stripe:" + paid.reference, _ours_account()))
            .outerjoin(invoices, invoices.c.number == paid.invoice)
            .where(or_(paid.void_at.is_not(None), invoices.c.number.is_(None)))
        )
        for source, invoice, ore, known in self._tx.connection.execute(query):
            kind = Difference.UNKNOWN_INVOICE if known is None else Difference.ON_VOID_INVOICE
            yield Finding(kind=kind, source=source, here_ore=ore, invoice=invoice)

    def _tie(self, fetch: Fetch, findings: list[Finding], unfetched: int) -> Tie:
        clearing = select(func.coalesce(func.sum(_entry.amount_ore), 0)).where(_entry.account == CLEARING)
        return Tie(
            fetched_at=fetch.fetched_at,
            balance_ore=fetch.balance_ore,
            clearing_ore=int(self._tx.connection.scalar(clearing) or 0),
            differences_ore=sum((one.there_ore or 0) - (one.here_ore or 0) for one in findings),
            unfetched_ore=unfetched,
        )


def _left_over(tie: Tie) -> Iterator[Finding]:
    if tie.left_over_ore:
        yield Finding(
            kind=Difference.UNEXPLAINED, source="balance", there_ore=tie.balance_ore, here_ore=tie.clearing_ore
        )


def _ours_account() -> ColumnElement[bool]:
    """Where money at Stripe is booked: before it had an account of its own, on the bank."""
    return _entry.account.in_((CLEARING, BANK))


def _there(kind: ColumnElement[Any], key: ColumnElement[Any], amount: ColumnElement[Any]) -> Select[Any]:
    home = _moved.currency == "nok"
    return select(
        kind.label("kind"),
        key.label("key"),
        literal_column("1").label("rows_there"),
        case((home, amount), else_=0).label("there"),
        case((home, 0), else_=1).label("foreign"),
        literal_column("0").label("rows_here"),
        literal_column("0").label("here"),
        literal(None, Word).label("entered_at"),
    )


def _theirs() -> Iterator[Select[Any]]:
    key = case((_moved.kind.in_(_BY_SOURCE), _moved.source), else_=_moved.movement)
    yield _there(_moved.kind, key, _moved.amount_ore).where(_moved.kind != MovementKind.FEE)
    fee = -_moved.fee_ore + case((_moved.kind == MovementKind.FEE, _moved.amount_ore), else_=0)
    has_fee = or_(_moved.kind == MovementKind.FEE, and_(_moved.fee_ore != 0, _moved.currency == "nok"))
    yield _there(literal(MovementKind.FEE, Word), _moved.movement, fee).where(has_fee)


def _here(kind: MovementKind, key: ColumnElement[Any]) -> Select[Any]:
    return select(
        literal(kind, Word).label("kind"),
        key.label("key"),
        literal_column("0").label("rows_there"),
        literal_column("0").label("there"),
        literal_column("0").label("foreign"),
        literal_column("1").label("rows_here"),
        _entry.amount_ore.label("here"),
        type_coerce(_entry.entered_at, Word).label("entered_at"),
    )


def _ours(dialect: str) -> Iterator[Select[Any]]:
    paid = stripe_payments.c
    on_payment = and_(_entry.posting == "payment:stripe:" + paid.reference, _ours_account())
    source = func.coalesce(paid.payment, paid.reference)
    yield _here(MovementKind.PAYMENT, source).select_from(stripe_payments.join(ledger_entries, on_payment))
    on_refund = and_(_entry.posting == "refund:" + effects.c.key, _ours_account())
    given = and_(effects.c.kind == EffectKind.REFUND, effects.c.state == EffectState.CONFIRMED)
    refunds = _here(MovementKind.REFUND, _refund_of_answer(dialect)).where(given)
    yield refunds.select_from(effects.join(ledger_entries, on_refund))
    for kind, prefix in (
        (MovementKind.RETURNED, "refund_failed:"),
        (MovementKind.FEE, "stripe_fee:"),
        (MovementKind.PAYOUT, "stripe_payout:"),
    ):
        named = _here(kind, func.substr(_entry.posting, len(prefix) + 1)).where(_entry.account == CLEARING)
        yield named.where(_entry.posting >= prefix, _entry.posting < prefix[:-1] + ";")


def _refund_of_answer(dialect: str) -> ColumnElement[Any]:
    """The refund's id in the answer to its effect."""
    answer = effects.c.answer
    document: Any = cast(answer, JSON) if dialect == "postgresql" else type_coerce(answer, JSON)
    refund: ColumnElement[Any] = document["refund"].as_string()
    return refund
