"""Half a million of Stripe's movements and of the bank's payments held against the ledger, each beside bare floors.

The floors say only that something differs: a dictionary of either side in Python, and a join in SQL. Neither knows
fees, payouts, refunds, currencies or void invoices, nor whether the differences explain the balance: that is what the
difference buys; the bank's payments are booked as well, which the floor leaves out. Times are CPU seconds over an
SQLite file, memory is what the process grew by.
"""

import json
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from cards.adapters.system import SteadyClock
from flows.house import open_house
from flows.settings import Settings
from flows.stages.bank import import_bank_file
from store.database import migrate, open_store

ROWS, WRONG_EACH = 500_000, 1_000
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
_AT = "2026-11-23T10:00:00.000000Z"
_DAY = "2026-11-23"


def main(rows: int) -> None:
    """Fill, compare, print."""
    with tempfile.TemporaryDirectory() as folder:
        stripe = _filled(Path(folder) / "stripe.sqlite", rows, _stripe_rows)
        _print("Stripe", rows, _apart("stripe", stripe))
        for floor in ("dictionaries", "join"):
            _print(f"  floor: {floor}", rows, _apart(floor, stripe))
        home = Path(folder) / "home"
        home.mkdir()
        _filled(home / "hsecard.sqlite", rows, _invoice_rows)
        _write_bank_file(home / "bank.csv", rows)
        _print("bank file, booked", rows, _apart("bank", home))
        _print("  floor: dictionaries", rows, _apart("bank-floor", home))


def _print(what: str, rows: int, done: dict[str, Any]) -> None:
    print(f"{what}: {rows} rows, {done['found']} differences, {done['s']:.1f} s, {done['mb']:.0f} MB")


def _apart(what: str, path: Path) -> dict[str, Any]:
    """In a process of its own, so that its memory is its own."""
    words = [sys.executable, "-m", "benchmarks.reconcile", what, str(path)]
    said = subprocess.run(words, check=True, capture_output=True, text=True)
    measured: dict[str, Any] = json.loads(said.stdout)
    return measured


def _measured(work: Callable[[], int]) -> None:
    before, start = _peak_mb(), time.process_time()
    found = work()
    print(json.dumps({"found": found, "s": time.process_time() - start, "mb": _peak_mb() - before}))


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# --- what is compared -------------------------------------------------------------------------------------------


def _filled(path: Path, rows: int, fill: Callable[[sqlite3.Connection, int], None]) -> Path:
    migrate(f"sqlite:///{path}")
    with sqlite3.connect(path) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")  # rows by bare SQL: no numbers are given here
        fill(connection, rows)
        connection.execute("ANALYZE")
    return path


_LEDGER = (
    "INSERT INTO ledger_entries (posting, position, booked_on, account, amount_ore, document, text, entered_at) "
    f"VALUES (?, ?, '{_DAY}', ?, ?, ?, '', '{_AT}')"
)


def _stripe_rows(connection: sqlite3.Connection, rows: int) -> None:
    """A payment on an invoice each, with its fee; of every thousandth, Stripe says one øre less."""
    numbers = range(1, rows + 1)
    _invoices(connection, rows)
    connection.executemany(
        f"INSERT INTO stripe_payments VALUES (?, ?, 'nok', ?, 13000, '{_AT}', NULL)",
        ((f"in_{n}", f"pi_{n}", n) for n in numbers),
    )
    connection.executemany(
        f"INSERT INTO stripe_movements VALUES (?, 'payment', ?, ?, 180, 'nok', '{_AT}')",
        ((f"txn_{n}", f"pi_{n}", 13000 - (n % WRONG_EACH == 0)) for n in numbers),
    )
    for posting, account, against, ore in (
        ("payment:stripe:in_", "1570", "1500", 13000),
        ("stripe_fee:txn_", "7770", "1570", 180),
    ):
        for position, side in enumerate(((account, ore), (against, -ore)), start=1):
            entries = ((f"{posting}{n}", position, *side, f"invoice/{n}") for n in numbers)
            connection.executemany(_LEDGER, entries)
    stands = rows * (13000 - 180) - rows // WRONG_EACH
    connection.execute("INSERT INTO stripe_fetches VALUES (1, ?, ?, ?, 'x')", (_AT, rows, stands))


def _invoices(connection: sqlite3.Connection, rows: int) -> None:
    connection.executemany(
        "INSERT INTO invoices (number, kid, issued_on, order_number, net_ore, vat_ore, gross_ore, content) "
        f"VALUES (?, ?, '{_DAY}', 'B-1', 10400, 2600, 13000, '{{}}')",
        ((n, f"{n:010d}") for n in range(1, rows + 1)),
    )


def _invoice_rows(connection: sqlite3.Connection, rows: int) -> None:
    _invoices(connection, rows)
    connection.executemany(_LEDGER, ((f"invoice:{n}", 1, "1500", 13000, f"invoice/{n}") for n in range(1, rows + 1)))


def _write_bank_file(path: Path, rows: int) -> None:
    """A payment of each invoice; every thousandth is one øre short."""
    with path.open("w", encoding="utf-8") as out:
        out.write("reference;booked_on;kid;amount\n")
        for n in range(1, rows + 1):
            out.write(f"ref-{n};{_DAY};{n:010d};{129.99 if n % WRONG_EACH == 0 else 130:.2f}\n")


# --- how --------------------------------------------------------------------------------------------------------


def _compare_stripe(path: str) -> int:
    store = open_store(f"sqlite:///{path}", clock=SteadyClock(NOON))
    with store.read() as uow:
        found = uow.stripe_compared.compared()
    if found.tie.left_over_ore:
        raise SystemExit(f"the balance does not tie: {found.tie}")
    return len(found.findings)


def _dictionaries(path: str) -> int:
    with sqlite3.connect(path) as connection:
        there = dict(connection.execute("SELECT source, amount_ore FROM stripe_movements"))
        here = dict(
            connection.execute(
                "SELECT payment, e.amount_ore FROM stripe_payments JOIN ledger_entries e "
                "ON posting = 'payment:stripe:' || reference AND account = '1570'"
            )
        )
    return sum(here.get(source) != ore for source, ore in there.items()) + len(here.keys() - there.keys())


def _join(path: str) -> int:
    with sqlite3.connect(path) as connection:
        (found,) = connection.execute(
            "SELECT count(*) FROM stripe_payments p JOIN ledger_entries e "
            "ON posting = 'payment:stripe:' || reference AND account = '1570' "
            "JOIN stripe_movements m ON m.source = p.payment WHERE m.amount_ore <> e.amount_ore"
        ).fetchone()
    return int(found)


def _import_bank(home: str) -> int:
    settings = Settings(home=Path(home), environment="test", engine="inline", clock=NOON, durable=False)
    with open_house(actor="benchmark", settings=settings) as house:
        text = (Path(home) / "bank.csv").read_text("utf-8")
        return len(import_bank_file(house, text, name="bank.csv").differences)


def _bank_floor(home: str) -> int:
    """Every line held against what its KID owes; nothing is booked or kept."""
    with sqlite3.connect(Path(home) / "hsecard.sqlite") as connection:
        owed = dict(connection.execute("SELECT kid, gross_ore FROM invoices"))
    wrong = 0
    with (Path(home) / "bank.csv").open(encoding="utf-8") as lines:
        next(lines)
        for line in lines:
            _, day, kid, kroner = line.rstrip("\n").split(";")
            wrong += owed.get(kid) != int(kroner.replace(".", "")) or date.fromisoformat(day).year != NOON.year
    return wrong


WORK: dict[str, Callable[[str], int]] = {
    "stripe": _compare_stripe,
    "dictionaries": _dictionaries,
    "join": _join,
    "bank": _import_bank,
    "bank-floor": _bank_floor,
}

if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in WORK:
        _measured(lambda: WORK[sys.argv[1]](sys.argv[2]))
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else ROWS)
