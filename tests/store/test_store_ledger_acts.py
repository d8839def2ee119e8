"""Ten thousand acts of finance in any order: after each commit the ledger balances and is the sum of its documents."""

import random
from collections import Counter
from datetime import date, timedelta

from billing.invoices import issue
from billing.ledger import (
    BANK,
    CLEARING,
    COST_OF_FREE_REPLACEMENTS,
    PAYMENT_FEES,
    PRODUCTION_STOCK,
    RECEIVABLE,
    REFUNDS_PAYABLE,
    UNALLOCATED,
    VAT_OUTPUT,
    entries_of_credit_note,
    entries_of_invoice,
    entries_of_movement,
    entries_of_payment,
    entries_of_refund,
    entries_of_replacement,
    entries_of_returned_refund,
    entries_of_set_off,
)
from billing.models import Buyer, CreditNote, Delivered, Invoice, LedgerEntry, Refund, Seller
from billing.reconcile_stripe import Movement, MovementKind
from store.database import Store
from tests.store.small_world import NOON, OSLO, a_case, a_charge, a_credit_note, a_finding

ACTS = 10_000
_AT_ONCE = 50
_SELLER = Seller(name="Card Bureau AS", org_number="314159268", address=OSLO, bank_account="86011117947")
_BUYER = Buyer(name="Fjordbygg AS", org_number="310149942", address=OSLO, email="f@bygg.example", e_invoice=False)
_FIRST, _DAYS = date(2025, 1, 1), 690  # up to November 2026, where the clock stands


class _Finance:
    """Acts at random, and beside them what each account must come to, summed from the documents alone."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.due: Counter[str] = Counter()
        self.vat_by_code: Counter[str] = Counter()
        self.invoices: list[Invoice] = []
        self.notes: list[CreditNote] = []
        self.number = 0

    def act(self) -> tuple[LedgerEntry, ...]:
        self.number += 1
        day = _FIRST + timedelta(days=self.random.randrange(_DAYS))
        acts = [self._invoice, self._pay, self._credit, self._give_back, self._replace, self._fetch]
        return self.random.choices(acts, weights=(40, 25, 8, 12, 5, 10))[0](day)

    def _invoice(self, day: date) -> tuple[LedgerEntry, ...]:
        delivered = Delivered(
            order_number=f"B-{self.number}",
            delivered_on=day,
            address=OSLO,
            cards=[(f"C-{self.number}-{n}", "construction") for n in range(self.random.randrange(4))],
            postage=[(f"S-{self.number}", self.random.randrange(1, 9999))],
        )
        paper = issue(
            number=len(self.invoices) + 1,
            issued_on=day,
            seller=_SELLER,
            buyer=_BUYER,
            deliveries=[delivered],
            days_until_due=14,
        )
        self.invoices.append(paper)
        self.due[RECEIVABLE] += paper.gross_ore
        self._vat(paper, -1)
        return entries_of_invoice(paper)

    def _vat(self, paper: Invoice | CreditNote, sign: int) -> None:
        for line in paper.vat:
            self.due[VAT_OUTPUT] += sign * line.vat_ore
            self.vat_by_code[line.saft_code] += sign * line.vat_ore

    def _pay(self, day: date) -> tuple[LedgerEntry, ...]:
        paper = self.random.choice(self.invoices)
        amount = self.random.randrange(1, 2 * paper.gross_ore)
        over = max(0, amount - paper.gross_ore)
        into = self.random.choice([BANK, CLEARING])
        self.due[into] += amount
        self.due[RECEIVABLE] -= amount - over
        self.due[UNALLOCATED] -= over
        return entries_of_payment(
            f"p-{self.number}",
            amount_ore=amount,
            unallocated_ore=over,
            booked_on=day,
            document=f"invoice/{paper.number}",
            into=into,
        )

    def _credit(self, _day: date) -> tuple[LedgerEntry, ...]:
        note = a_credit_note(len(self.notes) + 1, a_case("R-1", [a_finding(a_charge(f"E-{self.number}"))]))
        self.notes.append(note)
        self.due[REFUNDS_PAYABLE] -= note.gross_ore
        self._vat(note, 1)
        return entries_of_credit_note(note)

    def _give_back(self, day: date) -> tuple[LedgerEntry, ...]:
        if not self.notes:
            return self._credit(day)
        note = self.random.choice(self.notes)
        document = f"credit_note/{note.number}"
        refund = Refund(key=f"k-{self.number}", reference="re", payment="pi", amount_ore=self.random.randrange(1, 999))
        self.due[REFUNDS_PAYABLE] += refund.amount_ore
        self.due[CLEARING] -= refund.amount_ore
        entries = entries_of_refund(refund, booked_on=day, document=document)
        if self.random.randrange(4):
            return entries
        self.due[REFUNDS_PAYABLE] -= refund.amount_ore  # it comes back
        self.due[CLEARING] += refund.amount_ore
        back = refund.model_copy(update={"reference": f"re-{self.number}"})
        return entries + entries_of_returned_refund(back, booked_on=day, document=document)

    def _fetch(self, day: date) -> tuple[LedgerEntry, ...]:
        """A payment's fee, a fee of its own, or a payout, as Stripe's movements tell them."""
        kind = self.random.choice([MovementKind.PAYMENT, MovementKind.FEE, MovementKind.PAYOUT, MovementKind.OTHER])
        amount = self.random.randrange(1, 99_999)
        content = {"transaction": f"txn-{self.number}", "kind": kind, "source": "s", "amount_ore": -amount}
        movement = Movement.model_validate({**content, "fee_ore": 180, "currency": "nok", "moved_at": NOON})
        fee = 180 + (amount if kind is MovementKind.FEE else 0)
        out = amount if kind is MovementKind.PAYOUT else 0
        self.due[PAYMENT_FEES] += fee
        self.due[CLEARING] -= fee + out
        self.due[BANK] += out
        return entries_of_movement(movement, booked_on=day)

    def _replace(self, day: date) -> tuple[LedgerEntry, ...]:
        self.due[COST_OF_FREE_REPLACEMENTS] += 3100
        self.due[PRODUCTION_STOCK] -= 3100
        return entries_of_replacement(f"C-{self.number}R1", kind="construction", cost_ore=3100, booked_on=day)


def _holds(store: Store, finance: _Finance) -> None:
    with store.read() as uow:
        balances = uow.ledger.balances()
        by_code: Counter[str | None] = Counter()
        for (_, code), ore in uow.ledger.by_day_and_code(VAT_OUTPUT).items():
            by_code[code] += ore
        receivable = sum(uow.ledger.by_document(RECEIVABLE).values())
    assert sum(balances.values()) == 0
    kept = {account: balances.get(account, 0) for account in finance.due}
    assert kept == dict(finance.due)
    assert receivable == finance.due[RECEIVABLE]
    assert by_code == finance.vat_by_code


def test_check_5_the_ledger_is_the_sum_of_its_documents_after_every_commit(store: Store) -> None:
    finance = _Finance(seed=1)
    lockable = [f"{year}-{month:02d}" for year in (2025, 2026) for month in range(1, 13)][:22]
    with store.begin() as uow:
        uow.ledger.post(finance._invoice(_FIRST))
    for start in range(0, ACTS, _AT_ONCE):
        with store.begin() as uow:
            uow.ledger.post([entry for _ in range(_AT_ONCE) for entry in finance.act()])
            if lockable and start % (ACTS // 20) == 0:
                uow.ledger.lock(lockable.pop(0), by="kari")
        _holds(store, finance)


def test_set_off_and_refund_empty_what_a_credit_note_owes(store: Store) -> None:
    note = a_credit_note(1, a_case("R-1", [a_finding(a_charge("E-1"))]))
    refund = Refund(key="k", reference="re", payment="pi", amount_ore=note.gross_ore - 700)
    with store.begin() as uow:
        uow.ledger.post(entries_of_credit_note(note))
        uow.ledger.post(entries_of_set_off(note, amount_ore=700, invoice=1, booked_on=_FIRST))
        uow.ledger.post(entries_of_refund(refund, booked_on=_FIRST, document="credit_note/1"))
    with store.read() as uow:
        assert uow.ledger.by_document(REFUNDS_PAYABLE) == {}
        assert uow.ledger.by_document(RECEIVABLE) == {"invoice/1": -700}
