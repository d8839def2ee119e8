"""Tariffs by day, letters at least cost, and earlier postage judged again."""

import random
from datetime import date, timedelta
from functools import cache

import pytest

from cards.errors import Refused
from cards.money import share_ore, vat_ore
from shipping.earlier import read_earlier_charges
from shipping.models import FindingKind, GivenBack, PostageCharge, TariffRow, WaitingCard
from shipping.planning import plan
from shipping.postage_audit import audit
from shipping.tariffs import bundled_tariffs, price
from shipping.weights import bundled_weights, weigh

ROWS = bundled_tariffs()
DAY_2021 = date(2021, 6, 1)


def _price(day, weight_g=17.4, thickness_mm=1.8, zone="NO", rows=ROWS):
    return price(rows, day=day, zone=zone, weight_g=weight_g, thickness_mm=thickness_mm)


@pytest.mark.parametrize(
    ("weight_g", "thickness_mm", "gross"),
    [(20, 20, 1800), (20.01, 20, 2400), (2000, 20, 12500), (20, 20.1, 5500), (350.5, 70, 10000), (20, 70.1, 9000)],
)
def test_the_price_of_2021_steps_at_its_grams_and_millimetres(weight_g, thickness_mm, gross):
    assert _price(DAY_2021, weight_g, thickness_mm).gross_ore == gross


def test_2026_has_one_price_to_five_millimetres_and_two_kilograms():
    assert _price(date(2026, 2, 1), 2000, 5.0).gross_ore == 2800
    for weight_g, thickness_mm in ((17, 5.1), (2000.1, 5.0)):
        with pytest.raises(Refused, match=r"tariff\.too_large"):
            _price(date(2026, 2, 1), weight_g, thickness_mm)


@pytest.mark.parametrize(
    "day",
    [date(2016, 11, 30), date(2018, 5, 5), date(2021, 1, 3), date(2022, 1, 1), date(2025, 6, 1), date(2026, 1, 31)],
)
def test_a_day_between_sourced_tables_has_no_price(day):
    with pytest.raises(Refused, match=r"tariff\.unknown_day"):
        _price(day)


def test_an_agreement_overrules_the_list_even_when_dearer():
    row = _price(DAY_2021)
    agreed = row.model_copy(update={"tariff": "contract:2021", "gross_ore": 9900})
    assert _price(DAY_2021, rows=(*ROWS, agreed)) == agreed
    assert _price(DAY_2021, weight_g=30, rows=(*ROWS, agreed)).gross_ore == 2400


def _waiting(cards, key="k", order="A"):
    return [WaitingCard(card_id=f"{order}-{n:04d}", order_number=order, address_key=key) for n in range(cards)]


def _planned(waiting, day=DAY_2021, handling=0, rows=ROWS):
    return plan(
        waiting, day=day, zone_of_key=lambda _: "NO", rows=rows, weights=bundled_weights(), handling_ore=handling
    )


def _partitions(n, largest):
    if n == 0:
        yield ()
    for m in range(min(n, largest), 0, -1):
        yield from ((m, *rest) for rest in _partitions(n - m, m))


@cache
def _letter_cost(cards, rows, day):
    try:
        return price(rows, day=day, zone="NO", weight_g=weigh(cards, bundled_weights())[0],
                     thickness_mm=weigh(cards, bundled_weights())[1]).net_ore  # fmt: skip
    except Refused:
        return None


def _cheapest_by_trying_all(cards, rows, day, handling):
    sums = []
    for division in _partitions(cards, cards):
        costs = [_letter_cost(m, rows, day) for m in division]
        if None not in costs:
            sums.append(sum(costs) + handling * len(division))
    return min(sums)


def _random_rows(chance):
    steps = [*sorted(chance.sample(range(15, 150), 4)), 2000]
    first = ROWS[0].model_dump() | {"valid_from": date(2020, 1, 1), "valid_until": None, "zone": "NO"}
    return tuple(
        TariffRow.model_validate(
            first | {"max_weight_g": g, "max_thickness_mm": chance.choice([2.0, 3.5, 20.0]) if g < 2000 else 20.0,
                     "gross_ore": chance.randrange(1000, 6000)}
        )
        for g in steps
    )  # fmt: skip


@pytest.mark.parametrize(("day", "most"), [(date(2016, 12, 5), 19), (DAY_2021, 19), (date(2026, 3, 1), 19)])
def test_the_division_costs_what_trying_all_divisions_finds_cheapest(day, most):
    for cards in range(1, most + 1):
        for handling in (0, 150, 1000):
            shipments, refused = _planned(_waiting(cards), day=day, handling=handling)
            assert not refused
            cost = sum(shipment.row.net_ore + handling for shipment in shipments)
            assert cost == _cheapest_by_trying_all(cards, ROWS, day, handling)


def test_the_division_is_cheapest_under_made_up_tariffs_too():
    chance = random.Random(20261123)
    for _ in range(250):
        rows, cards, handling = _random_rows(chance), chance.randrange(1, 15), chance.choice([0, 300])
        shipments, _ = _planned(_waiting(cards), handling=handling, rows=rows)
        cost = sum(shipment.row.net_ore + handling for shipment in shipments)
        assert cost == _cheapest_by_trying_all(cards, rows, DAY_2021, handling)


def test_every_card_is_in_one_letter_and_shares_sum_to_the_price():
    chance = random.Random(7)
    waiting = [
        WaitingCard(card_id=f"{order}-{n}", order_number=f"O{order}", address_key=f"k{order % 13}")
        for order in range(60)
        for n in range(chance.randrange(1, 9))
    ]
    shipments, _ = _planned(waiting)
    inside = [card for shipment in shipments for card in shipment.card_ids]
    assert sorted(inside) == sorted(card.card_id for card in waiting)
    assert all(sum(share for _, share in shipment.shares) == shipment.row.net_ore for shipment in shipments)
    chance.shuffle(waiting)
    assert _planned(waiting)[0] == shipments


def test_a_group_without_a_tariff_waits_and_the_others_go():
    waiting = [*_waiting(2, "home"), *_waiting(3, "abroad", "B")]
    shipments, refused = plan(
        waiting,
        day=date(2026, 3, 1),
        zone_of_key=lambda key: "NO" if key == "home" else "EUROPE",
        rows=ROWS,
        weights=bundled_weights(),
    )
    assert [shipment.address_key for shipment in shipments] == ["home"]
    assert [(card.card_id, fault.code) for card, fault in refused] == [
        (f"B-000{n}", "tariff.unknown_day") for n in range(3)
    ]


def test_free_replacements_bear_no_postage():
    free = WaitingCard(card_id="A-1R1", order_number="A", address_key="k")
    paid = WaitingCard(card_id="B-1", order_number="B", address_key="k")
    (alone,), _ = _planned([free])
    (together,), _ = _planned([free, paid])
    assert alone.shares == ()
    assert together.shares == (("B", together.row.net_ore),)


def _charge(name, net, **more):
    fields = {
        "charge_id": name, "origin": "earlier", "payer_org_number": "310149942", "payer_name": "Fjordbygg AS",
        "order_number": "O1", "invoice_number": "F1", "shipment": f"S-{name}", "posted_on": DAY_2021, "zone": "NO",
        "weight_g": 17.4, "thickness_mm": 1.8, "cards": 1, "charged_net_ore": net, "vat_ore": vat_ore(net, 25),
        "vat_percent": 25,
    }  # fmt: skip
    return PostageCharge.model_validate(fields | more)


def _only(*charges):
    findings = audit(charges, rows=ROWS)
    assert findings == audit(charges, rows=ROWS)
    return findings


CASES = [
    (_charge("weight", 1920), FindingKind.WRONG_WEIGHT_CLASS, 480),
    (_charge("format", 4400), FindingKind.WRONG_FORMAT_CLASS, 2960),
    (_charge("zone", 2160), FindingKind.WRONG_ZONE, 720),
    (_charge("day", 1440, posted_on=date(2020, 7, 1)), FindingKind.WRONG_DAY, 80),
    (_charge("cards", 1920 * 3, cards=3, weight_g=27.2), FindingKind.CHARGED_PER_CARD, 3840),
    (_charge("unshipped", 1440, posted_on=None), FindingKind.NEVER_SHIPPED, 1440),
    (_charge("again", 1440, fault_reship=True), FindingKind.OUR_FAULT_RESHIP, 1440),
    (_charge("odd", 1777), FindingKind.OVERCHARGED, 337),
    (_charge("low", 1000), FindingKind.UNDERCHARGED, 0),
    (_charge("unknown", 9999, posted_on=date(2023, 1, 2)), FindingKind.UNKNOWN_TARIFF, 0),
]


@pytest.mark.parametrize(("charge", "kind", "refund"), CASES, ids=lambda value: getattr(value, "charge_id", None))
def test_each_mistake_is_told_apart_and_refunds_the_difference(charge, kind, refund):
    (finding,) = _only(charge)
    assert (finding.kind, finding.refund_net_ore) == (kind, refund)
    assert finding.refund_vat_ore == vat_ore(refund, 25)
    assert finding.finding_id == f"{charge.charge_id}/v1"
    assert finding.evidence["cause"]


def test_what_was_charged_right_is_no_finding():
    assert _only(_charge("right", 1440), _charge("free", 0, posted_on=None)) == []


def test_one_letter_has_one_price_shared_over_its_orders_by_cards():
    together = {"shipment": "S", "weight_g": 27.2}
    charges = [
        _charge("a", 1920, order_number="A", cards=1, **together),
        _charge("b", 1920, order_number="B", cards=2, **together),
    ]
    findings = _only(*charges)
    assert [finding.kind for finding in findings] == [FindingKind.CHARGED_PER_ORDER] * 2
    assert [finding.refund_net_ore for finding in findings] == [1280, 640]
    shares = share_ore(1920, [1, 2])
    assert (
        _only(
            *(
                c.model_copy(update={"charged_net_ore": s, "vat_ore": vat_ore(s, 25)})
                for c, s in zip(charges, shares, strict=True)
            )
        )
        == []
    )


def test_vat_alone_may_be_wrong():
    (much,) = _only(_charge("much", 1440, vat_ore=500))
    (none,) = _only(_charge("none", 1440, vat_ore=0, vat_percent=0))
    assert (much.kind, much.refund_net_ore, much.refund_vat_ore) == (FindingKind.VAT_WRONG, 0, 140)
    assert (none.kind, none.refund_vat_ore) == (FindingKind.VAT_WRONG, 0)


def test_what_was_given_back_before_is_not_given_back_again():
    wrong = {"charged_net_ore": 2640, "vat_ore": 660}  # 14.40 was due: 12.00 and 3.00 VAT too much
    half = _charge("half", 2640, refunded_net_ore=700, refunded_vat_ore=175, **wrong)
    whole = _charge("whole", 2640, refunded_net_ore=1200, refunded_vat_ore=300, **wrong)
    more = _charge("more", 2640, refunded_net_ore=1300, refunded_vat_ore=325, **wrong)
    (rest, told) = _only(half, whole, more)
    assert (rest.charge.charge_id, rest.refund_net_ore, rest.refund_vat_ore) == ("half", 500, 125)
    assert rest.evidence["given_back_before"] == "7.00 and VAT 1.75"
    assert (told.charge.charge_id, told.kind, told.refund_net_ore) == ("more", FindingKind.UNDERCHARGED, 0)


def test_a_refund_of_ours_is_taken_off_under_a_name_of_its_own():
    charge = _charge("a", 2640)
    back = {"a": GivenBack(net_ore=480, vat_ore=120, findings=1)}
    (finding,) = audit([charge], rows=ROWS, given_back=back)
    assert (finding.finding_id, finding.refund_net_ore, finding.refund_vat_ore) == ("a/v1.2", 720, 180)
    assert audit([charge], rows=ROWS, given_back={"a": GivenBack(1200, 300, 1)}) == []


@pytest.mark.parametrize(("vat", "back"), [(480, 120), (530, 170), (0, 0), (400, 40), (481, 120)])
def test_wrong_vat_on_a_wrong_price_goes_back_with_it(vat, back):
    """19.20 charged, 14.40 due with 3.60 VAT: what was paid of VAT above that goes back, and never more."""
    (finding,) = _only(_charge("both", 1920, vat_ore=vat))
    assert (finding.refund_net_ore, finding.refund_vat_ore) == (480, back)


def test_planted_errors_are_refunded_to_the_ore_and_nothing_else_is():
    """Right amounts come from a table written here by hand, not from the code under test."""
    gross = {2016: (1100, 1700, 2100), 2021: (1800, 2400, 2700)}
    chance = random.Random(11)
    charges, planted = [], {}
    first_days = {2016: date(2016, 12, 1), 2021: date(2021, 1, 4)}
    for n in range(2000):
        year, step = chance.choice([2016, 2021]), chance.randrange(3)
        day = first_days[year] + timedelta(chance.randrange(31 if year == 2016 else 362))
        right = gross[year][step] * 100 // 125
        more = chance.choice([0, 0, 0, 0, chance.randrange(1, 5000)])
        charges.append(_charge(f"c{n}", right + more, posted_on=day, weight_g=(20, 50, 100)[step]))
        if more:
            planted[f"c{n}"] = more
    found = {finding.charge.charge_id: finding.refund_net_ore for finding in audit(charges, rows=ROWS)}
    assert found == planted


def test_a_charge_given_twice_is_refused():
    with pytest.raises(Refused, match=r"postage\.charge_twice"):
        audit([_charge("a", 1440), _charge("a", 1440)], rows=ROWS)


HEADING = (
    "charge_id;payer_org_number;payer_name;order_number;invoice_number;shipment;posted_on;zone;weight_g;thickness_mm;"
    "cards;charged_net;vat;vat_percent;payment;fault_reship"
)
PLACES = HEADING.replace("charged_net", "charged_net_ore").split(";")
ROW = "c1;310149942;Fjordbygg AS;O1;F1;S1;2021-06-01;NO;17,4;1.8;1;52.00;13,00;25;;nei"


@pytest.mark.parametrize(
    "text", [f"{HEADING}\r\n{ROW}\r\n", "\ufeff" + f"{HEADING}\n{ROW}".replace(",", ".").replace(";", ",")]
)
def test_earlier_charges_are_read_with_either_separator(text):
    (charge,) = read_earlier_charges(text, name="f.csv")
    assert (charge.charged_net_ore, charge.vat_ore, charge.weight_g, charge.payment) == (5200, 1300, 17.4, None)
    assert (charge.origin, charge.posted_on) == ("earlier", DAY_2021)


@pytest.mark.parametrize(
    ("written", "column", "read"),
    [
        ("01.06.2021", "posted_on", DAY_2021),
        ("1.6.2021", "posted_on", DAY_2021),
        ("2021-06-01", "posted_on", DAY_2021),
        ("", "posted_on", None),
        ("1 052,5", "charged_net_ore", 105250),
        ("52", "charged_net_ore", 5200),
        ("NO", "zone", "NO"),
        ("europe", "zone", "EUROPE"),
        ("17.40", "weight_g", 17.4),
        ("JA", "fault_reship", True),
    ],
)
def test_a_cell_is_read_as_people_write_it(written, column, read):
    place = PLACES.index(column)
    cells = ROW.split(";")
    cells[place] = written
    (charge,) = read_earlier_charges(f"{HEADING}\n{';'.join(cells)}\n\n", name="f.csv")
    assert getattr(charge, column) == read


def test_what_was_refunded_before_may_be_told():
    text = f"{HEADING};refunded_net;refunded_vat\n{ROW};4,80;1,20\n{ROW.replace('c1', 'c2', 1)};;\n"
    told, untold = read_earlier_charges(text, name="f.csv")
    assert (told.refunded_net_ore, told.refunded_vat_ore) == (480, 120)
    assert (untold.refunded_net_ore, untold.refunded_vat_ore) == (0, 0)


@pytest.mark.parametrize(
    ("text", "code", "field"),
    [
        (f"{HEADING};extra\n{ROW};1", "postage.columns", "extra"),
        (HEADING.replace("zone;", "") + "\n", "postage.columns", "zone"),
        (f"{HEADING}\n{ROW}\n{ROW}", "postage.row", "row 3, charge_id"),
        (f"{HEADING}\n{ROW.replace('52.00', '52.001')}", "postage.row", "row 2, charged_net"),
        (f"{HEADING}\n{ROW.replace('310149942', '310149943')}", "postage.row", "row 2, payer_org_number"),
        (f"{HEADING}\n{ROW.replace('2021-06-01', '31.6.2021')}", "postage.row", "row 2, posted_on"),
        (f"{HEADING}\n{ROW.replace(';NO;', ';MARS;')}", "postage.row", "row 2, zone"),
        (f"{HEADING}\n{ROW.replace('52.00', '-52.00')}", "postage.row", "row 2, charged_net"),
        (f"{HEADING}\n{ROW.replace('2021-06-01', '06/01/2021')}", "postage.row", "row 2, posted_on"),
        (f"{HEADING}\n{ROW.replace('17,4', '17,4 g')}", "postage.row", "row 2, weight_g"),
        (f"{HEADING}\n\n{ROW.replace('nei', 'kanskje')}", "postage.row", "row 3, fault_reship"),
        (f"{HEADING}\n{ROW};more", "postage.row", "row 2, cells"),
        ("", "postage.columns", "charge_id"),
    ],
)
def test_an_earlier_file_with_a_fault_is_refused_with_row_and_column(text, code, field):
    with pytest.raises(Refused) as refusal:
        read_earlier_charges(text, name="f.csv")
    assert (refusal.value.code, refusal.value.field) == (code, field)
