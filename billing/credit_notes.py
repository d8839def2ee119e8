"""The credit note: the only way an issued invoice is corrected. Own unbroken series, positive amounts, named originals.

It says what an approved refund case says, line by line with the invoice each amount stood on (bokføringsforskriften
§ 5-2-8); its VAT falls in the term in which it is issued (mval. § 15-9).
"""

from collections.abc import Sequence
from datetime import date

from billing.invoices import refuse_unnamed_parties
from billing.models import Buyer, CreditLine, CreditNote, Invoice, RefundCase, RefundItem, RefundState, Seller
from billing.refund_vat import sums_by_group, trimmed
from billing.refunds import refuse_changed
from billing.vat import stated_vat_lines
from cards.errors import Refused

_CREDITABLE = (RefundState.APPROVED, RefundState.EXECUTING)


def issue_credit_note(
    *,
    number: int,
    issued_on: date,
    case: RefundCase,
    seller: Seller,
    buyer: Buyer,
    original: Invoice | None = None,
    other_originals: Sequence[Invoice] = (),
    earlier_credits: Sequence[CreditNote] = (),
) -> CreditNote:
    """The credit note of an approved case; one line an item.

    Given own invoices, net, VAT and gross never go above them, counting `earlier_credits`, and the credit that closes
    an invoice takes its remainder. Should that differ from what was approved (another note came between), the case is
    refused rather than changed. Raises Refused `credit.not_approved`, `credit.other_payer`, `credit.above_invoice`,
    `credit.unknown_line`, `credit.remainder`, `refund.changed`, `invoice.incomplete`, `tax.unknown_rate`.
    """
    _refuse_unfit(number, case, seller, buyer)
    originals = ((original,) if original else ()) + tuple(other_originals)
    _refuse_remainder(case, trimmed(case.items, originals, earlier_credits))
    return CreditNote(
        number=number,
        issued_on=issued_on,
        case_id=case.case_id,
        seller=seller,
        buyer=buyer,
        lines=tuple(map(_line, case.items)),
        vat=stated_vat_lines(sums_by_group(case.items), issued_on),
        net_ore=case.net_ore,
        vat_ore=case.vat_ore,
        gross_ore=case.gross_ore,
    )


def _line(item: RefundItem) -> CreditLine:
    return CreditLine(
        text=item.text,
        invoice_number=item.invoice_number,
        net_ore=item.net_ore,
        vat_ore=item.vat_ore,
        vat_percent=item.vat_percent,
        vat_category=item.vat_category,
        finding_id=item.finding_id,
        line=item.line,
        card_kind=item.card_kind,
    )


def _refuse_unfit(number: int, case: RefundCase, seller: Seller, buyer: Buyer) -> None:
    if number < 1:
        raise Refused("invoice.incomplete", "has no number", field="number", fix="take the number from the series")
    if case.state not in _CREDITABLE or not case.approved_by:
        raise Refused(
            "credit.not_approved",
            f"case {case.case_id} is {case.state}",
            field="state",
            fix="let a second person approve the case first",
        )
    refuse_changed(case)
    refuse_unnamed_parties(seller, buyer)
    if buyer.org_number != case.payer_org_number:
        raise Refused(
            "credit.other_payer",
            f"the case belongs to {case.payer_org_number}, the buyer is {buyer.org_number}",
            field="buyer.org_number",
            fix="issue the credit note to the business that paid",
        )


def _refuse_remainder(case: RefundCase, exact: tuple[RefundItem, ...]) -> None:
    if exact != case.items:
        raise Refused(
            "credit.remainder",
            f"what is left of the invoice is not, to the øre, what case {case.case_id} was approved for",
            field="vat_ore",
            fix="reject the case and propose it again, so that the exact amount is approved",
        )
