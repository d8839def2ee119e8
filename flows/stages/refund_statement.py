"""The statement of a refund case: what one payer gets back, and the evidence of every line.

It is drawn with the credit note and goes with it; before that it can be looked at as it would be.
"""

from billing.documents import refund_statement_pdf
from billing.models import Invoice, RefundCase, RefundItem
from cards.money import nok
from flows.house import House
from flows.stages.documents import kept_bytes
from flows.stages.refund_money import BY_HAND
from store.database import UnitOfWork

Evidence = dict[str, dict[str, str]]  # finding → what: value


def statement_id(number: int) -> str:
    """The document that tells the evidence of a credit note."""
    return f"statement/{number}"


def evidence_document(case_id: str) -> str:
    """The document under which the evidence of a case by hand is kept."""
    return f"evidence/{case_id}"


def draw_statement(house: House, case_id: str) -> bytes:
    """The statement as PDF. The same case gives the same bytes once it is credited.

    Raises Refused `refund.unknown`, `refund.no_evidence`.
    """
    with house.store.read() as uow:
        case = uow.refunds.get(case_id)
        evidence, roads = evidence_of(uow, case), uow.refunds.roads(case_id)
    return refund_statement_pdf(case, evidence, roads)


def statement_of(house: House, case_id: str) -> bytes:
    """The statement as it was sent, or as it would be when the case is not credited yet."""
    with house.store.read() as uow:
        number = uow.refunds.get(case_id).credit_note
    kept = None if number is None else kept_bytes(house, statement_id(number))
    return draw_statement(house, case_id) if kept is None else kept


def evidence_of(uow: UnitOfWork, case: RefundCase) -> Evidence:
    """Every finding of a case with what proves it: from the audit, or from whoever proposed it by hand."""
    found = uow.postage.findings(among=[item.finding_id for item in case.items])
    evidence: Evidence = {finding.finding_id: finding.evidence for finding in found}
    for item in case.items:
        if item.finding_id.startswith(BY_HAND):
            evidence[item.finding_id] = _by_hand(uow, case, item)
    return evidence


def _by_hand(uow: UnitOfWork, case: RefundCase, item: RefundItem) -> dict[str, str]:
    document = uow.documents.get(evidence_document(case.case_id))
    told = _line(uow.invoices.get(int(item.invoice_number)), item.line)
    if document is not None:
        told["document"] = f"{document.document_id}, SHA-256 {document.sha256}"
    return told


def _line(invoice: Invoice, place: int | None) -> dict[str, str]:
    if place is None:
        return {}
    line = invoice.lines[place - 1]
    return {"invoice_line": f"{place}, {line.text}", "charged_net": nok(line.net_ore)}
