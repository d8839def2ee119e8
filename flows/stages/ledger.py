"""The ledger for finance: trial balance, VAT by term, months locked, and what is handed out of it as a file.

An export is read from one snapshot: entries, balances and customers belong together whatever is posted meanwhile.
"""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.metadata import version

from billing.ledger import RECEIVABLE, VAT_OUTPUT
from billing.ledger_csv import ledger_csv
from billing.models import Buyer
from billing.saft import Customer, LedgerExport, Paper, write_saft
from cards.days import oslo_day
from cards.errors import Refused
from flows.house import House
from store.database import UnitOfWork
from store.ledger import PeriodLock


@dataclass(frozen=True)
class LedgerFile:
    """An export as bytes, with the totals that finance holds against the trial balance. Amounts in øre."""

    data: bytes
    postings: int
    entries: int
    debit_ore: int
    credit_ore: int
    balances: dict[str, int]


@dataclass(frozen=True)
class TrialBalance:
    """Øre per account up to a day (debits positive, summing to zero), and output VAT owed per term and code."""

    until: date | None
    accounts: dict[str, int]
    vat: dict[tuple[str, str], int]
    locks: tuple[PeriodLock, ...]


def lock_month(house: House, month: str, *, by: str) -> tuple[PeriodLock, bool]:
    """Lock a month and all before it for ever. The lock that holds, and whether it was made now."""
    with house.store.begin() as uow:
        before = uow.ledger.locks()
        lock = uow.ledger.lock(month, by=by)
        return lock, lock not in before


def trial_balance(house: House, *, until: date | None = None) -> TrialBalance:
    """What stands on each account at the end of a day, or now."""
    with house.store.read() as uow:
        vat: dict[tuple[str, str], int] = {}
        for (day, code), ore in uow.ledger.by_day_and_code(VAT_OUTPUT, until=until).items():
            key = vat_term(day), code or ""
            vat[key] = vat.get(key, 0) - ore
        accounts, locks = uow.ledger.balances(until=until), tuple(uow.ledger.locks())
    return TrialBalance(until=until, accounts=accounts, vat=vat, locks=locks)


def vat_term(day: date) -> str:
    """`2026-6` for November and December: VAT is reported for two months at a time (mval. § 15-2)."""
    return f"{day.year}-{(day.month + 1) // 2}"


def export_csv(house: House, *, since: date, until: date) -> LedgerFile:
    """The entries booked on these days, for a spreadsheet. Raises Refused `ledger.days_reversed`."""
    export = _gathered(house, since, until)
    return _file(export, ledger_csv(export.entries))


def export_saft(house: House, *, since: date, until: date) -> LedgerFile:
    """The same as SAF-T Financial 1.30. Raises Refused `ledger.days_reversed`, `ledger.account_unknown`."""
    export = _gathered(house, since, until)
    out = io.BytesIO()
    write_saft(export, out)
    return _file(export, out.getvalue())


def _file(export: LedgerExport, data: bytes) -> LedgerFile:
    return LedgerFile(
        data=data,
        postings=len({entry.posting for entry in export.entries}),
        entries=len(export.entries),
        debit_ore=export.debit_ore,
        credit_ore=-sum(entry.amount_ore for entry in export.entries if entry.amount_ore < 0),
        balances=export.closing,
    )


def _gathered(house: House, since: date, until: date) -> LedgerExport:
    if until < since:
        raise Refused(
            "ledger.days_reversed",
            f"{until} is before {since}",
            field="until",
            fix="give the first day as --from and the last as --until",
        )
    day_before = since - timedelta(days=1)
    with house.store.read() as uow:
        entries = uow.ledger.entries(since=since, until=until)
        opening = uow.ledger.by_document(RECEIVABLE, until=day_before)
        closing = uow.ledger.by_document(RECEIVABLE, until=until)
        buyers, papers = _papers(uow, {*opening, *closing, *(entry.document for entry in entries)})
        return LedgerExport(
            seller=house.settings.seller,
            since=since,
            until=until,
            created_on=oslo_day(house.clock.now()),
            created_by=house.actor,
            software_version=version("hsecard"),
            opening=uow.ledger.balances(until=day_before),
            entries=entries,
            papers=papers,
            customers=_customers(buyers, papers, opening, closing),
        )


def _papers(uow: UnitOfWork, documents: Iterable[str]) -> tuple[dict[str, Buyer], dict[str, Paper]]:
    """Who is behind these documents: buyers as they last were, and what each document is."""
    buyers: dict[str, Buyer] = {}
    papers: dict[str, Paper] = {}
    for document in sorted(documents, key=_by_number):
        kind, _, number = document.partition("/")
        if kind == "invoice":
            invoice = uow.invoices.get(int(number))
            buyer = invoice.buyer
            papers[document] = Paper(buyer.org_number, number, kid=invoice.kid, due_on=invoice.due_on)
        elif kind == "credit_note":
            buyer = uow.credit_notes.get(int(number)).buyer
            papers[document] = Paper(buyer.org_number, number)
        else:
            continue
        buyers[buyer.org_number] = buyer
    return buyers, papers


def _by_number(document: str) -> tuple[str, int, str]:
    kind, _, number = document.partition("/")
    return kind, int(number) if number.isdigit() else 0, number


def _customers(
    buyers: dict[str, Buyer], papers: dict[str, Paper], opening: dict[str, int], closing: dict[str, int]
) -> list[Customer]:
    sums = {org_number: [0, 0] for org_number in buyers}
    for place, balances in enumerate((opening, closing)):
        for document, ore in balances.items():
            if document in papers:
                sums[papers[document].org_number][place] += ore
    return [
        Customer(org_number, buyers[org_number].name, buyers[org_number].address, opening_ore, closing_ore)
        for org_number, (opening_ore, closing_ore) in sorted(sums.items())
    ]
