"""Organisation numbers, card numbers and their tags."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from stdnum.no import orgnr

from cards.identifiers import (
    CARD_NUMBERS,
    OrgNumber,
    card_number,
    normalised_card_number,
    org_number_is_valid,
    status_tag,
)

KEY = bytes(range(32))


@pytest.mark.parametrize("text", ["310149942", "313876144", "314159268", "974760673"])
def test_real_and_synthetic_units_are_valid(text: str) -> None:
    assert org_number_is_valid(text)


@pytest.mark.parametrize(
    "text", ["310149943", "31014994", "3101499420", "31014994x", "", "٣١٠١٤٩٩٤٢", "310 149 942", "-10149942"]
)
def test_other_numbers_are_not(text: str) -> None:
    assert not org_number_is_valid(text)


@given(st.integers(0, 999_999_999))
def test_check_digit_agrees_with_another_author(number: int) -> None:
    text = f"{number:09d}"
    assert org_number_is_valid(text) == orgnr.is_valid(text)


def test_model_field_names_the_rule() -> None:
    with pytest.raises(ValidationError, match="check digit"):
        TypeAdapter(OrgNumber).validate_python("310149943")


@given(st.integers(0, CARD_NUMBERS - 1))
def test_card_numbers_are_seven_digits_and_stable(serial: int) -> None:
    number = card_number(serial, KEY)
    assert len(number) == 7
    assert number.isdigit()
    assert number == card_number(serial, KEY)


def test_card_numbers_never_collide() -> None:
    serials = range(20_000)
    assert len({card_number(serial, KEY) for serial in serials}) == len(serials)


def test_card_numbers_do_not_tell_their_order() -> None:
    numbers = [int(card_number(serial, KEY)) for serial in range(1000)]
    rising = sum(later > earlier for earlier, later in pairwise(numbers))
    assert 400 < rising < 600
    assert card_number(0, KEY) != card_number(0, KEY[::-1])


@pytest.mark.parametrize("serial", [-1, CARD_NUMBERS])
def test_the_series_ends(serial: int) -> None:
    with pytest.raises(ValueError, match="seven digits"):
        card_number(serial, KEY)


@pytest.mark.parametrize(
    ("typed", "number"),
    [("1234567", "1234567"), (" 12 345 67", "1234567"), ("01234567", "1234567"), ("0123456", "0123456"), ("x", "x")],
)
def test_numbers_are_read_as_people_write_them(typed: str, number: str) -> None:
    assert normalised_card_number(typed) == number


def test_tags_are_six_legible_signs_and_keyed() -> None:
    tag = status_tag("1234567", KEY)
    assert len(tag) == 6
    assert not set(tag) & set("01IO")
    assert tag == status_tag("1234567", KEY)
    assert tag != status_tag("1234568", KEY)
    assert tag != status_tag("1234567", KEY[::-1])
