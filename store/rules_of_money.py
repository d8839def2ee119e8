"""What must hold of money: numbers without gaps, documents that add up, a ledger that says what the documents say."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import groupby

from sqlalchemy import ColumnElement, Table, func, or_, select

from billing.ledger import RECEIVABLE, REFUNDS_PAYABLE, VAT_OUTPUT
from billing.models import CreditNote, Invoice, RefundState
from billing.refund_roads import Road
from billing.refunds import case_digest
from store.database import UnitOfWork
from store.ledger_tables import ledger_locks
from store.ports import Blobs
from store.rule import Rule
from store.rules_of_cards import rows
from store.tables import (
    cards,
    credit_notes,
    invoice_lines,
    invoices,
    ledger_entries,
    postage_charges,
    postage_findings,
    refund_cases,
    refund_items,
)

_AT_ONCE = 1000  # documents in memory: PostgreSQL would hand over all of them
_EXECUTED = (RefundState.EXECUTING, RefundState.CONFIRMED)


# --- numbers ---------------------------------------------------------------------------------------------------


def _gaps(uow: UnitOfWork, table: Table) -> Iterator[str]:
    expected = 1
    for (number,) in rows(uow, select(table.c.number).order_by(table.c.number)):
        if number != expected:
            yield f"{expected} … {number - 1} missing" if number > expected else f"{number} out of the series"
        expected = number + 1


def _invoice_gaps(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    yield from _gaps(uow, invoices)


def _credit_note_gaps(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    yield from _gaps(uow, credit_notes)


# --- invoices --------------------------------------------------------------------------------------------------


def _invoiced_twice(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    line = invoice_lines.c
    for key in ((line.card_id,), (line.shipment_id, line.order_number)):
        query = select(*key, func.min(line.number), func.max(line.number)).where(key[0].is_not(None)).group_by(*key)
        for row in rows(uow, query.having(func.count() > 1).order_by(*key)):
            yield f"{' of '.join(row[: len(key)])} (invoices {row[-2]} and {row[-1]})"


def _free_card_invoiced(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    query = select(cards.c.card_id, invoice_lines.c.number).join(cards, cards.c.card_id == invoice_lines.c.card_id)
    for card_id, number in rows(uow, query.where(cards.c.replaces.is_not(None)).order_by(cards.c.card_id)):
        yield f"{card_id} (invoice {number})"


def _invoices_that_do_not_add_up(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    sums = select(invoice_lines.c.number, func.count(), func.sum(invoice_lines.c.net_ore))
    lines = {number: (count, int(net)) for number, count, net in rows(uow, sums.group_by(invoice_lines.c.number))}
    whole = select(invoices).order_by(invoices.c.number).execution_options(yield_per=_AT_ONCE)
    for row in uow.connection.execute(whole):
        invoice = Invoice.model_validate(row.content)
        kept = (row.number, row.net_ore, row.vat_ore, row.gross_ore)
        said = (invoice.number, invoice.net_ore, invoice.vat_ore, invoice.gross_ore)
        if kept != said or not _adds_up(invoice) or lines.get(row.number) != (len(invoice.lines), invoice.net_ore):
            yield str(row.number)


def _adds_up(paper: Invoice | CreditNote) -> bool:
    nets = {sum(line.net_ore for line in paper.lines), sum(line.net_ore for line in paper.vat), paper.net_ore}
    vat = sum(line.vat_ore for line in paper.vat)
    return len(nets) == 1 and vat == paper.vat_ore and paper.gross_ore == paper.net_ore + paper.vat_ore


def _credit_notes_that_do_not_add_up(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    for row in uow.connection.execute(select(credit_notes).order_by(credit_notes.c.number)):
        note = CreditNote.model_validate(row.content)
        kept = (row.number, row.case_id, row.net_ore, row.vat_ore, row.gross_ore)
        if kept != (note.number, note.case_id, note.net_ore, note.vat_ore, note.gross_ore) or not _adds_up(note):
            yield str(row.number)


def _credited_above_invoice(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    """Lines about charges of before this system name invoices that are not ours: those are left out."""
    earlier = select(postage_findings.c.finding_id).join(
        postage_charges, postage_charges.c.charge_id == postage_findings.c.charge_id
    )
    foreign = set(uow.connection.scalars(earlier.where(postage_charges.c.origin != "own")))
    credited: dict[str, int] = defaultdict(int)
    for note in uow.credit_notes.all():
        for line in note.lines:
            credited[line.invoice_number] += 0 if line.finding_id in foreign else line.net_ore
    for number, net_ore in rows(uow, select(invoices.c.number, invoices.c.net_ore).order_by(invoices.c.number)):
        if credited[str(number)] > net_ore:
            yield f"{number} (net {net_ore} øre, credited {credited[str(number)]} øre)"


# --- the ledger ------------------------------------------------------------------------------------------------


def _unbalanced(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    total = func.sum(ledger_entries.c.amount_ore)
    query = select(ledger_entries.c.posting, total).group_by(ledger_entries.c.posting).having(total != 0)
    for posting, amount in rows(uow, query.order_by(ledger_entries.c.posting)):
        yield f"{posting} (off by {amount} øre)"


def _expected_postings(uow: UnitOfWork) -> dict[str, dict[str, int]]:
    expected = {}
    for row in rows(uow, select(invoices.c.number, invoices.c.gross_ore, invoices.c.vat_ore)):
        expected[f"invoice:{row.number}"] = {RECEIVABLE: row.gross_ore, VAT_OUTPUT: -row.vat_ore}
    for row in rows(uow, select(credit_notes.c.number, credit_notes.c.gross_ore, credit_notes.c.vat_ore)):
        expected[f"credit_note:{row.number}"] = {REFUNDS_PAYABLE: -row.gross_ore, VAT_OUTPUT: row.vat_ore}
    return expected


def _ledger_is_not_documents(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    entry = ledger_entries.c
    papers = or_(entry.posting.like("invoice:%"), entry.posting.like("credit_note:%"))
    query = select(entry.posting, entry.account, func.sum(entry.amount_ore)).where(papers)
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for posting, account, amount in rows(uow, query.group_by(entry.posting, entry.account)):
        found[posting][account] = int(amount)
    expected = _expected_postings(uow)
    for posting in sorted(found.keys() | expected.keys()):
        said = expected.get(posting)
        if said is None or any(found[posting].get(account, 0) != amount for account, amount in said.items()):
            yield f"{posting} (no such document)" if said is None else posting


def _booked_into_locked_months(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    """Entered after the month of its booking day was locked, or with a day of its own that is not before that one."""
    entry, lock = ledger_entries.c, ledger_locks.c
    other = ledger_locks.alias()
    covering = select(func.min(other.c.until)).where(other.c.until >= entry.booked_on)
    joined = ledger_entries.outerjoin(ledger_locks, lock.until == covering.correlate(ledger_entries).scalar_subquery())
    query = select(entry.posting, entry.booked_on).select_from(joined)
    broken = query.where(or_(entry.entered_at > lock.locked_at, entry.dated_on >= entry.booked_on))
    for posting, day in rows(uow, broken.distinct().order_by(entry.posting)):
        yield f"{posting} (booked on {day})"


def _bank_payments_unbooked(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    yield from uow.bank.unbooked()


# --- refunds ---------------------------------------------------------------------------------------------------


def _cases_changed(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    for case in uow.refunds.all():
        net, vat = sum(item.net_ore for item in case.items), sum(item.vat_ore for item in case.items)
        sums = (case.net_ore, case.vat_ore, case.gross_ore)
        if sums != (net, vat, net + vat) or case.digest != case_digest(case.payer_org_number, case.items):
            yield case.case_id


def _one_person_cases(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    case = refund_cases.c
    alone = or_(case.approved_by == case.proposed_by, case.approver == case.proposer)
    unapproved = case.state.in_((RefundState.APPROVED, *_EXECUTED)) & case.approved_by.is_(None)
    query = select(case.case_id, case.proposed_by).where(or_(alone, unapproved)).order_by(case.case_id)
    for case_id, by in rows(uow, query):
        yield f"{case_id} ({by})"


def _refunded_twice(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    live = select(refund_items.c.finding_id, refund_items.c.case_id).where(refund_items.c.live)
    found = rows(uow, live.order_by(refund_items.c.finding_id, refund_items.c.case_id))
    for finding_id, of_finding in groupby(found, key=lambda row: row.finding_id):
        case_ids = [row.case_id for row in of_finding]
        if len(case_ids) > 1:
            yield f"{finding_id} ({', '.join(case_ids)})"


def _uncredited_cases(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    case, note = refund_cases.c, credit_notes.c
    executed = (
        select(case.case_id)
        .outerjoin(credit_notes, _same_amounts() & (note.number == case.credit_note))
        .where(case.state.in_(_EXECUTED), note.number.is_(None))
    )
    for row in rows(uow, executed.order_by(case.case_id)):
        yield row.case_id
    credited = (
        select(note.number)
        .outerjoin(refund_cases, _same_amounts() & case.state.in_(_EXECUTED))
        .where(case.case_id.is_(None))
    )
    for row in rows(uow, credited.order_by(note.number)):
        yield f"credit note {row.number}"


_ACTS_OF = {
    RefundState.PROPOSED: ({"proposed"},),
    RefundState.APPROVED: ({"proposed", "approved"},),
    RefundState.REJECTED: ({"proposed", "rejected"}, {"proposed", "approved", "rejected"}),
    RefundState.EXECUTING: ({"proposed", "approved", "executed"},),
    RefundState.CONFIRMED: ({"proposed", "approved", "executed"},),
}


def _steps_without_acts(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    for case in uow.refunds.all():
        acts = uow.refunds.acts(case.case_id)
        if {act.act for act in acts} not in _ACTS_OF[case.state] or len({act.digest for act in acts}) != 1:
            yield f"{case.case_id} ({case.state}: {', '.join(act.act for act in acts) or 'no act'})"


def _money_without_road(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    """What is planned is the case's gross; what is set off or paid out by plan is what the ledger has."""
    set_off = uow.ledger.by_document(REFUNDS_PAYABLE, kind="set_off")
    paid_out = uow.ledger.by_document(REFUNDS_PAYABLE, kind="payout")
    for case in uow.refunds.all():
        note = f"credit_note/{case.credit_note}"
        planned = dict.fromkeys(Road, 0)
        for road in uow.refunds.roads(case.case_id):
            planned[road.road] += road.amount_ore
        told = sum(payout.amount_ore for payout in uow.refunds.payouts(case.case_id) if payout.reference)
        due = case.gross_ore if case.state in _EXECUTED else 0
        booked = (set_off.get(note, 0), paid_out.get(note, 0)) if due else (0, 0)
        if sum(planned.values()) != due or booked != (planned[Road.SET_OFF], told):
            yield f"{case.case_id} (planned {sum(planned.values())} of {due} øre)"


def _same_amounts() -> ColumnElement[bool]:
    case, note = refund_cases.c, credit_notes.c
    return (note.case_id == case.case_id) & (note.net_ore == case.net_ore) & (note.gross_ore == case.gross_ore)


RULES = (
    Rule("number.invoices", "invoice numbers run from 1 without a gap", _invoice_gaps),
    Rule("number.credit_notes", "credit note numbers run from 1 without a gap", _credit_note_gaps),
    Rule("invoice.one_line", "a card, and an order's share of a letter, stand on at most one invoice", _invoiced_twice),
    Rule("invoice.free_card", "a free replacement stands on no invoice", _free_card_invoiced),
    Rule(
        "invoice.adds_up", "an invoice is the sum of its lines, and what was kept of it", _invoices_that_do_not_add_up
    ),
    Rule("credit.adds_up", "a credit note is the sum of its lines", _credit_notes_that_do_not_add_up),
    Rule("credit.within_invoice", "no invoice of ours is credited above its net", _credited_above_invoice),
    Rule("ledger.balanced", "every posting sums to zero, and so does the ledger", _unbalanced),
    Rule(
        "ledger.documents", "receivable, VAT and refunds payable are what the documents say", _ledger_is_not_documents
    ),
    Rule("ledger.locked", "a locked month takes no posting", _booked_into_locked_months),
    Rule("bank.booked", "the ledger has what the bank says was paid in", _bank_payments_unbooked),
    Rule("refund.unchanged", "a case is the sum of its items, as they were approved", _cases_changed),
    Rule("refund.two_people", "who approves a refund did not propose it", _one_person_cases),
    Rule("refund.finding_once", "a finding stands in at most one live case", _refunded_twice),
    Rule("refund.acts", "every step of a case is the act of somebody, for the same digest", _steps_without_acts),
    Rule("refund.roads", "every øre of a credited case has its road, and the ledger follows it", _money_without_road),
    Rule("refund.credited", "an executed case has a credit note over its amounts, and no other has", _uncredited_cases),
)
