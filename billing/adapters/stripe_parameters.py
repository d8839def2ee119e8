"""What the pinned Stripe API takes: each request held against the parameter types of Stripe's own client, name by name.

The client does not look at what it sends; Stripe refuses an unknown name with a 400. The types are the API's published
description at the version that `stripe_client` pins, so a name that passes here is one that Stripe knows.
"""

import re
from collections.abc import Mapping
from functools import cache
from types import UnionType
from typing import Any, Literal, NamedTuple, NotRequired, Union, get_args, get_origin, get_type_hints

from stripe import params
from stripe._request_options import RequestOptions

_OPTIONS = frozenset(RequestOptions.__annotations__)  # of the client, not of the API
_ROUTES: dict[tuple[str, str], str] = {
    ("POST", "customers"): "CustomerCreateParams",
    ("POST", "invoices"): "InvoiceCreateParams",
    ("POST", "invoices/*/add_lines"): "InvoiceAddLinesParams",
    ("POST", "invoices/*/finalize"): "InvoiceFinalizeInvoiceParams",
    ("POST", "invoices/*/send"): "InvoiceSendInvoiceParams",
    ("POST", "refunds"): "RefundCreateParams",
    ("POST", "credit_notes"): "CreditNoteCreateParams",
    ("GET", "balance"): "BalanceRetrieveParams",
    ("GET", "balance_transactions"): "BalanceTransactionListParams",
    ("GET", "credit_notes"): "CreditNoteListParams",
    ("GET", "credit_notes/*/lines"): "CreditNoteLineItemListParams",
    ("GET", "credit_notes/preview"): "CreditNotePreviewParams",
    ("GET", "customers"): "CustomerListParams",
    ("GET", "events"): "EventListParams",
    ("GET", "invoices"): "InvoiceListParams",
    ("GET", "invoices/*"): "InvoiceRetrieveParams",
    ("GET", "invoices/*/lines"): "InvoiceLineItemListParams",
    ("GET", "payment_intents/*"): "PaymentIntentRetrieveParams",
    ("GET", "refunds"): "RefundListParams",
}


class Wrong(NamedTuple):
    """A parameter that Stripe would not take: its place in the request, and `unknown`, `missing` or `invalid`."""

    place: str
    how: Literal["unknown", "missing", "invalid"]


def known_path(verb: str, path: str) -> bool:
    """True when the path is one that this house uses."""
    return (verb, _route(verb, path)) in _ROUTES


def wrong_parameter(verb: str, path: str, form: Mapping[str, Any]) -> Wrong | None:
    """The first parameter of a request, as Stripe reads it from the form, that the pinned version does not take."""
    return _wrong(getattr(params, _ROUTES[verb, _route(verb, path)]), form, "")


def _route(verb: str, path: str) -> str:
    plain = path.removeprefix("/v1/")
    return plain if (verb, plain) in _ROUTES else re.sub(r"^([a-z_]+)/[^/]+", r"\1/*", plain)


@cache
def _fields(shape: type) -> dict[str, tuple[Any, bool]]:
    """Name → (type, whether it must be there)."""
    hints = get_type_hints(shape, localns={"StripeContext": object, "Mapping": Mapping}, include_extras=True)
    options = _OPTIONS if set(shape.__annotations__) >= _OPTIONS else frozenset()  # a TypedDict names no parents
    return {
        name: (get_args(kind)[0], False) if get_origin(kind) is NotRequired else (kind, True)
        for name, kind in hints.items()
        if name not in options
    }


def _wrong(shape: type, form: Mapping[str, Any], place: str) -> Wrong | None:
    fields = _fields(shape)
    for name, value in form.items():
        if name not in fields:
            return Wrong(_at(place, name), "unknown")
        wrong = _unfit(fields[name][0], value, _at(place, name))
        if wrong is not None:
            return wrong
    missing = next((name for name, (_, needed) in fields.items() if needed and name not in form), None)
    return None if missing is None else Wrong(_at(place, missing), "missing")


def _at(place: str, name: str) -> str:
    return f"{place}[{name}]" if place else name


def _unfit(kind: Any, value: Any, place: str) -> Wrong | None:
    """What is wrong with a value of the form, of which every leaf is text."""
    if hasattr(kind, "__required_keys__"):  # a TypedDict of whichever module
        return _wrong(kind, value, place) if isinstance(value, Mapping) else Wrong(place, "invalid")
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        found = [_unfit(each, value, place) for each in get_args(kind)]
        return None if None in found else next((one for one in found if one and one.place != place), found[0])
    if origin is list:
        if not isinstance(value, list):
            return Wrong(place, "invalid")
        each = (_unfit(get_args(kind)[0], one, f"{place}[{number}]") for number, one in enumerate(value))
        return next((wrong for wrong in each if wrong is not None), None)
    fits = _FITS.get(origin or kind, lambda text: isinstance(text, Mapping))
    good = value in get_args(kind) if origin is Literal else fits(value)
    return None if good else Wrong(place, "invalid")


_FITS: dict[Any, Any] = {
    str: lambda text: isinstance(text, str),
    bool: lambda text: text in ("true", "false"),
    int: lambda text: isinstance(text, str) and re.fullmatch(r"-?\d+", text) is not None,
    float: lambda text: isinstance(text, str) and re.fullmatch(r"-?\d+(\.\d+)?", text) is not None,
    dict: lambda text: isinstance(text, Mapping) and all(isinstance(one, str) for one in text.values()),
}
