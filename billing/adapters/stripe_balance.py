"""What moved on our balance at Stripe, read only: payments, refunds, fees and payouts, and what stands there now."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from billing.adapters.stripe_client import open_client, reading
from billing.reconcile_stripe import Movement, MovementKind

_Json = dict[str, Any]
_KINDS = {
    "charge": MovementKind.PAYMENT,
    "payment": MovementKind.PAYMENT,
    "refund": MovementKind.REFUND,
    "payment_refund": MovementKind.REFUND,
    "refund_failure": MovementKind.RETURNED,
    "payment_failure_refund": MovementKind.RETURNED,
    "stripe_fee": MovementKind.FEE,
    "stripe_fx_fee": MovementKind.FEE,
    "tax_fee": MovementKind.FEE,
    "payout": MovementKind.PAYOUT,
    "payout_cancel": MovementKind.PAYOUT,
    "payout_failure": MovementKind.PAYOUT,
}


class StripeBalance:
    """Implements `billing.ports.Balance`."""

    def __init__(self, api_key: str, base_url: str | None = None) -> None:
        self._client = open_client(api_key, base_url)

    def movements(self, since: datetime | None) -> Iterator[Movement]:
        wanted: Any = {"limit": 100, "expand": ["data.source"]}
        if since is not None:
            wanted["created"] = {"gte": int(since.timestamp())}
        with reading():
            for one in self._client.v1.balance_transactions.list(wanted).auto_paging_iter():
                yield _movement(one.to_dict())

    def balance_ore(self) -> int:
        with reading():
            seen = self._client.v1.balance.retrieve().to_dict()
        return sum(one["amount"] for one in (*seen["available"], *seen["pending"]) if one["currency"] == "nok")


def _movement(row: _Json) -> Movement:
    """A payment is known by its payment intent, everything else by its own id."""
    source, kind = row["source"] or {}, _KINDS.get(row["type"], MovementKind.OTHER)
    name = source.get("id", row["id"])
    return Movement(
        transaction=row["id"],
        kind=kind,
        source=source.get("payment_intent") or name if kind is MovementKind.PAYMENT else name,
        amount_ore=row["amount"],
        fee_ore=row["fee"],
        currency=row["currency"],
        moved_at=datetime.fromtimestamp(row["created"], UTC),
    )
