"""Stripe's figures are ours to the øre, invoices and credit notes alike."""

import random
from datetime import date

import pytest

from billing.invoices import issue
from billing.models import Buyer, Delivered, Invoice, Seller
from billing.stripe_invoice import invoice_parameters, line_parameters, refuse_other_totals, refuse_too_small
from cards.address import Address
from cards.errors import Refused

PLACE = Address(recipient="Fjordbygg AS", street="Storgata 5", postcode="0184", city="Oslo")
SELLER = Seller(name="Eksempel AS", org_number="314159268", bank_account="86011117947", address=PLACE)
BUYER = Buyer(name="Fjordbygg AS", org_number="310149942", address=PLACE, email="f@bygg.example", e_invoice=False)


def an_invoice(number: int = 17, postage: tuple[int, ...] = (5200,), cards: int = 3) -> Invoice:
    return issue(
        number=number,
        issued_on=date(2020, 3, 2),
        seller=SELLER,
        buyer=BUYER,
        deliveries=[
            Delivered(
                order_number="A-1",
                delivered_on=date(2020, 3, 2),
                address=PLACE,
                cards=[(f"A-1-{line}", "construction") for line in range(1, cards + 1)],
                postage=[(f"S-{place}", net) for place, net in enumerate(postage)],
            )
        ],
    )


def test_three_cards_and_their_postage_are_455_kroner() -> None:
    lines = line_parameters(an_invoice())
    assert sum(line["amount"] for line in lines) == 36400
    assert sum(line["tax_amounts"][0]["amount"] for line in lines) == 9100
    sent = invoice_parameters(an_invoice(), key="k", customer="cus_1")
    assert (sent["number"], sent["currency"], sent["auto_advance"]) == ("17", "nok", False)
    assert sent["due_date"] == 1584360000  # 16 March 2020, noon UTC


def test_vat_of_lines_sums_to_the_invoice_whatever_the_postage() -> None:
    """Rounded line by line it would be off in more than one invoice of ten (so this is no idle care)."""
    chance, off = random.Random(4), 0
    for number in range(1, 2001):
        postage = tuple(chance.randrange(0, 40000) for _ in range(chance.randrange(0, 8)))
        invoice = an_invoice(number, postage, cards=chance.randrange(1, 4))
        shares = [line["tax_amounts"][0]["amount"] for line in line_parameters(invoice)]
        assert sum(shares) == invoice.vat_ore
        bare = [(line.net_ore * 25 + 50) // 100 for line in invoice.lines]
        assert all(abs(share - alone) <= 1 for share, alone in zip(shares, bare, strict=True))
        off += sum(bare) != invoice.vat_ore
    assert off > 200


@pytest.mark.parametrize(
    "change", ["number", "currency", "net_ore", "vat_ore", "gross_ore", "lines", "starting_balance_ore"]
)
def test_any_other_total_is_refused(change: str) -> None:
    invoice = an_invoice()
    seen: dict[str, object] = {
        "number": "17",
        "currency": "nok",
        "net_ore": 36400,
        "vat_ore": 9100,
        "gross_ore": 45500,
        "lines": 4,
        "starting_balance_ore": 0,
    }
    refuse_other_totals(invoice, seen)
    with pytest.raises(Refused) as fault:
        refuse_other_totals(invoice, seen | {change: 1})
    assert (fault.value.code, fault.value.field) == ("payments.totals_differ", change)


def test_a_sum_below_the_minimum_charge_is_for_a_person() -> None:
    refuse_too_small(an_invoice())
    with pytest.raises(Refused) as fault:
        refuse_too_small(an_invoice(postage=(239,), cards=0))
    assert fault.value.code == "payments.sum_too_small"
