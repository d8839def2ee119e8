"""Issued invoices delivered by Stripe: customer, draft, lines, totals compared, finalized, sent, each looked up first.

Whatever was interrupted goes on where Stripe's own objects say that it stands, found by our key in their metadata: a
lost answer, a stored 500 or a day in which Stripe forgot our keys never makes a second invoice or a second letter.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from billing.adapters.stripe_client import open_client, reading, sending, stripe_key, until_done
from billing.models import Buyer, Invoice
from billing.stripe_invoice import (
    LINES_PER_CALL,
    customer_parameters,
    invoice_parameters,
    line_parameters,
    refuse_other_totals,
    refuse_too_small,
)
from cards.errors import Refused

_Json = dict[str, Any]
_Post = Callable[[str, Callable[[Any], Any]], _Json]


class StripeInvoicing:
    """Implements `billing.ports.Invoicing`."""

    def __init__(self, api_key: str, base_url: str | None = None) -> None:
        self._client = open_client(api_key, base_url)

    def deliver(self, key: str, invoice: Invoice) -> str:
        refuse_too_small(invoice)
        return until_done(key, partial(self._deliver, key, invoice))

    def delivered(self, key: str, invoice: Invoice) -> str | None:
        with reading():
            customer = self._customer(invoice.buyer)
            draft = self._draft(key, customer["id"]) if customer else None
            return draft["id"] if draft and self._was_sent(draft["id"]) else None

    def _deliver(self, key: str, invoice: Invoice, version: int) -> str:
        """Every step that Stripe has not done yet. What is only read may fail without harm."""

        def post(step: str, call: Callable[[Any], Any]) -> _Json:
            with sending(key):
                done: _Json = call({"idempotency_key": stripe_key(f"{key}:{step}", version)}).to_dict()
                return done

        customer = self._known_customer(post, invoice.buyer)
        _refuse_balance(customer, invoice)
        with reading():
            draft = self._draft(key, customer["id"])
        if draft is None:
            wanted = invoice_parameters(invoice, key=key, customer=customer["id"])
            draft = post("create", lambda options: self._client.v1.invoices.create(wanted, options))  # type: ignore[arg-type]  # a plain dict for Stripe's TypedDict
        if draft["status"] == "draft":
            draft = self._finalized(post, draft, invoice)
        if draft["status"] not in ("open", "paid"):
            raise _not_open(draft, invoice)
        with reading():
            sent = draft["status"] == "paid" or self._was_sent(draft["id"])
        if not sent:
            post("send", lambda options: self._client.v1.invoices.send_invoice(draft["id"], None, options))
        return str(draft["id"])

    def _known_customer(self, post: _Post, buyer: Buyer) -> _Json:
        with reading():
            known = self._customer(buyer)
        if known is not None:
            return known
        wanted = customer_parameters(buyer)
        return post("customer", lambda options: self._client.v1.customers.create(wanted, options))  # type: ignore[arg-type]  # as above

    def _finalized(self, post: _Post, draft: _Json, invoice: Invoice) -> _Json:
        """Lines that are missing, then the totals, and only then the step that cannot be taken back."""
        lines, name = line_parameters(invoice), draft["id"]
        for begin in range(0, len(lines), LINES_PER_CALL):
            if draft["lines"]["total_count"] <= begin:
                self._add_lines(post, name, begin, lines[begin : begin + LINES_PER_CALL])
                with reading():
                    draft = self._client.v1.invoices.retrieve(name).to_dict()
        refuse_other_totals(invoice, _figures(draft))
        quiet: Any = {"auto_advance": False}
        return post("finalize", lambda options: self._client.v1.invoices.finalize_invoice(name, quiet, options))

    def _add_lines(self, post: _Post, name: str, begin: int, lines: list[_Json]) -> None:
        some: Any = {"lines": lines}
        post(f"lines-{begin}", lambda options: self._client.v1.invoices.add_lines(name, some, options))

    def _customer(self, buyer: Buyer) -> _Json | None:
        """By organisation number. Stripe's search lags behind its lists, so it is the lists that are read."""
        every = self._client.v1.customers.list({"limit": 100}).auto_paging_iter()
        found = (one.to_dict() for one in every)
        return next((one for one in found if one["metadata"].get("org_number") == buyer.org_number), None)

    def _draft(self, key: str, customer: str) -> _Json | None:
        every = self._client.v1.invoices.list({"customer": customer, "limit": 100}).auto_paging_iter()
        found = (one.to_dict() for one in every)
        return next((one for one in found if one["metadata"].get("key") == key), None)

    def _was_sent(self, name: str) -> bool:
        """An invoice does not say that it was sent; its event does, and Stripe keeps events for 30 days."""
        every = self._client.v1.events.list({"type": "invoice.sent", "limit": 100}).auto_paging_iter()
        return any(event.to_dict()["data"]["object"]["id"] == name for event in every)


def _figures(draft: _Json) -> dict[str, object]:
    return {
        "number": draft["number"],
        "currency": draft["currency"],
        "net_ore": draft["subtotal"],
        "vat_ore": sum(each["amount"] for each in draft["total_taxes"] or []),
        "gross_ore": draft["total"],
        "lines": draft["lines"]["total_count"],
        "starting_balance_ore": draft["starting_balance"],
    }


def _refuse_balance(customer: _Json, invoice: Invoice) -> None:
    if customer.get("balance"):
        raise Refused(
            "payments.customer_balance",
            f"{invoice.buyer.org_number} has a balance of {customer['balance']} øre at Stripe",
            field="balance",
            fix="Stripe would apply it to the next invoice by itself: have it settled at Stripe, then send again",
        )


def _not_open(draft: _Json, invoice: Invoice) -> Refused:
    return Refused(
        "payments.invoice_not_open",
        f"invoice {invoice.number} is {draft['status']} at Stripe",
        field="status",
        fix="look at the invoice at Stripe; an issued invoice is corrected by a credit note here, never voided there",
    )
