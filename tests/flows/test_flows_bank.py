"""Payments by bank on both databases: a thousand right ones, each planted difference named and none invented."""

import random
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from billing.invoices import issue
from billing.kid import kid
from billing.ledger import RECEIVABLE, UNALLOCATED, entries_of_invoice
from billing.models import Buyer, Delivered, Invoice, Seller
from cards.address import Address
from cards.errors import Refused
from flows.house import House, open_house
from flows.settings import Settings
from flows.stages.bank import BankImport, import_bank_file
from store.audit import violations
from tests.bank_files import csv_file, ocr_file
from tests.store.small_world import a_reading, an_order

DAY = date(2026, 11, 20)
OSLO = Address(recipient="Fjordbygg AS", street="Storgata 5", postcode="0184", city="Oslo")
SELLER = Seller(name="Card Bureau AS", org_number="314159268", address=OSLO, bank_account="86011117947")
BUYER = Buyer(name="Fjordbygg AS", org_number="310149942", address=OSLO, email="f@bygg.example", e_invoice=False)


@pytest.fixture
def house(database_url: str, tmp_path: Path) -> Iterator[House]:
    settings = Settings(
        home=tmp_path / "home",
        environment="test",
        clock=datetime(2026, 11, 23, 8, 0, tzinfo=UTC),
        engine="inline",
        durable=False,
        database_url=database_url,
    )
    with open_house(actor="anna", settings=settings) as house:
        yield house


def _invoices(house: House, count: int) -> list[Invoice]:
    """Invoices of one order, each over another letter's postage; the letters themselves are not needed here."""
    made = []
    with house.store.begin() as uow:
        key = house.blobs.put("order", b"B-1", "json")
        uow.orders.add(an_order("B-1"), reading=a_reading(), document_key=key, received_at=house.clock.now())
        for _ in range(count):
            number = uow.series.next("invoice")
            invoice = issue(
                number=number,
                issued_on=DAY,
                seller=SELLER,
                buyer=BUYER,
                days_until_due=14,
                deliveries=[
                    Delivered(
                        order_number="B-1",
                        delivered_on=DAY,
                        address=OSLO,
                        cards=[],
                        postage=[(f"S-{number}", 1440 + number)],
                    )
                ],
            )
            lines = tuple(line.model_copy(update={"shipment_id": None}) for line in invoice.lines)
            uow.invoices.add(invoice.model_copy(update={"lines": lines}))
            uow.ledger.post(entries_of_invoice(invoice))
            made.append(invoice)
    return made


def _violations(house: House) -> list[str]:
    """Rules of the bank and the ledger that are broken; the invoices here have no cards behind them."""
    found = violations(house.store, house.blobs)
    return [one.rule for one in found if one.rule.startswith(("bank.", "ledger."))]


def _kinds(found: BankImport) -> Counter[str]:
    return Counter(one.difference.value for one in found.differences)


def _state(house: House) -> tuple[object, ...]:
    with house.store.read() as uow:
        return uow.bank.all(), uow.ledger.entries()


def test_check_13_each_planted_difference_is_named_among_a_thousand_right_payments(house: House) -> None:
    invoices = _invoices(house, 1010)
    right = [(f"R-{paper.number}", paper.kid, paper.gross_ore, "") for paper in invoices[:1000]]
    over, under, foreign, late, *_ = invoices[1000:]
    typo = late.kid[:-1] + str((int(late.kid[-1]) + 1) % 10)
    planted = [
        ("P-1", over.kid, over.gross_ore + 100, "", "overpaid"),
        ("P-2", under.kid, under.gross_ore - 100, "", "underpaid"),
        ("P-3", foreign.kid, foreign.gross_ore, "SEK", "other_currency"),
        ("P-4", typo, late.gross_ore, "", "bad_kid"),
        ("P-5", kid(customer=310149942, invoice=4711), 5000, "", "unknown_kid"),
        ("P-6", "", 5000, "", "no_kid"),
        ("P-7", invoices[0].kid, -invoices[0].gross_ore, "", "taken_back"),
        ("R-9", invoices[8].kid, invoices[8].gross_ore, "", "twice_in_file"),
        ("P-8", invoices[3].kid, invoices[3].gross_ore, "", "paid_twice"),
    ]
    rows = [*right, *(row[:4] for row in planted[:-1])]
    random.Random(7).shuffle(rows)
    rows.append(planted[-1][:4])  # the second payment of an invoice comes after its first
    found = import_bank_file(house, csv_file(rows, day=DAY), name="bank.csv")

    assert _kinds(found) == Counter(row[4] for row in planted)
    named = {(one.key, one.difference.value) for one in found.differences}
    assert named == {(f"csv:{row[0]}", row[4]) for row in planted}
    assert found.booked == 1000 + len(planted) - 1
    with house.store.read() as uow:
        open_now = uow.ledger.by_document(RECEIVABLE)
        balances = uow.ledger.balances()
    still = {under.number: 100, foreign.number: foreign.gross_ore, late.number: late.gross_ore}
    still |= {paper.number: paper.gross_ore for paper in invoices[1004:]}
    assert open_now == {f"invoice/{number}": ore for number, ore in still.items()}
    kept = 100 + late.gross_ore + 5000 + 5000 - invoices[0].gross_ore + invoices[3].gross_ore
    assert balances[UNALLOCATED] == -kept == -found.unallocated_ore
    assert sum(balances.values()) == 0
    assert _violations(house) == []


def test_a_file_that_was_imported_changes_nothing(house: House) -> None:
    first, second = _invoices(house, 2)
    text = ocr_file([(first.kid, first.gross_ore), (second.kid, 50)], day=DAY)
    assert import_bank_file(house, text, name="a.txt").booked == 2
    before = _state(house)
    again = import_bank_file(house, text, name="a-copy.txt")
    assert (again.booked, again.known, again.differences) == (0, 2, ())
    assert _state(house) == before

    rest = ocr_file([(second.kid, second.gross_ore - 50)], day=DAY, assignment=2)
    assert import_bank_file(house, rest, name="b.txt").differences == ()
    changed = ocr_file([(first.kid, first.gross_ore + 1)], day=DAY, assignment=2)
    (told,) = import_bank_file(house, changed, name="c.txt").differences
    assert (told.difference, told.line) == ("changed", 3)
    with house.store.read() as uow:
        assert uow.ledger.by_document(RECEIVABLE) == {}


def test_a_file_with_a_wrong_sum_books_nothing(house: House) -> None:
    (paper,) = _invoices(house, 1)
    before = _state(house)
    broken = ocr_file([(paper.kid, paper.gross_ore)], day=DAY).replace(f"{paper.gross_ore:017d}", f"{1:017d}", 1)
    with pytest.raises(Refused, match=r"bank\.control"):
        import_bank_file(house, broken, name="a.txt")
    assert _state(house) == before


def test_two_imports_at_once_book_each_payment_once(house: House) -> None:
    invoices = _invoices(house, 60)
    text = csv_file([(f"R-{paper.number}", paper.kid, paper.gross_ore, "") for paper in invoices], day=DAY)
    other = csv_file([(f"X-{paper.number}", paper.kid, paper.gross_ore, "") for paper in invoices], day=DAY)
    found: list[BankImport] = []
    start = threading.Barrier(3)

    def bring(some: str) -> None:
        start.wait()
        found.append(import_bank_file(house, some, name="a.csv"))

    threads = [threading.Thread(target=bring, args=(some,)) for some in (text, text, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(one.booked for one in found) == 120
    assert sum((_kinds(one) for one in found), Counter()) == {"paid_twice": 60}
    with house.store.read() as uow:
        assert uow.ledger.by_document(RECEIVABLE) == {}
    assert _violations(house) == []


def test_late_payments_of_a_locked_month_are_booked_and_audited(house: House) -> None:
    (paper,) = _invoices(house, 1)
    with house.store.begin() as uow:
        uow.ledger.lock("2026-10", by="kari")
    import_bank_file(house, csv_file([("A", paper.kid, paper.gross_ore, "")], day=date(2026, 10, 30)), name="a.csv")
    with house.store.read() as uow:
        days = {(entry.booked_on, entry.dated_on) for entry in uow.ledger.entries("1920")}
    assert days == {(date(2026, 11, 1), date(2026, 10, 30))}
    assert _violations(house) == []
