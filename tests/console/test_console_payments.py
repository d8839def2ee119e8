"""Finance at the terminal: what Stripe told, a refund that came back, and Stripe's balance beside the ledger."""

from collections.abc import Iterator

import pytest

from billing.adapters.payments_twin import PaymentsTwin
from billing.adapters.stripe_fake import StripeFake
from flows.house import open_house
from tests.console.terminal import Terminal
from tests.stripe_acts import PAYMENT, SECRET, begin, drive, stripe_settings, tell


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[StripeFake]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with StripeFake(PaymentsTwin(None)) as fake:
        yield fake


@pytest.fixture
def failing(terminal: Terminal, fake: StripeFake, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """An invoice paid at Stripe, its postage given back, and the refund returned by the payer's bank."""
    stripe = {"PAYMENTS": "stripe", "STRIPE_KEY": "sk_test_none", "STRIPE_URL": fake.base_url}
    for name, value in {**stripe, "STRIPE_WEBHOOK_SECRET": SECRET}.items():
        monkeypatch.setenv(f"HSECARD_{name}", value)
    with open_house(actor="test", settings=stripe_settings(terminal.home, fake)) as house:
        begin(house)
        drive(house, fake)
        fake.back.fail("re_1")
        tell(house, fake)
    return terminal


def test_a_failed_refund_is_shown_and_tried_again_by_a_person(failing: Terminal, fake: StripeFake) -> None:
    (waiting,) = failing("payments", "failed", "--json").json["failed"]
    assert (waiting["case_id"], waiting["payment"], waiting["amount_ore"]) == ("R-1", PAYMENT, 6500)
    assert "failed" in failing("refunds", "show", "R-1").words
    tried = failing("payments", "retry", "R-1", PAYMENT, "--dry-run", "--json").json
    assert (tried["refund"]["attempt"], len(failing("payments", "failed", "--json").json["failed"])) == (2, 1)
    said = failing("payments", "retry", "R-1", PAYMENT, "--by", "ola")
    assert "planned" in said.words
    assert max(map(len, said.out.splitlines())) <= 80
    assert failing("refunds", "execute").code == 0
    assert [one["status"] for one in fake.back.refunds] == ["failed", "succeeded"]
    shown = failing("refunds", "show", "R-1", "--json").json
    assert (shown["case"]["state"], shown["refunds"][0]["state"]) == ("confirmed", "confirmed")
    again = failing("payments", "retry", "R-1", PAYMENT, "--json")
    assert (again.code, again.json["error"]["code"]) == (3, "refund.not_failed")


def test_a_failed_refund_is_paid_from_the_bank(failing: Terminal) -> None:
    assert failing("payments", "by-bank", "R-1", PAYMENT, "--by", "ola").code == 0
    accounts = failing("ledger", "balances", "--json").json["accounts"]
    assert (accounts["1920"], accounts["2990"]) == (-6500, 0)
    assert failing("payments", "failed", "--json").json["failed"] == []


def test_stripe_is_fetched_and_compared(failing: Terminal, fake: StripeFake) -> None:
    assert failing("payments", "fetch", "--dry-run", "--json").json["counts"] == {"fetched": 1}
    assert "new movements: 1" in failing("payments", "fetch").words
    fake.books.moved("payment_refund", {"id": "re_by_hand"}, -700)
    failing("payments", "fetch")
    said = failing("payments", "reconcile")
    assert "refund by hand" in said.words
    assert max(map(len, said.out.splitlines())) <= 80
    document = failing("payments", "reconcile", "--json").json
    assert [(one["kind"], one["source"]) for one in document["differences"]] == [("refund_by_hand", "re_by_hand")]
    balance = document["balance"]
    assert (balance["balance_ore"], balance["clearing_ore"], balance["left_over_ore"]) == (44500, 45200, 0)
