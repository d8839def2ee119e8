"""Stripe's events over HTTP into the real API: twice, out of order, late; the same books whatever the order."""

import json
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from pydantic import SecretStr

from billing.adapters.payments_twin import PaymentsTwin
from billing.adapters.stripe_fake import StripeFake
from billing.adapters.stripe_fake_hooks import FakeHooks
from billing.adapters.stripe_invoicing import StripeInvoicing
from billing.adapters.stripe_payments import StripePayments
from billing.ledger import entries_of_invoice
from billing.webhook import sign
from console.api import STRIPE_PATH, build_app
from flows.house import House, open_house
from flows.settings import Settings
from tests.billing.test_billing_stripe_figures import an_invoice
from tests.store.small_world import a_reading, an_order

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
SECRET = "whsec_of_the_test"


@contextmanager
def _api(home: Path, database_url: str) -> Iterator[tuple[House, str]]:
    """A house whose API listens on loopback."""
    settings = Settings(
        home=home,
        environment="test",
        engine="inline",
        clock=NOW,
        durable=False,
        database_url=database_url,
        stripe_webhook_secret=SecretStr(SECRET),
    )
    with open_house(actor="test", settings=settings) as house, socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(build_app(house, "a-token-of-the-test"), log_level="error", lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            yield house, f"http://127.0.0.1:{listening.getsockname()[1]}{STRIPE_PATH}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def api(tmp_path: Path, database_url: str) -> Iterator[tuple[House, str]]:
    with _api(tmp_path / "home", database_url) as running:
        yield running


@pytest.fixture(scope="module")
def events() -> list[dict[str, Any]]:
    """What happens at Stripe when invoice 1 is sent and paid, 65.00 goes back and comes back."""
    with pytest.MonkeyPatch.context() as patch, StripeFake(PaymentsTwin(None)) as fake:
        patch.setenv("NO_PROXY", "127.0.0.1")
        StripeInvoicing("sk_test_none", fake.base_url).deliver("deliver:invoice:1", an_invoice(1))
        payment = fake.pay("in_1", fee_ore=300)
        StripePayments("sk_test_none", fake.base_url).refund("refund:R-1", payment, 6500, "R-1")
        fake.back.fail("re_1")
        return fake.books.events


def _issue(house: House) -> None:
    with house.store.begin() as uow:
        uow.orders.add(an_order("A-1"), reading=a_reading(), document_key="x", received_at=NOW)
        invoice = an_invoice(uow.series.next("invoice"))
        lines = [line.model_copy(update={"card_id": None, "shipment_id": None}) for line in invoice.lines]
        invoice = invoice.model_copy(update={"lines": tuple(lines)})
        uow.invoices.add(invoice)
        uow.ledger.post(entries_of_invoice(invoice))


def _books(house: House) -> dict[str, Any]:
    with house.store.read() as uow:
        return {
            "payments": [dict(row) for row in uow.stripe.payments()],
            "refunds": [dict(row) for row in uow.stripe.refunds()],
            "kinds": sorted(row["kind"] for row in uow.stripe.events()),
            "ledger": uow.ledger.balances(),
        }


def test_events_delivered_twice_and_out_of_order_are_kept_once(
    api: tuple[House, str], events: list[dict[str, Any]]
) -> None:
    house, url = api
    _issue(house)
    hooks = FakeHooks(url, SECRET, house.clock.now)
    assert hooks.deliver(events, random.Random(3)) == []
    books = _books(house)
    assert (books["ledger"]["1500"], books["ledger"]["1570"]) == (0, 45500)
    assert [(row["payment"], row["amount_ore"]) for row in books["payments"]] == [("pi_in_1", 45500)]
    assert [(row["refund"], row["status"]) for row in books["refunds"]] == [("re_1", "failed")]
    assert books["kinds"] == sorted(event["type"] for event in events)  # also those that mean nothing to us
    for seed in range(3):
        hooks.deliver(events, random.Random(seed))
    assert _books(house) == books
    assert {status for _, status in hooks.answers} == {200}


def test_check_9_wrong_old_and_future_signatures_are_refused_and_nothing_is_kept(
    api: tuple[House, str], events: list[dict[str, Any]]
) -> None:
    house, url = api
    hooks, body = FakeHooks(url, SECRET, house.clock.now), json.dumps(events[-1]).encode()
    wrong = {
        "another secret": sign(body, secret="whsec_of_another", at=NOW),
        "another body": sign(body + b" ", secret=SECRET, at=NOW),
        "old": sign(body, secret=SECRET, at=NOW - timedelta(seconds=301)),
        "future": sign(body, secret=SECRET, at=NOW + timedelta(seconds=301)),
        "none": "t=,v1=",
    }
    assert {why: hooks.post(events[-1], signature=one) for why, one in wrong.items()} == dict.fromkeys(wrong, 400)
    assert _books(house)["kinds"] == []
    near = sign(body, secret=SECRET, at=NOW - timedelta(seconds=299))
    assert [hooks.post(events[-1], signature=near) for _ in range(2)] == [200, 200]  # told again inside the tolerance
    assert len(_books(house)["kinds"]) == 1


def test_check_9_an_event_that_could_not_be_stored_is_asked_for_again_and_then_kept(
    api: tuple[House, str], events: list[dict[str, Any]]
) -> None:
    """A database that refuses for a while: no 200 until the event is stored."""
    house, url = api
    hooks, event = FakeHooks(url, SECRET, house.clock.now), events[-1]
    with house.store.begin() as uow:
        uow.connection.exec_driver_sql("ALTER TABLE stripe_events RENAME TO gone")
    assert hooks.post(event) >= 500
    with house.store.begin() as uow:
        uow.connection.exec_driver_sql("ALTER TABLE gone RENAME TO stripe_events")
    assert _books(house)["kinds"] == []
    assert (hooks.post(event), hooks.post(event)) == (200, 200)
    assert len(_books(house)["kinds"]) == 1
