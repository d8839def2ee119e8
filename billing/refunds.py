"""A refund case: what one payer gets back, proposed by one person, approved by another, then executed once.

The approval holds for a digest over payer and amounts and falls when either changes; nobody approves their own
proposal. Every step returns a new case; the store makes the step with a compare-and-set.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from billing.models import CreditNote, Invoice, RefundCase, RefundItem, RefundState
from billing.people import person
from billing.refund_roles import RefundRole, refuse_approver, refuse_proposer
from billing.refund_vat import settled, trimmed
from cards.errors import Refused

_LATER_FIELDS = ("line", "card_kind")


def propose(
    *,
    case_id: str,
    payer_org_number: str,
    payer_name: str,
    items: Sequence[RefundItem],
    by: str,
    at: datetime,
    originals: Sequence[Invoice] = (),
    earlier_credits: Sequence[CreditNote] = (),
    roles: Iterable[RefundRole] = (),
) -> RefundCase:
    """A case of all that one payer gets back. VAT is settled to the sum per rate (see `refund_vat`).

    Given own invoices (`originals`, with the credit notes on them), nothing goes above them and what closes one takes
    its remainder. Raises Refused `refund.empty`, `refund.negative`, `refund.item_twice`, `refund.no_person`,
    `refund.may_not_propose`, `credit.above_invoice`, `credit.unknown_line`.
    """
    _refuse_bad_items(items)
    _refuse_nobody(by)
    refuse_proposer(roles, by)
    exact = trimmed(settled(items), originals, earlier_credits)
    net, vat = _totals(exact)
    if net + vat == 0:
        raise Refused("refund.empty", "the case gives nothing back", field="items", fix="propose items with an amount")
    return RefundCase(
        case_id=case_id,
        payer_org_number=payer_org_number,
        payer_name=payer_name,
        items=exact,
        net_ore=net,
        vat_ore=vat,
        gross_ore=net + vat,
        digest=case_digest(payer_org_number, exact),
        state=RefundState.PROPOSED,
        proposed_by=by,
        proposed_at=at,
    )


def case_digest(payer_org_number: str, items: Iterable[RefundItem]) -> str:
    """SHA-256 over payer and every item, in canonical JSON, whatever order the items stand in."""
    rows = sorted(map(_digested, items), key=_canonical)
    return hashlib.sha256(_canonical({"payer": payer_org_number, "items": rows}).encode()).hexdigest()


def _digested(item: RefundItem) -> dict[str, Any]:
    """An item as it is digested; fields of later days count where they say something, so that old digests hold."""
    content = item.model_dump(mode="json")
    return {name: value for name, value in content.items() if value is not None or name not in _LATER_FIELDS}


def approve(case: RefundCase, *, by: str, at: datetime, roles: Iterable[RefundRole] = ()) -> RefundCase:
    """Approve payer and amounts as they stand, within the approver's limit.

    Raises Refused `refund.wrong_state`, `refund.changed` (the digest is not that of the items), `refund.same_person`,
    `refund.above_limit`, `refund.no_person`.
    """
    _refuse_state(case, RefundState.PROPOSED)
    _refuse_nobody(by)
    refuse_changed(case)
    if person(by) == person(case.proposed_by):
        raise Refused(
            "refund.same_person",
            f"{by} proposed case {case.case_id} and cannot approve it",
            field="by",
            fix="ask a second person of finance to approve it",
        )
    refuse_approver(roles, by, case.gross_ore)
    return case.model_copy(update={"state": RefundState.APPROVED, "approved_by": by, "approved_at": at})


def start(case: RefundCase) -> RefundCase:
    """Begin to execute an approved case. Raises Refused `refund.wrong_state`, `refund.changed`."""
    _refuse_state(case, RefundState.APPROVED)
    refuse_changed(case)
    return case.model_copy(update={"state": RefundState.EXECUTING})


def confirm(case: RefundCase, credit_note: int) -> RefundCase:
    """All money of the case is given back under this credit note. Raises Refused `refund.wrong_state`."""
    _refuse_state(case, RefundState.EXECUTING)
    return case.model_copy(update={"state": RefundState.CONFIRMED, "credit_note": credit_note})


def reject(case: RefundCase, *, by: str, at: datetime) -> RefundCase:
    """Turn a case down before it is executed; anyone may, also who proposed it. Raises Refused `refund.wrong_state`."""
    _refuse_state(case, RefundState.PROPOSED, RefundState.APPROVED)
    _refuse_nobody(by)
    return case.model_copy(update={"state": RefundState.REJECTED, "rejected_by": by, "rejected_at": at})


def refuse_changed(case: RefundCase) -> None:
    """Refuse a case whose payer, items or totals are not those its digest was made over (`refund.changed`)."""
    net, vat = _totals(case.items)
    totals_agree = (net, vat, net + vat) == (case.net_ore, case.vat_ore, case.gross_ore)
    if not totals_agree or case_digest(case.payer_org_number, case.items) != case.digest:
        raise Refused(
            "refund.changed",
            f"payer or amounts of case {case.case_id} changed after it was proposed",
            field="digest",
            fix="reject the case and propose it again",
        )


def _totals(items: Iterable[RefundItem]) -> tuple[int, int]:
    rows = list(items)
    return sum(item.net_ore for item in rows), sum(item.vat_ore for item in rows)


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _refuse_nobody(by: str) -> None:
    if not person(by):
        raise Refused("refund.no_person", "nobody is named", field="by", fix="say who does this")


def _refuse_state(case: RefundCase, *allowed: RefundState) -> None:
    if case.state not in allowed:
        raise Refused(
            "refund.wrong_state",
            f"case {case.case_id} is {case.state}, not {' or '.join(allowed)}",
            field="state",
            fix="look at the case with `hsecard refunds show`; each step is taken once, in order",
        )


def _refuse_bad_items(items: Sequence[RefundItem]) -> None:
    if not items:
        raise Refused("refund.empty", "the case has no items", field="items", fix="propose at least one finding")
    for place, item in enumerate(items):
        if item.net_ore < 0 or item.vat_ore < 0 or not 0 <= item.vat_percent <= 100:
            raise Refused(
                "refund.negative",
                f"finding {item.finding_id} has an amount or a rate that cannot be given back",
                field=f"items[{place}]",
                fix="what was charged too little is a new invoice, never a negative refund",
            )
    if len({item.finding_id for item in items}) != len(items):
        raise Refused(
            "refund.item_twice",
            "a finding stands in the case twice",
            field="items",
            fix="propose each finding once",
        )
