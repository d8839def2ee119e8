"""Documents read back with other eyes: every field that the law asks for, on as many pages as it takes, same bytes."""

import io
import re
from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest
from pypdf import PdfReader

from billing.credit_notes import issue_credit_note
from billing.documents import credit_note_pdf, invoice_pdf, refund_statement_pdf
from billing.invoices import issue
from billing.models import Buyer, CreditNote, Delivered, Invoice, RefundCase, RefundItem, Seller
from billing.paper import RIGHT, wrapped
from billing.refund_roads import RefundRoad, Road
from billing.refunds import approve, propose
from cards.address import Address
from cards.errors import Refused
from cards.money import nok

OFFICE = Address(recipient="Kortutsteder AS", street="Postboks 100", postcode="0101", city="Oslo")
SITE = Address(recipient="Fjordbygg AS", attention="Lager 2", street="Storgt. 5", postcode="0184", city="OSLO")
SELLER = Seller(name="Kortutsteder AS", org_number="314159268", bank_account="86011117947", address=OFFICE)
BUYER = Buyer(name="Fjordbygg AS", org_number="310149942", address=SITE, email="f@bygg.example", e_invoice=False)
AT = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)


def an_invoice(cards: int = 3, *, buyer: Buyer = BUYER, postcode: str = "0184") -> Invoice:
    return issue(
        number=1001,
        issued_on=date(2020, 11, 23),
        seller=SELLER,
        buyer=buyer,
        deliveries=[
            Delivered(
                order_number="B-2020-000417",
                delivered_on=date(2020, 11, 20),
                address=SITE.model_copy(update={"postcode": postcode}),
                cards=[(f"B-2020-000417-{line}", "construction") for line in range(1, cards + 1)],
                postage=[("S-000001", 5200)],
            )
        ],
    )


def a_case() -> RefundCase:
    items = [
        RefundItem(
            finding_id=f"F-{number}",
            invoice_number=str(900 + number),
            payment=f"pi_{number}" if number else None,
            text=f"Porto B-2019-{number}: wrong weight class",
            net_ore=5200,
            vat_ore=1300,
            vat_percent=25,
        )
        for number in range(3)
    ]
    case = propose(
        case_id="R-000001", payer_org_number="310149942", payer_name="Fjordbygg AS", items=items, by="kari", at=AT
    )
    return approve(case, by="ola", at=AT)


def a_note() -> CreditNote:
    return issue_credit_note(number=17, issued_on=date(2026, 11, 24), case=a_case(), seller=SELLER, buyer=BUYER)


def evidence() -> dict[str, dict[str, str]]:
    return {f"F-{number}": {"weight_g": f"19.{number}", "charged": "104.00", "due": "52.00"} for number in range(3)}


def pages(data: bytes) -> list[str]:
    return [" ".join((page.extract_text() or "").split()) for page in PdfReader(io.BytesIO(data)).pages]


def test_an_invoice_says_all_that_the_law_asks_for() -> None:
    invoice = an_invoice()
    (text,) = pages(invoice_pdf(invoice))
    for field in (
        "Faktura",
        "1001",
        "2020-11-23",  # document date
        "2020-12-07",  # due
        "2020-11-20",  # delivered
        "Fjordbygg AS, v/ Lager 2, Storgt. 5, 0184 OSLO",  # where
        "Kortutsteder AS",
        "Postboks 100",
        "NO 314159268 MVA",
        "Foretaksregisteret",
        "310149942",
        "B-2020-000417-1",
        "HMS-kort, Bygg og anlegg / HSE card, Construction",
        "Porto / Postage",
        "104.00",
        "25 %",
        "364.00",
        "91.00",
        "NOK 455.00",
        "8601.11.17947",
        invoice.kid,
        "Side 1 av 1",
        "Page 1 of 1",
    ):
        assert field in text, field


def test_a_delivery_outside_the_vat_area_says_so() -> None:
    (text,) = pages(invoice_pdf(an_invoice(postcode="9170")))
    assert "mval. § 6-21" in text
    assert "NOK 364.00" in text


def test_a_credit_note_names_each_invoice_it_credits() -> None:
    (text,) = pages(credit_note_pdf(a_note()))
    for field in (
        "Kreditnota",
        "17",
        "2026-11-24",
        "R-000001",
        "900, 901, 902",
        "39.00",
        "NOK 195.00",
        "314159268 MVA",
    ):
        assert field in text, field


def test_a_statement_shows_the_evidence_of_each_line_and_both_people() -> None:
    (text,) = pages(refund_statement_pdf(a_case(), evidence()))
    for field in ("weight g: 19.2", "due: 52.00", "F-1", "pi_2", "kari, 2026-11-24", "ola,", "NOK 195.00"):
        assert field in text, field
    with pytest.raises(Refused, match=r"refund\.no_evidence"):
        refund_statement_pdf(a_case(), {"F-0": {"weight_g": "19.9"}})


def test_a_statement_of_three_hundred_lines_loses_none_and_says_how_the_money_goes_back() -> None:
    case = a_case()
    items = [
        case.items[0].model_copy(update={"finding_id": f"F-{n}", "text": f"Porto {n}, " + "Murmesterforretning " * 8})
        for n in range(300)
    ]
    long = case.model_copy(update={"items": tuple(items), "payer_name": "Ærlig & Sønns Murmesterforretning " * 5})
    told = {
        item.finding_id: {"source": "a list of prices " * 9, "weight_g": "17.4", "unheard_of": "x"} for item in items
    }
    roads = [
        *(RefundRoad(road=Road.SET_OFF, invoice=number, amount_ore=number) for number in range(1, 70)),
        RefundRoad(road=Road.PAYMENT, payment="pi_" + "3QxLong" * 12, amount_ore=7001),
        RefundRoad(road=Road.PAY_OUT, amount_ore=12345),
    ]
    data = refund_statement_pdf(long, told, roads)
    sheets = pages(data)
    whole = " ".join(sheets)
    assert [int(n) for n in re.findall(r"Funn / Finding F-(\d+)", whole)] == list(range(300))
    assert whole.count("Kilde / source:") == whole.count("unheard of: x") == 300
    assert [int(n) for n in re.findall(r"Set off against invoice (\d+)", whole)] == list(range(1, 70))
    assert "Paid out by bank 123.45" in sheets[-1]
    assert all("Refund NOK" in sheet for sheet in sheets[:-2])
    assert _right_edges(data) < RIGHT


def test_many_lines_go_over_pages_and_none_is_lost() -> None:
    invoice = an_invoice(500)
    sheets = pages(invoice_pdf(invoice))
    assert len(sheets) > 5
    found = re.findall(r"B-2020-000417-(\d+)", " ".join(sheets))
    assert [int(line) for line in found] == list(range(1, 501))
    assert all("Beskrivelse" in sheet and "1001" in sheet for sheet in sheets[:-1])
    assert f"NOK {nok(invoice.gross_ore)}" in sheets[-1]
    assert f"Side {len(sheets)} av {len(sheets)}" in sheets[-1]


def test_long_names_wrap_within_the_sheet_and_unknown_signs_do_not_fail() -> None:
    name = "Ærlig & Sønns Murmesterforretning " * 5 + "X" * 60 + " 🏗"
    buyer = BUYER.model_copy(update={"name": name})
    (text,) = pages(invoice_pdf(an_invoice(1, buyer=buyer)))
    assert text.count("Murmesterforretning") == 5
    assert "X ?" in text
    assert wrapped("X" * 400, 100, 9, False)[0] != "X" * 400


def _right_edges(data: bytes) -> float:
    edges: list[float] = []

    def see(text: str, _cm: object, tm: list[float], _font: object, size: float) -> None:
        if text.strip():
            edges.append(tm[4])

    for page in PdfReader(io.BytesIO(data)).pages:
        page.extract_text(visitor_text=see)
    return max(edges)


def test_nothing_begins_outside_the_margins() -> None:
    buyer = BUYER.model_copy(update={"name": "Murmester " * 18})
    assert _right_edges(invoice_pdf(an_invoice(2, buyer=buyer))) < RIGHT


@pytest.mark.parametrize(
    "draw",
    [
        lambda: invoice_pdf(an_invoice()),
        lambda: credit_note_pdf(a_note()),
        lambda: refund_statement_pdf(a_case(), evidence()),
    ],
    ids=["invoice", "credit_note", "statement"],
)
def test_same_document_same_bytes_with_its_typeface_inside(draw: Callable[[], bytes]) -> None:
    data = draw()
    assert draw() == data
    fonts = PdfReader(io.BytesIO(data)).pages[0]["/Resources"]["/Font"].values()
    used = [font.get_object() for font in fonts if "Noto" in str(font.get_object()["/BaseFont"])]
    assert len(used) >= 2
    assert all("/FontFile2" in font["/FontDescriptor"].get_object() for font in used)
