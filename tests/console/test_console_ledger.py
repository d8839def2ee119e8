"""Finance at the terminal: the trial balance, months locked, the ledger as a file, payments from the bank's file."""

import csv
import io
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from billing.saft import check_saft
from tests.bank_files import csv_file, ocr_file
from tests.console.terminal import Terminal

SCHEMA = Path(__file__).parents[1] / "billing" / "saft_130_part.xsd"
DAY = date(2026, 11, 23)


@pytest.fixture
def invoiced(terminal: Terminal, inbox: Path) -> Terminal:
    """One order, posted and invoiced."""
    terminal("blanks", "receive", "--lot", "L-1", "--count", "20")
    terminal("orders", "import", inbox)
    assert terminal("day").code == 0
    return terminal


def _invoice(terminal: Terminal) -> dict[str, Any]:
    invoice: dict[str, Any] = terminal("invoices", "export", "--json", "1").json
    return invoice


def test_balances_are_those_of_the_documents(invoiced: Terminal) -> None:
    said = invoiced("ledger", "balances", "--json").json
    invoice = _invoice(invoiced)
    assert said["sum_ore"] == 0
    assert said["accounts"]["1500"] == invoice["gross_ore"]
    assert said["accounts"]["2700"] == -invoice["vat_ore"]
    assert [(row["term"], row["ore"]) for row in said["vat"]] == [("2026-6", invoice["vat_ore"])]
    assert invoiced("ledger", "balances", "--until", "2026-11-01", "--json").json["accounts"] == {}
    assert "Kundefordringer" in invoiced("ledger", "balances").words
    assert invoiced("ledger", "balances", "--until", "soon").code == 2


def test_a_month_is_locked_once_and_not_while_it_runs(invoiced: Terminal) -> None:
    tried = invoiced("ledger", "lock", "2026-10", "--dry-run", "--json").json
    assert (tried["new"], invoiced("ledger", "balances", "--json").json["locks"]) == (True, [])
    assert invoiced("ledger", "lock", "2026-10", "--by", "anna", "--json").json["locked_by"] == "anna"
    assert invoiced("ledger", "lock", "2026-10", "--json").json["new"] is False
    running = invoiced("ledger", "lock", "2026-11", "--json")
    assert (running.code, running.json["error"]["code"]) == (3, "ledger.month_running")


def test_the_ledger_leaves_as_csv_and_saft(invoiced: Terminal, tmp_path: Path) -> None:
    days = ("--from", "2026-11-01", "--until", "2026-11-30")
    rows = list(csv.DictReader(io.StringIO(invoiced("ledger", "export", *days).out.lstrip("\ufeff")), delimiter=";"))
    out = tmp_path / "november.xml"
    said = invoiced("ledger", "export", *days, "--format", "saft", "--out", out, "--schema", SCHEMA, "--json").json
    check_saft(out.read_bytes(), SCHEMA.read_bytes())
    assert said["debit_ore"] == said["credit_ore"] >= _invoice(invoiced)["gross_ore"]
    assert len(rows) == said["entries"]
    back = invoiced("ledger", "export", "--from", "2026-11-30", "--until", "2026-11-01", "--json")
    assert (back.code, back.json["error"]["code"]) == (3, "ledger.days_reversed")


def test_a_bank_file_pays_the_invoice(invoiced: Terminal, tmp_path: Path) -> None:
    invoice, file = _invoice(invoiced), tmp_path / "ocr.txt"
    file.write_text(ocr_file([(invoice["kid"], invoice["gross_ore"]), ("123", 700)], day=DAY))
    tried = invoiced("bank", "import", file, "--dry-run", "--json").json
    assert (tried["booked"], invoiced("bank", "list", "--json").json["payments"]) == (2, [])
    said = invoiced("bank", "import", file, "--by", "anna")
    assert said.code == 0
    assert "bad kid" in said.words
    assert max(map(len, said.out.splitlines())) <= 80
    accounts = invoiced("ledger", "balances", "--json").json["accounts"]
    assert (accounts.get("1500", 0), accounts["1920"], accounts["2900"]) == (0, invoice["gross_ore"] + 700, -700)
    again = invoiced("bank", "import", file, "--json").json
    assert (again["booked"], again["known"], again["differences"]) == (0, 2, [])
    (bad,) = invoiced("bank", "list", "--differing", "--json").json["payments"]
    assert (bad["difference"], bad["imported_by"], bad["source"]) == ("bad_kid", "anna", "ocr.txt")
    assert invoiced("audit").code == 0


def test_a_bank_file_that_cannot_be_read_is_refused_with_its_line(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "bank.csv"
    file.write_text(csv_file([("A", "1", 100, "")], day=DAY).replace("1.00", "one"))
    said = terminal("bank", "import", file, "--json")
    assert (said.code, said.json["error"]["code"], said.json["error"]["field"]) == (3, "bank.record", "bank.csv:2")
    gone = terminal("bank", "import", tmp_path / "gone.txt", "--json")
    assert (gone.code, gone.json["error"]["code"]) == (3, "file.unreadable")


def test_what_waits_for_an_invoice_is_listed_with_its_last_day(terminal: Terminal, inbox: Path) -> None:
    terminal("blanks", "receive", "--lot", "L-1", "--count", "20")
    terminal("orders", "import", inbox)
    for step in ("produce", "encode", "ship"):
        assert terminal(step).code == 0
    (waiting,) = terminal("invoices", "waiting", "--json").json["waiting"]
    assert (waiting["first_posted_on"], waiting["invoice_by"]) == ("2026-11-23", "2026-12-23")
    assert waiting["late"] is False
    assert waiting["order_numbers"][0] in terminal("invoices", "waiting").words
    terminal("invoice")
    assert terminal("invoices", "waiting", "--json").json["waiting"] == []
