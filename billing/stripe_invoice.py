"""Our issued invoice in Stripe's parameters: øre, our own number, VAT set by hand, nothing left to Stripe's rounding.

Pure. Stripe takes VAT a line, we compute it on the sum of a rate's lines (EN 16931); so the sum is laid out over the
lines such that it comes to the very same øre. Nothing about holders is in here: a line says kind of card and place.
"""

import calendar
from collections.abc import Mapping
from typing import Any

from billing.models import Buyer, Invoice, VatLine
from cards.errors import Refused

LINES_PER_CALL = 250  # docs.stripe.com: add_lines takes at most so many
SMALLEST_ORE = 300  # below Stripe's minimum charge an invoice is marked paid and moved to the customer's balance
_Parameters = dict[str, Any]


def customer_parameters(buyer: Buyer) -> _Parameters:
    """The paying business: found again by its organisation number."""
    return {"name": buyer.name, "email": buyer.email, "metadata": {"org_number": buyer.org_number}}


def invoice_parameters(invoice: Invoice, *, key: str, customer: str) -> _Parameters:
    """A draft that goes nowhere by itself; due at noon UTC of the due day, which is that day in Oslo, too."""
    return {
        "customer": customer,
        "auto_advance": False,
        "collection_method": "send_invoice",
        "currency": "nok",
        "due_date": calendar.timegm((*invoice.due_on.timetuple()[:3], 12, 0, 0)),
        "number": str(invoice.number),
        "pending_invoice_items_behavior": "exclude",
        "metadata": {"key": key, "invoice": str(invoice.number), "kid": invoice.kid},
    }


def line_parameters(invoice: Invoice) -> list[_Parameters]:
    """Its lines in order, each with its share of the VAT; they sum to the invoice's net, VAT and gross."""
    shares = vat_of_lines(invoice)
    return [
        {
            "amount": line.net_ore,
            "description": line.text,
            "discountable": False,
            "metadata": {"position": str(position)},
            "tax_amounts": [
                {
                    "amount": share,
                    "taxable_amount": line.net_ore,
                    "tax_rate_data": {
                        "display_name": "MVA",
                        "country": "NO",
                        "inclusive": False,
                        "percentage": line.vat_percent,
                        "tax_type": "vat",
                    },
                }
            ],
        }
        for position, (line, share) in enumerate(zip(invoice.lines, shares, strict=True), start=1)
    ]


def vat_of_lines(invoice: Invoice) -> list[int]:
    """Øre of VAT of each line: what the running sum of its rate gains by it, so that the last line closes the sum."""
    groups = {(row.category, row.percent): row for row in invoice.vat}
    running = dict.fromkeys(groups, 0)
    shares = []
    for line in invoice.lines:
        group = (line.vat_category, line.vat_percent)
        before = _vat_until(groups[group], running[group])
        running[group] += line.net_ore
        shares.append(_vat_until(groups[group], running[group]) - before)
    return shares


def _vat_until(row: VatLine, net_ore: int) -> int:
    """The part of a rate's VAT that falls on the first `net_ore` of its net sum, half up."""
    return (2 * row.vat_ore * net_ore + row.net_ore) // (2 * row.net_ore) if row.net_ore else 0


def refuse_too_small(invoice: Invoice) -> None:
    """Raises Refused `payments.sum_too_small`: Stripe would call it paid and put it on the customer's balance."""
    if invoice.gross_ore < SMALLEST_ORE:
        raise Refused(
            "payments.sum_too_small",
            f"invoice {invoice.number} is over {invoice.gross_ore} øre, Stripe asks for {SMALLEST_ORE} at least",
            field="gross_ore",
            fix="send this invoice by mail and have it paid over the bank",
        )


def refuse_other_totals(invoice: Invoice, seen: Mapping[str, object]) -> None:
    """Hold Stripe's draft against the issued invoice, to the øre. `seen` has the names used here.

    Raises Refused `payments.totals_differ`; then nothing was finalized.
    """
    wanted: dict[str, object] = {
        "number": str(invoice.number),
        "currency": "nok",
        "net_ore": invoice.net_ore,
        "vat_ore": invoice.vat_ore,
        "gross_ore": invoice.gross_ore,
        "lines": len(invoice.lines),
        "starting_balance_ore": 0,
    }
    for name, value in wanted.items():
        if seen.get(name) != value:
            raise Refused(
                "payments.totals_differ",
                f"invoice {invoice.number}: {name} is {seen.get(name)} at Stripe and {value} here",
                field=name,
                fix="nothing was finalized; have the draft at Stripe looked at and deleted, then send again",
            )
