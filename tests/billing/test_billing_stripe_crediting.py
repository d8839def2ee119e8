"""Credit notes at Stripe are ours to the øre, on the invoice's own lines, and never more than is left to credit."""

import random
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from billing.adapters.payments_twin import PaymentsTwin
from billing.adapters.stripe_crediting import StripeCrediting
from billing.adapters.stripe_fake import StripeFake
from billing.adapters.stripe_invoicing import StripeInvoicing
from billing.adapters.stripe_payments import StripePayments
from billing.models import CreditLine, CreditNote, Invoice
from billing.stripe_credit import Credit, GivenBack, LineThere, credit_note_parameters
from billing.vat import stated_vat_lines
from cards.errors import Refused
from tests.billing.test_billing_stripe_figures import BUYER, SELLER, an_invoice


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[StripeFake]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with StripeFake(PaymentsTwin(None)) as fake:
        yield fake


@pytest.fixture
def stripe(fake: StripeFake) -> StripeCrediting:
    return StripeCrediting("sk_test_none", fake.base_url)


def a_note(*parts: tuple[int, int], number: int = 1, invoice: int = 17) -> CreditNote:
    """A credit note of (net, VAT) parts on one invoice, at 25 %."""
    lines = tuple(
        CreditLine(
            text="Porto", invoice_number=str(invoice), net_ore=net, vat_ore=vat, vat_percent=25, vat_category="S"
        )
        for net, vat in parts
    )
    net, vat = sum(line.net_ore for line in lines), sum(line.vat_ore for line in lines)
    return CreditNote(
        number=number,
        issued_on=date(2020, 4, 1),
        case_id=f"R-{number}",
        seller=SELLER,
        buyer=BUYER,
        lines=lines,
        vat=stated_vat_lines({("S", 25): (net, vat)}, date(2020, 4, 1)),
        net_ore=net,
        vat_ore=vat,
        gross_ore=net + vat,
    )


def _sent(fake: StripeFake, invoice: Invoice | None = None) -> str:
    return StripeInvoicing("sk_test_none", fake.base_url).deliver("deliver", invoice or an_invoice())


def _paid(fake: StripeFake) -> str:
    name = _sent(fake)
    fake.pay(name)
    return name


def _give_back(fake: StripeFake, ore: int, key: str = "k") -> GivenBack:
    made = StripePayments("sk_test_none", fake.base_url).refund(key, "pi_in_1", ore, "R-1")
    return GivenBack(refund=made.reference, amount_ore=ore)


def _notes(fake: StripeFake) -> list[dict[str, Any]]:
    return list(fake.back.credit_notes.values())


def _lines(note: dict[str, Any]) -> list[tuple[str, int]]:
    return [(line["invoice_line_item"], line["amount"]) for line in note["lines"]["data"]]


def test_more_than_the_postage_goes_on_to_the_cards(fake: StripeFake, stripe: StripeCrediting) -> None:
    credit = Credit(note=a_note((5200, 1300), (300, 75)), invoice=an_invoice(), reference=_sent(fake))
    assert stripe.credit("k", credit) == stripe.credit("k", credit) == stripe.credited("k", credit) == "cn_1"
    (note,) = _notes(fake)
    assert _lines(note) == [("il_in_1_4", 5200), ("il_in_1_1", 300)]
    assert (note["subtotal"], note["total"], note["pre_payment_amount"]) == (5500, 6875, 6875)


def test_a_later_credit_takes_what_an_earlier_one_left(fake: StripeFake, stripe: StripeCrediting) -> None:
    reference = _sent(fake)
    stripe.credit("k1", Credit(note=a_note((5000, 1250)), invoice=an_invoice(), reference=reference))
    stripe.credit("k2", Credit(note=a_note((300, 75), number=2), invoice=an_invoice(), reference=reference))
    assert [
        [(line["invoice_line_item"], line["amount"]) for line in note["lines"]["data"]] for note in _notes(fake)
    ] == [
        [("il_in_1_4", 5000)],
        [("il_in_1_4", 200), ("il_in_1_1", 100)],
    ]


def test_what_was_paid_and_given_back_elsewhere_is_told_as_such(fake: StripeFake, stripe: StripeCrediting) -> None:
    stripe.credit("k", Credit(note=a_note((5200, 1300)), invoice=an_invoice(), reference=_paid(fake)))
    (note,) = _notes(fake)
    assert (note["post_payment_amount"], note["out_of_band_amount"], note["refunds"]) == (6500, 6500, [])


def test_a_credit_above_the_invoice_finds_no_line(fake: StripeFake, stripe: StripeCrediting) -> None:
    with pytest.raises(Refused) as fault:
        stripe.credit("k", Credit(note=a_note((36401, 9100)), invoice=an_invoice(), reference=_sent(fake)))
    assert fault.value.code == "payments.credit_not_fit"
    assert _notes(fake) == []


def test_more_given_back_than_was_paid_of_it_is_for_a_person(fake: StripeFake, stripe: StripeCrediting) -> None:
    reference = _paid(fake)
    back = _give_back(fake, 6501)
    credit = Credit(note=a_note((5200, 1300)), invoice=an_invoice(), reference=reference, refunds=(back,))
    with pytest.raises(Refused) as fault:
        stripe.credit("k", credit)
    assert fault.value.code == "payments.credit_not_fit"


def test_the_fake_refuses_what_stripe_would(fake: StripeFake) -> None:
    """Over-credits, refunds that are not the invoice's, sums that do not close, refunds made on the side."""
    reference = _paid(fake)
    line = {"type": "invoice_line_item", "invoice_line_item": "il_in_1_4", "amount": "5200"}
    whole = {"invoice": reference, "lines": [line], "out_of_band_amount": "5200"}
    wrong: dict[str, dict[str, Any]] = {
        "above its line": whole | {"lines": [line | {"amount": "5201"}], "out_of_band_amount": "5201"},
        "another line": whole | {"lines": [line | {"invoice_line_item": "il_x"}]},
        "another refund": whole
        | {"refunds": [{"refund": "re_x", "amount_refunded": "5200"}], "out_of_band_amount": "0"},
        "not closed": whole | {"out_of_band_amount": "5199"},
        "nested name": whole | {"lines": [line | {"tax": "1"}]},
    }
    for why, form in wrong.items():
        answer, _ = fake.answer_post("/v1/credit_notes", form, why)
        assert answer is not None
        assert (why, answer[0]) == (why, 400)
    _give_back(fake, 45500 - 5199)  # on the side: 51.99 are left to credit
    answer, _ = fake.answer_post("/v1/credit_notes", whole, "aside")
    assert answer is not None
    assert answer[0] == 400
    assert _notes(fake) == []


def test_another_total_in_the_preview_makes_nothing(fake: StripeFake, stripe: StripeCrediting) -> None:
    credit = Credit(note=a_note((5200, 1300)), invoice=an_invoice(), reference=_sent(fake))
    fake.back.off_by_ore = 1
    with pytest.raises(Refused) as fault:
        stripe.credit("k", credit)
    assert (fault.value.code, fault.value.field) == ("payments.totals_differ", "vat_ore")
    assert _notes(fake) == []


def test_vat_of_the_parts_is_the_note_s_whatever_the_amounts() -> None:
    chance = random.Random(8)
    for _ in range(2000):
        invoice = an_invoice(17, tuple(chance.randrange(1, 9999) for _ in range(chance.randrange(1, 6))), cards=2)
        there = [
            LineThere(line=f"il_{n}", position=n, left_ore=line.net_ore, tax_rate="txr")
            for n, line in enumerate(invoice.lines, start=1)
        ]
        net = chance.randrange(1, invoice.net_ore + 1)
        vat = (2 * invoice.vat_ore * net + invoice.net_ore) // (2 * invoice.net_ore) + chance.randrange(-1, 2)
        credit = Credit(note=a_note((net, max(vat, 0))), invoice=invoice, reference="in_1")
        wanted = credit_note_parameters(credit, key="k", remaining_ore=10**9, lines=there)
        assert sum(line["amount"] for line in wanted["lines"]) == net
        assert sum(line["tax_amounts"][0]["amount"] for line in wanted["lines"]) == max(vat, 0)
        assert all(line["tax_amounts"][0]["amount"] >= 0 for line in wanted["lines"])
