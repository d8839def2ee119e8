"""The planner and the audit against oracles that share nothing with them: prices typed from the published tables, every
division of a group tried, every mistake planted with its own amount.
"""

import math
import random
from collections import Counter
from datetime import date, timedelta
from functools import cache

import pytest

from cards.errors import Refused
from cards.money import nok, vat_ore
from shipping.models import FindingKind, PostageCharge, TariffRow, WaitingCard, WeightModel
from shipping.planning import plan
from shipping.postage_audit import audit
from shipping.tariffs import bundled_tariffs, price

GRAMS = (20, 50, 100, 350, 1000, 2000)
# net øre by thickness (mm) and zone; kroner of the list with 25 % VAT inside, so × 80 is net øre
LISTS = {
    2016: {
        ("NO", 20): (11, 17, 21, 33, 65, 100),
        ("NO", 70): (40, 40, 40, 40, 75, 110),
        ("NO", 600): (70, 70, 70, 70, 105, 145),
        ("EUROPE", 20): (14, 22, 27, 43, 85, 130),
        ("WORLD", 20): (18, 27, 34, 53, 104, 160),
    },
    2020: {
        ("NO", 20): (17, 24, None, None, None, None),
        ("EUROPE", 20): (26, None, None, None, None, None),
        ("WORLD", 20): (32, None, None, None, None, None),
    },
    2021: {
        ("NO", 20): (18, 24, 27, 45, 88, 125),
        ("NO", 70): (55, 55, 55, 55, 100, 135),
        ("NO", 600): (90, 90, 90, 90, 140, 175),
        ("EUROPE", 20): (27, 31, 35, 59, 115, 160),
        ("WORLD", 20): (33, 38, 43, 72, 145, 200),
    },
    2026: {("NO", 5): (28, 28, 28, 28, 28, 28)},
}
DAYS = {2016: date(2016, 12, 12), 2020: date(2020, 7, 2), 2021: date(2021, 6, 1), 2026: date(2026, 2, 1)}


def _listed(year, zone, weight_g, thickness_mm):
    """The list's price by eye: the thinnest class that takes it, the first step that weighs enough. None: no answer."""
    prices = [
        kroner * 80
        for (of_zone, most_mm), steps in LISTS[year].items()
        for grams, kroner in zip(GRAMS, steps, strict=True)
        if kroner is not None and of_zone == zone and weight_g <= grams and thickness_mm <= most_mm
    ]
    return min(prices, default=None)


@cache
def _divisions(cards, largest):
    if cards == 0:
        return ((),)
    return tuple(
        (first, *rest) for first in range(min(cards, largest), 0, -1) for rest in _divisions(cards - first, first)
    )


def _measures(cards, model):
    sheets = -(-cards // model.cards_per_sheet)
    grams = cards * model.card_g + sheets * model.sheet_g + model.envelope_g
    return round(grams, 2), round(sheets * (model.card_mm + model.sheet_mm) + model.envelope_mm, 2)


def _cheapest_of_all_divisions(cards, price_of, handling):
    letters = {m: price_of(m) for m in range(1, cards + 1)}
    sums = [
        sum(letters[m] + handling for m in division)
        for division in _divisions(cards, cards)
        if all(letters[m] is not None for m in division)
    ]
    return min(sums, default=None)


def _random_weights(chance):
    return WeightModel(
        weighed_on=date(2026, 11, 1),
        card_g=chance.choice([4.2, 4.9, 5.6, 17.0, 41.0]),
        sheet_g=chance.choice([5.0, 6.2]),
        envelope_g=chance.choice([7.5, 10.0]),
        card_mm=0.9,
        sheet_mm=chance.choice([0.1, 0.2]),
        envelope_mm=0.5,
        cards_per_sheet=chance.choice([1, 2, 3]),
    )


def _made_up_rows(chance):
    """Format classes of a tariff that never was, each with its own steps; a dearer class may be cheaper for some."""
    base = bundled_tariffs()[0].model_dump() | {"tariff": "made-up", "zone": "NO"}
    base |= {"valid_from": date(2020, 1, 1), "valid_until": None}
    return tuple(
        TariffRow.model_validate(
            base | {"max_weight_g": grams, "max_thickness_mm": mm, "gross_ore": 5 * chance.randrange(200, 2000)}
        )
        for mm in (2, 4, 20)
        for grams in [*sorted(chance.sample(range(20, 180), 3)), 2000]
    )  # fmt: skip


def _planned_cost(cards, *, day, rows, weights, handling, zone="NO"):
    waiting = [WaitingCard(card_id=f"A-{n:02d}", order_number="A", address_key="k") for n in range(cards)]
    letters, refused = plan(
        waiting, day=day, zone_of_key=lambda _: zone, rows=rows, weights=weights, handling_ore=handling
    )
    if refused:
        return None
    assert sorted(card for letter in letters for card in letter.card_ids) == [card.card_id for card in waiting]
    for letter in letters:
        assert letter.weight_g <= letter.row.max_weight_g
        assert letter.thickness_mm <= letter.row.max_thickness_mm
        assert sum(share for _, share in letter.shares) == letter.row.net_ore
    return sum(letter.row.net_ore + handling for letter in letters)


@pytest.mark.parametrize("year", sorted(LISTS))
def test_the_plan_costs_what_the_cheapest_of_all_divisions_costs(year):
    chance, priced = random.Random(year), Counter()
    while priced.total() < 2000:
        cards, weights, handling = chance.randrange(1, 11), _random_weights(chance), chance.choice([0, 90, 700])
        zone = chance.choice(sorted({zone for zone, _ in LISTS[year]}))
        best = _cheapest_of_all_divisions(
            cards, lambda m, zone=zone, weights=weights: _listed(year, zone, *_measures(m, weights)), handling
        )
        cost = _planned_cost(
            cards, day=DAYS[year], rows=bundled_tariffs(), weights=weights, handling=handling, zone=zone
        )
        assert cost == best  # both may be None: no letter has a price
        priced[zone] += best is not None
    assert min(priced.values()) > 300, priced


@pytest.mark.parametrize("year", sorted(LISTS))
def test_a_heavier_or_thicker_letter_is_never_cheaper(year):
    def known(zone, weight_g, thickness_mm):
        try:
            row = price(bundled_tariffs(), day=DAYS[year], zone=zone, weight_g=weight_g, thickness_mm=thickness_mm)
        except Refused:
            return math.inf
        return row.gross_ore

    grams = sorted({beside for step in GRAMS for beside in (step - 0.01, step, step + 0.01)})
    for zone in {zone for zone, _ in LISTS[year]}:
        table = [[known(zone, weight_g, mm) for mm in (1, 5, 5.1, 20, 20.1, 70, 70.1, 600)] for weight_g in grams]
        assert table[0][0] < math.inf
        for line in (*table, *zip(*table, strict=True)):
            assert list(line) == sorted(line)


def test_the_plan_is_cheapest_under_format_classes_that_never_were():
    chance = random.Random(7)
    for _ in range(2000):
        rows, cards, weights = _made_up_rows(chance), chance.randrange(1, 9), _random_weights(chance)
        handling = chance.choice([0, 300])

        def price_of(m, rows=rows, weights=weights):
            grams, mm = _measures(m, weights)
            return min(
                (row.gross_ore * 4 // 5 for row in rows if grams <= row.max_weight_g and mm <= row.max_thickness_mm),
                default=None,
            )

        best = _cheapest_of_all_divisions(cards, price_of, handling)
        assert _planned_cost(cards, day=date(2026, 3, 2), rows=rows, weights=weights, handling=handling) == best


def test_sending_two_groups_together_never_costs_more():
    chance, rows = random.Random(3), bundled_tariffs()
    for _ in range(2000):
        a, b, weights = chance.randrange(1, 12), chance.randrange(1, 12), _random_weights(chance)
        day, handling = DAYS[chance.choice([2016, 2021, 2026])], chance.choice([0, 500])
        cost = [_planned_cost(cards, day=day, rows=rows, weights=weights, handling=handling) for cards in (a, b, a + b)]
        assert cost[2] <= cost[0] + cost[1]
        more = _planned_cost(a + 1, day=day, rows=rows, weights=weights, handling=handling)
        assert more >= cost[0]  # these lists only rise


# --- the audit --------------------------------------------------------------------------------------------------


def _letter(chance):
    year = chance.choice([2016, 2021])
    first, days = (date(2016, 12, 1), 31) if year == 2016 else (date(2021, 1, 4), 362)
    day = first + timedelta(chance.randrange(days))
    step = chance.randrange(3)
    return year, day, step, GRAMS[step] - chance.choice([0, 0.5, 3.1])


def _planted(kind, chance):
    """(the charge's fields, what is to be given back) for one mistake of `kind`; None kind is a right charge."""
    year, day, step, grams = _letter(chance)
    right = LISTS[year]["NO", 20][step] * 80
    fields = {"posted_on": day, "weight_g": grams, "cards": 1}
    wrong = {
        None: right,
        FindingKind.WRONG_WEIGHT_CLASS: LISTS[year]["NO", 20][step + 1] * 80,
        FindingKind.WRONG_FORMAT_CLASS: LISTS[year]["NO", 70][step] * 80,
        FindingKind.WRONG_ZONE: LISTS[year][chance.choice(["EUROPE", "WORLD"]), 20][step] * 80,
        FindingKind.WRONG_DAY: LISTS[4037 - year]["NO", 20][step] * 80,
        FindingKind.CHARGED_PER_CARD: right * 4,
        FindingKind.NEVER_SHIPPED: right,
        FindingKind.OUR_FAULT_RESHIP: right,
        FindingKind.OVERCHARGED: right + 37,
        FindingKind.UNDERCHARGED: right - 41,
        FindingKind.UNKNOWN_TARIFF: right,
        FindingKind.VAT_WRONG: right,
    }[kind]
    back = max(wrong - right, 0)
    if kind is FindingKind.CHARGED_PER_CARD:
        fields["cards"] = 4
    elif kind is FindingKind.NEVER_SHIPPED:
        fields, back = fields | {"posted_on": None}, right
    elif kind is FindingKind.OUR_FAULT_RESHIP:
        fields, back = fields | {"fault_reship": True}, right
    elif kind is FindingKind.UNKNOWN_TARIFF:
        fields |= {"posted_on": date(2022, 5, 2)}
    return fields | {"charged_net_ore": wrong}, back


def _charge(n, **fields):
    net = fields["charged_net_ore"]
    return PostageCharge(
        charge_id=f"c{n}", origin="earlier", payer_org_number="310149942", payer_name="Fjordbygg AS",
        order_number=f"O{n}", invoice_number=f"F{n}", zone="NO", thickness_mm=1.8, vat_percent=25,
        **{"shipment": f"S{n}", "vat_ore": vat_ore(net, 25)} | fields,
    )  # fmt: skip


def _two_orders(n, chance):
    """One letter, two orders of a card each; both paid the whole price, each owes half of it."""
    year, day, step, grams = _letter(chance)
    price = LISTS[year]["NO", 20][step] * 80
    fields = {"posted_on": day, "weight_g": grams, "cards": 1, "charged_net_ore": price, "shipment": f"S{n}"}
    back = (FindingKind.CHARGED_PER_ORDER, price // 2, vat_ore(price // 2, 25))
    return [_charge(f"{n}-{order}", **fields) for order in "ab"], {f"c{n}-{order}": back for order in "ab"}


def _history(chance, size):
    kinds = [None, None, None, *FindingKind]
    charges, expected = [], {}
    for n in range(size):
        kind = chance.choice(kinds)
        if kind is FindingKind.CHARGED_PER_ORDER:
            together, wrong = _two_orders(n, chance)
            charges += together
            expected |= wrong
            continue
        fields, back = _planted(kind, chance)
        vat = vat_ore(fields["charged_net_ore"], 25) + (250 if kind is FindingKind.VAT_WRONG else 0)
        charges.append(_charge(n, vat_ore=vat, **fields))
        if kind is not None:
            expected[f"c{n}"] = (kind, back, 250 if kind is FindingKind.VAT_WRONG else vat_ore(back, 25))
    chance.shuffle(charges)
    return charges, expected


def test_every_planted_mistake_is_found_with_its_amount_and_none_is_invented():
    charges, expected = _history(random.Random(2020), 4000)
    findings = {finding.charge.charge_id: finding for finding in audit(charges, rows=bundled_tariffs())}
    assert set(findings) == set(expected)
    for name, (kind, net, vat) in expected.items():
        found = findings[name]
        assert (found.refund_net_ore, found.refund_vat_ore) == (net, vat), found
        assert found.kind == kind or _same_price(found, kind), found
    assert sum(f.refund_net_ore for f in findings.values()) == sum(net for _, net, _ in expected.values())
    named = Counter(found.kind for found in findings.values())
    assert all(named[kind] > 20 for kind in FindingKind), named
    for finding in findings.values():
        told = finding.evidence
        assert told["weight_g"] == f"{finding.charge.weight_g:g}"
        assert told["rule_version"] == "1"
        assert told["due_net"] == ("unknown" if finding.due_net_ore is None else nok(finding.due_net_ore))
        if finding.kind not in (FindingKind.UNKNOWN_TARIFF, FindingKind.NEVER_SHIPPED, FindingKind.OUR_FAULT_RESHIP):
            assert told["tariff"].startswith("posten-")
            assert told["source"]
            assert told["confidence"] in ("third-party", "partial")


def _same_price(found, planted):
    """Two mistakes that charge the same amount cannot be told apart, as a wrong day and a wrong step may."""
    year = found.charge.posted_on.year if found.charge.posted_on else 0
    amounts = {kroner * 80 for listed in (2016, 2021) for steps in LISTS[listed].values() for kroner in steps}
    return (
        year in (2016, 2021)
        and planted in _PRICED
        and found.kind in _PRICED
        and found.charge.charged_net_ore in amounts
    )


_PRICED = {
    FindingKind.WRONG_WEIGHT_CLASS,
    FindingKind.WRONG_FORMAT_CLASS,
    FindingKind.WRONG_ZONE,
    FindingKind.WRONG_DAY,
    FindingKind.UNDERCHARGED,
    FindingKind.CHARGED_PER_CARD,
}
