"""The invoice: what was delivered, priced by the day of each delivery, VAT on top, every field the law asks for.

Pure: the number comes from the caller, who takes it from the counter row in the issuing transaction, so that the series
has no gap. An issued invoice never changes; a credit note corrects it (bokføringsforskriften § 5-1-1, § 5-2-8).
"""

import calendar
from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from billing.kid import kid_of
from billing.models import Buyer, Delivered, Delivery, Invoice, InvoiceLine, LineKind, Seller, TaxRow
from billing.prices import card_price, tax_rule
from billing.vat import vat_lines
from cards.errors import Refused
from cards.identifiers import org_number_is_valid
from cards.kinds import card_kind

_ACCOUNT_WEIGHTS = (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)


def issue(
    *,
    number: int,
    issued_on: date,
    seller: Seller,
    buyer: Buyer,
    deliveries: Sequence[Delivered],
    days_until_due: int = 14,
) -> Invoice:
    """The invoice of one delivery, or of all that a business had delivered in a while.

    Each card stands on a line of its own, at the price of its delivery's day. Postage is part of the price of the card
    and takes the rate of its delivery, not the carrier's (mval. § 4-2(1)). Deliveries inside and outside the VAT area
    may stand on one invoice, each with its own category. Days are Oslo days.

    Raises Refused `invoice.incomplete` (a field of § 5-1-1 is missing), `invoice.line_twice`,
    `invoice.before_delivery`, `price.unknown_day`, `tax.unknown_place`, `tax.unknown_day`.
    """
    _refuse_incomplete(number, seller, buyer, deliveries)
    _refuse_doubtful(deliveries, issued_on=issued_on, days_until_due=days_until_due)
    ordered = sorted(deliveries, key=lambda each: (each.delivered_on, each.order_number))
    rules = [tax_rule(each.address.country, each.address.postcode, each.delivered_on) for each in ordered]
    lines = tuple(
        line
        for place, (each, rule) in enumerate(zip(ordered, rules, strict=True))
        for line in _lines(place, each, rule)
    )
    vat = vat_lines((rules[line.delivery], line.net_ore) for line in lines)
    net = sum(line.net_ore for line in lines)
    vat_total = sum(line.vat_ore for line in vat)
    return Invoice(
        number=number,
        kid=kid_of(buyer, number),
        issued_on=issued_on,
        due_on=issued_on + timedelta(days=days_until_due),
        seller=seller,
        buyer=buyer,
        deliveries=tuple(
            Delivery(order_number=each.order_number, delivered_on=each.delivered_on, address=each.address)
            for each in ordered
        ),
        lines=lines,
        vat=vat,
        net_ore=net,
        vat_ore=vat_total,
        gross_ore=net + vat_total,
    )


def issue_deadline(delivered_on: date) -> date:
    """The last day on which a delivery may be invoiced: one month after it (skatteetaten.no, § 5-1-3)."""
    year, month = divmod(delivered_on.year * 12 + delivered_on.month, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(delivered_on.day, last))


def bank_account_is_valid(text: str) -> bool:
    """True for a Norwegian bank account: eleven digits (dots and spaces may part them), mod 11 check digit."""
    digits = text.replace(".", "").replace(" ", "")
    if len(digits) != 11 or not digits.isascii() or not digits.isdigit():
        return False
    total = sum(weight * int(digit) for weight, digit in zip(_ACCOUNT_WEIGHTS, digits[:10], strict=True))
    return -total % 11 == int(digits[10])


def refuse_unnamed_parties(seller: Seller, buyer: Buyer) -> None:
    """Refuse parties that § 5-1-2 would not accept on a document. Raises Refused `invoice.incomplete`."""
    for field, present in _party_fields(seller, buyer):
        if not present:
            raise _incomplete(field)


def _party_fields(seller: Seller, buyer: Buyer) -> Iterator[tuple[str, bool]]:
    yield "seller.name", bool(seller.name.strip())
    yield "seller.org_number", org_number_is_valid(seller.org_number)
    yield "seller.register_note", bool(seller.register_note.strip())
    yield "seller.bank_account", bank_account_is_valid(seller.bank_account)
    yield "buyer.name", bool(buyer.name.strip())
    yield "buyer.org_number", org_number_is_valid(buyer.org_number)


def _refuse_incomplete(number: int, seller: Seller, buyer: Buyer, deliveries: Sequence[Delivered]) -> None:
    if number < 1:
        raise _incomplete("number")
    if not all(each.order_number.strip() for each in deliveries):
        raise _incomplete("order_number")
    refuse_unnamed_parties(seller, buyer)


def _incomplete(field: str) -> Refused:
    return Refused(
        "invoice.incomplete",
        "missing or not valid, and a document without it must not be issued (bokføringsforskriften § 5-1-1)",
        field=field,
        fix="correct the order's business, or the seller in the settings, and issue again",
    )


def _refuse_doubtful(deliveries: Sequence[Delivered], *, issued_on: date, days_until_due: int) -> None:
    postage = [(each.order_number, *letter) for each in deliveries for letter in each.postage]
    if not deliveries or not all(each.cards or each.postage for each in deliveries):
        raise _incomplete("lines")
    if days_until_due < 0:
        raise _incomplete("days_until_due")
    if any(net_ore < 0 for *_, net_ore in postage):
        raise _incomplete("postage")
    _refuse_twice([card_id for each in deliveries for card_id, _ in each.cards], "cards")
    _refuse_twice([f"{shipment_id} of {order_number}" for order_number, shipment_id, _ in postage], "postage")
    last = max(each.delivered_on for each in deliveries)
    if issued_on < last:
        raise Refused(
            "invoice.before_delivery",
            f"dated {issued_on}, before the delivery on {last}",
            field="issued_on",
            fix="issue the invoice once the cards are posted",
        )


def _refuse_twice(ids: list[str], field: str) -> None:
    twice = sorted({each for each in ids if ids.count(each) > 1}) if len(set(ids)) != len(ids) else []
    if twice:
        raise Refused(
            "invoice.line_twice",
            f"charged twice: {', '.join(twice)}",
            field=field,
            fix="charge each card and each letter once",
        )


def _lines(place: int, delivered: Delivered, rule: TaxRow) -> Iterator[InvoiceLine]:
    for card_id, kind in delivered.cards:
        price = card_price(kind, delivered.delivered_on).net_ore
        labels = card_kind(kind, delivered.delivered_on)
        yield InvoiceLine(
            kind=LineKind.CARD,
            text=f"HMS-kort, {labels.label_no} / HSE card, {labels.label_en}",
            quantity=1,
            unit_net_ore=price,
            net_ore=price,
            vat_percent=rule.percent,
            vat_category=rule.category,
            card_kind=kind,
            card_id=card_id,
            delivery=place,
        )
    for shipment_id, net_ore in delivered.postage:
        yield InvoiceLine(
            kind=LineKind.POSTAGE,
            text="Porto / Postage",
            quantity=1,
            unit_net_ore=net_ore,
            net_ore=net_ore,
            vat_percent=rule.percent,
            vat_category=rule.category,
            shipment_id=shipment_id,
            delivery=place,
        )
