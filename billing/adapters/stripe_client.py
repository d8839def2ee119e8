"""The one way in which this house speaks to Stripe: its own client, a pinned API version, our keys, no retries."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import stripe

from cards.errors import Refused, Unavailable, Unsure

API_VERSION = "2026-10-28.endive"
CONNECT_SECONDS, ANSWER_SECONDS = 5, 30
_VERSIONS = 3  # a stored 500 uses its key up; a looked-up act may try this many keys
NOT_ALLOWED = (stripe.AuthenticationError, stripe.PermissionError, stripe.CardError)
_STRIPE_KEY_MAX = 255
_T = TypeVar("_T")


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


def _is_replayed(fault: stripe.APIError) -> bool:
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


def until_done(key: str, attempt: Callable[[int], _T]) -> _T:
    """Try an act under one version of its key after the other, as long as Stripe only repeats a stored error.

    Raises Unsure `payments.answer_lost`.
    """
    for version in range(1, _VERSIONS + 1):
        try:
            return attempt(version)
        except stripe.APIError as fault:
            if not _is_replayed(fault):
                raise unsure(key, fault) from fault
    raise Unsure(
        "payments.answer_lost",
        f"Stripe answered every try of {key} with an error",
        fix="let `reconcile` look it up; if it stays open, ask Stripe's support with the key",
    )


@contextmanager
def reading() -> Iterator[None]:
    """Whatever goes wrong while only reading changed nothing."""
    try:
        yield
    except (stripe.InvalidRequestError, *NOT_ALLOWED) as fault:
        raise _refusal(fault) from fault
    except stripe.StripeError as fault:
        raise unavailable(fault) from fault


@contextmanager
def sending(key: str) -> Iterator[None]:
    """What a POST under `key` comes to when it goes wrong; Stripe's own errors are for `until_done`."""
    try:
        yield
    except stripe.APIConnectionError as fault:
        raise unsure(key, fault) from fault
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


def unsure(key: str, fault: stripe.StripeError) -> Unsure:
    """A POST under `key` was sent, and nobody knows what came of it."""
    return Unsure(
        "payments.answer_lost",
        f"{key} was asked for and the answer was lost ({type(fault).__name__}, {fault.http_status})",
        fix="let `reconcile` look it up; it is not sent again before that",
    )
