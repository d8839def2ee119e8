"""The bank's file: read whole or refused with its line, and each payment judged by what its invoice owes."""

from datetime import date

import pytest

from billing.bank_file import BankDifference, BankLine, Owed, judge, read_bank_file
from billing.kid import kid
from cards.errors import Refused
from tests.bank_files import csv_file, ocr_file

KID = kid(customer=7, invoice=42)
DAY = date(2026, 11, 20)


def _line(amount: int = 100, kid: str = KID, currency: str = "NOK") -> BankLine:
    return BankLine(key="csv:1", line=2, received_on=DAY, kid=kid, amount_ore=amount, currency=currency)


def test_ocr_giro_is_read_with_every_figure_in_its_place() -> None:
    read = read_bank_file(ocr_file([(KID, 45500), ("", 1), (KID, -45500)], day=DAY), name="a.txt")
    assert [(line.kid, line.amount_ore, line.received_on, line.line) for line in read] == [
        (KID, 45500, DAY, 3),
        ("", 1, DAY, 5),
        (KID, -45500, DAY, 7),
    ]
    assert read[0].key == "ocr:86011117947:201126:0000001:0000001"
    assert KID.startswith("00000000")


def test_csv_is_read_as_spreadsheets_write_it() -> None:
    rows = ("reference;booked_on;kid;amount;currency", f"A-1;2026-11-20;{KID};1 455,5;", "", "A-2;2026-11-21;;-7;eur")
    text = "\ufeff" + "\r\n".join(rows)
    first, second = read_bank_file(text, name="a.csv")
    assert (first.key, first.kid, first.amount_ore, first.currency, first.line) == ("csv:A-1", KID, 145550, "NOK", 2)
    assert (second.kid, second.amount_ore, second.currency, second.line) == ("", -700, "EUR", 4)


_GOOD = ocr_file([(KID, 45500), (KID, 100)], day=DAY)
_RECORDS = _GOOD.splitlines()


def _without(number: int) -> str:
    return "\n".join(_RECORDS[: number - 1] + _RECORDS[number:])


def _changed(number: int, start: int, text: str) -> str:
    record = _RECORDS[number - 1]
    return "\n".join([*_RECORDS[: number - 1], record[:start] + text + record[start + len(text) :], *_RECORDS[number:]])


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        (_without(3), "bank.control", 6),
        (_changed(3, 48, "1"), "bank.control", 7),
        (_changed(8, 15, "9"), "bank.control", 8),
        (_without(8), "bank.record", 7),
        (_without(7), "bank.record", 7),
        (_without(2), "bank.record", 2),
        (_changed(3, 15, "3113"), "bank.record", 3),
        (_changed(3, 40, "x"), "bank.record", 3),
        (_changed(3, 32, "0" * 17), "bank.record", 3),
        (_changed(4, 6, "77"), "bank.record", 4),
        (_GOOD + _RECORDS[0], "bank.record", 9),
        (_GOOD.replace("NY0900", "XY0900", 1), "bank.record", 2),
        ("nothing of this kind", "bank.record", 1),
        ("reference;booked_on;kid;amount\nA;2026-11-20;1;12,345", "bank.record", 2),
        ("reference;booked_on;kid;amount\nA;2026-11-20;1;0.00", "bank.record", 2),
        ("reference;booked_on;kid;amount\nA;20.11.2026;1;5", "bank.record", 2),
        ("reference;booked_on;kid;amount\n;2026-11-20;1;5", "bank.record", 2),
    ],
)
def test_what_is_not_the_banks_file_is_refused_with_its_line(text: str, code: str, line: int) -> None:
    with pytest.raises(Refused) as fault:
        read_bank_file(text, name="a.txt")
    assert (fault.value.code, fault.value.field) == (code, f"a.txt:{line}")


OPEN = Owed(invoice=42, open_ore=100, paid=False, void=False)


@pytest.mark.parametrize(
    ("line", "owed", "said"),
    [
        (_line(), OPEN, (100, 0, None)),
        (_line(130), OPEN, (100, 30, "overpaid")),
        (_line(40), OPEN, (40, 0, "underpaid")),
        (_line(), OPEN._replace(open_ore=0, paid=True), (0, 100, "paid_twice")),
        (_line(), OPEN._replace(open_ore=0), (0, 100, "credited")),
        (_line(), OPEN._replace(void=True), (0, 100, "void_invoice")),
        (_line(-100), OPEN, (0, -100, "taken_back")),
        (_line(currency="EUR"), OPEN, (0, 0, "other_currency")),
        (_line(), None, (0, 100, "unknown_kid")),
        (_line(kid=KID[:-1]), None, (0, 100, "bad_kid")),
        (_line(kid=""), None, (0, 100, "no_kid")),
    ],
)
def test_each_payment_is_judged_by_what_its_invoice_owes(line: BankLine, owed: Owed | None, said: tuple) -> None:
    assert judge(line, owed) == (said[0], said[1], said[2] and BankDifference(said[2]))


def test_the_files_of_the_tests_agree_with_each_other() -> None:
    ocr = read_bank_file(ocr_file([(KID, 45500), (KID, 1)], day=DAY), name="a")
    csv = read_bank_file(csv_file([("1", KID, 45500, ""), ("2", KID, 1, "")], day=DAY), name="b")
    assert [(line.kid, line.amount_ore, line.received_on) for line in ocr] == [
        (line.kid, line.amount_ore, line.received_on) for line in csv
    ]
