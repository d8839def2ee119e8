"""Prices and VAT by day and place, KID, what an invoice must not be issued without, and mail."""

import ast
import email
import email.policy
import random
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import billing
from billing import prices
from billing.adapters.folder_mail import FolderMail
from billing.invoices import bank_account_is_valid, issue, issue_deadline
from billing.kid import KID_DIGITS, check_digit, kid, kid_is_valid
from billing.models import Buyer, Delivered, Invoice, Message, PriceRow, Seller, TaxRow
from billing.prices import card_price, price_rows, refuse_unconfirmed, saft_code, tax_rows, tax_rule
from cards.address import Address
from cards.errors import HseCardError, Refused, Unavailable

DAY = date(2020, 11, 20)
OSLO = Address(recipient="Fjordbygg AS", street="Storgata 5", postcode="0184", city="Oslo")
SELLER = Seller(name="Kortutsteder AS", org_number="314159268", bank_account="86011117947", address=OSLO)
BUYER = Buyer(name="Fjordbygg AS", org_number="310149942", address=OSLO, email="f@bygg.example", e_invoice=True)


# --- prices and VAT ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "day", "net_ore"),
    [
        ("construction", date(2020, 1, 2), 10400),
        ("cleaning", date(2021, 1, 31), 10400),
        ("cleaning", date(2021, 2, 1), 10550),
        ("construction", date(2022, 7, 31), 10750),
        ("construction", date(2022, 8, 1), 12950),
        ("goods_transport", date(2026, 11, 23), 13500),
    ],
)
def test_price_of_the_day(kind: str, day: date, net_ore: int) -> None:
    assert card_price(kind, day).net_ore == net_ore


@pytest.mark.parametrize(
    ("kind", "day"),
    [("construction", date(2020, 1, 1)), ("car_care", date(2022, 6, 30)), ("goods_transport", date(2025, 12, 31)),
     ("driving", date(2026, 1, 1))],
)  # fmt: skip
def test_a_day_without_a_price_is_refused(kind: str, day: date) -> None:
    with pytest.raises(Refused) as fault:
        card_price(kind, day)
    assert fault.value.code == "price.unknown_day"


@pytest.mark.parametrize(
    ("country", "postcode", "expected"),
    [
        ("NO", "0184", ("S", 25, "3")),
        ("no", " N-0184 ", ("S", 25, "3")),
        ("NO", "9169", ("S", 25, "3")),
        ("NO", "9170", ("G", 0, "52")),
        ("NO", "9179", ("G", 0, "52")),
        ("NO", "9180", ("S", 25, "3")),
        ("NO", "8099", ("G", 0, "52")),
        ("SJ", "9170", ("G", 0, "52")),
        ("PL", "00-950", ("G", 0, "52")),
    ],
)
def test_vat_follows_the_place_of_delivery(country: str, postcode: str, expected: tuple[str, int, str]) -> None:
    rule = tax_rule(country, postcode, DAY)
    assert (rule.category, rule.percent, rule.saft_code) == expected


def test_an_unreadable_place_or_day_has_no_vat_rule() -> None:
    with pytest.raises(Refused, match=r"tax\.unknown_place"):
        tax_rule("NO", "184", DAY)
    with pytest.raises(Refused, match=r"tax\.unknown_day"):
        tax_rule("NO", "0184", date(2004, 12, 31))


@pytest.mark.parametrize("rows", [price_rows(), tax_rows()], ids=["prices", "taxes"])
def test_every_row_names_its_source_and_periods_do_not_overlap(rows: Sequence[PriceRow | TaxRow]) -> None:
    of_what: dict[str, list[PriceRow | TaxRow]] = {}
    for row in rows:
        assert row.source
        of_what.setdefault(row.kind if isinstance(row, PriceRow) else row.delivery, []).append(row)
    for periods in of_what.values():
        for row, following in pairwise(periods):
            assert row.valid_until is not None
            assert following.valid_from == row.valid_until + timedelta(days=1)


def test_a_row_is_confirmed_by_somebody_on_a_day_or_not_at_all() -> None:
    row = card_price("construction", DAY).model_dump()
    with pytest.raises(ValidationError, match="go together"):
        PriceRow.model_validate({**row, "confirmed_by": "Anna Berg"})


def test_what_nobody_confirmed_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Refused, match=r"price\.not_confirmed") as fault:
        refuse_unconfirmed([_delivered()])
    assert "construction on 2020-11-20" in fault.value.message
    with pytest.raises(Refused, match=r"tax\.not_confirmed"):
        refuse_unconfirmed([_delivered(cards=[], postage=[("S-1", 5200)])])
    confirmed = {"confirmed_by": "Anna Berg", "confirmed_on": DAY}
    rows = tuple(row.model_copy(update=confirmed) for row in price_rows())
    rules = tuple(row.model_copy(update=confirmed) for row in tax_rows())
    for cached in (prices._price_row, prices._tax_row):
        cached.cache_clear()
    monkeypatch.setattr(prices, "_price_rows", lambda: rows)
    monkeypatch.setattr(prices, "_tax_rows", lambda: rules)
    refuse_unconfirmed([_delivered()])


def test_what_was_sold_at_an_old_rate_is_credited_at_it() -> None:
    mainland = next(row for row in tax_rows() if row.delivery == "mainland")
    old = mainland.model_copy(update={"valid_until": date(2027, 6, 30)})
    new = mainland.model_copy(update={"percent": 26, "saft_code": "3x", "valid_from": date(2027, 7, 1)})
    assert saft_code("S", 25, date(2027, 8, 1), (old, new)) == "3"
    assert saft_code("S", 26, date(2027, 8, 1), (old, new)) == "3x"
    with pytest.raises(Refused, match=r"tax\.unknown_rate"):
        saft_code("S", 26, date(2027, 6, 30), (old, new))


# --- KID --------------------------------------------------------------------------------------------------------


def test_check_15_kid_vector_and_shape() -> None:
    assert check_digit("60224") == "3"
    text = kid(customer=42, invoice=7)
    assert text == "000000042000000007" + check_digit("000000042000000007")
    assert len(text) == KID_DIGITS <= 25
    assert kid_is_valid(text)
    assert not kid_is_valid(text.lstrip("0"))
    assert not kid_is_valid("٣" * KID_DIGITS)


@given(st.integers(0, 999_999_999), st.integers(0, 999_999_999), st.integers(0, KID_DIGITS - 1), st.integers(1, 9))
def test_check_15_every_single_wrong_digit_is_caught(customer: int, invoice: int, place: int, by: int) -> None:
    text = kid(customer=customer, invoice=invoice)
    wrong = text[:place] + str((int(text[place]) + by) % 10) + text[place + 1 :]
    assert not kid_is_valid(wrong)


def test_check_15_neighbour_swaps_are_caught_at_the_rate_of_mod_10() -> None:
    """Of the unequal pairs only 0–9 and 9–0 slip through: 2 of 90."""
    missed = tried = 0
    draw = random.Random(1)
    for _ in range(3000):
        text = kid(customer=draw.randrange(10**9), invoice=draw.randrange(10**9))
        place = draw.randrange(KID_DIGITS - 1)
        first, second = text[place : place + 2]
        if first != second:
            tried += 1
            passed = kid_is_valid(text[:place] + second + first + text[place + 2 :])
            assert passed == ({first, second} == {"0", "9"})
            missed += passed
    assert 0 < missed < tried * 0.06


@pytest.mark.parametrize(("customer", "invoice"), [(10**9, 1), (1, 10**9), (-1, 1), (1, -1)])
def test_a_number_that_does_not_fit_is_refused(customer: int, invoice: int) -> None:
    with pytest.raises(Refused) as fault:
        kid(customer=customer, invoice=invoice)
    assert fault.value.code == "kid.too_long"


# --- what an invoice is not issued without ----------------------------------------------------------------------


def _delivered(**changed: object) -> Delivered:
    content: dict[str, object] = {
        "order_number": "B-2020-000417",
        "delivered_on": DAY,
        "address": OSLO,
        "cards": [("B-2020-000417-1", "construction")],
    }
    return Delivered.model_validate(content | changed)


def _issue(**changed: object) -> Invoice:
    """One field is wrong on purpose: of the invoice, or of its only delivery."""
    of_delivery = {name: value for name, value in changed.items() if name in Delivered.model_fields}
    asked: dict[str, object] = {
        "number": 7,
        "issued_on": date(2020, 11, 23),
        "seller": SELLER,
        "buyer": BUYER,
        "deliveries": [_delivered(**of_delivery)],
    }
    return issue(**(asked | {name: value for name, value in changed.items() if name not in of_delivery}))


@pytest.mark.parametrize(
    ("changed", "code", "field"),
    [
        ({"cards": []}, "invoice.incomplete", "lines"),
        ({"deliveries": []}, "invoice.incomplete", "lines"),
        ({"number": 0}, "invoice.incomplete", "number"),
        ({"order_number": " "}, "invoice.incomplete", "order_number"),
        ({"seller": SELLER.model_copy(update={"name": ""})}, "invoice.incomplete", "seller.name"),
        ({"seller": SELLER.model_copy(update={"org_number": "123"})}, "invoice.incomplete", "seller.org_number"),
        ({"seller": SELLER.model_copy(update={"register_note": ""})}, "invoice.incomplete", "seller.register_note"),
        ({"seller": SELLER.model_copy(update={"bank_account": "1"})}, "invoice.incomplete", "seller.bank_account"),
        ({"buyer": BUYER.model_copy(update={"name": " "})}, "invoice.incomplete", "buyer.name"),
        ({"buyer": BUYER.model_copy(update={"org_number": "310149943"})}, "invoice.incomplete", "buyer.org_number"),
        ({"postage": [("S-1", -1)]}, "invoice.incomplete", "postage"),
        ({"cards": [("B-1-1", "cleaning")] * 2}, "invoice.line_twice", "cards"),
        ({"postage": [("S-1", 1), ("S-1", 1)]}, "invoice.line_twice", "postage"),
        ({"issued_on": date(2020, 11, 19)}, "invoice.before_delivery", "issued_on"),
        ({"delivered_on": date(2019, 12, 31), "issued_on": DAY}, "price.unknown_day", "kind"),
    ],
)
def test_an_invoice_is_not_issued_without(changed: dict[str, object], code: str, field: str) -> None:
    with pytest.raises(Refused) as fault:
        _issue(**changed)
    assert (fault.value.code, fault.value.field) == (code, field)


def test_price_is_of_the_day_of_delivery_not_of_issue() -> None:
    invoice = _issue(delivered_on=date(2021, 1, 31), issued_on=date(2021, 2, 5))
    assert invoice.net_ore == 10400


@pytest.mark.parametrize(
    ("delivered", "latest"),
    [
        (date(2026, 1, 31), date(2026, 2, 28)),
        (date(2026, 11, 23), date(2026, 12, 23)),
        (date(2026, 12, 15), date(2027, 1, 15)),
    ],
)
def test_an_invoice_is_due_to_be_issued_within_a_month(delivered: date, latest: date) -> None:
    assert issue_deadline(delivered) == latest


def test_bank_account_check_digit() -> None:
    assert bank_account_is_valid("1234.56.78903")
    assert not bank_account_is_valid("1234.56.78904")
    assert not bank_account_is_valid("1234567890")


# --- mail -------------------------------------------------------------------------------------------------------

MAIL = Message(
    to="faktura@bygg.example",
    subject="Faktura / Invoice 7, Ærlig & Sønn",
    body="Vedlagt.\nAttached.\n",
    attachments=(("invoice-7.pdf", "application/pdf", b"%PDF-1.4 bytes"),),
)


def test_a_mail_is_one_file_with_the_same_bytes(tmp_path: Path) -> None:
    first, second = FolderMail(tmp_path / "a"), FolderMail(tmp_path / "b")
    assert first.look_up("mail:invoice:7") is None
    sent = first.send("mail:invoice:7", MAIL)
    assert (
        first.send("mail:invoice:7", MAIL)
        == sent
        == second.send("mail:invoice:7", MAIL)
        == first.look_up("mail:invoice:7")
    )
    (one,), (other,) = list((tmp_path / "a").iterdir()), list((tmp_path / "b").iterdir())
    assert one.name == other.name
    assert one.read_bytes() == other.read_bytes()


def test_a_mail_reads_back_as_it_was_sent(tmp_path: Path) -> None:
    sent = FolderMail(tmp_path).send("k", MAIL)
    (file,) = tmp_path.iterdir()
    mail = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    assert (mail["To"], mail["Subject"], mail["Message-ID"]) == (MAIL.to, MAIL.subject, sent)
    assert mail.get_body().get_content().replace("\r\n", "\n") == MAIL.body
    (attached,) = mail.iter_attachments()
    assert (attached.get_filename(), attached.get_content()) == ("invoice-7.pdf", b"%PDF-1.4 bytes")


@pytest.mark.parametrize(
    "changed",
    [{"subject": "x\r\nBcc: all@example.com"}, {"to": "a@b.example\nBcc: x@y.example"}, {"to": "nobody"}, {"to": ""}],
)
def test_a_header_cannot_be_smuggled_in(tmp_path: Path, changed: dict[str, str]) -> None:
    with pytest.raises(Refused) as fault:
        FolderMail(tmp_path).send("k", MAIL.model_copy(update=changed))
    assert fault.value.code == "mail.bad_header"
    assert list(tmp_path.iterdir()) == []


def test_an_unusable_mail_folder_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HseCardError) as fault:
        FolderMail(tmp_path / "file").send("k", MAIL)
    assert isinstance(fault.value, Unavailable)


# --- house ------------------------------------------------------------------------------------------------------

_GEOMETRY = {"paper.py", "documents.py"}  # points on a sheet are no money


def test_check_1_no_float_touches_money() -> None:
    """Neither a float literal, nor float(), round() or a true division in any module that handles amounts."""
    for file in sorted(Path(billing.__file__).parent.glob("*.py")):
        if file.name in _GEOMETRY:
            continue
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            assert not (isinstance(node, ast.Constant) and isinstance(node.value, float)), (file.name, node.lineno)
            assert not (isinstance(node, ast.Name) and node.id in ("float", "round")), (file.name, node.lineno)
            assert not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)), (file.name, node.lineno)
