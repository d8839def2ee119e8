"""Issued invoices delivered by Stripe: customer, draft, lines, totals compared, finalized, sent, each looked up first.

Whatever was interrupted goes on where Stripe's own objects say that it stands, found by our key in their metadata: a
lost answer, a stored 500 or a day in which Stripe forgot our keys never makes a second invoice or a second letter.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import stripe

from billing.adapters.stripe_client import NOT_ALLOWED, VERSIONS, is_replayed, open_client, stripe_key, unavailable
from billing.models import Buyer, Invoice
from billing.reconcile_stripe import Movement
from billing.stripe_invoice import (
    LINES_PER_CALL,
    customer_parameters,
    invoice_parameters,
    line_parameters,
    refuse_other_totals,
    refuse_too_small,
)
from cards.errors import Refused, Unsure

_PAYMENTS = ("charge", "payment")
_MOVEMENTS = (*_PAYMENTS, "refund", "payment_refund")
_Json = dict[str, Any]
_Post = Callable[[str, Callable[[Any], Any]], _Json]


class StripeInvoicing:
    """Implements `billing.ports.Invoicing`."""

    def __init__(self, api_key: str, base_url: str | None = None) -> None:
        self._client = open_client(api_key, base_url)

    def deliver(self, key: str, invoice: Invoice) -> str:
        refuse_too_small(invoice)
        for version in range(1, VERSIONS + 1):
            try:
                return self._deliver(key, version, invoice)
            except stripe.APIError as fault:
                if not is_replayed(fault):
                    raise _unsure(key, fault) from fault
        raise Unsure(
            "payments.answer_lost",
            f"Stripe answered every try of {key} with an error",
            fix="let `reconcile` look it up; if it stays open, ask Stripe's support with the key",
        )

    def delivered(self, key: str, invoice: Invoice) -> str | None:
        with _reading():
            customer = self._customer(invoice.buyer)
            draft = self._draft(key, customer["id"]) if customer else None
            return draft["id"] if draft and self._was_sent(draft["id"]) else None

    def movements(self) -> list[Movement]:
        wanted: Any = {"limit": 100, "expand": ["data.source"]}
        with _reading():
            every = [one.to_dict() for one in self._client.v1.balance_transactions.list(wanted).auto_paging_iter()]
        return [_movement(one) for one in every if one["type"] in _MOVEMENTS]

    def _deliver(self, key: str, version: int, invoice: Invoice) -> str:
        """Every step that Stripe has not done yet. What is only read may fail without harm."""

        def post(step: str, call: Callable[[Any], Any]) -> _Json:
            with _sending(key):
                done: _Json = call({"idempotency_key": stripe_key(f"{key}:{step}", version)}).to_dict()
                return done

        customer = self._known_customer(post, invoice.buyer)
        _refuse_balance(customer, invoice)
        with _reading():
            draft = self._draft(key, customer["id"])
        if draft is None:
            wanted = invoice_parameters(invoice, key=key, customer=customer["id"])
            draft = post("create", lambda options: self._client.v1.invoices.create(wanted, options))  # type: ignore[arg-type]  # a plain dict for Stripe's TypedDict
        if draft["status"] == "draft":
            draft = self._finalized(post, draft, invoice)
        if draft["status"] not in ("open", "paid"):
            raise _not_open(draft, invoice)
        with _reading():
            sent = draft["status"] == "paid" or self._was_sent(draft["id"])
        if not sent:
            post("send", lambda options: self._client.v1.invoices.send_invoice(draft["id"], None, options))
        return str(draft["id"])

    def _known_customer(self, post: _Post, buyer: Buyer) -> _Json:
        with _reading():
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
                with _reading():
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


def _movement(row: _Json) -> Movement:
    """Fees and payouts are no movements. A charge is known by its payment intent, a refund by its own id."""
    source = row["source"]
    name = source.get("payment_intent") or source["id"] if row["type"] in _PAYMENTS else source["id"]
    return Movement(transaction=row["id"], source=name, amount_ore=row["amount"], currency=row["currency"])


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


@contextmanager
def _reading() -> Iterator[None]:
    """Whatever goes wrong while only reading changed nothing."""
    try:
        yield
    except (stripe.InvalidRequestError, *NOT_ALLOWED) as fault:
        raise _refusal(fault) from fault
    except stripe.StripeError as fault:
        raise unavailable(fault) from fault


@contextmanager
def _sending(key: str) -> Iterator[None]:
    try:
        yield
    except stripe.APIConnectionError as fault:
        raise _unsure(key, fault) from fault
    except stripe.RateLimitError as fault:
        raise unavailable(fault) from fault
    except (stripe.InvalidRequestError, stripe.IdempotencyError, *NOT_ALLOWED) as fault:
        raise _refusal(fault) from fault


def _refusal(fault: stripe.StripeError) -> Refused:
    return Refused(
        "payments.not_accepted",
        f"Stripe refused: {fault.user_message or fault.code or type(fault).__name__}",
        fix="correct what Stripe names; a refused key is HSECARD_STRIPE_KEY in the settings",
    )


def _unsure(key: str, fault: stripe.StripeError) -> Unsure:
    return Unsure(
        "payments.answer_lost",
        f"{key} was asked for and the answer was lost ({type(fault).__name__}, {fault.http_status})",
        fix="let `reconcile` look it up; it is not sent again before that",
    )
