"""Every issued document as EHF passes every published rule, and says what the PDF says; bad files must be caught."""

import importlib.util
import re
import sys
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.credit_notes import issue_credit_note
from billing.documents import invoice_pdf
from billing.ehf import credit_note_xml, figures, invoice_xml
from billing.invoices import issue
from billing.models import Delivered, Invoice
from billing.refunds import approve, propose
from cards.address import Address
from cards.money import nok


def _beside(name: str):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = sys.modules.setdefault(name, importlib.util.module_from_spec(spec))
    spec.loader.exec_module(module)
    return module


faults = _beside("einvoice_rules").faults
documents = _beside("test_billing_documents")

SITE = documents.SITE


def _invoice(
    cards: int = 3,
    *,
    postage: tuple[int, ...] = (5200,),
    name: str = "Fjordbygg AS",
    site: Address = SITE,
    email: str = "f@bygg.example",
) -> Invoice:
    return issue(
        number=1001,
        issued_on=date(2020, 11, 23),
        seller=documents.SELLER,
        buyer=documents.BUYER.model_copy(update={"name": name, "email": email}),
        deliveries=[
            Delivered(
                order_number="B-2020-000417",
                delivered_on=date(2020, 11, 20),
                address=site,
                cards=[(f"B-2020-000417-{line}", "construction") for line in range(1, cards + 1)],
                postage=[(f"S-{number:06d}", net) for number, net in enumerate(postage, start=1)],
            )
        ],
    )


def test_check_7_an_invoice_passes_every_rule_with_its_pdf_inside():
    invoice = _invoice()
    xml = invoice_xml(invoice, pdf=invoice_pdf(invoice))
    assert faults(xml) == []
    assert figures(xml) == {"number": "1001", "net": "364.00", "vat": "91.00", "gross": "455.00", "kid": invoice.kid}


@pytest.mark.parametrize(
    ("right", "wrong", "rule"),
    [
        (">91.00<", ">61.00<", "BR-CO-1"),
        ("NO314159268MVA", "NO314159268", "NO-R-001"),
        (">Foretaksregisteret<", ">Registeret<", "NO-R-002"),
        ('schemeID="0192"', 'schemeID="9908"', "PEPPOL-EN16931-CL008"),
        ('unitCode="EA"', 'unitCode="stk"', "BR-CL-23"),
        (">310149942<", ">310149943<", "PEPPOL-COMMON-R041"),
        ("cbc:DueDate", "cbc:DueDay", "XSD"),
        ("<cbc:IssueDate>", "<cbc:UUID>1</cbc:UUID><cbc:IssueDate>", "UBL-CR-005 (warning)"),
        (">f@bygg.example<", "><", "PEPPOL-EN16931-R008"),
    ],
)
def test_check_7_the_rules_reject_a_bad_file(right, wrong, rule):
    xml = invoice_xml(_invoice()).decode()
    assert right in xml
    found = faults(xml.replace(right, wrong).encode())
    assert any(rule in fault for fault in found), found


NAMES = ["Ærøy & Sønn <AS>", "Bygg 🏗️ AS", "Ž" * 200, "Đặng Văn Ổn — «Entreprenør»", "Fjord\x01bygg\x1f", "]]> &amp;"]


@pytest.mark.parametrize("name", NAMES)
def test_check_7_names_of_every_kind_pass(name):
    assert faults(invoice_xml(_invoice(name=name))) == []


@pytest.mark.parametrize("cards", [1, 2, 500])
def test_check_7_one_line_or_five_hundred_pass(cards):
    assert faults(invoice_xml(_invoice(cards))) == []


def test_a_delivery_to_svalbard_carries_no_vat_and_says_why():
    site = SITE.model_copy(update={"postcode": "9170", "city": "LONGYEARBYEN"})
    xml = invoice_xml(_invoice(site=site))
    assert faults(xml) == []
    assert figures(xml)["vat"] == "0.00"
    assert b"VATEX-EU-G" in xml


def test_a_care_of_and_a_missing_attention_find_their_place():
    site = Address(recipient="Fjordbygg AS", care_of="Moen", street="Storgt. 5", postcode="0184", city="OSLO")
    xml = invoice_xml(_invoice(site=site))
    assert faults(xml) == []
    assert "c/o Moen" in xml.decode()


def test_check_7_a_credit_of_several_invoices_names_each_once_and_passes():
    note = documents.a_note()
    xml = credit_note_xml(note, pdf=b"%PDF-1.4 drawn", statement=b"%PDF-1.4 evidence")
    assert faults(xml) == []
    named = re.findall(r"<cac:InvoiceDocumentReference>\s*<cbc:ID>(\d+)<", xml.decode())
    assert named == ["900", "901", "902"]
    assert figures(xml)["gross"] == nok(note.gross_ore) == "195.00"


def test_the_same_document_has_the_same_bytes():
    assert invoice_xml(_invoice()) == invoice_xml(_invoice())


def test_a_sign_that_xml_cannot_hold_stops_no_issued_document():
    """It is replaced, as the drawing does with what its typeface lacks."""
    assert ">Fjord\ufffdbygg<" in invoice_xml(_invoice(name="Fjord\x01bygg")).decode()


def test_a_buyer_without_an_address_for_mail_passes():
    xml = invoice_xml(_invoice(email=""))
    assert faults(xml) == []
    assert b"Contact" not in xml


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    cards=st.integers(min_value=0, max_value=6),
    postage=st.lists(st.integers(min_value=0, max_value=99_999), min_size=1, max_size=4),
)
def test_any_amounts_pass_and_agree_with_what_was_issued(cards, postage):
    invoice = _invoice(cards, postage=tuple(postage))
    xml = invoice_xml(invoice)
    assert faults(xml) == []
    said = figures(xml)
    assert (said["net"], said["vat"], said["gross"]) == (
        nok(invoice.net_ore),
        nok(invoice.vat_ore),
        nok(invoice.gross_ore),
    )


def _partial_case(net: int):
    item = documents.a_case().items[0].model_copy(update={"net_ore": net, "vat_ore": (net * 25 + 50) // 100})
    case = propose(
        case_id="R-000002",
        payer_org_number=documents.BUYER.org_number,
        payer_name=documents.BUYER.name,
        items=[item],
        by="kari",
        at=documents.AT,
    )
    return approve(case, by="ola", at=documents.AT)


@pytest.mark.parametrize("net", [1, 2, 3333, 174_05])
def test_credits_of_odd_amounts_pass(net):
    note = issue_credit_note(
        number=18, issued_on=date(2026, 11, 24), case=_partial_case(net), seller=documents.SELLER, buyer=documents.BUYER
    )
    assert faults(credit_note_xml(note)) == []
