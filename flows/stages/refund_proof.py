"""The proof that refunds equal errors: what was found wrong, payer by payer, beside where each øre of it is now.

What is owed comes from the findings, what was given back from the ledger alone, what waits from the cases: three books
that nobody copies from one another, so a difference is a fault and not a rounding.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from billing.ledger import BANK, CLEARING, RECEIVABLE, REFUNDS_PAYABLE
from billing.models import RefundCase, RefundState
from flows.house import House
from shipping.models import PostageFinding
from store.database import UnitOfWork


@dataclass(frozen=True, slots=True)
class PayerProof:
    """Gross øre of one payer: what was charged wrongly, and where it stands."""

    org_number: str
    name: str
    found_ore: int
    unproposed_ore: int  # in no case yet
    proposed_ore: int  # waits for a second person
    approved_ore: int  # waits for its credit note
    under_way_ore: int  # credited, and not yet given back
    refunded_ore: int
    set_off_ore: int

    @property
    def difference_ore(self) -> int:
        """Nothing, or a fault: more was found than is accounted for, or (negative) more given back than was wrong."""
        waiting = self.unproposed_ore + self.proposed_ore + self.approved_ore + self.under_way_ore
        return self.found_ore - waiting - self.refunded_ore - self.set_off_ore


def prove_refunds(house: House) -> list[PayerProof]:
    """One proof a payer, by organisation number, of one moment."""
    with house.store.read() as uow:
        findings = [finding for finding in uow.postage.findings() if _gross(finding)]
        unproposed = uow.postage.findings(without_case=True)
        cases, names = uow.refunds.all(), {}
        for finding in findings:
            names[finding.charge.payer_org_number] = finding.charge.payer_name
        for case in cases:
            names.setdefault(case.payer_org_number, case.payer_name)
        given = _given_back(uow)
    found, alone = _by_payer(findings), _by_payer(unproposed)
    return [
        PayerProof(
            org_number=payer,
            name=names[payer],
            found_ore=found[payer],
            unproposed_ore=alone[payer],
            proposed_ore=_waiting(cases, payer, RefundState.PROPOSED),
            approved_ore=_waiting(cases, payer, RefundState.APPROVED),
            under_way_ore=given(payer, REFUNDS_PAYABLE),
            refunded_ore=given(payer, CLEARING) + given(payer, BANK),
            set_off_ore=given(payer, RECEIVABLE),
        )
        for payer in sorted(names)
    ]


def _gross(finding: PostageFinding) -> int:
    return finding.refund_net_ore + finding.refund_vat_ore


def _by_payer(findings: Iterable[PostageFinding]) -> dict[str, int]:
    sums: dict[str, int] = defaultdict(int)
    for finding in findings:
        sums[finding.charge.payer_org_number] += _gross(finding)
    return sums


def _waiting(cases: Iterable[RefundCase], payer: str, state: RefundState) -> int:
    return sum(case.gross_ore for case in cases if case.payer_org_number == payer and case.state is state)


def _given_back(uow: UnitOfWork) -> Callable[[str, str], int]:
    """Øre that credit notes of a payer moved out of an account, as the ledger says."""
    payers = {f"credit_note/{note.number}": note.buyer.org_number for note in uow.credit_notes.all()}
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for account in (REFUNDS_PAYABLE, CLEARING, BANK, RECEIVABLE):
        for document, ore in uow.ledger.by_document(account).items():
            if document in payers:
                sums[payers[document], account] -= ore
    return lambda payer, account: sums[payer, account]
