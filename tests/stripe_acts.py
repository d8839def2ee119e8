"""The whole act at Stripe as tests play it: an invoice whose postage was wrong, sent, paid and given back."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from billing.adapters.stripe_fake import StripeFake
from billing.ledger import entries_of_invoice
from billing.webhook import sign
from flows.house import House
from flows.settings import Settings
from flows.stages.delivery import DELIVERY, plan_delivery
from flows.stages.line import run_line
from flows.stages.payments import take_webhook
from flows.stages.reconcile import RECONCILE
from flows.stages.refund_postage import REFUND_POSTAGE, approve_case
from tests.billing.test_billing_stripe_figures import an_invoice
from tests.store.small_world import a_case, a_charge, a_finding, a_reading, an_order

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
SECRET = "whsec_of_the_test"
PAYMENT = "pi_in_1"


def stripe_settings(home: Path, fake: StripeFake, *, later: int = 0, **changes: Any) -> Settings:
    """A house at `home` whose payments are at the fake; its clock stands `later` minutes after eight."""
    base: dict[str, Any] = {
        "environment": "test",
        "engine": "inline",
        "clock": NOW + timedelta(minutes=later),
        "durable": False,
        "lease_s": 1,
        "payments": "stripe",
        "stripe_key": SecretStr("sk_test_none"),
        "stripe_webhook_secret": SecretStr(SECRET),
        "stripe_url": fake.base_url,
    }
    return Settings(home=home, **base | changes)


def begin(house: House, payment: str | None = PAYMENT) -> None:
    """Invoice 1 over 455.00, issued; its postage of 52.00 net is approved to go back over `payment`."""
    with house.store.begin() as uow:
        document = house.blobs.put("order", b"{}", "json")
        uow.orders.add(an_order("A-1"), reading=a_reading(), document_key=document, received_at=NOW)
        invoice = an_invoice(uow.series.next("invoice"))
        lines = [line.model_copy(update={"card_id": None, "shipment_id": None}) for line in invoice.lines]
        invoice = invoice.model_copy(update={"lines": tuple(lines)})
        uow.invoices.add(invoice)
        uow.ledger.post(entries_of_invoice(invoice))
        plan_delivery(house, uow, invoice)
        charge = a_charge("C-1", origin="own", invoice_number="1", payment=payment, charged_net_ore=5200, vat_ore=1300)
        finding = a_finding(charge, 5200)
        uow.postage.add_charge(charge)
        uow.postage.judge([finding.charge.charge_id], [finding])
        uow.refunds.add(a_case("R-1", [finding], by="Kari"))
    approve_case(house, "R-1", by="Ola")


def tell(house: House, fake: StripeFake) -> None:
    """Every event so far, once more."""
    for event in fake.books.events:
        body = json.dumps(event).encode()
        take_webhook(house, body, sign(body, secret=SECRET, at=house.clock.now()))


def drive(house: House, fake: StripeFake, *, pays: bool = True) -> None:
    """The bureau's next hours: it sends, the payer pays, what is owed goes back."""
    run_line(house, (*RECONCILE, *DELIVERY))
    for name, invoice in list(fake.books.invoices.items()):
        if pays and invoice["status"] == "open" and any(e["type"] == "invoice.sent" for e in fake.books.events):
            fake.pay(name, fee_ore=300)
    tell(house, fake)
    if pays == any(invoice["status"] == "paid" for invoice in fake.books.invoices.values()):
        run_line(house, REFUND_POSTAGE)
    run_line(house, RECONCILE)
