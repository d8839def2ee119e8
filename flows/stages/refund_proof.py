"""The proof that refunds equal errors: what was found wrong, payer by payer, beside where each øre of it is now.

What is owed comes from the findings and from what finance proposed by hand, what was given back from the ledger alone,
what waits from the cases: books that nobody copies from one another, so a difference is a fault. VAT on the sum of a
case differs by an øre or two from that of its findings one by one; that is told as rounding, not as a difference.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from billing.ledger import BANK, CLEARING, REFUNDS_PAYABLE
from billing.models import RefundCase, RefundItem, RefundState
from flows.house import House
from flows.stages.refund_money import BY_HAND
from shipping.models import PostageFinding
from store.database import UnitOfWork

# Over a payment (less what came back), from the bank before Stripe had an account of its own, by hand after a failure.
_REFUNDED = ((CLEARING, None), (BANK, "refund"), (BANK, "refund_bank"))
_LAST_ORE = 2  # what closes an invoice takes what is left of its VAT


@dataclass(frozen=True, slots=True)
class PayerProof:
    """Gross øre of one payer: what was charged wrongly, and where it stands."""

    org_number: str
    name: str
    found_ore: int
    by_hand_ore: int  # proposed for a reason outside the audit
    rounding_ore: int  # VAT on the sum, above or below that of the findings one by one
    unproposed_ore: int  # in no case yet
    proposed_ore: int  # waits for a second person
    approved_ore: int  # waits for its credit note
    under_way_ore: int  # credited, and not yet given back
    to_pay_out_ore: int  # credited, and to be paid by bank
    refunded_ore: int
    paid_out_ore: int
    set_off_ore: int

    @property
    def owed_ore(self) -> int:
        """All that is to go back, or has."""
        return self.found_ore + self.by_hand_ore + self.rounding_ore

    @property
    def waiting_ore(self) -> int:
        """In no case, or in one without its credit note."""
        return self.unproposed_ore + self.proposed_ore + self.approved_ore

    @property
    def given_back_ore(self) -> int:
        """Refunded, paid out or set off."""
        return self.refunded_ore + self.paid_out_ore + self.set_off_ore

    @property
    def difference_ore(self) -> int:
        """Nothing, or a fault: more was found than is accounted for, or (negative) more given back than was wrong."""
        return self.owed_ore - self.waiting_ore - self.under_way_ore - self.to_pay_out_ore - self.given_back_ore


def prove_refunds(house: House) -> list[PayerProof]:
    """One proof a payer, by organisation number, of one moment."""
    with house.store.read() as uow:
        findings = [finding for finding in uow.postage.findings() if _gross(finding)]
        unproposed = uow.postage.findings(without_case=True)
        cases, given, to_pay_out = uow.refunds.all(), _given_back(uow), _to_pay_out(uow)
    names = {case.payer_org_number: case.payer_name for case in cases}
    names |= {finding.charge.payer_org_number: finding.charge.payer_name for finding in findings}
    found, alone = _by_payer(findings), _by_payer(unproposed)
    by_hand, rounding = _beside_the_findings(cases, findings)
    return [
        PayerProof(
            org_number=payer,
            name=names[payer],
            found_ore=found[payer],
            by_hand_ore=by_hand[payer],
            rounding_ore=rounding[payer],
            unproposed_ore=alone[payer],
            proposed_ore=_waiting(cases, payer, RefundState.PROPOSED),
            approved_ore=_waiting(cases, payer, RefundState.APPROVED),
            under_way_ore=-given(payer, REFUNDS_PAYABLE, None) - to_pay_out[payer],
            to_pay_out_ore=to_pay_out[payer],
            refunded_ore=-sum(given(payer, account, kind) for account, kind in _REFUNDED),
            paid_out_ore=-given(payer, BANK, "payout"),
            set_off_ore=given(payer, REFUNDS_PAYABLE, "set_off"),
        )
        for payer in sorted(names)
    ]


def _gross(part: PostageFinding | RefundItem) -> int:
    if isinstance(part, RefundItem):
        return part.net_ore + part.vat_ore
    return part.refund_net_ore + part.refund_vat_ore


def _by_payer(findings: Iterable[PostageFinding]) -> Counter[str]:
    sums: Counter[str] = Counter()
    for finding in findings:
        sums[finding.charge.payer_org_number] += _gross(finding)
    return sums


def _beside_the_findings(
    cases: Iterable[RefundCase], findings: Iterable[PostageFinding]
) -> tuple[Counter[str], Counter[str]]:
    """Øre by payer of live cases that no finding accounts for: proposed by hand, and rounded."""
    found = {finding.finding_id: _gross(finding) for finding in findings}
    by_hand: Counter[str] = Counter()
    rounding: Counter[str] = Counter()
    for case in (case for case in cases if case.state is not RefundState.REJECTED):
        for item in case.items:
            if item.finding_id.startswith(BY_HAND):
                by_hand[case.payer_org_number] += _gross(item)
            elif abs(above := _gross(item) - found.get(item.finding_id, 0)) <= _LAST_ORE:
                rounding[case.payer_org_number] += above
    return by_hand, rounding


def _waiting(cases: Iterable[RefundCase], payer: str, state: RefundState) -> int:
    return sum(case.gross_ore for case in cases if case.payer_org_number == payer and case.state is state)


def _to_pay_out(uow: UnitOfWork) -> Counter[str]:
    payers = {case.case_id: case.payer_org_number for case in uow.refunds.all()}
    sums: Counter[str] = Counter()
    for payout in uow.refunds.payouts():
        sums[payers[payout.case_id]] += 0 if payout.reference else payout.amount_ore
    return sums


def _given_back(uow: UnitOfWork) -> Callable[[str, str, str | None], int]:
    """Øre that postings of a kind (or all) about a payer's credit notes moved on an account, as the ledger says."""
    payers = {f"credit_note/{note.number}": note.buyer.org_number for note in uow.credit_notes.all()}
    sums: Counter[tuple[str, str, str | None]] = Counter()
    asked = (*_REFUNDED, (REFUNDS_PAYABLE, None), (REFUNDS_PAYABLE, "set_off"), (BANK, "payout"))
    for account, kind in asked:
        for document, ore in uow.ledger.by_document(account, kind=kind).items():
            if document in payers:
                sums[payers[document], account, kind] += ore
    return lambda payer, account, kind: sums[payer, account, kind]
