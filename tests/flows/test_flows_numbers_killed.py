"""Check 6: eight processes issue invoices and are killed at any moment; the numbers are whole, each with all it needs.

The writers are forks of one process that has imported the house (importing takes a second each). Each has a clock of
its own, some of them set back by days; one order in ten is refused after its number was taken.
"""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from benchmarks.posted import fill
from cards.adapters.system import SteadyClock
from flows.house import House, open_house
from flows.settings import Settings
from flows.stages.invoice import INVOICE
from flows.stages.line import run_line, work_on
from store.audit import violations
from store.database import open_store

WRITERS, KILLS, ORDERS, REFUSED_EACH, AT_ONCE = 8, 25, 90, 10, 2
NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
_OURS = ("number.", "invoice.", "ledger.", "document.", "effect.request")


def _settings(url: str, home: str, writer: int = 0) -> Settings:
    clock = NOW - timedelta(days=3 * (writer % 4))
    return Settings(home=Path(home), environment="test", engine="inline", clock=clock, durable=False, database_url=url)


def nursery(url: str, home: str) -> None:
    """Fork a writer for each line read, and say its process id."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            with open_house(actor=f"writer {line.strip()}", settings=_settings(url, home, int(line))) as house:
                _work(house, random.Random(int(line)))
        print(pid, flush=True)


def _work(house: House, chance: random.Random) -> None:
    """A few invoices, a few documents, a few letters, over and over."""
    while True:
        for stage in INVOICE:
            for chunk in stage.waiting(house)[:1]:
                start = chance.randrange(len(chunk))
                work_on(house, stage, chunk[start : start + AT_ONCE])


class Writers:
    """Writing processes that can be killed, each followed by another."""

    def __init__(self, url: str, home: Path) -> None:
        program = f"from tests.flows.test_flows_numbers_killed import nursery as n; n({url!r}, {str(home)!r})"
        self._nursery = subprocess.Popen(
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._born = 0
        self.pids = [self._start() for _ in range(WRITERS)]

    def _start(self) -> int:
        assert self._nursery.stdin
        assert self._nursery.stdout
        print(self._born, file=self._nursery.stdin, flush=True)
        self._born += 1
        return int(self._nursery.stdout.readline())

    def kill_one(self, which: int) -> None:
        os.kill(self.pids[which], signal.SIGKILL)  # raises where a writer stopped by itself
        self.pids[which] = self._start()

    def end(self) -> None:
        for pid in self.pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._nursery.kill()
        self._nursery.wait()


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[House]:
    fill(database_url, ORDERS, nowhere_each=REFUSED_EACH)
    with open_house(actor="the last run", settings=_settings(database_url, str(tmp_path / "home"))) as opened:
        yield opened


def _issued(house: House) -> int:
    with house.store.read() as uow:
        return uow.series.last("invoice")


def _kill_many(house: House, database_url: str) -> list[int]:
    """Kill writers one after the other; the last number at each kill."""
    chance, seen = random.Random(11), []
    writers = Writers(database_url, house.settings.home)
    try:
        until = time.monotonic() + 60
        while _issued(house) < 3 and time.monotonic() < until:
            time.sleep(0.05)
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.02, 0.3))
            writers.kill_one(chance.randrange(WRITERS))
            seen.append(_issued(house))
    finally:
        writers.end()
    return seen


def test_check_6_killed_writers_leave_whole_numbers_each_with_its_documents(house: House, database_url: str) -> None:
    seen = _kill_many(house, database_url)
    assert seen == sorted(seen)
    assert len(set(seen)) > KILLS // 3  # they were killed at work
    run_line(house, INVOICE)
    with house.store.read() as uow:
        issued = uow.invoices.all()
        assert [one.number for one in issued] == list(range(1, ORDERS - ORDERS // REFUSED_EACH + 1))
        assert uow.series.last("invoice") == len(issued)
        assert len({one.order_numbers for one in issued}) == len(issued)
        booked = {entry.posting for entry in uow.ledger.entries()}
        papers = {paper.document_id: paper for paper in uow.documents.all()}
    assert booked == {f"invoice:{one.number}" for one in issued}
    assert set(papers) == {f"{kind}invoice/{one.number}" for kind in ("", "ehf/") for one in issued}
    for paper in papers.values():
        assert hashlib.sha256(house.blobs.get(paper.blob_key)).hexdigest() == paper.sha256
    assert len({one.issued_on for one in issued}) > 1  # the clocks of the writers differed
    broken = [one for one in violations(house.store, house.blobs) if one.rule.startswith(_OURS)]
    assert broken == []


def test_check_6_a_clock_set_back_reorders_no_numbers(database_url: str, tmp_path: Path) -> None:
    fill(database_url, 3, cards_each=1)
    for writer in (0, 1, 2):
        with open_house(actor="x", settings=_settings(database_url, str(tmp_path), writer)) as house:
            (chunk,) = INVOICE[0].waiting(house)
            INVOICE[0].work(house, chunk[:1])
    store = open_store(database_url, clock=SteadyClock(NOW))
    with store.read() as uow:
        issued = uow.invoices.all()
    store.close()
    days = [(one.number, (NOW.date() - one.issued_on).days) for one in issued]
    assert days == [(1, 0), (2, 3), (3, 6)]
