"""Invoices over several orders: each line by its own delivery, one sum of VAT a rate; old invoices as they were."""

import hashlib
import importlib.util
import io
import json
import random
import sys
from datetime import UTC, date, datetime
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import pytest
from pypdf import PdfReader

from billing.bank_file import read_bank_file
from billing.credit_notes import issue_credit_note
from billing.documents import credit_note_pdf, invoice_pdf
from billing.ehf import credit_note_xml, figures, invoice_xml
from billing.invoices import issue
from billing.kid import KID_DIGITS, check_digit
from billing.ledger import VAT_OUTPUT, balanced, entries_of_invoice
from billing.models import Buyer, CreditNote, Delivered, Invoice, RefundItem, Seller
from billing.refunds import approve, propose
from billing.stripe_invoice import vat_of_lines
from cards.address import Address
from tests.bank_files import csv_file, ocr_file


def _beside(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec
    assert spec.loader
    module = sys.modules.setdefault(name, importlib.util.module_from_spec(spec))
    spec.loader.exec_module(module)
    return module


def text_of(pdf: bytes) -> str:
    return " ".join(" ".join((page.extract_text() or "").split()) for page in PdfReader(io.BytesIO(pdf)).pages)


faults = _beside("einvoice_rules").faults
OF_ONE_ORDER = json.loads(Path(__file__).with_name("invoice_of_one_order.json").read_text("utf-8"))


def test_an_invoice_kept_before_there_were_collected_ones_is_drawn_with_the_same_bytes() -> None:
    invoice = Invoice.model_validate(OF_ONE_ORDER["content"])
    assert (invoice.order_numbers, invoice.delivered_from) == (("B-2020-000417",), date(2020, 11, 20))
    pdf = invoice_pdf(invoice)
    assert hashlib.sha256(pdf).hexdigest() == OF_ONE_ORDER["pdf_sha256"]
    assert hashlib.sha256(invoice_xml(invoice, pdf=pdf)).hexdigest() == OF_ONE_ORDER["ehf_sha256"]
    assert Invoice.model_validate(invoice.model_dump(mode="json")) == invoice


# --- collected --------------------------------------------------------------------------------------------------

SITE = Address(recipient="Fjordbygg AS", attention="Lager 2", street="Storgt. 5", postcode="0184", city="OSLO")
OTHER_SITE = SITE.model_copy(update={"care_of": "Ærøy & Sønn 🏗️", "street": "Å" * 200, "postcode": "5003"})
SVALBARD = SITE.model_copy(update={"postcode": "9170", "city": "LONGYEARBYEN"})
SELLER = Seller(name="Kortutsteder AS", org_number="314159268", bank_account="86011117947", address=SITE)
BUYER = Buyer(name="Fjordbygg AS", org_number="310149942", address=SITE, email="f@bygg.example", e_invoice=True)


def delivered(
    order: int, day: int, *, cards: int = 2, site: Address = SITE, postage: int = 5200, shipment: str = ""
) -> Delivered:
    number = f"B-2020-{order:06d}"
    return Delivered(
        order_number=number,
        delivered_on=date(2020, 11, day),
        address=site,
        cards=tuple((f"{number}-{line}", "construction") for line in range(1, cards + 1)),
        postage=((shipment or f"S-{order:06d}", postage),) if postage else (),
    )


def collected(*deliveries: Delivered, number: int = 7) -> Invoice:
    day = date(2020, 11, 30)
    return issue(number=number, issued_on=day, seller=SELLER, buyer=BUYER, deliveries=deliveries)


CASES = {
    "three_orders": [delivered(1, 2), delivered(2, 10), delivered(3, 30)],
    "three_orders_of_one_day": [delivered(n, 2) for n in (1, 2, 3)],
    "one_order_over_two_days": [delivered(1, 2), delivered(1, 10, cards=0, shipment="S-9")],
    "three_places_of_one_day": [delivered(1, 2), delivered(2, 2, site=OTHER_SITE), delivered(3, 2, site=SVALBARD)],
    "mainland_and_svalbard": [delivered(1, 2), delivered(2, 30, site=SVALBARD)],
    "svalbard_alone": [delivered(1, 2, site=SVALBARD), delivered(2, 30, site=SVALBARD)],
    "five_hundred_lines": [delivered(n, 1 + n % 30, cards=4) for n in range(1, 101)],
    "postage_alone": [delivered(1, 2, cards=0), delivered(2, 3, postage=0)],
}


@pytest.mark.parametrize("name", CASES)
def test_check_7_a_collected_invoice_passes_every_rule_of_ehf(name: str) -> None:
    invoice = collected(*CASES[name])
    xml = invoice_xml(invoice, pdf=invoice_pdf(invoice))
    assert faults(xml) == []
    head, lines = xml.decode().partition("<cac:InvoiceLine>")[::2]
    one_order, one_day, one_place = len(invoice.order_numbers) == 1, not _days(invoice), len(invoice.places) == 1
    assert ("OrderReference" in head, "InvoicePeriod" in head) == (one_order, not one_day)
    assert ("ActualDeliveryDate" in head, "DeliveryLocation" in head) == (one_day, one_place)
    for delivery in invoice.deliveries:
        assert f"<cbc:Value>{delivery.order_number}</cbc:Value>" in lines
        assert f"<cbc:StartDate>{delivery.delivered_on}</cbc:StartDate>" in lines


def _days(invoice: Invoice) -> int:
    return (invoice.delivered_until - invoice.delivered_from).days


def test_check_7_a_line_outside_its_invoices_period_would_be_found() -> None:
    xml = invoice_xml(collected(*CASES["three_orders"])).decode()
    found = faults(xml.replace("<cbc:EndDate>2020-11-30<", "<cbc:EndDate>2020-11-29<", 1).encode())
    assert any("PEPPOL-EN16931-R111" in fault for fault in found), found


def test_the_drawing_tells_each_delivery_before_its_lines() -> None:
    text = text_of(invoice_pdf(collected(*CASES["three_places_of_one_day"])))
    assert "Leveringsdato Delivered on 2020-11-02 " in text
    for order, place in (("B-2020-000002", "5003 OSLO"), ("B-2020-000003", "9170 LONGYEARBYEN")):
        assert f"Bestilling / Order {order} Levert / Delivered 2020-11-02, Fjordbygg AS, v/ Lager 2" in text
        assert place in text
    assert "Leveringssted" not in text  # there is no single one


def test_vat_is_of_the_sum_of_each_rate_over_all_deliveries() -> None:
    """4 × 33.33 at 25 % are 33.33, not 4 × 8.33."""
    invoice = collected(*(delivered(n, n, cards=0, postage=3333) for n in (1, 2, 3, 4)))
    assert [(row.net_ore, row.vat_ore) for row in invoice.vat] == [(13332, 3333)]
    both = collected(delivered(1, 1, cards=0, postage=3333), delivered(2, 2, cards=0, postage=100, site=SVALBARD))
    assert [(row.category, row.net_ore, row.vat_ore) for row in both.vat] == [("G", 100, 0), ("S", 3333, 833)]


def _credit(*invoices: Invoice) -> CreditNote:
    items = [
        RefundItem(
            finding_id=f"F-{invoice.number}-{place}",
            invoice_number=str(invoice.number),
            payment=None,
            text="Porto",
            net_ore=520,
            vat_ore=130,
            vat_percent=25,
        )
        for invoice in invoices
        for place in range(2)
    ]
    at = datetime(2020, 12, 1, 9, tzinfo=UTC)
    case = propose(
        case_id="R-1", payer_org_number=BUYER.org_number, payer_name=BUYER.name, items=items, by="kari", at=at
    )
    return issue_credit_note(
        number=1,
        issued_on=date(2020, 12, 1),
        case=approve(case, by="ola", at=at),
        seller=SELLER,
        buyer=BUYER,
        original=invoices[0],
        other_originals=invoices[1:],
    )


@pytest.mark.parametrize("count", [1, 2])
def test_check_7_a_credit_of_collected_invoices_passes_and_names_each(count: int) -> None:
    issued = [collected(*CASES["three_orders"], number=n) for n in range(1, count + 1)]
    note = _credit(*issued)
    xml = credit_note_xml(note, pdf=credit_note_pdf(note))
    assert faults(xml) == []
    assert xml.count(b"<cac:InvoiceDocumentReference>") == count


# --- money and KID ----------------------------------------------------------------------------------------------

KINDS = ("construction", "cleaning")
PLACES = (SITE, OTHER_SITE, SVALBARD)


def _any(chance: random.Random, number: int) -> Invoice:
    """One to four deliveries, each to one of three places, with postage of free øre."""
    deliveries = []
    for order in range(1, chance.randrange(1, 5) + 1):
        name, cards = f"B-{order}", chance.randrange(4)
        deliveries.append(
            Delivered(
                order_number=name,
                delivered_on=date(2020, 11, chance.randrange(1, 31)),
                address=chance.choice(PLACES),
                cards=tuple((f"{name}-{line}", chance.choice(KINDS)) for line in range(cards)),
                postage=((f"S-{order}", chance.randrange(1, 100_000)),),
            )
        )
    return collected(*deliveries, number=number)


def test_check_2_ten_thousand_invoices_agree_with_exact_fractions_ledger_and_stripe() -> None:
    chance, line_by_line = random.Random(2), 0
    for number in range(1, 10_001):
        invoice = _any(chance, number)
        nets: dict[int, int] = {}
        for line in invoice.lines:
            outside = invoice.delivery_of(line).address == SVALBARD
            assert line.vat_percent == (0 if outside else 25)
            nets[line.vat_percent] = nets.get(line.vat_percent, 0) + line.net_ore
        exact = {percent: int(Fraction(net * percent, 100) + Fraction(1, 2)) for percent, net in nets.items()}
        assert {row.percent: (row.net_ore, row.vat_ore) for row in invoice.vat} == {
            percent: (net, exact[percent]) for percent, net in nets.items()
        }
        sums = (sum(nets.values()), sum(exact.values()))
        assert (invoice.net_ore, invoice.vat_ore, invoice.gross_ore) == (*sums, sum(sums))
        entries = entries_of_invoice(invoice)
        assert balanced(entries)
        assert sum(entry.amount_ore for entry in entries if entry.account == VAT_OUTPUT) == -invoice.vat_ore
        assert (sum(line.net_ore for line in invoice.lines), sum(vat_of_lines(invoice))) == sums
        line_by_line += sum((line.net_ore * line.vat_percent + 50) // 100 for line in invoice.lines) != sums[1]
    assert line_by_line > 1000  # VAT computed a line would be wrong on so many


def test_check_15_leading_zeros_of_a_kid_stay_on_paper_in_ubl_in_csv_and_on_the_way_back() -> None:
    buyer = BUYER.model_copy(update={"org_number": "000000043"})
    invoice = issue(
        number=7, issued_on=date(2020, 11, 30), seller=SELLER, buyer=buyer, deliveries=CASES["three_orders"]
    )
    assert invoice.kid == "000000043" + "000000007" + check_digit("000000043000000007")
    assert len(invoice.kid) == KID_DIGITS
    assert f" {invoice.kid} " in text_of(invoice_pdf(invoice))
    assert figures(invoice_xml(invoice))["kid"] == invoice.kid
    day = date(2020, 12, 1)
    paid = (invoice.kid, invoice.gross_ore)
    for file in (csv_file([("A", *paid, "")], day=day), ocr_file([paid], day=day)):
        (payment,) = read_bank_file(file, name="bank")
        assert (payment.kid, payment.amount_ore) == paid


def test_check_15_no_two_invoices_share_a_kid() -> None:
    kids = {collected(delivered(1, 2), number=number).kid for number in range(1, 500)}
    assert len(kids) == 499
    assert {len(kid) for kid in kids} == {KID_DIGITS}


def test_check_14_a_collected_invoice_is_booked_by_kind_postage_and_tax_code() -> None:
    invoice = collected(*CASES["mainland_and_svalbard"])
    booked = {(entry.account, entry.vat_code): entry.amount_ore for entry in entries_of_invoice(invoice)}
    assert booked == {
        ("1500", None): 26000 + 6500 + 26000,
        ("2700", "3"): -6500,
        ("3000.construction", "3"): -20800,
        ("3000.postage", "3"): -5200,
        ("3100.construction", "52"): -20800,
        ("3100.postage", "52"): -5200,
    }
