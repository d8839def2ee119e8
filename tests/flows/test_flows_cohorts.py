"""Cohort rates: the Wilson interval against values worked out elsewhere, and what stands out against the house."""

from decimal import Decimal, getcontext
from pathlib import Path

import pytest

from flows.stages.cohorts import PPM, cohort_view, wilson_ppm
from flows.stages.fault_reports import file_report
from flows.stages.fault_requests import FaultRequest, NamedCard
from store.cohorts import Cohort, CohortBy
from tests.flows.fleet import a_house, post


# 10 of 100 and 81 of 263 are printed examples of the interval (0.0552–0.1744; R. G. Newcombe, Statistics in Medicine
# 17 (1998) 857–872, table I, method 3: 0.2553–0.3662); the others are Newcombe's too.
@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(10, 100, 55_200, 174_400), (81, 263, 255_300, 366_200), (15, 148, 62_400, 160_500), (0, 20, 0, 161_100),
     (1, 29, 6_100, 171_800)],
)  # fmt: skip
def test_the_interval_is_the_published_one(hits: int, of: int, low: int, high: int) -> None:
    found = wilson_ppm(hits, of)
    assert [round(bound, -2) for bound in found] == [low, high]


def test_the_interval_is_rounded_outwards_and_never_leaves_the_unit() -> None:
    getcontext().prec = 60
    z2 = Decimal("1.959964") ** 2
    for of in (1, 2, 3, 7, 97, 1000, 99_991, 10_000_000):
        for hits in sorted({0, 1, of // 3, of // 2, of - 1, of}):
            share = Decimal(hits) * (of - hits) / of + z2 / 4
            ends = [(hits + z2 / 2 + sign * (z2 * share).sqrt()) / (of + z2) * PPM for sign in (-1, 1)]
            low, high = wilson_ppm(hits, of)
            assert 0 <= low <= PPM * hits // of <= -(-PPM * hits // of) <= high <= PPM
            assert -1 < ends[0] - low < 2 or low == 0
            assert -1 < high - ends[1] < 2 or high == PPM
            assert low <= ends[0] + Decimal("1e-30")
            assert high >= ends[1] - Decimal("1e-30")


def test_nothing_posted_says_nothing() -> None:
    assert wilson_ppm(0, 0) == (0, PPM)
    with pytest.raises(ValueError, match="3 hits among 2"):
        wilson_ppm(3, 2)


def test_a_bad_lot_stands_out_and_a_recall_does_not_make_it_worse(tmp_path: Path) -> None:
    with a_house(tmp_path) as house:
        good, bad = post(house, "L-1", 300), post(house, "L-2", 100)
        seen = [*bad[:12], good[0]]
        named = tuple(NamedCard(card=card, place=card) for card in seen)
        file_report(house, FaultRequest("command", "ola", "dead", cards=named))
        before = cohort_view(house, CohortBy.LOT)
        file_report(house, FaultRequest("command", "ola", "bad lot", cohort=Cohort(lot="L-2"), expect=88))
        after = cohort_view(house, CohortBy.LOT)
    ok, out = before.cohorts
    assert (ok.name, ok.reported, ok.in_field, ok.rate_ppm, ok.stands_out) == ("L-1", 1, 300, 3333, False)
    assert (out.name, out.reported, out.rate_ppm, out.stands_out, out.unreported) == ("L-2", 12, 120_000, True, 88)
    assert (before.house.reported, before.house.rate_ppm) == (13, 32_500)
    assert (after.cohorts[1].recalled, after.cohorts[1].unreported) == (88, 0)
    assert after.cohorts[1].rate_ppm == out.rate_ppm
