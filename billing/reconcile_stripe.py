"""Stripe's balance transactions held against the ledger and the documents: each difference named, none invented.

Pure. What moved there and what is booked here meet under one key: the payment's or refund's id at Stripe, or for fees,
payouts and the rest the balance transaction's own. The database sums both sides key by key; here each pair is judged.
"""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict


class MovementKind(StrEnum):
    """What moved on the balance. Fees and payouts are Stripe's to tell; `other` (disputes, top-ups) is a person's."""

    PAYMENT = "payment"
    REFUND = "refund"
    RETURNED = "returned"  # a refund that came back
    FEE = "fee"
    PAYOUT = "payout"
    OTHER = "other"


class Difference(StrEnum):
    """What can be wrong between Stripe and us."""

    MISSING_HERE = "missing_here"  # a payment at Stripe that the ledger has not
    MISSING_THERE = "missing_there"  # in the ledger, and Stripe never moved it
    TWICE_HERE = "twice_here"
    TWICE_THERE = "twice_there"
    OTHER_AMOUNT = "other_amount"
    OTHER_CURRENCY = "other_currency"
    REFUND_BY_HAND = "refund_by_hand"  # made in Stripe's dashboard: no case of ours stands behind it
    RETURN_UNBOOKED = "return_unbooked"  # a refund came back to Stripe, and the ledger still has it as given
    FEE_UNBOOKED = "fee_unbooked"
    PAYOUT_UNBOOKED = "payout_unbooked"
    MOVEMENT_UNBOOKED = "movement_unbooked"  # of a kind that nobody books by itself
    ON_VOID_INVOICE = "on_void_invoice"
    UNKNOWN_INVOICE = "unknown_invoice"
    UNEXPLAINED = "unexplained"  # the balance there and the clearing account differ by more than all of these say


_UNBOOKED = {
    MovementKind.PAYMENT: Difference.MISSING_HERE,
    MovementKind.REFUND: Difference.REFUND_BY_HAND,
    MovementKind.RETURNED: Difference.RETURN_UNBOOKED,
    MovementKind.FEE: Difference.FEE_UNBOOKED,
    MovementKind.PAYOUT: Difference.PAYOUT_UNBOOKED,
    MovementKind.OTHER: Difference.MOVEMENT_UNBOOKED,
}


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Movement(_Frozen):
    """One balance transaction. `source` is the payment's, refund's or payout's id; what leaves has a negative amount.

    `fee_ore` left the balance on top of `amount_ore`; amounts of other currencies are in that currency's smallest unit.
    """

    transaction: str
    kind: MovementKind
    source: str
    amount_ore: int
    fee_ore: int = 0
    currency: str
    moved_at: datetime


class Finding(_Frozen):
    """One difference: where, what, and both amounts in øre when there are two."""

    kind: Difference
    source: str
    there_ore: int | None = None
    here_ore: int | None = None
    invoice: int | None = None


class Pair(NamedTuple):
    """Both sides of one key: how many rows each has and what they come to. `foreign` rows there are not in kroner."""

    kind: MovementKind
    source: str
    rows_there: int
    there_ore: int
    foreign_there: int
    rows_here: int
    here_ore: int


class Tie(_Frozen):
    """Stripe's balance beside the account it is booked on. Nothing is left over when the differences explain both."""

    fetched_at: datetime
    balance_ore: int
    clearing_ore: int
    differences_ore: int
    unfetched_ore: int

    @property
    def left_over_ore(self) -> int:
        """What no difference explains."""
        return self.balance_ore - self.clearing_ore - self.differences_ore + self.unfetched_ore


class Comparison(_Frozen):
    """Every difference by source and kind, and whether the two balances tie."""

    findings: tuple[Finding, ...]
    tie: Tie


def judge(pair: Pair) -> Finding | None:
    """What is wrong with the two sides of one key, or None."""
    there = None if pair.rows_there == pair.foreign_there else pair.there_ore
    here = pair.here_ore if pair.rows_here else None
    kind = _difference(pair)
    return None if kind is None else Finding(kind=kind, source=pair.source, there_ore=there, here_ore=here)


def _difference(pair: Pair) -> Difference | None:
    if pair.foreign_there:
        return Difference.OTHER_CURRENCY  # an amount in another currency says nothing about øre
    if not pair.rows_here:
        return _UNBOOKED[pair.kind]
    if not pair.rows_there:
        return Difference.MISSING_THERE
    if pair.rows_there > 1 or pair.rows_here > 1:
        return Difference.TWICE_THERE if pair.rows_there > 1 else Difference.TWICE_HERE
    return Difference.OTHER_AMOUNT if pair.there_ore != pair.here_ore else None
