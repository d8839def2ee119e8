"""The one way in which this house speaks to Stripe: its own client, a pinned API version, our keys, no retries."""

import hashlib

import stripe

from cards.errors import Unavailable

API_VERSION = "2026-10-28.endive"
CONNECT_SECONDS, ANSWER_SECONDS = 5, 30
VERSIONS = 3  # a stored 500 uses its key up; a looked-up act may try this many keys
NOT_ALLOWED = (stripe.AuthenticationError, stripe.PermissionError, stripe.CardError)
_STRIPE_KEY_MAX = 255


def open_client(api_key: str, base_url: str | None = None) -> stripe.StripeClient:
    """A client of Stripe, or of whatever speaks like it at `base_url`: the fake, in tests."""
    return stripe.StripeClient(
        api_key,
        stripe_version=API_VERSION,
        max_network_retries=0,  # the client would invent its own keys; the effect row decides what is sent again
        http_client=stripe.RequestsClient(timeout=(CONNECT_SECONDS, ANSWER_SECONDS)),
        base_addresses={"api": base_url or stripe.DEFAULT_API_BASE},
    )


def stripe_key(key: str, version: int) -> str:
    """Our key as Stripe takes it: at most 255 characters, told apart by version."""
    plain = f"{key}/{version}"
    return plain if len(plain) <= _STRIPE_KEY_MAX else f"{hashlib.sha256(key.encode()).hexdigest()}/{version}"


def is_replayed(fault: stripe.APIError) -> bool:
    """True when Stripe only repeated the answer of an earlier call under this key: nothing happened now."""
    headers = {str(name).lower(): str(value) for name, value in dict(fault.headers or {}).items()}
    return headers.get("idempotent-replayed", "").lower() == "true"


def unavailable(fault: stripe.StripeError) -> Unavailable:
    """Stripe does not answer, or asks us to slow down."""
    return Unavailable(
        "payments.unavailable",
        f"Stripe does not answer ({type(fault).__name__}); nothing was sent",
        fix="run again later; the effect stays planned",
    )
