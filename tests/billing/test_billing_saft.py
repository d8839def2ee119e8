"""SAF-T Financial 1.30: in the published order, balanced, with the ledger's own totals, the same bytes each time."""

import io
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from billing.chart import account_named
from billing.invoices import issue
from billing.ledger import entries_of_invoice, entries_of_payment, entries_of_replacement
from billing.ledger_csv import COLUMNS, ledger_csv
from billing.models import Buyer, Delivered, Invoice, LedgerEntry, Seller
from billing.saft import NAMESPACE, Customer, LedgerExport, Paper, check_saft, write_saft
from cards.address import Address
from cards.errors import Refused

SCHEMA = Path(__file__).with_name("saft_130_part.xsd").read_bytes()
DAY = date(2026, 10, 20)
OSLO = Address(recipient="Fjordbygg AS", care_of="Åse", street="Storgata 5", postcode="0184", city="Oslo")
LONGYEARBYEN = Address(recipient="Nord & Sør AS", street="Vei 501", postcode="9170", city="Longyearbyen", country="NO")
SELLER = Seller(name="Kortutsteder AS", org_number="314159268", bank_account="86011117947", address=OSLO)
_NS = {"s": NAMESPACE}


def _invoice(number: int, cards: int = 2, postage: int = 3333, address: Address = OSLO) -> Invoice:
    buyer = Buyer(
        name="Fjord & <bygg> AS", org_number="310149942", address=address, email="f@x.example", e_invoice=True
    )
    return issue(
        number=number,
        issued_on=DAY,
        seller=SELLER,
        buyer=buyer,
        days_until_due=14,
        deliveries=[
            Delivered(
                order_number=f"B-{number}",
                delivered_on=DAY,
                address=address,
                cards=[
                    (f"B-{number}-{line}", "construction" if line % 2 else "cleaning") for line in range(1, cards + 1)
                ],
                postage=[(f"S-{number}", postage)],
            )
        ],
    )


def _entries(*invoices: Invoice) -> list[LedgerEntry]:
    entries = [entry for invoice in invoices for entry in entries_of_invoice(invoice)]
    entries += entries_of_payment("pi_1", amount_ore=5000, booked_on=DAY, document="invoice/1")
    return [*entries, *entries_of_replacement("B-1-1R1", kind="construction", cost_ore=3100, booked_on=DAY)]


def _export(entries: list[LedgerEntry], opening: dict[str, int], **changes: Any) -> LedgerExport:
    content = {
        "seller": SELLER,
        "since": date(2026, 10, 1),
        "until": date(2026, 10, 31),
        "created_on": date(2026, 11, 23),
        "created_by": "kari",
        "software_version": "0.1.0",
        "opening": opening,
        "entries": entries,
        "papers": {"invoice/1": Paper("310149942", "1", kid="3101499420000000018", due_on=date(2026, 11, 3))},
        "customers": [Customer("310149942", "Fjord & bygg", OSLO, opening_ore=-500, closing_ore=4500)],
    }
    return LedgerExport(**{**content, **changes})


def _written(export: LedgerExport) -> bytes:
    out = io.BytesIO()
    write_saft(export, out)
    return out.getvalue()


def _all(root: Any, path: str) -> list[Any]:
    return root.xpath("//" + "/".join(f"s:{name}" for name in path.split("/")), namespaces=_NS)


def _sum(root: Any, path: str) -> Decimal:
    return sum((Decimal(element.text) for element in _all(root, path)), Decimal(0))


def test_check_14_the_file_follows_the_published_order_and_repeats_itself() -> None:
    entries = _entries(_invoice(1), _invoice(2, cards=7), _invoice(3, address=LONGYEARBYEN))
    export = _export(entries, {"1500": 700, "3000.construction": -700})
    data = _written(export)
    check_saft(data, SCHEMA)
    assert data == _written(export)
    assert data.startswith(b"<?xml version='1.0' encoding='utf-8'?>")


def test_check_14_totals_are_the_ledgers_and_debit_is_credit() -> None:
    entries = _entries(_invoice(1), _invoice(2, cards=7), _invoice(3, address=LONGYEARBYEN))
    opening = {"1500": 700, "3000.construction": -700, "2990": 0}
    export = _export(entries, opening)
    root = etree.fromstring(_written(export))
    debit, credit = _sum(root, "Line/DebitAmount/Amount"), _sum(root, "Line/CreditAmount/Amount")
    assert debit == credit == _sum(root, "TotalDebit") == _sum(root, "TotalCredit") == Decimal(export.debit_ore) / 100
    assert _all(root, "NumberOfEntries")[0].text == str(len(_all(root, "Transaction"))) == "5"
    for side in ("Opening", "Closing"):
        path = "GeneralLedgerAccounts/Account/" + side
        assert _sum(root, f"{path}DebitBalance") == _sum(root, f"{path}CreditBalance")
    closing = {
        account.findtext("s:AccountID", namespaces=_NS): Decimal(
            account.findtext("s:ClosingDebitBalance", namespaces=_NS)
            or "-" + account.findtext("s:ClosingCreditBalance", namespaces=_NS)
        )
        for account in _all(root, "Account")
    }
    said = {number: Decimal(ore) / 100 for number, ore in export.closing.items()}
    assert closing == said
    assert {account.findtext("s:GroupingCode", namespaces=_NS) for account in _all(root, "Account")} >= {"2740", "3100"}


def test_vat_of_the_lines_is_the_vat_account_at_the_standard_codes() -> None:
    root = etree.fromstring(_written(_export(_entries(_invoice(1), _invoice(3, address=LONGYEARBYEN)), {})))
    codes = {element.text for element in _all(root, "TaxInformation/TaxCode")}
    assert codes == {element.text for element in _all(root, "StandardTaxCode")} == {"3", "52"}
    on_account = [line for line in _all(root, "Line") if line.findtext("s:AccountID", namespaces=_NS) == "2700"]
    booked = sum(Decimal(line.findtext("s:CreditAmount/s:Amount", namespaces=_NS)) for line in on_account)
    assert _sum(root, "TaxInformation/CreditTaxAmount/Amount") == booked > 0
    for tax in _all(root, "TaxInformation"):
        percent, base, vat = (Decimal(tax.xpath(f"string({path})", namespaces=_NS)) for path in _TAX)
        assert abs(base * percent / 100 - vat) < Decimal("0.01")


_TAX = ("s:TaxPercentage", "s:TaxBase", "s:CreditTaxAmount/s:Amount")


def test_check_14_a_late_document_keeps_its_date_in_a_later_period() -> None:
    late = [
        entry.model_copy(update={"booked_on": date(2026, 11, 1), "dated_on": DAY})
        for entry in entries_of_payment("x" * 100, amount_ore=1, booked_on=DAY, document="invoice/1")
    ]
    data = _written(_export(late, {}))
    check_saft(data, SCHEMA)
    root = etree.fromstring(data)
    said = [_all(root, name)[0].text for name in ("Period", "TransactionDate", "GLPostingDate", "Line/CID")]
    assert said == ["11", "2026-10-20", "2026-11-01", "3101499420000000018"]
    assert len(_all(root, "TransactionID")[0].text) == 70


def test_texts_are_cut_and_cleaned_and_never_refused() -> None:
    odd = OSLO.model_copy(update={"street": "G\x01ate " + "æ" * 400})
    customer = Customer("310149942", "😀\x00" * 200, odd, opening_ore=0, closing_ore=0)
    data = _written(_export([], {}, customers=[customer]))
    check_saft(data, SCHEMA)
    names = [element.text for element in _all(etree.fromstring(data), "Customer/Name")]
    assert names == [("😀�" * 128)]


def test_what_does_not_fit_the_schema_is_refused() -> None:
    data = _written(_export(_entries(_invoice(1)), {}))
    for wrong in (
        data.replace(b"<TaxAccountingBasis>A", b"<TaxAccountingBasis>B"),
        data.replace(b"StandardTaxCode>52", b"StandardTaxCode>5"),
        data.replace(b"<GroupingCode>", b"<Grouping>").replace(b"</GroupingCode>", b"</Grouping>"),
    ):
        assert wrong != data
        with pytest.raises(Refused, match=r"ledger\.saft_invalid"):
            check_saft(wrong, SCHEMA)
    with pytest.raises(Refused, match=r"ledger\.schema_unreadable"):
        check_saft(data, b"<nothing/>")


def test_an_account_or_code_that_nobody_knows_is_refused() -> None:
    entry = _entries(_invoice(1))[0]
    with pytest.raises(Refused, match=r"ledger\.account_unknown"):
        _written(_export([entry.model_copy(update={"account": "1234"})], {}))
    with pytest.raises(Refused, match=r"ledger\.vat_code_unknown"):
        _written(_export([entry.model_copy(update={"vat_code": "99"})], {}))
    assert account_named("3000.cleaning").name == "Salgsinntekt, avgiftspliktig: cleaning"


def test_the_csv_says_the_same_and_starts_no_formula() -> None:
    entries = _entries(_invoice(1))
    entries[0] = entries[0].model_copy(update={"text": '=HYPERLINK("x")'})
    data = ledger_csv(entries)
    assert data.startswith(b"\xef\xbb\xbf" + ";".join(COLUMNS).encode() + b"\r\n")
    rows = [line.split(";") for line in data.decode("utf-8-sig").splitlines()[1:]]
    assert len(rows) == len(entries)
    ore = [int(row[6].replace(",", "") or 0) - int(row[7].replace(",", "") or 0) for row in rows]
    assert ore == [entry.amount_ore for entry in entries]
    assert rows[0][10].startswith("\"'=HYPERLINK")
    assert not [cell for row in rows for cell in row if cell.lstrip('"')[:1] in set("=+-@")]
