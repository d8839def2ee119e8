"""What goes in and out of the shipping room: addresses read, shipments planned, postage priced, charges audited.

What crosses a border is checked when it is made; what is counted by the half million between the database and the
planner is a plain tuple.
"""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from cards.address import Address


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AddressReading(_Frozen):
    """An address understood. Equal `key` means the same place and receiver; `label_lines` is what the letter shows.

    `reasons` are codes of what is wrong (`postcode_unknown`, `city_mismatch`, …), `suggestion` a human hint. An
    invalid address has a key too, but nothing is posted to it.
    """

    valid: bool
    key: str
    rule_version: int
    reasons: tuple[str, ...]
    label_lines: tuple[str, ...]
    suggestion: str | None = None


Zone = Literal["NO", "EUROPE", "WORLD"]


class TariffRow(_Frozen):
    """One dated price of the carrier: up to `max_weight_g` **and** `max_thickness_mm` in `zone`, from – until.

    `gross_ore` as the list prints it, VAT inside at `vat_percent`; net is what the customer is charged before VAT.
    """

    tariff: str = Field(min_length=1)
    product: str = Field(min_length=1)
    zone: Zone
    valid_from: date
    valid_until: date | None
    max_weight_g: int = Field(gt=0)
    max_thickness_mm: float = Field(gt=0)
    gross_ore: int = Field(ge=0)
    vat_percent: int = Field(ge=0, le=100)
    source: str = Field(min_length=1)
    retrieved: date
    confidence: Literal["primary", "third-party", "partial"]

    @property
    def net_ore(self) -> int:
        """The price without the VAT inside it, half up."""
        return (2 * self.gross_ore * 100 + 100 + self.vat_percent) // (2 * (100 + self.vat_percent))


class WeightModel(_Frozen):
    """What things weigh and how thick they are, as weighed on `weighed_on`. Grams and millimetres."""

    weighed_on: date
    card_g: float
    sheet_g: float
    envelope_g: float
    card_mm: float
    sheet_mm: float
    envelope_mm: float
    cards_per_sheet: int


class WaitingCard(NamedTuple):
    """A proved card that waits for a shipment, with the address it is going to.

    `ordered_on` is the Oslo day that the promise counts from; None for a card that may not wait for company (a
    replacement, or one that came back). `at_our_cost`: it came back by our fault, its order bears no postage of it.
    """

    card_id: str
    order_number: str
    address_key: str
    ordered_on: date | None = None
    at_our_cost: bool = False


class ComingOrder(_Frozen):
    """An order with cards still in production for an address where others are ready."""

    order_number: str
    address_key: str
    ordered_on: date


class Promise(_Frozen):
    """What the customer is promised, in Norwegian working days: from order to letter box, and the parts of it."""

    promised_days: int
    transit_days: int
    production_days: int


class MailHold(_Frozen):
    """Ready cards of one address that wait for company: until which day at the latest, and for which orders."""

    address_key: str
    card_ids: tuple[str, ...]
    until: date
    waits_for: tuple[str, ...]


@dataclass(frozen=True)
class PlannedShipment:
    """Cards for one address in one letter, its weight, thickness and the tariff row that prices it.

    `shares` is the net postage each order bears, summing to the row's net price to the øre.
    """

    address_key: str
    card_ids: tuple[str, ...]
    weight_g: float
    thickness_mm: float
    row: TariffRow
    shares: tuple[tuple[str, int], ...]  # (order_number, net_ore)


class ShipmentState(StrEnum):
    """`packed` → `closed` → `posted`; one whose booking is refused is `cancelled` and its cards wait again.

    `packed` is decided and lettered; `closed` once every card of it was scanned into the letter.
    """

    PACKED = "packed"
    CLOSED = "closed"
    POSTED = "posted"
    CANCELLED = "cancelled"


class Shipment(_Frozen):
    """A letter with cards to one address. `number` is ours (in the DataMatrix), `booking` the carrier's.

    `carrier_number` is what our label carries of a range that the carrier gave us, where it asks for one.
    """

    shipment_id: str
    number: int
    address_key: str
    address: Address
    label_lines: tuple[str, ...]
    card_ids: tuple[str, ...]
    weight_g: float
    thickness_mm: float
    product: str
    tariff: str
    postage_net_ore: int
    vat_percent: int
    shares: tuple[tuple[str, int], ...]
    state: ShipmentState
    planned_on: date
    posted_at: datetime | None = None
    booking: str | None = None
    carrier_number: str | None = None


LeftOutReason = Literal[
    "not_drawn",
    "no_number",
    "not_scanned",
    "not_booked",
    "booking_unsure",
    "booking_refused",
    "held",
    "waits_for_company",
]


class LeftOut(_Frozen):
    """Something that a manifest does not hand over: a shipment with its number, or the ready cards of an order.

    `detail` says more about the reason, without names of persons.
    """

    subject: str
    number: int | None
    cards: int
    reason: LeftOutReason
    detail: str


class LetterCard(_Frozen):
    """A card as the letter and the packing list name it: its place in the letter, number, holder."""

    place: int
    card_number: str
    holder: str


class Booking(_Frozen):
    """The carrier's answer: its consignment number, the label it printed, when it printed one, and what that bears."""

    key: str
    consignment: str
    label: bytes | None = None
    packages: tuple[str, ...] = ()


class PostageCharge(_Frozen):
    """Postage as it was charged once: by this system (`own`) or before it (`earlier`). One row of the audit.

    Amounts are net of VAT, in øre. `shipment` names the letter; charges of several orders for one letter share it.
    `refunded_…` is what was given back of it before this system.
    """

    charge_id: str
    origin: Literal["own", "earlier"]
    payer_org_number: str
    payer_name: str
    order_number: str
    invoice_number: str
    shipment: str
    posted_on: date | None  # None: never shipped
    zone: Zone
    weight_g: float
    thickness_mm: float
    cards: int = Field(ge=0)
    charged_net_ore: int
    vat_ore: int
    vat_percent: int
    payment: str | None = None
    fault_reship: bool = False
    refunded_net_ore: int = Field(default=0, ge=0)
    refunded_vat_ore: int = Field(default=0, ge=0)


class GivenBack(NamedTuple):
    """What live refund cases give back of one charge, by how many findings. Øre."""

    net_ore: int = 0
    vat_ore: int = 0
    findings: int = 0


class FindingKind(StrEnum):
    """How a charge differs from what was due."""

    WRONG_DAY = "wrong_day"
    WRONG_WEIGHT_CLASS = "wrong_weight_class"
    WRONG_FORMAT_CLASS = "wrong_format_class"
    WRONG_ZONE = "wrong_zone"
    CHARGED_PER_CARD = "charged_per_card"
    CHARGED_PER_ORDER = "charged_per_order"
    NEVER_SHIPPED = "never_shipped"
    OUR_FAULT_RESHIP = "our_fault_reship"
    VAT_WRONG = "vat_wrong"
    OVERCHARGED = "overcharged"
    UNDERCHARGED = "undercharged"
    UNKNOWN_TARIFF = "unknown_tariff"


class PostageFinding(_Frozen):
    """A charge judged wrong (or not judgeable). `refund_net_ore` ≥ 0; undercharged and unknown refund nothing.

    `evidence` is readable by finance: weights, tariff row, source, charged, due.
    """

    finding_id: str  # charge id and rule version: one finding a charge, however often the audit runs
    charge: PostageCharge
    kind: FindingKind
    due_net_ore: int | None
    refund_net_ore: int
    refund_vat_ore: int
    evidence: dict[str, str]
