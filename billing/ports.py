"""Payments and mail, as the house sees them."""

from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

from billing.models import Invoice, Message, Refund
from billing.reconcile_stripe import Movement
from billing.stripe_credit import Credit


class Payments(Protocol):
    """The payment service. One key is one refund, however often it is asked for."""

    def refund(self, key: str, payment: str, amount_ore: int, reference: str) -> Refund:
        """Give `amount_ore` of `payment` back. `reference` (the case) is kept with it; no personal data.

        Raises Refused (`payments.over_refund`, `payments.unknown_payment`, `payments.key_reused`: the same key with
        other parameters), Unavailable (`payments.unavailable`), Unsure (`payments.answer_lost`).
        """
        ...

    def look_up(self, key: str) -> Refund | None:
        """The refund made under `key`, or None."""
        ...

    def paid_ore(self, payment: str) -> int:
        """What was paid, less what was given back. Raises Refused (`payments.unknown_payment`)."""
        ...


class Invoicing(Protocol):
    """The payment service as a sender of our issued invoices. One key is one invoice there, sent once."""

    def deliver(self, key: str, invoice: Invoice) -> str:
        """Have the service send the invoice under our own number and figures; answers its id there.

        Raises Refused (`payments.totals_differ`, `payments.customer_balance`, `payments.sum_too_small`,
        `payments.invoice_not_open`, `payments.not_accepted`), Unavailable (`payments.unavailable`), Unsure
        (`payments.answer_lost`); asked again, it goes on where it stopped.
        """
        ...

    def delivered(self, key: str, invoice: Invoice) -> str | None:
        """The id there of an invoice that was sent, or None."""
        ...


class Crediting(Protocol):
    """The payment service as a keeper of our credit notes. One key is one credit note there."""

    def credit(self, key: str, credit: Credit) -> str:
        """Have the invoice there credited with our figures and refunds; answers the credit note's id there.

        Raises Refused (`payments.credit_not_fit`, `payments.totals_differ`, `payments.not_accepted`), Unavailable
        (`payments.unavailable`), Unsure (`payments.answer_lost`).
        """
        ...

    def credited(self, key: str, credit: Credit) -> str | None:
        """The id there of the credit note made under `key`, or None."""
        ...


class Balance(Protocol):
    """Our money with the payment service, to be read."""

    def movements(self, since: datetime | None) -> Iterator[Movement]:
        """What moved since an instant, newest first, a page at a time. Raises Unavailable `payments.unavailable`."""
        ...

    def balance_ore(self) -> int:
        """What stands there in kroner, available and pending. Raises Unavailable `payments.unavailable`."""
        ...


class AccessPoint(Protocol):
    """Our way into the Peppol network. One key is one document there, however often it is sent."""

    def send(self, key: str, document: bytes, *, sender: str, receiver: str) -> str:
        """Hand a UBL document over, from one organisation number to another; answers its name there.

        Raises Unavailable (`access_point.unavailable`), Refused (`ehf.text`).
        """
        ...

    def look_up(self, key: str) -> str | None:
        """The name there of what was handed over under `key`, or None."""
        ...


class Mail(Protocol):
    """Outgoing mail. One key is one message: the same Message-ID and bytes, however often it is sent."""

    def send(self, key: str, message: Message) -> str:
        """Send once, answer the message id. Raises Unavailable (`mail.unavailable`), Unsure (`mail.answer_lost`)."""
        ...

    def look_up(self, key: str) -> str | None:
        """The id of the message sent under `key`, or None when none was, or nobody can tell."""
        ...
