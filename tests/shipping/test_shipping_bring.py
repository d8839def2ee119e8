"""The Bring client against a server that speaks Bring's shapes: what each answer, and each silence, comes to."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from cards.adapters.system import SteadyClock
from cards.address import Address
from cards.errors import HseCardError, Refused, Unavailable, Unsure
from shipping.adapters import bring
from shipping.adapters.bring import BringCarrier
from shipping.adapters.bring_http import BringOptions
from shipping.adapters.bring_standin import CUSTOMER, KEY, UID, BringStandIn, Fault
from shipping.models import Shipment, ShipmentState
from shipping.tracking import Whereabouts, whereabouts

CLOCK = SteadyClock(datetime(2026, 11, 24, 8, 0, tzinfo=UTC))
SENDER = Address(recipient="Eksempel Kortutsteder AS", street="Postboks 100", postcode="0101", city="Oslo")
TO = Address(recipient="Fjordbygg AS", care_of="c/o Moen", street="Storgata 5", postcode="0184", city="Oslo")


@pytest.fixture
def standin() -> Iterator[BringStandIn]:
    with BringStandIn() as server:
        yield server


def _options(standin: BringStandIn) -> BringOptions:
    return BringOptions(
        sender=SENDER,
        uid=UID,
        key=KEY,
        customer=CUSTOMER,
        client_url="https://kort.example",
        product="3634",
        services=("2000",),
        base_url=standin.base_url,
        looks_up=standin.looks_up,
        answer_s=0.5,
        pause_max_s=0.01,
    )


def _carrier(standin: BringStandIn, **changes: object) -> BringCarrier:
    return BringCarrier(replace(_options(standin), **changes), clock=CLOCK)  # type: ignore[arg-type]  # by name


def _shipment(**changes: object) -> Shipment:
    content = {
        "shipment_id": "S-000012",
        "number": 12,
        "address_key": "k",
        "address": TO,
        "label_lines": ("Fjordbygg AS", "Storgata 5", "0184 OSLO"),
        "card_ids": ("A-1", "A-2"),
        "weight_g": 21.5,
        "thickness_mm": 2.0,
        "product": "brev",
        "tariff": "t",
        "postage_net_ore": 2240,
        "vat_percent": 25,
        "shares": (("A", 2240),),
        "state": ShipmentState.PACKED,
        "planned_on": date(2026, 11, 24),
    }
    return Shipment.model_validate({**content, **changes})


def _to(**changes: object) -> Shipment:
    return _shipment(address=TO.model_copy(update=changes))


def test_a_booking_says_what_bring_asks_for(standin: BringStandIn) -> None:
    made = _carrier(standin).book("book:S-000012", _shipment())
    (kept,) = standin.bookings
    asked = kept["request"]
    assert made.consignment == kept["consignment"]
    assert asked["correlationId"] == "book:S-000012"
    assert asked["product"] == {"id": "3634", "customerNumber": "5", "additionalServices": [{"id": "2000"}]}
    assert asked["parties"]["recipient"]["addressLine2"] == "c/o Moen"
    assert asked["parties"]["sender"]["reference"] == "S00000012"
    assert asked["packages"][0]["weightInKg"] == 0.0215
    assert asked["shippingDateTime"] == "2026-11-24T09:00:00"  # Oslo
    assert standin.requests[-2][2]["testIndicator"] is True


def test_the_label_is_fetched_behind_its_redirect_and_our_key_stays_home(standin: BringStandIn) -> None:
    made = _carrier(standin).book("k", _shipment())
    assert made.label == f"%PDF-1.4\n% label {made.consignment}\n%%EOF\n".encode()
    assert standin.label_readers == [False]


@pytest.mark.parametrize(
    "fault", [Fault.LOST_AFTER, Fault.BROKEN_AFTER, Fault.SLOW, Fault.INTERNAL, Fault.NO_JSON, Fault.LOST_BEFORE]
)
def test_a_lost_answer_is_doubt_and_the_next_asking_leads_to_one_booking(standin: BringStandIn, fault: Fault) -> None:
    standin.booking_faults.append(fault)
    carrier = _carrier(standin)
    with pytest.raises(Unsure) as doubt:
        carrier.book("k", _shipment())
    assert doubt.value.code == "carrier.answer_lost"
    made = carrier.book("k", _shipment())
    assert [kept["consignment"] for kept in standin.bookings] == [made.consignment]
    assert carrier.look_up("k") == made


def test_too_many_requests_are_tried_again_after_the_pause_that_is_asked_for(standin: BringStandIn) -> None:
    standin.booking_faults.extend([Fault.BUSY, Fault.BUSY])
    assert _carrier(standin).book("k", _shipment()).consignment
    assert len(standin.bookings) == 1
    standin.booking_faults.extend([Fault.BUSY] * 3)
    with pytest.raises(Unavailable) as later:
        _carrier(standin).book("k2", _shipment())
    assert later.value.code == "carrier.unavailable"


def test_reading_is_tried_again(standin: BringStandIn) -> None:
    standin.reading_faults.extend([Fault.BROKEN_BEFORE, Fault.LOST_BEFORE])
    assert _carrier(standin).look_up("never") is None


def test_nobody_there_is_unavailable_and_never_doubt(standin: BringStandIn) -> None:
    with pytest.raises(Unavailable):
        _carrier(standin, base_url="http://127.0.0.1:9", looks_up=False).book("k", _shipment())


def test_who_is_not_let_in_reads_it_in_plain_text(standin: BringStandIn) -> None:
    with pytest.raises(Unavailable, match="Authentication failed") as closed:
        _carrier(standin, key="wrong").book("k", _shipment())
    assert (closed.value.code, closed.value.field) == ("carrier.not_authorised", "HSECARD_CARRIER_KEY")
    assert KEY not in repr(_options(standin))


@pytest.mark.parametrize(
    ("shipment", "code"),
    [
        (_to(postcode="9999"), "carrier.postcode_refused"),  # BOOK_INPUT-057-RECIPIENT
        (_to(country="SE"), "carrier.not_covered"),
        (_shipment(weight_g=2000.1), "carrier.too_big"),
    ],
)
def test_a_refusal_with_status_200_names_what_to_put_right(
    standin: BringStandIn, shipment: Shipment, code: str
) -> None:
    with pytest.raises(Refused) as refusal:
        _carrier(standin).book("k", shipment)
    assert (refusal.value.code, refusal.value.field) == (code, "deliver_to")
    assert standin.bookings == []


@pytest.mark.parametrize(
    ("code", "family", "ours"),
    [
        ("BOOK-INPUT-014", Refused, "carrier.name_refused"),
        ("BOOK_INPUT-014-RECIPIENT", Refused, "carrier.name_refused"),
        ("BOOK-INPUT-015", Refused, "carrier.street_refused"),
        ("BOOK-INPUT-016", Refused, "carrier.city_refused"),
        ("BOOK-INPUT-057", Refused, "carrier.postcode_refused"),
        ("BOOK_VALIDATION-002", Refused, "carrier.refused"),
        ("something else", Refused, "carrier.refused"),
        ("BOOK-INPUT-014-SENDER", Unavailable, "carrier.setup_refused"),
        ("BOOK-INPUT-021", Unavailable, "carrier.setup_refused"),
        ("BOOK_INPUT-030", Unavailable, "carrier.setup_refused"),
        ("BOOK-AUTHORIZATION-001", Unavailable, "carrier.not_authorised"),
        ("BOOK-INTERNAL-002", Unsure, "carrier.answer_lost"),
    ],
)
def test_codes_in_both_spellings_come_to_one_error(code: str, family: type[HseCardError], ours: str) -> None:
    fault = bring._understood({"code": code, "messages": [{"lang": "en", "message": "words"}], "new": 1})
    assert (type(fault), fault.code) == (family, ours)


def test_doubt_weighs_more_than_a_refusal_and_our_setup_more_than_the_shipment() -> None:
    codes = ["BOOK-INPUT-014", "BOOK-INPUT-021", "BOOK-INTERNAL-002"]
    errors = [{"code": code, "messages": []} for code in codes]
    assert bring._refusal(errors).code == "carrier.answer_lost"
    assert bring._refusal(errors[:2]).code == "carrier.setup_refused"


@pytest.mark.parametrize(("field", "name"), [("recipient", "name"), ("street", "addressLine"), ("city", "city")])
def test_nothing_is_cut_off_to_fit(standin: BringStandIn, field: str, name: str) -> None:
    assert _carrier(standin).book("fits", _to(**{field: "x" * 35})).consignment
    with pytest.raises(Refused) as refusal:
        _carrier(standin).book("k", _to(**{field: "x" * 36}))
    assert (refusal.value.code, refusal.value.field) == ("carrier.field_too_long", name)


def test_wrong_customer_or_no_test_indicator_is_ours_to_put_right(standin: BringStandIn) -> None:
    for changes, field in (({"customer": "6"}, "HSECARD_CARRIER_CUSTOMER"), ({"test": False}, "HSECARD_CARRIER_TEST")):
        with pytest.raises(Unavailable) as refusal:
            _carrier(standin, **changes).book("k", _shipment())
        assert refusal.value.field == field


def test_a_carrier_that_cannot_be_asked_is_asked_nothing_and_leaves_doubt_to_a_person() -> None:
    with BringStandIn(looks_up=False) as standin:
        standin.booking_faults.append(Fault.LOST_AFTER)
        carrier = _carrier(standin)
        with pytest.raises(Unsure):
            carrier.book("k", _shipment())
        with pytest.raises(Unsure) as doubt:
            carrier.look_up("k")
        assert doubt.value.code == "carrier.no_look_up"
        assert [path for _, path, _ in standin.requests] == ["/booking/api/create"]


def test_tracking_reads_events_and_no_shipments_found(standin: BringStandIn) -> None:
    carrier = _carrier(standin)
    assert carrier.track("70438101000000017") == []
    standin.see("c", "RETURN", "2026-11-26T10:00:00+01:00")
    standin.see("c", "IN_TRANSIT", "2026-11-25T10:00:00+01:00")
    events = carrier.track("c")
    assert [event.at for event in events] == [
        datetime(2026, 11, 26, 9, tzinfo=UTC),
        datetime(2026, 11, 25, 9, tzinfo=UTC),
    ]
    assert whereabouts(events) is Whereabouts.RETURNING


def test_prices_come_to_the_ore_without_floats(standin: BringStandIn) -> None:
    price: Callable[..., object] = _carrier(standin).price
    found = _carrier(standin).price(product="3584", to_postcode="0184", weight_g=123, on=date(2026, 11, 24))
    assert found == bring.ProductPrice(product="3584", net_ore=5230, vat_ore=1307, gross_ore=6537)
    assert price(product="3584", to_postcode="9999", weight_g=100, on=date(2026, 11, 24)) is None
    with pytest.raises(Refused, match="Unknown id"):
        price(product="0330", to_postcode="0184", weight_g=100, on=date(2026, 11, 24))


@pytest.mark.parametrize("amount", ["1.005", "", "one", None])
def test_an_amount_that_is_none_is_no_price(amount: object) -> None:
    with pytest.raises(Unavailable):
        bring._ore(amount)


def test_postcodes(standin: BringStandIn) -> None:
    assert _carrier(standin).place_of("5003") == "BERGEN"
    assert _carrier(standin).place_of("0001") is None
