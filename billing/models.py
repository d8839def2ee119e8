"""What goes in and out of the billing room: prices, documents, ledger postings, refund cases."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, model_validator

from cards.address import Address


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _DatedRow(_Frozen):
    """A rule of finance in a period: where it was read, and who of finance confirmed it on which day (none: nobody)."""

    valid_from: date
    valid_until: date | None
    source: str
    confirmed_by: str | None = None
    confirmed_on: date | None = None

    @model_validator(mode="after")
    def _named_with_its_day(self) -> Self:
        if (self.confirmed_by is None) != (self.confirmed_on is None):
            raise ValueError("confirmed_by and confirmed_on go together")
        return self


class PriceRow(_DatedRow):
    """The price of a card kind in a period, net of VAT."""

    kind: str
    net_ore: int


class CostRow(_DatedRow):
    """What one card of a kind costs us to make in a period: blank, chip, print and work."""

    kind: str
    cost_ore: int


class TaxRow(_DatedRow):
    """A VAT rule in a period: EHF category and percent, SAF-T code."""

    delivery: str  # mainland, outside (Svalbard, Jan Mayen, abroad)
    category: str
    percent: int
    saft_code: str


class Seller(_Frozen):
    """The issuing company as it stands on each document."""

    name: str
    org_number: str
    address: Address
    bank_account: str
    register_note: str = "Foretaksregisteret"


class Buyer(_Frozen):
    """The business that pays, as it was when the document was issued."""

    name: str
    org_number: str
    address: Address
    email: str
    e_invoice: bool


class LineKind(StrEnum):
    """What a line charges for."""

    CARD = "card"
    POSTAGE = "postage"


class Delivery(_Frozen):
    """What of one order was handed over on one Oslo day, and where: day and place decide price and tax of its lines."""

    order_number: str
    delivered_on: date
    address: Address


class Delivered(Delivery):
    """A delivery with what was in it: (card id, kind) of each card, (shipment id, net øre) of each letter's postage."""

    cards: tuple[tuple[str, str], ...] = ()
    postage: tuple[tuple[str, int], ...] = ()


class InvoiceLine(_Frozen):
    """One net line. A card line names its card, a postage line its shipment; quantity is always whole.

    `delivery` is the place of its delivery among those of the invoice, counted from 0.
    """

    kind: LineKind
    text: str
    quantity: int
    unit_net_ore: int
    net_ore: int
    vat_percent: int
    vat_category: str
    card_kind: str | None = None
    card_id: str | None = None
    shipment_id: str | None = None
    delivery: int = 0


class VatLine(_Frozen):
    """VAT of one category and rate on the sum of its net lines."""

    category: str
    percent: int
    saft_code: str
    net_ore: int
    vat_ore: int


class Collect(StrEnum):
    """What one invoice is for: one order's delivery of a day, or all of a business's deliveries of a month."""

    ORDER = "order"
    MONTH = "month"


class InvoiceTerms(_Frozen):
    """How a business is invoiced for what is delivered from a day on, and who said so."""

    org_number: str
    collect: Collect
    valid_from: date
    set_by: str
    set_at: datetime


class Uninvoiced(_Frozen):
    """Cards of one order, posted at one instant, that are on no invoice; none where only their postage is left."""

    order_number: str
    org_number: str
    cards: int
    posted_at: datetime


class Invoice(_Frozen):
    """An issued invoice. Never changes. `number` is from the gapless series, `kid` carries it to the bank.

    It is for one delivery or collects several, in order of day and order number.
    """

    number: int
    kid: str
    issued_on: date
    due_on: date
    seller: Seller
    buyer: Buyer
    deliveries: tuple[Delivery, ...]
    lines: tuple[InvoiceLine, ...]
    vat: tuple[VatLine, ...]
    net_ore: int
    vat_ore: int
    gross_ore: int

    @model_validator(mode="before")
    @classmethod
    def _of_one_order(cls, content: Any) -> Any:
        """What was issued before invoices could be collected tells its only delivery beside the other fields."""
        if not isinstance(content, dict) or "deliveries" in content or "order_number" not in content:
            return content
        names = {"order_number": "order_number", "delivered_on": "delivered_on", "delivery_address": "address"}
        delivery = {new: content[old] for old, new in names.items() if old in content}
        return {**{name: value for name, value in content.items() if name not in names}, "deliveries": [delivery]}

    @property
    def order_numbers(self) -> tuple[str, ...]:
        """Its orders, each once."""
        return tuple(dict.fromkeys(each.order_number for each in self.deliveries))

    @property
    def places(self) -> tuple[Address, ...]:
        """Where it was delivered to, each place once."""
        return tuple(dict.fromkeys(each.address for each in self.deliveries))

    @property
    def delivered_from(self) -> date:
        """The day of its first delivery."""
        return min(each.delivered_on for each in self.deliveries)

    @property
    def delivered_until(self) -> date:
        """The day of its last delivery."""
        return max(each.delivered_on for each in self.deliveries)

    def delivery_of(self, line: InvoiceLine) -> Delivery:
        """The delivery that one of its lines belongs to."""
        return self.deliveries[line.delivery]


class CreditLine(_Frozen):
    """What is given back, and on which invoice it stood (`invoice_number` as printed there)."""

    text: str
    invoice_number: str
    net_ore: int
    vat_percent: int
    vat_category: str
    vat_ore: int = 0  # its share of the note's VAT: what of the named invoice's VAT is given back
    finding_id: str | None = None
    line: int | None = None  # its place on the named invoice, when that is ours
    card_kind: str | None = None  # set when a card is credited; without it, postage


class CreditNote(_Frozen):
    """An issued credit note: own series, positive amounts, always naming what it credits."""

    number: int
    issued_on: date
    case_id: str
    seller: Seller
    buyer: Buyer
    lines: tuple[CreditLine, ...]
    vat: tuple[VatLine, ...]
    net_ore: int
    vat_ore: int
    gross_ore: int


class LedgerEntry(_Frozen):
    """One side of a posting: positive debits, negative credits. The entries of one `posting` sum to zero.

    `dated_on` is the document's own day, where its month was locked and it is booked on a later one.
    """

    posting: str
    position: int
    booked_on: date
    account: str
    amount_ore: int
    document: str
    vat_code: str | None = None
    text: str
    dated_on: date | None = None


class RefundState(StrEnum):
    """proposed → approved (by another person) → executing → confirmed; or rejected."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    EXECUTING = "executing"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"


class RefundItem(_Frozen):
    """One amount that goes back: from which invoice, over which payment, for which finding.

    `line` is its place on an invoice of ours; `card_kind` is set when that line is a card and not postage.
    """

    finding_id: str
    invoice_number: str
    payment: str | None
    text: str
    net_ore: int
    vat_ore: int
    vat_percent: int
    vat_category: str = "S"
    line: int | None = None
    card_kind: str | None = None


class RefundCase(_Frozen):
    """All that one payer gets back at once. `digest` is over payer and amounts: an approval holds for it alone."""

    case_id: str
    payer_org_number: str
    payer_name: str
    items: tuple[RefundItem, ...]
    net_ore: int
    vat_ore: int
    gross_ore: int
    digest: str
    state: RefundState
    proposed_by: str
    proposed_at: datetime
    approved_by: str | None = None
    approved_at: datetime | None = None
    rejected_by: str | None = None
    rejected_at: datetime | None = None
    credit_note: int | None = None


class Refund(_Frozen):
    """Money given back, as the payment service knows it."""

    key: str
    reference: str
    payment: str
    amount_ore: int


class Message(_Frozen):
    """A mail with its attachments (file name, media type, bytes)."""

    to: str
    subject: str
    body: str
    attachments: tuple[tuple[str, str, bytes], ...] = ()
