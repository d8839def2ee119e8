"""Invoices over several orders: each line by its own delivery, one sum of VAT a rate; old invoices as they were."""

import hashlib
import importlib.util
import io
import json
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from types import ModuleType

import pytest
from pypdf import PdfReader

from billing.credit_notes import issue_credit_note
from billing.documents import credit_note_pdf, invoice_pdf
from billing.ehf import credit_note_xml, invoice_xml
from billing.invoices import issue
from billing.models import Buyer, CreditNote, Delivered, Invoice, RefundItem, Seller
from billing.refunds import approve, propose
from cards.address import Address


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
