"""Locked months: what is dated into one is booked later under its own date, and no hand gets past the lock."""

import threading
import time
from datetime import UTC, date, datetime

import pytest

from billing.ledger import entries_of_invoice, entries_of_payment
from cards.adapters.system import SteadyClock
from cards.errors import Refused
from store.database import Store, open_store
from tests.store.small_world import an_invoice

OCTOBER = date(2026, 10, 20)
_BY_HAND = (
    "INSERT INTO ledger_entries (posting, position, booked_on, account, amount_ore, document, text) "
    "VALUES ('by hand', 1, '2026-10-31', '1920', 0, 'x', 'y')"
)


def _paid(name: str, day: date, amount: int = 100):
    return entries_of_payment(name, amount_ore=amount, booked_on=day, document="invoice/1")


def test_check_14_a_late_document_is_booked_on_the_first_open_day_and_keeps_its_own(store: Store) -> None:
    with store.begin() as uow:
        uow.ledger.post(_paid("early", OCTOBER))
        assert uow.ledger.open_from() is None
        lock = uow.ledger.lock("2026-10", by="kari")
        assert (lock.until, lock.locked_by) == (date(2026, 10, 31), "kari")
        assert uow.ledger.open_from() == date(2026, 11, 1)
    with store.begin() as uow:
        uow.ledger.post([*_paid("late", OCTOBER), *_paid("now", date(2026, 11, 2))])
        days = {(entry.posting, entry.booked_on, entry.dated_on) for entry in uow.ledger.entries()}
    assert days == {
        ("payment:early", OCTOBER, None),
        ("payment:late", date(2026, 11, 1), OCTOBER),
        ("payment:now", date(2026, 11, 2), None),
    }
    with store.read() as uow:
        assert uow.ledger.balances(until=date(2026, 10, 31)) == {"1500": -100, "1920": 100}
        assert uow.ledger.balances() == {"1500": -300, "1920": 300}
        assert uow.ledger.by_document("1500", until=OCTOBER) == {"invoice/1": -100}
        assert len(uow.ledger.entries(since=date(2026, 11, 1), until=date(2026, 11, 1))) == 2


def test_a_month_is_locked_once_with_all_before_it(store: Store) -> None:
    with store.begin() as uow:
        for month, code in (("2026-11", "month_running"), ("2027-01", "month_running"), ("10/2026", "month_unknown")):
            with pytest.raises(Refused, match=rf"ledger\.{code}"):
                uow.ledger.lock(month, by="kari")
        first = uow.ledger.lock("2026-9", by="kari")
        assert first.month == "2026-09"
        assert uow.ledger.lock("2026-09", by="ola") == first
        assert uow.ledger.lock("2026-02", by="ola") == first
        second = uow.ledger.lock("2026-10", by="ola")
    with store.read() as uow:
        assert uow.ledger.locks() == [first, second]


def test_the_database_itself_keeps_a_month_locked(store: Store) -> None:
    with store.begin() as uow:
        uow.connection.exec_driver_sql(_BY_HAND.replace("by hand", "before"))
        uow.ledger.lock("2026-10", by="kari")
    for act, says in (
        (_BY_HAND, "month is locked"),
        ("INSERT INTO ledger_locks VALUES ('2026-08', '2026-08-31', 'x', 'y')", "month is locked"),
        ("UPDATE ledger_locks SET until = '2026-01-31'", "append-only"),
        ("DELETE FROM ledger_locks", "append-only"),
    ):
        with pytest.raises(Refused, match=rf"{says} \[store\.rule_broken\]"), store.begin() as uow:
            uow.connection.exec_driver_sql(act)
    with store.begin() as uow:
        uow.connection.exec_driver_sql(_BY_HAND.replace("10-31", "11-01"))


def test_a_lock_waits_for_postings_that_are_under_way(store: Store, database_url: str) -> None:
    """The posting began first: it is in the month before the lock is, never after it."""
    other = open_store(database_url, clock=SteadyClock(datetime(2026, 11, 23, 8, tzinfo=UTC)), durable=False)
    order: list[str] = []

    def lock() -> None:
        with other.begin() as uow:
            uow.ledger.lock("2026-10", by="kari")
        order.append("locked")

    with store.begin() as uow:
        uow.ledger.post(_paid("slow", OCTOBER))
        thread = threading.Thread(target=lock)
        thread.start()
        time.sleep(0.2)
        order.append("posted")
    thread.join()
    other.close()
    assert order == ["posted", "locked"]
    with store.begin() as uow:
        assert [entry.booked_on for entry in uow.ledger.entries()] == [OCTOBER] * 2


def test_a_posting_is_whole_and_made_once(store: Store) -> None:
    entries = entries_of_invoice(an_invoice(1, ["B-1-1"], []))
    with store.begin() as uow:
        uow.ledger.post(entries)
        with pytest.raises(Refused, match=r"ledger\.posted_before"):
            uow.ledger.post([*_paid("new", OCTOBER), *entries])
        assert uow.ledger.by_day_and_code("2700") == {(date(2026, 11, 23), "3"): -2600}
        assert len(uow.ledger.entries()) == len(entries)
