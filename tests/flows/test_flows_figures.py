"""Check 2: what an invoice says on paper, in UBL, in the database, in the ledger and at Stripe is the same, to the øre.

A seeded set of invoices, of one order and collected, inside and outside the VAT area, with postage of free øre.
"""

import io
import random
import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from pypdf import PdfReader
from sqlalchemy import func, select

from billing.documents import invoice_pdf
from billing.ehf import figures, invoice_xml
from billing.invoices import issue
from billing.ledger import RECEIVABLE, VAT_OUTPUT, entries_of_invoice
from billing.models import Buyer, Delivered, Invoice, Seller
from billing.stripe_invoice import line_parameters
from cards.address import Address
from cards.money import nok
from flows.house import House, open_house
from flows.settings import Settings
from store.tables import invoice_lines, invoices, ledger_entries
from tests.store.small_world import OSLO, accept

SEED, HOW_MANY = 20261128, 40
FIRST = date(2026, 10, 1)
SVALBARD = Address(recipient="Fjordbygg AS", street="Vei 501", postcode="9170", city="Longyearbyen")
SELLER = Seller(name="Kortutsteder AS", org_number="314159268", bank_account="86011117947", address=OSLO)
BUYER = Buyer(name="Fjordbygg AS", org_number="310149942", address=OSLO, email="f@bygg.example", e_invoice=False)
_AMOUNT = re.compile(r"(?<![\d.])\d+\.\d\d(?![\d.])")


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[House]:
    settings = Settings(home=tmp_path / "home", environment="test", engine="inline", database_url=database_url)
    with open_house(actor="anna", settings=settings) as opened:
        yield opened


def _delivered(chance: random.Random, order: str, cards: list[str]) -> Delivered:
    return Delivered(
        order_number=order,
        delivered_on=FIRST + timedelta(days=chance.randrange(31)),
        address=chance.choice((OSLO, OSLO, SVALBARD)),
        cards=tuple((card_id, chance.choice(("construction", "cleaning"))) for card_id in cards),
        postage=((f"S-{order}", chance.randrange(1, 99_999)),),
    )


def _issued(house: House) -> list[Invoice]:
    chance, made, orders = random.Random(SEED), [], 0
    with house.store.begin() as uow:
        for number in range(1, HOW_MANY + 1):
            deliveries = []
            for _ in range(chance.choice((1, 1, 2, 5))):
                orders += 1
                cards = accept(uow, f"B-{orders}", cards=chance.randrange(1, 5), key=f"k{orders}")
                deliveries.append(_delivered(chance, f"B-{orders}", cards))
            assert uow.series.next("invoice") == number
            issued = issue(
                number=number, issued_on=date(2026, 11, 2), seller=SELLER, buyer=BUYER, deliveries=deliveries
            )
            lines = tuple(line.model_copy(update={"shipment_id": None}) for line in issued.lines)
            invoice = issued.model_copy(update={"lines": lines})  # the letters themselves are not needed here
            uow.invoices.add(invoice)
            uow.ledger.post(entries_of_invoice(invoice))
            made.append(invoice)
    return made


def _printed(invoice: Invoice) -> list[str]:
    """The sums on paper, in their order: net and VAT of each rate, then what is to pay, twice."""
    pages = PdfReader(io.BytesIO(invoice_pdf(invoice))).pages
    text = " ".join(" ".join((page.extract_text() or "").split()) for page in pages)
    return _AMOUNT.findall(text[text.index("Grunnlag MVA") :].replace(" %", "%"))


def test_check_2_paper_ubl_database_ledger_and_stripe_say_the_same(house: House) -> None:
    issued = _issued(house)
    with house.store.read() as uow:
        kept = uow.invoices.all()
        rows = {row.number: row for row in uow.connection.execute(select(invoices))}
        line = invoice_lines.c
        nets = dict(uow.connection.execute(select(line.number, func.sum(line.net_ore)).group_by(line.number)).all())
        entry = ledger_entries.c
        booked = {
            (row.posting, row.account): int(row[2])
            for row in uow.connection.execute(
                select(entry.posting, entry.account, func.sum(entry.amount_ore)).group_by(entry.posting, entry.account)
            )
        }
    assert kept == issued
    assert sum(len(invoice.deliveries) > 1 for invoice in kept) > 10
    assert sum(len(invoice.vat) > 1 for invoice in kept) > 5
    for invoice in kept:
        sums = (invoice.net_ore, invoice.vat_ore, invoice.gross_ore)
        row = rows[invoice.number]
        assert (row.net_ore, row.vat_ore, row.gross_ore) == sums
        assert nets[invoice.number] == invoice.net_ore
        said = figures(invoice_xml(invoice))
        assert (said["net"], said["vat"], said["gross"]) == tuple(map(nok, sums))
        rates = [nok(ore) for one in invoice.vat for ore in (one.net_ore, one.vat_ore)]
        assert _printed(invoice) == [*rates, nok(invoice.gross_ore), nok(invoice.gross_ore)]
        at_stripe = line_parameters(invoice)
        vat = sum(one["tax_amounts"][0]["amount"] for one in at_stripe)
        assert (sum(one["amount"] for one in at_stripe), vat) == sums[:2]
        posting = f"invoice:{invoice.number}"
        assert booked[posting, RECEIVABLE] == invoice.gross_ore
        assert booked.get((posting, VAT_OUTPUT), 0) == -invoice.vat_ore
