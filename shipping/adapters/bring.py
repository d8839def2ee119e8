"""Posten/Bring as the carrier: Booking, Tracking v2, Shipping Guide 2 and Postal Code, by a client of our own.

No client of these APIs is on the index (those named so are of a shopping list). Fields that we do not know are passed
over, as Bring's versioning page asks. Bring has no idempotency key, so our key goes along as correlationId and is
looked up before anything is sent again. The real API lacks that: its public pages name no query by
correlationId. Where there is none (`looks_up` off), a booking without an answer stays unsure until a person has looked
in Mybring.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from cards.address import Address
from cards.days import OSLO
from cards.errors import HseCardError, Refused, Unavailable, Unsure
from cards.ports import Clock
from shipping.adapters.bring_http import BringDoor, BringOptions, answer_lost, not_authorised
from shipping.models import Booking, Shipment
from shipping.numbers import shipment_code
from shipping.tracking import TrackingEvent

FIELD_MAX = 35
ENVELOPE_CM = (Decimal("22.9"), Decimal("16.2"))  # C5
_CODE = re.compile(r"(INPUT|VALIDATION|AUTHORIZATION|INTERNAL)[-_](\d{3})(.*)", re.IGNORECASE)
_CODE_FIX = {
    "INPUT-014": ("carrier.name_refused", "correct the recipient's name on the order"),
    "INPUT-015": ("carrier.street_refused", "correct the street or box on the order"),
    "INPUT-016": ("carrier.city_refused", "correct the place on the order"),
    "INPUT-023": ("carrier.too_big", "pack fewer cards in a letter, or choose another HSECARD_CARRIER_PRODUCT"),
    "INPUT-024": ("carrier.not_covered", "choose a product that goes there, or another delivery address"),
    "INPUT-057": ("carrier.postcode_refused", "correct the postcode on the order; load a new register if it is right"),
}
_SETUP_FIELD = {
    "INPUT-021": ("HSECARD_CARRIER_CUSTOMER", "name the customer number that Mybring shows for this product"),
    "INPUT-030": (
        "HSECARD_CARRIER_TEST",
        "switch the test indicator on, or use a customer number that is not for tests",
    ),
}


@dataclass(frozen=True)
class ProductPrice:
    """What a product costs us today, in øre."""

    product: str
    net_ore: int
    vat_ore: int
    gross_ore: int


class BringCarrier:
    """Implements `shipping.ports.Carrier`; `price` and `place_of` beside it for parcels without a list price."""

    def __init__(self, options: BringOptions, *, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._door = BringDoor(options)

    # --- the port -----------------------------------------------------------------------------------------------

    def book(self, key: str, shipment: Shipment) -> Booking:
        if self._options.looks_up:
            made = self.look_up(key)
            if made is not None:
                return made
        answer = self._door.act("/booking/api/create", self._request(key, shipment))
        told = _consignments(answer)
        if len(told) != 1:
            raise answer_lost(f"{len(told)} consignments in the answer to one")
        if told[0].get("errors"):
            raise _refusal(told[0]["errors"])
        return self._booking(key, told[0])

    def look_up(self, key: str) -> Booking | None:
        if not self._options.looks_up:
            raise Unsure(
                "carrier.no_look_up",
                f"Bring cannot be asked whether {key} was booked",
                fix="look in Mybring for the reference, then say it with `hsecard booked`",
            )
        told = _consignments(self._door.read("/booking/api/consignments", params={"correlationId": key}))
        ours = [each for each in told if each.get("correlationId") == key and not each.get("errors")]
        return self._booking(key, ours[0]) if ours else None

    def hand_over(self, key: str, manifest_pdf: bytes, manifest_csv: bytes) -> None:
        """Bring takes its list from the bookings; ours goes along with the letters on paper."""

    def track(self, booking: str) -> list[TrackingEvent]:
        answer = self._door.read("/tracking/api/v2/tracking.json", params={"q": booking, "lang": "no"})
        sets = (answer or {}).get("consignmentSet") or []
        found = [event for told in sets for package in told.get("packageSet") or [] for event in _events(package)]
        return [_event(booking, event) for event in found if event.get("status") and event.get("dateIso")]

    # --- beside the port ----------------------------------------------------------------------------------------

    def price(self, *, product: str, to_postcode: str, weight_g: int, on: date) -> ProductPrice | None:
        """What `product` to a Norwegian postcode costs; None when it does not go there.

        Raises Refused `carrier.no_price` with what Bring says of the product, Unavailable.
        """
        body = self._price_request(product, to_postcode=to_postcode, weight_g=weight_g, on=on)
        told = _consignments(self._door.read("/shippingguide/api/v2/products", body=body))
        products = [each for one in told for each in one.get("products") or [] if str(each.get("id")) == product]
        if not products:
            return None
        if products[0].get("errors"):
            words = "; ".join(str(error.get("description", error.get("code"))) for error in products[0]["errors"])
            raise Refused("carrier.no_price", f"Bring prices no {product}: {words}", fix="choose another product")
        price = products[0].get("price") or {}
        return _price(product, price.get("netPrice") or price.get("listPrice") or {})

    def place_of(self, postcode: str) -> str | None:
        """The place of a Norwegian postcode, None when Bring knows none."""
        answer = self._door.read(f"/address/api/no/postal-codes/{postcode}") or {}
        codes = answer.get("postal_codes") or []
        return str(codes[0]["city"]) if codes else None

    def _price_request(self, product: str, *, to_postcode: str, weight_g: int, on: date) -> dict[str, Any]:
        day = {"day": str(on.day), "month": str(on.month), "year": str(on.year)}
        consignment = {
            "id": "1",
            "fromCountryCode": "NO",
            "fromPostalCode": self._options.sender.postcode,
            "toCountryCode": "NO",
            "toPostalCode": to_postcode,
            "shippingDate": day,
            "products": [{"id": product, "customerNumber": self._options.customer}],
            "packages": [{"id": "1", "grossWeight": weight_g}],
        }
        return {"language": "no", "withPrice": True, "consignments": [consignment]}

    # --- what is said -------------------------------------------------------------------------------------------

    def _request(self, key: str, shipment: Shipment) -> dict[str, Any]:
        options = self._options
        code = shipment_code(shipment.number)
        consignment = {
            "shippingDateTime": self._clock.now().astimezone(OSLO).strftime("%Y-%m-%dT%H:%M:%S"),
            "correlationId": key,
            "product": {
                "id": options.product,
                "customerNumber": options.customer,
                "additionalServices": [{"id": service} for service in options.services],
            },
            "parties": {
                "sender": _party(options.sender, reference=code),
                "recipient": _party(shipment.address, reference=code),
                "pickupPoint": None,
            },
            "packages": [_package(key, shipment)],
        }
        return {"schemaVersion": 1, "testIndicator": options.test, "consignments": [consignment]}

    def _booking(self, key: str, told: Mapping[str, Any]) -> Booking:
        confirmation = told.get("confirmation") or {}
        consignment = str(confirmation.get("consignmentNumber") or "")
        if not consignment or told.get("correlationId", key) != key:
            raise answer_lost("it confirms no consignment of ours")
        url = (confirmation.get("links") or {}).get("labels")
        packages = [str(each.get("packageNumber") or "") for each in confirmation.get("packages") or []]
        return Booking(
            key=key,
            consignment=consignment,
            label=self._door.fetch(url) if url else None,
            packages=tuple(number for number in packages if number),
        )


def _party(address: Address, *, reference: str) -> dict[str, Any]:
    """A party as Bring writes it. Raises Refused `carrier.field_too_long`: what is cut off sends a letter astray."""
    party = {
        "name": address.recipient,
        "addressLine": address.street,
        "addressLine2": address.care_of,
        "postalCode": address.postcode,
        "city": address.city,
        "countryCode": address.country,
        "reference": reference,
        "additionalAddressInfo": address.attention,
    }
    for name, text in party.items():
        if text is not None and len(text) > FIELD_MAX:
            raise Refused(
                "carrier.field_too_long",
                f"Bring takes {FIELD_MAX} characters, {text!r} has {len(text)}",
                field=name,
                fix="shorten it on the order, as its receiver would",
            )
    return {name: text for name, text in party.items() if text is not None}


def _package(key: str, shipment: Shipment) -> dict[str, Any]:
    length, width = ENVELOPE_CM
    height = max(1, math.ceil(shipment.thickness_mm / 10))
    return {
        "correlationId": key,
        "weightInKg": float(Decimal(str(shipment.weight_g)) / 1000),
        "dimensions": {"heightInCm": height, "widthInCm": float(width), "lengthInCm": float(length)},
        "goodsDescription": "HMS-kort",
        "numberOfItems": 1,
    }


# --- what is answered ------------------------------------------------------------------------------------------


def _consignments(answer: Any) -> Sequence[Mapping[str, Any]]:
    told = answer.get("consignments") if isinstance(answer, Mapping) else None
    return [each for each in told if isinstance(each, Mapping)] if isinstance(told, list) else []


def _refusal(errors: Sequence[Mapping[str, Any]]) -> HseCardError:
    """The first error that says most, in our words: the house's set-up before the shipment, doubt before both."""
    told = [_understood(error) for error in errors]
    return sorted(told, key=lambda fault: (not isinstance(fault, Unsure), not isinstance(fault, Unavailable)))[0]


def _understood(error: Mapping[str, Any]) -> HseCardError:
    """Codes come as BOOK_INPUT-057 and as BOOK-INPUT-014, some with the party behind them."""
    code = str(error.get("code", ""))
    found = _CODE.search(code)
    name = f"{found[1].upper()}-{found[2]}" if found else ""
    said = _words(error) or code or "it does not say why"
    if name.startswith("INTERNAL"):
        return answer_lost(f"{code}: {said}")
    if name.startswith("AUTHORIZATION"):
        return not_authorised(f"{code}: {said}")
    of_ours = found is not None and "SENDER" in found[3].upper()
    if of_ours or name in _SETUP_FIELD:
        field, fix = _SETUP_FIELD.get(name, ("HSECARD_SELLER", "correct the address of the seller: it is the sender"))
        return Unavailable("carrier.setup_refused", f"Bring refuses our set-up ({code}): {said}", field=field, fix=fix)
    ours, fix = _CODE_FIX.get(name, ("carrier.refused", "look at the shipment; its cards wait until it is put right"))
    return Refused(ours, f"Bring does not take it ({code}): {said}", field="deliver_to", fix=fix)


def _words(error: Mapping[str, Any]) -> str:
    messages = error.get("messages") or []
    told = {str(message.get("lang")): str(message.get("message")) for message in messages}
    return told.get("en") or next(iter(told.values()), "")


def _events(package: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(package.get("eventSet") or [])


def _event(booking: str, told: Mapping[str, Any]) -> TrackingEvent:
    at = datetime.fromisoformat(str(told["dateIso"]))
    return TrackingEvent(
        booking=booking,
        status=str(told["status"]),
        at=(at if at.tzinfo else at.replace(tzinfo=OSLO)).astimezone(UTC),
        description=re.sub(r"<[^>]*>", "", str(told.get("description") or "")),
        unit=str(told.get("unitId") or ""),
        place=" ".join(str(told.get(part) or "") for part in ("postalCode", "city")).strip(),
    )


def _price(product: str, told: Mapping[str, Any]) -> ProductPrice:
    amounts = told.get("priceWithoutAdditionalServices") or {}
    net, vat, gross = (_ore(amounts.get(name)) for name in ("amountWithoutVAT", "vat", "amountWithVAT"))
    if net + vat != gross:
        raise _unreadable(f"{net} + {vat} øre is not {gross}")
    return ProductPrice(product=product, net_ore=net, vat_ore=vat, gross_ore=gross)


def _ore(amount: object) -> int:
    """`"123.45"` → 12345, exactly."""
    try:
        ore = Decimal(str(amount)) * 100
        if ore == ore.to_integral_value():
            return int(ore)
    except (InvalidOperation, ValueError):
        pass
    raise _unreadable(f"{amount!r} is no amount")


def _unreadable(what: str) -> Unavailable:
    return Unavailable(
        "carrier.unreadable",
        f"Bring's price cannot be read: {what}",
        fix="report it with the product; use a tariff file",
    )
