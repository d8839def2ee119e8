"""Invoices delivered by Stripe's own client: whatever happens to any POST, one customer, one invoice, one letter."""

import json
from collections.abc import Iterator

import pytest

from billing.adapters.payments_twin import PaymentsTwin
from billing.adapters.stripe_fake import Fault, StripeFake
from billing.adapters.stripe_invoicing import StripeInvoicing
from cards.errors import Refused, Unavailable, Unsure
from tests.billing.test_billing_stripe_figures import an_invoice

KEY = "deliver:invoice:17"
POSTS = ("customers", "invoices", "add_lines", "finalize", "send")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[StripeFake]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with StripeFake(PaymentsTwin(None)) as fake:
        yield fake


@pytest.fixture
def stripe(fake: StripeFake) -> StripeInvoicing:
    return StripeInvoicing("sk_test_none", fake.base_url)


def _posts(fake: StripeFake) -> list[tuple[str, str | None]]:
    return [(path.rpartition("/")[2], key) for verb, path, _, key in fake.requests if verb == "POST"]


def _sent(fake: StripeFake) -> int:
    return sum(event["type"] == "invoice.sent" for event in fake.books.events)


def _deliver_until_done(stripe: StripeInvoicing) -> str:
    for _ in range(12):
        try:
            return stripe.deliver(KEY, an_invoice())
        except (Unsure, Unavailable):
            continue
    raise AssertionError("never delivered")


def test_five_posts_each_with_a_key_of_ours(fake: StripeFake, stripe: StripeInvoicing) -> None:
    name = stripe.deliver(KEY, an_invoice())
    assert tuple(step for step, _ in _posts(fake)) == POSTS
    assert all(key and key.startswith(f"{KEY}:") and key.endswith("/1") for _, key in _posts(fake))
    made = fake.books.invoices[name]
    assert (made["subtotal"], made["total"], made["number"], made["status"]) == (36400, 45500, "17", "open")
    assert stripe.delivered(KEY, an_invoice()) == name
    assert stripe.deliver(KEY, an_invoice()) == name
    assert len(_posts(fake)) == 5


@pytest.mark.parametrize("at", range(5), ids=POSTS)
@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("a_day_later", [False, True])
def test_a_fault_at_any_post_ends_the_same(
    fake: StripeFake, stripe: StripeInvoicing, at: int, fault: Fault, a_day_later: bool
) -> None:
    fake.faults.extend([*[None] * at, fault])
    with pytest.raises((Unsure, Unavailable)):
        stripe.deliver(KEY, an_invoice())
    if a_day_later:
        fake.forget_keys()
    assert _deliver_until_done(stripe) == "in_1"
    assert (len(fake.books.customers), len(fake.books.invoices), _sent(fake)) == (1, 1, 1)
    assert (fake.books.invoices["in_1"]["total"], len(fake.books.invoices["in_1"]["lines"]["data"])) == (45500, 4)


def test_other_totals_are_never_finalized(fake: StripeFake, stripe: StripeInvoicing) -> None:
    fake.books.off_by_ore = 1
    with pytest.raises(Refused) as fault:
        stripe.deliver(KEY, an_invoice())
    assert (fault.value.code, fault.value.field) == ("payments.totals_differ", "vat_ore")
    assert fake.books.invoices["in_1"]["status"] == "draft"
    assert stripe.delivered(KEY, an_invoice()) is None


def test_a_balance_of_the_customer_is_for_a_person(fake: StripeFake, stripe: StripeInvoicing) -> None:
    stripe.deliver(KEY, an_invoice())
    fake.books.customers["cus_1"]["balance"] = -100
    with pytest.raises(Refused) as fault:
        stripe.deliver("deliver:invoice:18", an_invoice(18))
    assert fault.value.code == "payments.customer_balance"
    assert len(fake.books.invoices) == 1


def test_a_void_invoice_is_not_sent(fake: StripeFake, stripe: StripeInvoicing) -> None:
    stripe.deliver(KEY, an_invoice())
    fake.books.invoices["in_1"]["status"] = "void"
    with pytest.raises(Refused) as fault:
        stripe.deliver(KEY, an_invoice())
    assert fault.value.code == "payments.invoice_not_open"


def test_three_hundred_lines_go_in_two_calls(fake: StripeFake, stripe: StripeInvoicing) -> None:
    name = stripe.deliver(KEY, an_invoice(postage=tuple(range(1, 299)), cards=2))
    assert [step for step, _ in _posts(fake)].count("add_lines") == 2
    assert len(fake.books.invoices[name]["lines"]["data"]) == 300


def test_nothing_about_holders_or_cards_leaves_the_house(fake: StripeFake, stripe: StripeInvoicing) -> None:
    stripe.deliver(KEY, an_invoice())
    said = json.dumps([form for verb, _, form, _ in fake.requests if verb == "POST"], ensure_ascii=False)
    assert "A-1-1" not in said  # the card's id leads to its holder
    assert "Storgata" not in said
