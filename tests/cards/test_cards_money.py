"""Money: whole øre, halves up, and nothing lost in a split."""

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cards.money import half_up, nok, share_ore, vat_ore

AMOUNTS = st.integers(-(10**12), 10**12)


@given(AMOUNTS, st.integers(1, 10_000))
def test_half_up_is_decimal_half_up(numerator: int, denominator: int) -> None:
    exact = (Decimal(numerator) / Decimal(denominator)).quantize(Decimal(1), rounding=ROUND_HALF_UP)
    assert half_up(numerator, denominator) == int(exact)


@pytest.mark.parametrize(
    ("net", "percent", "vat"), [(10400, 25, 2600), (2, 25, 1), (1, 25, 0), (-2, 25, -1), (10, 15, 2), (0, 25, 0)]
)
def test_vat_rounds_halves_up(net: int, percent: int, vat: int) -> None:
    assert vat_ore(net, percent) == vat


@given(AMOUNTS, st.lists(st.integers(0, 500), min_size=1, max_size=40).filter(any))
def test_shares_sum_to_the_whole_and_stay_fair(total: int, weights: list[int]) -> None:
    shares = share_ore(total, weights)
    assert sum(shares) == total
    whole = sum(weights)
    assert all(abs(share * whole - total * weight) < whole for share, weight in zip(shares, weights, strict=True))


@given(st.integers(0, 10**9), st.lists(st.integers(0, 500), min_size=1, max_size=40).filter(any))
def test_who_bears_no_weight_bears_nothing(total: int, weights: list[int]) -> None:
    shares = share_ore(total, weights)
    assert all(share == 0 for share, weight in zip(shares, weights, strict=True) if weight == 0)


def test_ties_go_to_the_earlier_part() -> None:
    assert share_ore(100, [1, 1, 1]) == [34, 33, 33]


@pytest.mark.parametrize("weights", [[0, 0], [-1, 2]])
def test_a_split_needs_weights(weights: list[int]) -> None:
    with pytest.raises(ValueError, match="weights"):
        share_ore(100, weights)


@pytest.mark.parametrize(
    ("ore", "text"), [(45500, "455.00"), (5, "0.05"), (-5, "-0.05"), (-12345, "-123.45"), (0, "0.00")]
)
def test_nok_has_two_decimals(ore: int, text: str) -> None:
    assert nok(ore) == text


@given(AMOUNTS)
def test_nok_loses_nothing(ore: int) -> None:
    assert int(Decimal(nok(ore)) * 100) == ore
