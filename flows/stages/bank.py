"""Payments by bank: a file is read whole, each payment found by its KID, booked once, and what is wrong with it named.

Some hundred payments are one transaction. A payment's key is known for ever, so an import that was cut off is begun
again with the same file, and a file that was imported changes nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from billing.bank_file import BankDifference, BankLine, Judged, Owed, judge, read_bank_file
from billing.ledger import entries_of_payment
from billing.models import LedgerEntry
from flows.house import House
from store.bank import BankPayment
from store.database import UnitOfWork

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Different:
    """A payment that something is wrong with: its line in the file, and where its money went."""

    line: int
    key: str
    difference: BankDifference
    kid: str
    amount_ore: int
    invoice: int | None = None
    to_invoice_ore: int = 0
    unallocated_ore: int = 0


@dataclass(frozen=True, slots=True)
class BankImport:
    """What a file brought: payments booked now and known before, their øre, and every difference."""

    booked: int
    known: int
    booked_ore: int
    to_invoice_ore: int
    unallocated_ore: int
    differences: tuple[Different, ...]


def import_bank_file(house: House, text: str, *, name: str) -> BankImport:
    """Book a bank file's payments. Raises Refused `bank.record`, `bank.control`; then nothing was booked."""
    lines, twice = _once(read_bank_file(text, name=name))
    booked = known = ore = to_invoice = unallocated = 0
    differences = [_not_booked(line, BankDifference.TWICE_IN_FILE) for line in twice]
    for some in _portions(lines):
        with house.store.begin() as uow:
            uow.bank.hold()
            before = uow.bank.known([line.key for line in some])
            new = [line for line in some if line.key not in before]
            taken = _book(uow, new, source=name, by=house.actor)
        known += len(before)
        differences += [
            _not_booked(line, BankDifference.CHANGED)
            for line in some
            if line.key in before and _changed(line, before[line.key])
        ]
        for line, invoice, judged in taken:
            booked += 1
            ore += judged.to_invoice_ore + judged.unallocated_ore
            to_invoice += judged.to_invoice_ore
            unallocated += judged.unallocated_ore
            if judged.difference is not None:
                differences.append(
                    Different(line.line, line.key, judged.difference, line.kid, line.amount_ore, invoice, *judged[:2])
                )
    differences.sort(key=lambda one: one.line)
    return BankImport(booked, known, ore, to_invoice, unallocated, tuple(differences))


def _once(lines: Sequence[BankLine]) -> tuple[list[BankLine], list[BankLine]]:
    """The first line of every key, and the lines that repeat one."""
    first: dict[str, BankLine] = {}
    again = [line for line in lines if first.setdefault(line.key, line) is not line]
    return list(first.values()), again


def _portions(lines: Sequence[BankLine]) -> Iterator[Sequence[BankLine]]:
    for start in range(0, len(lines), _AT_ONCE):
        yield lines[start : start + _AT_ONCE]


def _book(
    uow: UnitOfWork, lines: Sequence[BankLine], *, source: str, by: str
) -> list[tuple[BankLine, int | None, Judged]]:
    owed = uow.bank.owed(sorted({line.kid for line in lines}))
    taken: list[tuple[BankLine, int | None, Judged]] = []
    entries: list[LedgerEntry] = []
    for line in lines:
        invoice, judged = _met(owed, line)
        taken.append((line, invoice, judged))
        if line.currency == "NOK":
            entries += entries_of_payment(
                f"bank:{line.key}",
                amount_ore=line.amount_ore,
                unallocated_ore=judged.unallocated_ore,
                booked_on=line.received_on,
                document=f"bank/{line.key}" if invoice is None else f"invoice/{invoice}",
            )
    uow.bank.add(taken, source=source, by=by)
    uow.ledger.post(entries)
    return taken


def _met(owed: dict[str, Owed], line: BankLine) -> tuple[int | None, Judged]:
    """Judge a payment, and leave what is open after it."""
    its = owed.get(line.kid)
    judged = judge(line, its)
    if its is None:
        return None, judged
    if judged.to_invoice_ore:
        owed[line.kid] = its._replace(open_ore=its.open_ore - judged.to_invoice_ore, paid=True)
    return its.invoice, judged


def _changed(line: BankLine, known: BankPayment) -> bool:
    told = (line.received_on, line.kid, line.amount_ore, line.currency)
    return told != (known.received_on, known.kid, known.amount_ore, known.currency)


def _not_booked(line: BankLine, difference: BankDifference) -> Different:
    return Different(line.line, line.key, difference, line.kid, line.amount_ore)
