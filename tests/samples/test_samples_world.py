"""The sample world is what its README says, and its tables make it again byte for byte."""

import hashlib
import importlib
import json
import math
import re
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from cards.errors import Refused
from cards.orders import ApprovedOrder, parse_order
from printing.models import PhotoReason
from printing.portrait import check
from shipping.addresses import read_address
from shipping.earlier import read_earlier_charges

SAMPLES = Path(__file__).parents[2] / "samples"
ORDERS = SAMPLES / "orders"
TODAY = date(2026, 11, 23)
REFUSALS = {"refused-not-json.json": "order.not_json", "refused-wrong-check-digit.json": "order.invalid"}


def _taken() -> dict[str, ApprovedOrder]:
    return {path.stem: parse_order(path.read_bytes(), today=TODAY) for path in sorted(ORDERS.glob("B-*.json"))}


def test_sixty_orders_hold_two_hundred_cards_for_different_people():
    orders = _taken()
    cards = [card for order in orders.values() for card in order.cards]
    people = {(c.given_name, c.family_name, c.birth_date) for c in cards}
    assert (len(orders), len(cards), len(people)) == (60, 200, 200)
    assert all(name == order.order_number for name, order in orders.items())
    assert {order.card_kind for order in orders.values()} == {
        "construction",
        "cleaning",
        "car_care",
        "goods_transport",
    }


def test_fifty_nine_spellings_are_twenty_five_places_and_one_address_does_not_exist():
    readings = {name: read_address(order.deliver_to) for name, order in _taken().items()}
    invalid = {name: reading.reasons for name, reading in readings.items() if not reading.valid}
    assert invalid == {"B-2026-000437": ("postcode_unknown",)}
    assert len({reading.key for reading in readings.values() if reading.valid}) == 25


def test_every_card_has_a_photograph_of_its_own_and_the_samples_stay_small():
    named = [card.photo for order in _taken().values() for card in order.cards]
    files = list((ORDERS / "photos").iterdir())
    assert sorted(named) == sorted(f"photos/{path.name}" for path in files)
    assert len({hashlib.sha256(path.read_bytes()).digest() for path in files}) == 200
    assert sum(path.stat().st_size for path in SAMPLES.rglob("*") if path.is_file()) < 12_000_000


def test_every_photograph_makes_a_portrait_but_the_one_with_nobody_in_it():
    verdicts = {card.photo: check((ORDERS / card.photo).read_bytes()) for o in _taken().values() for card in o.cards}
    refused = {name: [f.reason for f in verdict.findings] for name, verdict in verdicts.items() if not verdict.accepted}
    assert refused == {"photos/000407-01.jpg": [PhotoReason.NO_FACE]}
    apart = [math.dist(*verdict.eyes) for verdict in verdicts.values() if verdict.eyes]
    assert min(apart) > 65


@pytest.mark.parametrize(("name", "code"), REFUSALS.items())
def test_the_files_named_refused_are_refused(name, code):
    with pytest.raises(Refused) as caught:
        parse_order((ORDERS / name).read_bytes(), today=TODAY)
    assert caught.value.code == code


def test_the_repeated_order_is_the_same_and_the_conflicting_one_is_not():
    orders = _taken()
    again = parse_order((ORDERS / "again-B-2026-000412.json").read_bytes(), today=TODAY)
    other = parse_order((ORDERS / "refused-same-number-other-content.json").read_bytes(), today=TODAY)
    assert again.digest() == orders["B-2026-000412"].digest()
    assert other.order_number in orders
    assert other.digest() != orders[other.order_number].digest()


def test_earlier_charges_are_readable_and_covered_by_their_payments():
    charges = read_earlier_charges((SAMPLES / "earlier-charges.csv").read_text("utf-8"), name="earlier-charges.csv")
    paid = {row["payment"]: row["amount_ore"] for row in json.loads((SAMPLES / "earlier-payments.json").read_text())}
    assert {charge.payment for charge in charges} == set(paid)
    for payment, amount in paid.items():
        assert sum(c.charged_net_ore + c.vat_ore for c in charges if c.payment == payment) < amount


def test_the_audit_finds_what_the_readme_tells():
    tariffs = importlib.import_module("shipping.tariffs")
    audit = importlib.import_module("shipping.postage_audit").audit
    charges = read_earlier_charges((SAMPLES / "earlier-charges.csv").read_text("utf-8"), name="earlier-charges.csv")
    told = {
        charge: (kind, round(float(refund) * 100))
        for charge, kind, refund in re.findall(
            r"^\| (ch-\d+) \| (\w+) \|.*\| (\d+\.\d\d)[^|]*\|$",
            (SAMPLES / "README.md").read_text("utf-8"),
            re.MULTILINE,
        )
    }
    told |= {f"ch-{number:04d}": ("unknown_tariff", 0) for number in (40, 41, 42)}
    found = audit(charges, rows=tariffs.bundled_tariffs())
    assert {f.charge.charge_id: (f.kind.value, f.refund_net_ore) for f in found} == told
    assert sum(f.refund_net_ore for f in found) == 17280
    assert sum(f.refund_vat_ore for f in found) == 4410


def test_the_tables_make_the_same_orders_and_charges_again(tmp_path):
    subprocess.run([sys.executable, SAMPLES / "make_samples.py", "--into", tmp_path], check=True)
    made = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(made) == 66
    for path in made:
        assert path.read_bytes() == (SAMPLES / path.relative_to(tmp_path)).read_bytes(), path.name
