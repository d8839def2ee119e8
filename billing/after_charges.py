"""What was charged too little becomes a new invoice: never a negative credit, and never a change of the first one.

Its one line names the invoice that it comes after; price and VAT follow the delivery that it belongs to.
"""

from datetime import date

from billing.invoices import issue
from billing.models import Buyer, Delivered, Invoice, Seller


def after_charge(
    *, number: int, issued_on: date, original: Invoice, line: int, net_ore: int, seller: Seller, buyer: Buyer, days: int
) -> Invoice:
    """The invoice over `net_ore` of postage that `original` charged too little on one of its lines, counted from 1.

    Raises what `billing.invoices.issue` raises.
    """
    delivery = original.delivery_of(original.lines[line - 1])
    shipment = original.lines[line - 1].shipment_id or ""
    invoice = issue(
        number=number,
        issued_on=issued_on,
        seller=seller,
        buyer=buyer,
        deliveries=[Delivered(**delivery.model_dump(), postage=((shipment, net_ore),))],
        days_until_due=days,
    )
    text = f"Porto, for lite på faktura {original.number} / Postage, too little on invoice {original.number}"
    (charged,) = invoice.lines  # the letter itself stands on the first invoice
    return invoice.model_copy(update={"lines": (charged.model_copy(update={"text": text, "shipment_id": None}),)})
