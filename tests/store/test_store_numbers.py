"""Numbers of documents: whole 1..N when eight writing processes are killed, and nobody sets one, not even by SQL."""

import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest

from cards.adapters.system import SteadyClock
from cards.errors import Refused
from store.database import Store, open_store
from tests.store.small_world import accept, an_invoice

_WRITERS, _SECONDS = 8, 4.0
_GIVEN = r"a number is given by its counter"


def _write_until_killed(url: str, writer: int) -> None:
    """What a writing process does: an order's number, its document, its ledger entries, over and over."""
    chance = random.Random(writer)
    store = open_store(url, clock=SteadyClock(datetime(2026, 11, 23, 8, tzinfo=UTC)), durable=True)
    while True:
        try:
            with store.begin() as uow:
                uow.invoices.add(an_invoice(uow.series.next("invoice"), [], []))
                if chance.random() < 0.1:
                    raise _GivesUp
        except _GivesUp:
            pass


@pytest.fixture
def ordered(store: Store) -> Store:
    """A house with the order that the invoices of these tests are for."""
    with store.begin() as uow:
        accept(uow, "B-1", cards=1)
    return store


class _GivesUp(Exception):
    """A writer that changes its mind."""


def _started(url: str, writer: int) -> "subprocess.Popen[bytes]":
    program = f"from tests.store.test_store_numbers import _write_until_killed as w; w({url!r}, {writer})"
    return subprocess.Popen([sys.executable, "-c", program])


def test_killed_writers_leave_whole_numbers(ordered: Store, database_url: str) -> None:
    chance = random.Random(7)
    writers = [_started(database_url, n) for n in range(_WRITERS)]
    kills = 0
    try:
        end = time.monotonic() + 60
        while _issued(ordered) < 5 and time.monotonic() < end:
            time.sleep(0.1)
        until = time.monotonic() + _SECONDS
        while time.monotonic() < until:
            time.sleep(chance.uniform(0.02, 0.2))
            victim = chance.randrange(_WRITERS)
            assert writers[victim].poll() is None, "a writer stopped by itself"
            writers[victim].send_signal(signal.SIGKILL)
            writers[victim].wait()
            kills += 1
            writers[victim] = _started(database_url, 100 + kills)
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    with ordered.read() as uow:
        numbers = [invoice.number for invoice in uow.invoices.all()]
        assert numbers == list(range(1, len(numbers) + 1))
        assert uow.series.last("invoice") == len(numbers) >= 5
    assert kills >= 10


def _issued(store: Store) -> int:
    with store.read() as uow:
        return uow.series.last("invoice")


@pytest.mark.parametrize(
    "act",
    [
        "UPDATE number_series SET last = last - 1 WHERE name = 'invoice'",
        "UPDATE number_series SET last = last + 2 WHERE name = 'invoice'",
        "UPDATE number_series SET last = last WHERE name = 'invoice'",
        "UPDATE number_series SET name = 'other' WHERE name = 'invoice'",
        "UPDATE number_series SET last = last - 1 WHERE name = 'letter'",
        "DELETE FROM number_series",
        "INSERT INTO number_series (name, last) VALUES ('credit_note', 5)",
    ],
)
def test_no_hand_moves_a_counter(ordered: Store, act: str) -> None:
    with ordered.begin() as uow:
        uow.invoices.add(an_invoice(uow.series.next("invoice"), [], []))
        uow.series.next("letter", 3)
    with pytest.raises(Refused, match=_GIVEN), ordered.begin() as uow:
        uow.connection.exec_driver_sql(act)


@pytest.mark.parametrize("number", [0, 1, 3, 17])
def test_no_document_takes_a_number_of_its_own(ordered: Store, number: int) -> None:
    with ordered.begin() as uow:
        uow.invoices.add(an_invoice(uow.series.next("invoice"), [], []))
        uow.invoices.add(an_invoice(uow.series.next("invoice"), [], []))
    with pytest.raises(Refused, match=_GIVEN), ordered.begin() as uow:
        uow.invoices.add(an_invoice(number, [], []))


def test_a_number_without_its_document_stops_the_series(ordered: Store) -> None:
    with ordered.begin() as uow:
        assert uow.series.next("invoice") == 1
    with pytest.raises(Refused, match=_GIVEN), ordered.begin() as uow:
        uow.series.next("invoice")
    with ordered.begin() as uow:
        uow.invoices.add(an_invoice(1, [], []))
        uow.invoices.add(an_invoice(uow.series.next("invoice"), [], []))
