"""The order document: what is taken in, and how what is not is named."""

import copy
import json
import unicodedata
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from cards.errors import Refused
from cards.orders import CARDS_PER_ORDER_MAX, parse_order

TODAY = date(2026, 11, 23)
ORDER: dict[str, Any] = {
    "order_number": "B-2026-000417",
    "ordered_at": "2026-11-20T09:14:00+01:00",
    "approved_at": "2026-11-20T10:02:00+01:00",
    "ordered_by": {"name": "Kari Moen", "email": "kari@bygg.example"},
    "business": {
        "org_number": "310149942",
        "name": "Fjordbygg AS",
        "invoice_email": "faktura@bygg.example",
        "e_invoice": True,
        "address": {
            "recipient": "Fjordbygg AS",
            "street": "Storgata 5",
            "postcode": "0184",
            "city": "Oslo",
            "country": "NO",
        },
    },
    "unit": {"org_number": "313876144", "name": "Fjordbygg avd. Drammen"},
    "deliver_to": {
        "recipient": "Fjordbygg AS",
        "attention": "Lager 2",
        "street": "Storgt. 5",
        "postcode": "0184",
        "city": "OSLO",
        "country": "NO",
    },
    "card_kind": "construction",
    "cards": [
        {
            "line": 1,
            "given_name": "Paweł",
            "family_name": "Żółkiewski-Nguyễn",
            "birth_date": "1990-02-28",
            "photo": "photos/417-1.jpg",
        }
    ],
}


def _with(change: Callable[[dict[str, Any]], None]) -> bytes:
    document = copy.deepcopy(ORDER)
    change(document)
    return json.dumps(document, ensure_ascii=False).encode()


def _refusal(text: str | bytes) -> Refused:
    with pytest.raises(Refused) as caught:
        parse_order(text, today=TODAY)
    assert caught.value.fix
    return caught.value


def test_the_documented_order_is_taken_in() -> None:
    order = parse_order(json.dumps(ORDER), today=TODAY)
    assert order.cards[0].family_name == "Żółkiewski-Nguyễn"
    assert order.deliver_to.attention == "Lager 2"


def test_what_is_optional_may_be_left_out() -> None:
    def leave_out(document: dict[str, Any]) -> None:
        del document["unit"], document["deliver_to"]["attention"], document["business"]["e_invoice"]

    order = parse_order(_with(leave_out), today=TODAY)
    assert order.unit is None
    assert order.business.e_invoice is False


def test_the_digest_is_of_the_content_not_of_the_typing() -> None:
    shuffled = json.dumps(dict(reversed(ORDER.items())), indent=4, ensure_ascii=True)
    decomposed = unicodedata.normalize("NFD", json.dumps(ORDER, ensure_ascii=False))
    digest = parse_order(json.dumps(ORDER), today=TODAY).digest()
    assert parse_order(shuffled, today=TODAY).digest() == digest
    assert decomposed != json.dumps(ORDER, ensure_ascii=False)
    assert parse_order(decomposed, today=TODAY).digest() == digest
    other = parse_order(_with(lambda d: d["cards"][0].update(given_name="Pawel")), today=TODAY)
    assert other.digest() != digest


@pytest.mark.parametrize("text", ["{", b"\xff\xfe{}", "", "order", "[" * 100_000, "9" * 5_000])
def test_what_is_no_json_is_said(text: str | bytes) -> None:
    assert _refusal(text).code == "order.not_json"


@pytest.mark.parametrize("text", ["[]", "null", "3", '"order"'])
def test_json_that_is_no_object_is_refused(text: str) -> None:
    assert _refusal(text).code == "order.invalid"


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        (lambda d: d.update(colour="red"), "order.unknown_field", "colour"),
        (lambda d: d["cards"][0].update(fnr="1"), "order.unknown_field", "cards[0].fnr"),
        (lambda d: d["business"].update(org_number="310149943"), "order.invalid", "business.org_number"),
        (lambda d: d["unit"].update(org_number="1"), "order.invalid", "unit.org_number"),
        (lambda d: d["cards"][0].update(birth_date="1990-02-30"), "order.invalid", "cards[0].birth_date"),
        (lambda d: d["cards"][0].update(birth_date="2027-01-01"), "order.in_future", "cards[0].birth_date"),
        (lambda d: d.update(approved_at="2026-11-24T09:00:00+01:00"), "order.in_future", "approved_at"),
        (lambda d: d.update(ordered_at="2026-11-20T09:14:00"), "order.invalid", "ordered_at"),
        (lambda d: d.update(cards=[]), "order.invalid", "cards"),
        (lambda d: d["cards"][0].update(given_name="  "), "order.invalid", "cards[0].given_name"),
        (lambda d: d["cards"][0].update(photo="/etc/passwd"), "order.invalid", "cards[0].photo"),
        (lambda d: d["cards"][0].update(photo="../../x.jpg"), "order.invalid", "cards[0].photo"),
        (lambda d: d["cards"][0].update(photo="a\\b.jpg"), "order.invalid", "cards[0].photo"),
        (lambda d: d["deliver_to"].pop("street"), "order.invalid", "deliver_to.street"),
        (lambda d: d["deliver_to"].update(country="Norge"), "order.invalid", "deliver_to.country"),
        (lambda d: d["ordered_by"].update(email="kari"), "order.invalid", "ordered_by.email"),
        (lambda d: d.update(order_number="../x"), "order.invalid", "order_number"),
        (lambda d: d.update(card_kind="Construction!"), "order.invalid", "card_kind"),
    ],
)
def test_what_is_wrong_is_named(change: Callable[[dict[str, Any]], None], code: str, field: str) -> None:
    refusal = _refusal(_with(change))
    assert (refusal.code, refusal.field) == (code, field)


def test_two_cards_with_one_line_are_refused() -> None:
    assert "same line" in _refusal(_with(lambda d: d["cards"].append(d["cards"][0]))).message


def test_approved_before_ordered_is_refused() -> None:
    assert "before ordered_at" in _refusal(_with(lambda d: d.update(approved_at="2026-11-20T09:13:00+01:00"))).message


def test_a_flood_is_refused_before_it_is_read() -> None:
    refusal = _refusal(_with(lambda d: d.update(cards=d["cards"] * (CARDS_PER_ORDER_MAX + 1))))
    assert (refusal.code, refusal.field) == ("order.too_many_cards", "cards")


def test_every_fault_is_listed_up_to_five() -> None:
    def spoil(document: dict[str, Any]) -> None:
        document["cards"] = [{"line": 0} for _ in range(3)]

    refusal = _refusal(_with(spoil))
    assert refusal.message.count(";") == 5
    assert "more" in refusal.message


def test_a_photo_may_lie_in_a_bucket() -> None:
    order = parse_order(_with(lambda d: d["cards"][0].update(photo="s3://photos/1.jpg")), today=TODAY)
    assert order.cards[0].photo == "s3://photos/1.jpg"
