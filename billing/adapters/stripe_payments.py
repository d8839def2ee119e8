"""Payments at Stripe, by its own client, with the API version pinned.

Stripe keeps an idempotency key for a day only, replays a stored 500 for ever, and takes a second partial refund while
the sum fits. So before every POST the refunds of the payment are read for our key in their metadata; an answer that is
lost is Unsure and never sent again on hope. Metadata carries case and key, nothing about persons.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial

import stripe

from billing.adapters.stripe_client import NOT_ALLOWED, open_client, stripe_key, unavailable, unsure, until_done
from billing.models import Refund
from cards.errors import Refused, Unavailable

_GONE = ("failed", "canceled")


class StripePayments:
    """Implements `billing.ports.Payments`. `base_url` leads elsewhere than Stripe: to the fake, in tests."""

    def __init__(self, api_key: str, base_url: str | None = None) -> None:
        self._client = open_client(api_key, base_url)

    def refund(self, key: str, payment: str, amount_ore: int, reference: str) -> Refund:
        act = partial(self._refund, key, payment=payment, amount_ore=amount_ore, reference=reference)
        return until_done(key, act)

    def look_up(self, key: str) -> Refund | None:
        """Reads back through all refunds, newest first: the port gives no payment to narrow it to."""
        with _reading(None):
            found = _with_key(self._client.v1.refunds.list({"limit": 100}).auto_paging_iter(), key)
        return _refund(found) if found else None

    def paid_ore(self, payment: str) -> int:
        with _reading(payment):
            received = self._client.v1.payment_intents.retrieve(payment).amount_received
            return int(received or 0) - sum(refund.amount for refund in self._refunds_of(payment))

    def _refund(self, key: str, version: int, *, payment: str, amount_ore: int, reference: str) -> Refund:
        made = self._made_over(payment, key)
        if made is not None:
            return _same_or_refused(made, key=key, payment=payment, amount_ore=amount_ore, reference=reference)
        return _refund(self._post(key, version, payment, amount_ore, reference))

    def _made_over(self, payment: str, key: str) -> stripe.Refund | None:
        with _reading(payment):
            return _with_key(self._refunds_of(payment), key)

    def _refunds_of(self, payment: str) -> Iterator[stripe.Refund]:
        page = self._client.v1.refunds.list({"payment_intent": payment, "limit": 100})
        return (refund for refund in page.auto_paging_iter() if refund.status not in _GONE)

    def _post(self, key: str, version: int, payment: str, amount_ore: int, reference: str) -> stripe.Refund:
        try:
            return self._client.v1.refunds.create(
                {
                    "payment_intent": payment,
                    "amount": amount_ore,
                    "metadata": {"case": reference, "key": key},
                },
                {"idempotency_key": stripe_key(key, version)},
            )
        except stripe.APIConnectionError as fault:
            raise unsure(key, fault) from fault
        except (stripe.RateLimitError, stripe.InvalidRequestError, stripe.IdempotencyError, *NOT_ALLOWED) as fault:
            raise _refusal(fault, payment) from fault


def _with_key(refunds: Iterable[stripe.Refund], key: str) -> stripe.Refund | None:
    return next((one for one in refunds if one.status not in _GONE and _metadata(one).get("key") == key), None)


def _metadata(refund: stripe.Refund) -> dict[str, str]:
    return dict(refund.to_dict().get("metadata") or {})


def _refund(made: stripe.Refund) -> Refund:
    return Refund(
        key=_metadata(made)["key"],
        reference=made.id,
        payment=str(made.to_dict()["payment_intent"]),
        amount_ore=made.amount,
    )


def _same_or_refused(made: stripe.Refund, *, key: str, payment: str, amount_ore: int, reference: str) -> Refund:
    refund = _refund(made)
    if (refund.payment, refund.amount_ore, _metadata(made).get("case")) != (payment, amount_ore, reference):
        raise _key_reused(key)
    return refund


@contextmanager
def _reading(payment: str | None) -> Iterator[None]:
    """Whatever goes wrong while only reading changed nothing."""
    try:
        yield
    except (stripe.InvalidRequestError, *NOT_ALLOWED) as fault:
        raise _refusal(fault, payment) from fault
    except stripe.StripeError as fault:
        raise unavailable(fault) from fault


def _refusal(fault: stripe.StripeError, payment: str | None) -> Refused | Unavailable:
    """What Stripe said no to, in our words."""
    if isinstance(fault, stripe.RateLimitError):
        return unavailable(fault)
    if isinstance(fault, stripe.IdempotencyError):
        return _key_reused("of this refund")
    if fault.code == "resource_missing":
        return Refused(
            "payments.unknown_payment",
            f"Stripe knows no payment {payment!r}",
            field="payment",
            fix="correct the payment of the charge, or pay it back by bank",
        )
    if fault.code == "charge_already_refunded" or "greater than unrefunded amount" in str(fault.user_message):
        return Refused(
            "payments.over_refund",
            f"more was asked back of payment {payment} than is left",
            field="amount_ore",
            fix="look at what was already given back over this payment; refund a positive amount up to the rest",
        )
    return Refused(
        "payments.not_accepted",
        f"Stripe refused: {fault.user_message or fault.code or type(fault).__name__}",
        fix="correct what Stripe names; a refused key is HSECARD_STRIPE_KEY in the settings",
    )


def _key_reused(key: str) -> Refused:
    return Refused(
        "payments.key_reused",
        f"key {key} was used for another refund",
        field="key",
        fix="another amount, payment or case is another act: give it its own key",
    )
