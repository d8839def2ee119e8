"""Refunds for a reason that no audit finds: a wrong price, goodwill. Proposed by hand with evidence, then as any other.

The finding's id is made of what is proposed, so that the same proposal made twice is one.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from billing.models import CreditNote, Invoice, InvoiceLine, LineKind, RefundCase, RefundItem
from billing.refunds import propose
from cards.errors import Refused
from cards.money import share_ore, vat_ore
from flows.house import House
from flows.stages.documents import shelf
from flows.stages.refund_money import BY_HAND
from flows.stages.refund_statement import evidence_document

WHY_MAX = 200
EVIDENCE_MAX = 10_000_000  # bytes
_CREDIT_OF = ("credit_note/", "kreditnota", "credit")


def propose_by_hand(
    house: House, *, invoice: str, lines: Sequence[int], net_ore: int, why: str, evidence: tuple[bytes, str], by: str
) -> RefundCase:
    """Propose to give `net_ore` of an invoice back, on these of its lines (or all), VAT by each line's rate.

    `evidence` is a file's bytes and suffix. What goes on several lines is shared by what is left of them.

    Raises Refused `credit.of_credit`, `invoice.unknown`, `refund.unknown_line`, `refund.no_reason`,
    `refund.no_evidence`, `refund.finding_taken` (proposed before), `credit.above_invoice`, and what `propose` raises.
    """
    number, why = _number(invoice), _reason(why)
    data, suffix = _evidence(evidence)
    mark = _mark(number, lines, net_ore, why, data)
    paper = shelf(house, document_id=f"evidence/{mark}", subject=f"invoice/{number}", data=data, suffix=suffix)
    with house.store.begin() as uow:
        original, credits_ = uow.invoices.get(number), uow.credit_notes.on_invoices([number])
        parts = _parts(original, lines, net_ore, credits_)
        case = propose(
            case_id=f"R-{uow.series.next('refund_case'):06d}",
            payer_org_number=original.buyer.org_number,
            payer_name=original.buyer.name,
            items=[_item(original, place, ore, why=why, mark=mark) for place, ore in parts],
            by=by,
            at=house.clock.now(),
            originals=[original],
            earlier_credits=credits_,
            roles=uow.refund_roles.all(),
        )
        uow.refunds.add(case)
        kept = replace(paper, document_id=evidence_document(case.case_id), subject=f"refund/{case.case_id}")
        uow.documents.add(**vars(kept))
    return case


def _number(invoice: str) -> int:
    """`7` or `invoice/7`."""
    text = invoice.strip().lower()
    if text.startswith(_CREDIT_OF):
        raise Refused(
            "credit.of_credit",
            f"{invoice} is a credit note, and a credit is never credited",
            field="invoice",
            fix="was too much credited, charge it by a new invoice",
        )
    digits = text.removeprefix("invoice/")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 15:
        raise Refused(
            "invoice.unknown",
            f"{invoice!r} names no invoice of ours",
            field="invoice",
            fix="see `hsecard invoices list`",
        )
    return int(digits)


def _reason(why: str) -> str:
    text = " ".join(why.split())
    if not text or len(text) > WHY_MAX:
        raise Refused(
            "refund.no_reason",
            f"the reason has {len(text)} letters, it stands on the credit note",
            field="why",
            fix=f"say in 1 to {WHY_MAX} letters why this goes back",
        )
    return text


def _evidence(evidence: tuple[bytes, str]) -> tuple[bytes, str]:
    data, suffix = evidence
    if not data or len(data) > EVIDENCE_MAX:
        raise Refused(
            "refund.no_evidence",
            f"the evidence has {len(data)} bytes",
            field="evidence",
            fix=f"give a file that is not empty and has at most {EVIDENCE_MAX // 1_000_000} MB",
        )
    plain = suffix.removeprefix(".").lower()
    return data, plain if plain.isascii() and plain.isalnum() and len(plain) <= 8 else "bin"


def _mark(number: int, lines: Sequence[int], net_ore: int, why: str, data: bytes) -> str:
    told = f"{number}|{sorted(lines)}|{net_ore}|{why}|{hashlib.sha256(data).hexdigest()}"
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _parts(
    original: Invoice, lines: Sequence[int], net_ore: int, earlier: Sequence[CreditNote]
) -> list[tuple[int, int]]:
    """(line, net øre) of what goes back, shared by what is left of each line."""
    chosen = sorted(set(lines)) or list(range(1, len(original.lines) + 1))
    unknown = [place for place in chosen if not 0 < place <= len(original.lines)]
    if unknown:
        raise Refused(
            "refund.unknown_line",
            f"invoice {original.number} has lines 1 to {len(original.lines)}, and no line {unknown[0]}",
            field="line",
            fix="count the lines as the invoice numbers them",
        )
    left = [max(0, original.lines[place - 1].net_ore - _credited(original, place, earlier)) for place in chosen]
    if not 0 < net_ore <= sum(left):
        raise Refused(
            "credit.above_invoice",
            f"{net_ore} øre net were asked for, {sum(left)} øre are left on these lines of invoice {original.number}",
            field="net_ore",
            fix="propose an amount above nothing and up to what is left",
        )
    return [(place, ore) for place, ore in zip(chosen, share_ore(net_ore, left), strict=True) if ore]


def _credited(original: Invoice, place: int, earlier: Sequence[CreditNote]) -> int:
    lines = (line for note in earlier for line in note.lines)
    return sum(line.net_ore for line in lines if (line.invoice_number, line.line) == (str(original.number), place))


def _item(original: Invoice, place: int, net_ore: int, *, why: str, mark: str) -> RefundItem:
    line: InvoiceLine = original.lines[place - 1]
    return RefundItem(
        finding_id=f"{BY_HAND}{original.number}/{place}/{mark}",
        invoice_number=str(original.number),
        payment=None,
        text=why,
        net_ore=net_ore,
        vat_ore=vat_ore(net_ore, line.vat_percent),
        vat_percent=line.vat_percent,
        vat_category=line.vat_category,
        line=place,
        card_kind=line.card_kind if line.kind is LineKind.CARD else None,
    )
