"""What Stripe tells us by webhook: the signature over the raw body, and the few events that mean something for money.

Pure. Everything that is read from an event is such that events may come in any order and any number of times: a
payment, a void and a refund each fill their own fields, and of two words about one refund the newer holds.
"""

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from cards.errors import Refused

TOLERANCE_S = 300  # docs.stripe.com/webhooks; its own client lets any future time pass, we do not
BYTES_MAX = 1_000_000
_REFUNDS = ("refund.created", "refund.updated", "refund.failed", "charge.refund.updated")


class Told(BaseModel):
    """One event. `about` says which fields count; `reference` is the invoice's id at Stripe, or the refund's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    event_id: str
    kind: str
    happened_at: datetime
    about: Literal["paid", "payment", "void", "refund", "other"]
    reference: str
    payment: str | None = None
    invoice: int | None = None
    amount_ore: int | None = None
    currency: str | None = None
    status: str | None = None
    key: str | None = None
    paid_at: datetime | None = None


def read_event(body: bytes, signature: str, *, secret: str, now: datetime) -> Told:
    """The event of a raw body. Raises Refused `payments.webhook_signature`, `payments.webhook_unreadable`."""
    _refuse_unsigned(body, signature, secret, now)
    try:
        event: dict[str, Any] = json.loads(body)
        return _told(event, event["data"]["object"])
    except (ValueError, KeyError, TypeError, AttributeError) as fault:
        raise Refused(
            "payments.webhook_unreadable",
            f"a signed event cannot be read ({type(fault).__name__})",
            field="body",
            fix="the webhook endpoint at Stripe must have the API version that this program pins",
        ) from None


def sign(body: bytes, *, secret: str, at: datetime) -> str:
    """The header `Stripe-Signature` over a body, as Stripe makes it."""
    stamp = str(int(at.timestamp()))
    return f"t={stamp},v1={_digest(stamp, body, secret)}"


def _digest(stamp: str, body: bytes, secret: str) -> str:
    return hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def _refuse_unsigned(body: bytes, signature: str, secret: str, now: datetime) -> None:
    parts = [part.partition("=")[::2] for part in signature.split(",")]
    stamp = next((value for name, value in parts if name.strip() == "t"), "")
    given = [value.encode() for name, value in parts if name.strip() == "v1"]
    wanted = _digest(stamp, body, secret).encode()
    known = bool(secret) and any(hmac.compare_digest(one, wanted) for one in given)
    fresh = stamp.isascii() and stamp.isdigit() and abs(int(now.timestamp()) - int(stamp)) <= TOLERANCE_S
    if not (known and fresh):
        raise Refused(
            "payments.webhook_signature",
            "the signature is wrong, or older or newer than five minutes" if known else "the signature is wrong",
            field="Stripe-Signature",
            fix="set HSECARD_STRIPE_WEBHOOK_SECRET to the endpoint's own secret, and this machine's clock right",
        )


def _told(event: dict[str, Any], content: dict[str, Any]) -> Told:
    kind, metadata = str(event["type"]), content.get("metadata") or {}
    fields: dict[str, Any] = {"about": "other", "reference": str(content.get("id", ""))}
    if kind == "invoice.paid":
        fields |= {"about": "paid", "invoice": _number(metadata.get("invoice")), "currency": content["currency"]}
        fields |= {"amount_ore": content["amount_paid"], "paid_at": _paid_at(event, content)}
    elif kind == "invoice_payment.paid":
        fields |= {"about": "payment", "reference": content["invoice"]}
        fields["payment"] = content["payment"].get("payment_intent")
    elif kind == "invoice.voided":
        fields |= {"about": "void", "invoice": _number(metadata.get("invoice"))}
    elif kind in _REFUNDS:
        fields |= {"about": "refund", "payment": content.get("payment_intent") or "", "currency": content["currency"]}
        fields |= {"amount_ore": content["amount"], "status": content["status"], "key": metadata.get("key")}
    happened = datetime.fromtimestamp(int(event["created"]), UTC)
    return Told(event_id=event["id"], kind=kind, happened_at=happened, **fields)


def _paid_at(event: dict[str, Any], content: dict[str, Any]) -> datetime:
    """When the invoice was paid, which every event about it says alike; when it was told, where none says it."""
    said = (content.get("status_transitions") or {}).get("paid_at")
    return datetime.fromtimestamp(int(said or event["created"]), UTC)


def _number(text: object) -> int | None:
    return int(text) if isinstance(text, str) and text.isascii() and text.isdigit() else None
