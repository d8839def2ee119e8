"""Stripe's words, in any order and any number, come to the same books; invoices go out by Stripe once."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from billing.adapters.payments_twin import PaymentsTwin
from billing.adapters.stripe_fake import Fault, StripeFake
from billing.ledger import entries_of_invoice, entries_of_payment
from billing.webhook import Told, read_event, sign
from cards.errors import Refused
from console.api import build_app
from flows.house import House, open_house
from flows.settings import Settings
from flows.stages.delivery import DELIVERY, plan_delivery
from flows.stages.line import run_line
from flows.stages.payments import compare_with_stripe, fetch_movements, keep, take_webhook
from flows.stages.reconcile import RECONCILE
from store.database import UnitOfWork
from tests.billing.test_billing_stripe_figures import an_invoice

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
SECRET = "whsec_of_the_test"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[StripeFake]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with StripeFake(PaymentsTwin(None)) as fake:
        yield fake


@pytest.fixture
def house(tmp_path: Path, fake: StripeFake) -> Iterator[House]:
    settings = Settings(
        home=tmp_path,
        environment="test",
        engine="inline",
        clock=NOW,
        durable=False,
        lease_s=1,
        payments="stripe",
        stripe_key=SecretStr("sk_test_none"),
        stripe_webhook_secret=SecretStr(SECRET),
        stripe_url=fake.base_url,
    )
    with open_house(actor="test", settings=settings) as house:
        yield house


def _event(name: str, kind: str, content: dict[str, Any], *, second: int = 0) -> bytes:
    created = int(NOW.timestamp()) + second
    event = {"id": name, "object": "event", "type": kind, "created": created, "data": {"object": content}}
    return json.dumps(event).encode()


_INVOICE = {"id": "in_1", "metadata": {"invoice": "1"}, "currency": "nok", "amount_paid": 45500}
_LINK = {"id": "inpay_1", "invoice": "in_1", "payment": {"type": "payment_intent", "payment_intent": "pi_1"}}
_BACK = {"id": "re_1", "payment_intent": "pi_1", "currency": "nok", "amount": 6500, "metadata": {"key": "refund:R-1"}}
EVENTS = (
    _event("evt_1", "invoice.paid", _INVOICE, second=1),
    _event("evt_2", "invoice.paid", _INVOICE, second=1),  # the same payment told under a second id
    _event("evt_3", "invoice_payment.paid", _LINK, second=2),
    _event("evt_4", "refund.created", _BACK | {"status": "pending"}, second=3),
    _event("evt_5", "refund.failed", _BACK | {"status": "failed"}, second=4),
    _event("evt_6", "customer.updated", {"id": "cus_1"}, second=5),
)


def _told(body: bytes) -> Told:
    return read_event(body, sign(body, secret=SECRET, at=NOW), secret=SECRET, now=NOW)


def _state(uow: UnitOfWork) -> dict[str, Any]:
    return {
        "payments": [dict(row) for row in uow.stripe.payments()],
        "refunds": [dict(row) for row in uow.stripe.refunds()],
        "events": [{**row, "received_at": None} for row in uow.stripe.events()],
        "ledger": uow.ledger.balances(),
        "entries": len(uow.ledger.entries()),
    }


class _BackAgain(Exception):
    pass


def _after(house: House, order: tuple[bytes, ...]) -> dict[str, Any]:
    """What an order of events comes to, every one told again at the end; nothing of it is kept."""
    state: dict[str, Any] = {}
    with suppress(_BackAgain), house.store.begin() as uow:
        uow.connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")  # its order is not in this house
        invoice = an_invoice(uow.series.next("invoice"))
        uow.invoices.add(invoice)
        uow.ledger.post(entries_of_invoice(invoice))
        assert all(keep(uow, _told(body), today=NOW.date()) for body in order)
        assert not any(keep(uow, _told(body), today=NOW.date()) for body in order[::-1])
        state = _state(uow)
        raise _BackAgain
    return state


def test_events_told_over_and_over_come_to_the_same_books_in_either_order(house: House) -> None:
    end = _after(house, EVENTS)
    assert (end["ledger"]["1500"], end["ledger"]["1570"]) == (0, 45500)
    assert end["entries"] == 4 + 2
    (payment,), (refund,) = end["payments"], end["refunds"]
    assert (payment["payment"], payment["invoice"], payment["amount_ore"]) == ("pi_1", 1, 45500)
    assert (refund["status"], refund["key"], refund["told_by"]) == ("failed", "refund:R-1", "evt_5")
    assert len(end["events"]) == 6
    assert _after(house, EVENTS[::-1]) == end  # every order, on both databases: tests/store/test_store_stripe.py


def test_what_is_paid_above_what_is_open_stands_on_no_invoice(house: House) -> None:
    """The bank was quicker: 300.00 of the 455.00 are paid, and the payer pays all of it at Stripe."""
    with suppress(_BackAgain), house.store.begin() as uow:
        uow.connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        invoice = an_invoice(uow.series.next("invoice"))
        uow.invoices.add(invoice)
        by_bank = entries_of_payment("bank:1", amount_ore=30000, booked_on=NOW.date(), document="invoice/1")
        uow.ledger.post([*entries_of_invoice(invoice), *by_bank])
        assert keep(uow, _told(EVENTS[0]), today=NOW.date())
        balances = uow.ledger.balances()
        assert {account: balances[account] for account in ("1500", "1570", "2900")} == {
            "1500": 0,
            "1570": 45500,
            "2900": -30000,
        }
        raise _BackAgain


def test_an_event_is_taken_once_and_only_with_our_signature(house: House) -> None:
    body = EVENTS[2]
    assert take_webhook(house, body, sign(body, secret=SECRET, at=house.clock.now())) == "kept"
    assert take_webhook(house, body, sign(body, secret=SECRET, at=house.clock.now())) == "known"
    with house.store.read() as uow:
        assert [row["payment"] for row in uow.stripe.payments()] == ["pi_1"]


@pytest.mark.parametrize("seconds", [-301, 301])
def test_an_old_or_future_signature_is_refused(seconds: int) -> None:
    body = EVENTS[0]
    late = sign(body, secret=SECRET, at=NOW + timedelta(seconds=seconds))
    with pytest.raises(Refused) as fault:
        read_event(body, late, secret=SECRET, now=NOW)
    assert fault.value.code == "payments.webhook_signature"
    edge = sign(body, secret=SECRET, at=NOW + timedelta(seconds=300 if seconds > 0 else -300))
    assert read_event(body, edge, secret=SECRET, now=NOW).event_id == "evt_1"


@pytest.mark.parametrize("signature", ["", "t=1", "v1=ab", "t=²,v1=ab", "t=1,v1=é"])
def test_a_wrong_signature_is_refused(signature: str) -> None:
    with pytest.raises(Refused) as fault:
        read_event(EVENTS[0], signature, secret=SECRET, now=NOW)
    assert fault.value.code == "payments.webhook_signature"
    other = sign(EVENTS[0] + b" ", secret=SECRET, at=NOW)
    with pytest.raises(Refused):
        read_event(EVENTS[0], other, secret=SECRET, now=NOW)


def test_stripe_s_own_client_accepts_our_way_of_signing() -> None:
    """The oracle: what we sign is what Stripe's client verifies, so what it signs is what we verify."""
    import stripe

    at = datetime.now(UTC)
    body = EVENTS[0]
    header = sign(body, secret=SECRET, at=at)
    assert stripe.WebhookSignature.verify_header(body.decode(), header, SECRET, 300)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"data": {"object": 3}}'])
def test_an_unreadable_event_is_refused(body: bytes) -> None:
    with pytest.raises(Refused) as fault:
        read_event(body, sign(body, secret=SECRET, at=NOW), secret=SECRET, now=NOW)
    assert fault.value.code == "payments.webhook_unreadable"


@pytest.mark.parametrize("change", [{"currency": "sek"}, {"metadata": {}}, {"metadata": {"invoice": "99"}}])
def test_other_money_is_remembered_and_not_booked(house: House, change: dict[str, Any]) -> None:
    end = _after(house, (_event("evt_9", "invoice.paid", _INVOICE | change),))
    assert end["entries"] == 4  # the invoice alone
    assert len(end["payments"]) == 1


@pytest.mark.parametrize("fault", [None, Fault.LOST_AFTER, Fault.ERROR_AFTER, Fault.BUSY])
@pytest.mark.parametrize("at", range(5))
def test_an_issued_invoice_goes_out_by_stripe_once(
    house: House, fake: StripeFake, fault: Fault | None, at: int
) -> None:
    _issued_without_its_order(house)
    fake.faults.extend([*[None] * at, fault])
    for _ in range(4):
        run_line(house, (*RECONCILE, *DELIVERY))
    sent = [event for event in fake.books.events if event["type"] == "invoice.sent"]
    assert (len(fake.books.invoices), len(sent)) == (1, 1)
    with house.store.read() as uow:
        effect = uow.effects.get("deliver:invoice:1")
    assert (effect.state, effect.answer) == ("confirmed", {"stripe_invoice": "in_1"})


def _issued_without_its_order(house: House) -> None:
    """An invoice whose order is not in this house: the rows that it points to are not what is tested here."""
    with house.store.begin() as uow:
        uow.connection.exec_driver_sql("COMMIT")
        uow.connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        uow.connection.exec_driver_sql("BEGIN IMMEDIATE")
        invoice = an_invoice(uow.series.next("invoice"))
        uow.invoices.add(invoice)
        uow.ledger.post(entries_of_invoice(invoice))
        plan_delivery(house, uow, invoice)
        uow.connection.exec_driver_sql("COMMIT")
        uow.connection.exec_driver_sql("PRAGMA foreign_keys = ON")
        uow.connection.exec_driver_sql("BEGIN IMMEDIATE")


def test_what_moved_at_stripe_is_what_is_booked(house: House, fake: StripeFake) -> None:
    _issued_without_its_order(house)
    for body in EVENTS[:3]:
        take_webhook(house, body, sign(body, secret=SECRET, at=house.clock.now()))
    fake.books.moved("charge", {"id": "ch_1", "payment_intent": "pi_1"}, 45500, fee_ore=300)
    fake.books.moved("payout", {"id": "po_1"}, -45000)
    assert fetch_movements(house, by="kari").counts == {"fetched": 2}
    found = compare_with_stripe(house)
    assert (found.findings, found.tie.balance_ore, found.tie.clearing_ore) == ((), 200, 200)
    assert fetch_movements(house, by="kari").counts == {"already_fetched": 1}
    fake.books.moved("refund", {"id": "re_9"}, -100)
    run_line(house, RECONCILE)
    assert [(one.kind, one.source) for one in compare_with_stripe(house).findings] == [("refund_by_hand", "re_9")]
    with house.store.read() as uow:
        balances = uow.ledger.balances()
    money = {account: balances[account] for account in ("1500", "1570", "1920", "7770")}
    assert money == {"1500": 0, "1570": 200, "1920": 45000, "7770": 300}


def test_money_booked_on_the_bank_before_there_was_an_account_for_it_is_moved_once(
    house: House, fake: StripeFake
) -> None:
    """The ledger of before: paid at Stripe, and debited to the bank at once."""
    with house.store.begin() as uow:
        paid = {"amount_ore": 45500, "booked_on": NOW.date(), "document": "invoice/1"}
        uow.ledger.post(entries_of_payment("stripe:in_old", **paid))  # type: ignore[arg-type]  # øre and days beside words
        uow.stripe.take(_told(_event("evt_old", "invoice.paid", _INVOICE | {"id": "in_old"})))
    fake.books.moved("charge", {"id": "ch_1", "payment_intent": "in_old"}, 45500)
    fake.books.moved("payout", {"id": "po_1"}, -45500)
    for _ in range(2):
        fetch_movements(house, by="kari")
    with house.store.read() as uow:
        balances = uow.ledger.balances()
    assert balances == {"1500": -45500, "1570": 0, "1920": 45500}
    assert compare_with_stripe(house).tie.left_over_ore == 0


def test_stripe_s_words_come_in_over_http_by_their_signature_alone(house: House) -> None:
    good = sign(EVENTS[0], secret=SECRET, at=house.clock.now())
    assert _posted(house, EVENTS[0], good) == (200, {"event": "kept"})
    assert _posted(house, EVENTS[0], good) == (200, {"event": "known"})
    status, answer = _posted(house, EVENTS[1], good)
    assert (status, answer["error"]["code"]) == (400, "payments.webhook_signature")


def _posted(house: House, body: bytes, signature: str) -> tuple[int, Any]:
    transport = httpx.ASGITransport(build_app(house, "a-token-of-the-test"))

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://house") as client:
            return await client.post("/api/stripe", content=body, headers={"Stripe-Signature": signature})

    answer = asyncio.run(ask())
    return answer.status_code, answer.json()
