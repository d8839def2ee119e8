"""Double entry from the documents: every posting sums to zero and repeats nothing that a document does not say.

Account numbers follow the Norwegian standard chart (NS 4102), with a sub-account a card kind, since kinds are an open
list. A posting has one name for ever (`invoice:17`), so that the database can refuse it a second time; `document`
is the id under which the document is kept (`invoice/17`).
"""

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

from billing.models import CreditNote, Invoice, InvoiceLine, LedgerEntry, LineKind, Refund, VatLine
from billing.reconcile_stripe import Movement, MovementKind
from cards.errors import Refused

PRODUCTION_STOCK = "1440"  # finished cards and what went into them
RECEIVABLE = "1500"
CLEARING = "1570"  # ours, and still with the payment service: paid in there, less fees, refunds and payouts
BANK = "1920"
VAT_OUTPUT = "2700"
UNALLOCATED = "2900"  # paid in, and on no invoice of ours
REFUNDS_PAYABLE = "2990"  # credited and not yet given back
COST_OF_FREE_REPLACEMENTS = "4390"
PAYMENT_FEES = "7770"
CLEARING_OPENED = "clearing:opening"
_SALES_TAXABLE = "3000"
_SALES_OUTSIDE = "3100"


class _Side(NamedTuple):
    account: str
    amount_ore: int
    text: str
    vat_code: str | None = None
    document: str | None = None  # where it is not that of the posting


def revenue_account(kind: str, vat_percent: int) -> str:
    """The sales account of a card kind (`3000.cleaning`); `3100.…` for what is delivered outside the VAT area."""
    return f"{_SALES_TAXABLE if vat_percent else _SALES_OUTSIDE}.{kind}"


def postage_account(vat_percent: int) -> str:
    """The account of postage charged on."""
    return revenue_account("postage", vat_percent)


def entries_of_invoice(invoice: Invoice) -> tuple[LedgerEntry, ...]:
    """Receivable against revenue per kind, postage and output VAT. Booked on the day of issue."""
    codes = _codes(invoice.vat)
    revenue: dict[tuple[str, str], int] = {}
    for line in invoice.lines:
        row = (_account_of(line), codes[line.vat_category, line.vat_percent])
        revenue[row] = revenue.get(row, 0) + line.net_ore
    sides = [_Side(RECEIVABLE, invoice.gross_ore, "receivable")]
    sides += [_Side(account, -net, "sale", code) for (account, code), net in sorted(revenue.items())]
    sides += [_Side(VAT_OUTPUT, -line.vat_ore, "output VAT", line.saft_code) for line in invoice.vat]
    document = f"invoice/{invoice.number}"
    return _posting(f"invoice:{invoice.number}", sides, booked_on=invoice.issued_on, document=document)


def entries_of_credit_note(note: CreditNote) -> tuple[LedgerEntry, ...]:
    """Revenue and output VAT back against what is owed to the payer; VAT in the term of issue (§ 15-9)."""
    codes = _codes(note.vat)
    revenue: dict[tuple[str, str], int] = {}
    for line in note.lines:
        row = revenue_account(line.card_kind or "postage", line.vat_percent), codes[line.vat_category, line.vat_percent]
        revenue[row] = revenue.get(row, 0) + line.net_ore
    sides = [_Side(account, net, "credited", code) for (account, code), net in sorted(revenue.items())]
    sides += [_Side(VAT_OUTPUT, line.vat_ore, "output VAT credited", line.saft_code) for line in note.vat]
    sides += [_Side(REFUNDS_PAYABLE, -note.gross_ore, "owed to the payer")]
    document = f"credit_note/{note.number}"
    return _posting(f"credit_note:{note.number}", sides, booked_on=note.issued_on, document=document)


def entries_of_refund(refund: Refund, *, booked_on: date, document: str) -> tuple[LedgerEntry, ...]:
    """What was owed to the payer leaves the payment service. `document` names the credit note it settles."""
    sides = [
        _Side(REFUNDS_PAYABLE, refund.amount_ore, f"given back by {refund.reference}"),
        _Side(CLEARING, -refund.amount_ore, f"given back by {refund.reference}"),
    ]
    return _posting(f"refund:{refund.key}", sides, booked_on=booked_on, document=document)


def entries_of_returned_refund(refund: Refund, *, booked_on: date, document: str) -> tuple[LedgerEntry, ...]:
    """A refund that came back: the money is with the payment service again, and owed to the payer again."""
    sides = [
        _Side(CLEARING, refund.amount_ore, f"{refund.reference} came back"),
        _Side(REFUNDS_PAYABLE, -refund.amount_ore, f"{refund.reference} came back"),
    ]
    return _posting(f"refund_failed:{refund.reference}", sides, booked_on=booked_on, document=document)


def entries_of_bank_refund(key: str, *, amount_ore: int, booked_on: date, document: str) -> tuple[LedgerEntry, ...]:
    """What could not go back over the payment `key` was for, and a person sent from the bank."""
    sides = [
        _Side(REFUNDS_PAYABLE, amount_ore, "given back from the bank"),
        _Side(BANK, -amount_ore, "given back from the bank"),
    ]
    return _posting(f"refund_bank:{key}", sides, booked_on=booked_on, document=document)


def entries_of_movement(movement: Movement, *, booked_on: date) -> tuple[LedgerEntry, ...]:
    """What only the payment service knows of: its fees, and what it paid out to our bank. Nothing in other currencies.

    Payments and refunds are booked where they are decided or told; other movements are for a person.
    """
    if movement.currency != "nok":
        return ()
    document = f"stripe/{movement.transaction}"
    of_fee = movement.fee_ore - (movement.amount_ore if movement.kind is MovementKind.FEE else 0)
    fee = [_Side(PAYMENT_FEES, of_fee, "fee"), _Side(CLEARING, -of_fee, "fee")]
    entries = _posting(f"stripe_fee:{movement.transaction}", fee, booked_on=booked_on, document=document)
    if movement.kind is MovementKind.PAYOUT:
        out = [
            _Side(BANK, -movement.amount_ore, f"paid out by {movement.source}"),
            _Side(CLEARING, movement.amount_ore, f"paid out by {movement.source}"),
        ]
        name = f"stripe_payout:{movement.transaction}"
        entries += _posting(name, out, booked_on=booked_on, document=document)
    return entries


def entries_of_clearing_opening(amount_ore: int, *, booked_on: date) -> tuple[LedgerEntry, ...]:
    """What was booked on the bank while it lay with the payment service, before it had an account of its own."""
    sides = [_Side(CLEARING, amount_ore, "opened"), _Side(BANK, -amount_ore, "opened")]
    return _posting(CLEARING_OPENED, sides, booked_on=booked_on, document="clearing/opening")


def entries_of_payout(case_id: str, *, amount_ore: int, booked_on: date, document: str) -> tuple[LedgerEntry, ...]:
    """What was owed to the payer was paid by bank, by hand. `document` names the credit note it settles."""
    sides = [_Side(REFUNDS_PAYABLE, amount_ore, "paid out"), _Side(BANK, -amount_ore, "paid out")]
    return _posting(f"payout:{case_id}", sides, booked_on=booked_on, document=document)


def entries_of_set_off(note: CreditNote, *, amount_ore: int, invoice: int, booked_on: date) -> tuple[LedgerEntry, ...]:
    """What was credited lowers what the payer owes on an invoice.

    Raises Refused `ledger.above_document` when that is more than the credit note gives.
    """
    if not 0 <= amount_ore <= note.gross_ore:
        raise Refused(
            "ledger.above_document",
            f"{amount_ore} øre set off, credit note {note.number} gives {note.gross_ore} øre",
            field="amount_ore",
            fix="set off what the credit note gives, less what was refunded",
        )
    sides = [
        _Side(REFUNDS_PAYABLE, amount_ore, f"set off against invoice {invoice}"),
        _Side(RECEIVABLE, -amount_ore, f"set off by credit note {note.number}", document=f"invoice/{invoice}"),
    ]
    document = f"credit_note/{note.number}"
    return _posting(f"set_off:{note.number}:{invoice}", sides, booked_on=booked_on, document=document)


def entries_of_payment(
    payment: str, *, amount_ore: int, booked_on: date, document: str, unallocated_ore: int = 0, into: str = BANK
) -> tuple[LedgerEntry, ...]:
    """Money received on an invoice (`document`) lowers what the payer owes; `unallocated_ore` of it is on none.

    `into` is the account that it came in on: the bank, or the payment service's.
    """
    sides = [
        _Side(into, amount_ore, "paid"),
        _Side(RECEIVABLE, unallocated_ore - amount_ore, "paid"),
        _Side(UNALLOCATED, -unallocated_ore, "paid, on no invoice"),
    ]
    return _posting(f"payment:{payment}", sides, booked_on=booked_on, document=document)


def entries_of_replacement(card_id: str, *, kind: str, cost_ore: int, booked_on: date) -> tuple[LedgerEntry, ...]:
    """What a free replacement cost us. No sale and no VAT: it makes good a defective one (mval. § 1-3, § 3-21)."""
    sides = [
        _Side(COST_OF_FREE_REPLACEMENTS, cost_ore, f"free replacement, {kind}"),
        _Side(PRODUCTION_STOCK, -cost_ore, f"free replacement, {kind}"),
    ]
    return _posting(f"replacement:{card_id}", sides, booked_on=booked_on, document=f"card/{card_id}")


def balanced(entries: Iterable[LedgerEntry]) -> bool:
    """True when every posting among the entries sums to zero and none of its positions stands twice."""
    sums: dict[str, int] = {}
    seen: set[tuple[str, int]] = set()
    for entry in entries:
        if (entry.posting, entry.position) in seen:
            return False
        seen.add((entry.posting, entry.position))
        sums[entry.posting] = sums.get(entry.posting, 0) + entry.amount_ore
    return not any(sums.values())


def _codes(vat: Iterable[VatLine]) -> dict[tuple[str, int], str]:
    return {(line.category, line.percent): line.saft_code for line in vat}


def _account_of(line: InvoiceLine) -> str:
    if line.kind is LineKind.CARD and line.card_kind:
        return revenue_account(line.card_kind, line.vat_percent)
    return postage_account(line.vat_percent)


def _posting(name: str, sides: Iterable[_Side], *, booked_on: date, document: str) -> tuple[LedgerEntry, ...]:
    """Entries numbered from 1; sides of nothing are left out."""
    real = [side for side in sides if side.amount_ore]
    entries = tuple(
        LedgerEntry(
            posting=name,
            position=position,
            booked_on=booked_on,
            account=side.account,
            amount_ore=side.amount_ore,
            document=side.document or document,
            vat_code=side.vat_code,
            text=side.text,
        )
        for position, side in enumerate(real, start=1)
    )
    if not balanced(entries):
        raise Refused(
            "ledger.unbalanced",
            f"posting {name} does not sum to zero",
            field="lines",
            fix="the document's own sums disagree: do not book it, keep it and report it",
        )
    return entries
