"""What a recall costs: a cohort reported and replaced, beside bare SQL that writes the same rows and knows no rules.

The floor updates and inserts with `executemany` in two transactions of one connection, with one SHA-256 an event; it
judges nothing, locks nothing and proves nothing. Both databases are SQLite files with fsync.
"""

import hashlib
import json
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

CARDS = 1000
ROUNDS = 5


def house_s(cards: int) -> tuple[float, float]:
    """Seconds to report a cohort of so many cards, and to order their replacements."""
    from flows.stages.fault_reports import file_report
    from flows.stages.fault_requests import FaultRequest
    from flows.stages.line import run_line
    from flows.stages.reissue import REISSUE
    from store.cohorts import Cohort
    from tests.flows.fleet import a_house, post

    with tempfile.TemporaryDirectory(prefix="hsecard-bench-") as folder, a_house(Path(folder), durable=True) as house:
        post(house, "L-1", cards)
        recall = FaultRequest("command", "bench", "bad lot", cohort=Cohort(lot="L-1"), expect=cards)
        begun = time.perf_counter()
        assert file_report(house, recall).counts == {"reported": cards}
        reported = time.perf_counter()
        assert run_line(house, REISSUE).counts["reissued"] == cards
        return reported - begun, time.perf_counter() - reported


def floor_s(cards: int) -> float:
    """Seconds for the same rows in bare SQL."""
    with tempfile.TemporaryDirectory(prefix="hsecard-bench-") as folder:
        base = sqlite3.connect(Path(folder) / "bare.sqlite")
        base.execute("PRAGMA journal_mode = WAL")
        base.execute("PRAGMA synchronous = FULL")
        base.execute("CREATE TABLE cards (id TEXT PRIMARY KEY, state TEXT, replaced_by TEXT, content TEXT)")
        base.execute(
            "CREATE TABLE events (id TEXT, position INTEGER, content TEXT, digest TEXT, PRIMARY KEY (id, position))"
        )
        base.execute("CREATE TABLE faults (id TEXT PRIMARY KEY, card TEXT, new TEXT)")
        content = json.dumps(dict.fromkeys("abcdefghijklmnopqrst", "x" * 20))
        base.executemany("INSERT INTO cards VALUES (?, 'posted', NULL, ?)", [(f"C-{n}", content) for n in range(cards)])
        base.commit()
        begun = time.perf_counter()
        base.executemany("UPDATE cards SET state = 'faulty' WHERE id = ?", [(f"C-{n}",) for n in range(cards)])
        _events(base, [(f"C-{n}", 1) for n in range(cards)], content)
        base.executemany("INSERT INTO faults VALUES (?, ?, NULL)", [(f"F-{n}", f"C-{n}") for n in range(cards)])
        base.commit()
        base.executemany(
            "INSERT INTO cards VALUES (?, 'pictured', NULL, ?)", [(f"R-{n}", content) for n in range(cards)]
        )
        _events(base, [(f"R-{n}", 1) for n in range(cards)], content)
        change = "UPDATE cards SET state = 'replaced', replaced_by = ? WHERE id = ?"
        base.executemany(change, [(f"R-{n}", f"C-{n}") for n in range(cards)])
        _events(base, [(f"C-{n}", 2) for n in range(cards)], content)
        base.executemany("UPDATE faults SET new = ? WHERE id = ?", [(f"R-{n}", f"F-{n}") for n in range(cards)])
        base.commit()
        spent = time.perf_counter() - begun
        base.close()
        return spent


def _events(base: sqlite3.Connection, places: list[tuple[str, int]], content: str) -> None:
    rows = [(card, at, content, hashlib.sha256(f"{card}{at}{content}".encode()).hexdigest()) for card, at in places]
    base.executemany("INSERT INTO events VALUES (?, ?, ?, ?)", rows)


def main(cards: int) -> None:
    """The best of a few rounds each, since others may share the machine."""
    rounds = [(house_s(cards), floor_s(cards)) for _ in range(ROUNDS)]
    report, reissue = min(row[0][0] for row in rounds), min(row[0][1] for row in rounds)
    floor = min(row[1] for row in rounds)
    print(f"{cards} cards: report {report:.2f} s, replace {reissue:.2f} s, bare SQL {floor:.3f} s")
    print(f"house ÷ floor: {(report + reissue) / floor:.1f} × the time, {floor / (report + reissue):.3f} of the speed")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else CARDS)
