"""Stripe's balance transactions held against the ledger and the documents: each difference named, none invented.

Pure. Ours is what the ledger says of payments (`payment:…`) and refunds (`refund:…`), by the id at Stripe; theirs is
what moved on the balance. A movement matches by id, and then has to have the same amount, in kroner, on a live invoice.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Difference(StrEnum):
    """What can be wrong between Stripe and us."""

    MISSING_HERE = "missing_here"  # a payment at Stripe that the ledger has not
    MISSING_THERE = "missing_there"  # in the ledger, and Stripe never moved it
    TWICE_HERE = "twice_here"
    TWICE_THERE = "twice_there"
    OTHER_AMOUNT = "other_amount"
    OTHER_CURRENCY = "other_currency"
    REFUND_BY_HAND = "refund_by_hand"  # made in Stripe's dashboard: no case of ours stands behind it
    ON_VOID_INVOICE = "on_void_invoice"
    UNKNOWN_INVOICE = "unknown_invoice"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Movement(_Frozen):
    """One balance transaction. `source` is the payment's or refund's id; refunds have negative amounts."""

    transaction: str
    source: str
    amount_ore: int
    currency: str


class Booked(_Frozen):
    """One posting of ours about Stripe, by the same `source` and with the same sign. `invoice` for payments."""

    posting: str
    source: str
    amount_ore: int
    invoice: int | None = None


class Finding(_Frozen):
    """One difference: where, what, and both amounts when there are two."""

    kind: Difference
    source: str
    there_ore: int | None = None
    here_ore: int | None = None


def compare(
    movements: Iterable[Movement], booked: Iterable[Booked], *, invoices: Iterable[int], void: Iterable[int] = ()
) -> list[Finding]:
    """All differences, by source and kind. `invoices` are the issued numbers, `void` those that owe nothing more."""
    there, here = list(movements), list(booked)
    issued, gone = set(invoices), set(void)
    found = [
        *_twice((one.source for one in there), Difference.TWICE_THERE),
        *_twice((one.source for one in here), Difference.TWICE_HERE),
        *_one_sided(there, here),
        *_unlike(there, here),
        *_misplaced(here, issued, gone),
    ]
    return sorted(found, key=lambda one: (one.source, one.kind))


def _twice(sources: Iterable[str], kind: Difference) -> Iterator[Finding]:
    for source, times in Counter(sources).items():
        if times > 1:
            yield Finding(kind=kind, source=source)


def _one_sided(there: list[Movement], here: list[Booked]) -> Iterator[Finding]:
    known, moved = {one.source: one for one in here}, {one.source: one for one in there}
    for source, movement in moved.items():
        if source not in known:
            kind = Difference.REFUND_BY_HAND if movement.amount_ore < 0 else Difference.MISSING_HERE
            yield Finding(kind=kind, source=source, there_ore=movement.amount_ore)
    for source, posting in known.items():
        if source not in moved:
            yield Finding(kind=Difference.MISSING_THERE, source=source, here_ore=posting.amount_ore)


def _unlike(there: list[Movement], here: list[Booked]) -> Iterator[Finding]:
    known, moved = {one.source: one for one in here}, {one.source: one for one in there}
    for source in known.keys() & moved.keys():
        theirs, ours = moved[source], known[source].amount_ore
        if theirs.currency != "nok":  # an amount in another currency says nothing about øre
            yield Finding(kind=Difference.OTHER_CURRENCY, source=source, there_ore=theirs.amount_ore, here_ore=ours)
        elif theirs.amount_ore != ours:
            yield Finding(kind=Difference.OTHER_AMOUNT, source=source, there_ore=theirs.amount_ore, here_ore=ours)


def _misplaced(here: list[Booked], issued: set[int], gone: set[int]) -> Iterator[Finding]:
    for one in {one.source: one for one in here}.values():
        if one.invoice is None:
            continue
        if one.invoice in gone:
            yield Finding(kind=Difference.ON_VOID_INVOICE, source=one.source, here_ore=one.amount_ore)
        elif one.invoice not in issued:
            yield Finding(kind=Difference.UNKNOWN_INVOICE, source=one.source, here_ore=one.amount_ore)
