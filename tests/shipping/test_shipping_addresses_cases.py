"""A long list of addresses as people type them, for eight countries: one place, other places, no place, and labels."""

import json
import re
from pathlib import Path

import pytest
from postalcheck import normalize

from shipping.abroad import COUNTRIES, printed_postcode
from shipping.addresses import read_typed
from shipping.label_lines import LINE_MAX, LINES_MAX
from shipping.register import bundled_register, load_register

HERE = Path(__file__).parent
CASES = json.loads((HERE / "address_cases.json").read_text("utf-8"))
OFFICIAL = Path(__file__).parents[3] / "shared" / "data" / "postnummerregister-ansi.txt"
BY_CATEGORY = {"box_in_street_code", "street_in_box_code"}  # a register without categories cannot say so

CODES_OF_ONE_RECEIVER = {"0010", "0045"}  # nor can it say that a town's code is one receiver's own


def _official():
    if not OFFICIAL.exists():
        pytest.skip(f"{OFFICIAL} is not here")
    return load_register(OFFICIAL)


@pytest.fixture(scope="module", params=["sample", "official", "bundled"])
def register(request):
    if request.param == "bundled":
        return bundled_register()
    return _official() if request.param == "official" else load_register(HERE / "postcodes_sample.txt")


def _read(register, case, typed):
    return read_typed({**CASES["bases"][case["base"]], **typed}, register=register)


def test_every_spelling_of_a_place_has_its_key_and_is_valid(register):
    split = []
    for case in CASES["same"]:
        first = _read(register, case, case["typed"][0])
        for typed in case["typed"]:
            reading = _read(register, case, typed)
            if reading.key != first.key or not reading.valid:
                split.append((typed, reading.key, first.key, reading.reasons))
    assert split == []


def test_no_two_places_or_receivers_share_a_key(register):
    joined = []
    for case in CASES["different"]:
        keys: dict[str, object] = {}
        for typed in case["typed"]:
            key = _read(register, case, typed).key
            if key in keys:
                joined.append((keys[key], typed, key))
            keys[key] = typed
    assert joined == []


def test_what_cannot_be_delivered_to_has_its_reason_and_a_way_out(register):
    known = any(row.category for row in register.codes.values())
    wrong = []
    for case in CASES["invalid"]:
        if not known and BY_CATEGORY & set(case["reasons"]):
            continue
        reading = _read(register, case, case["typed"])
        if reading.valid or list(reading.reasons) != case["reasons"] or not reading.suggestion:
            wrong.append((case["typed"], reading.reasons, reading.suggestion))
    assert wrong == []


def test_every_reason_is_explained_and_shown_by_a_case():
    rows = re.findall(r"^\| ([a-z_]+) \|", (HERE.parents[1] / "docs" / "addresses.md").read_text("utf-8"), re.MULTILINE)
    assert sorted({reason for case in CASES["invalid"] for reason in case["reasons"]}) == sorted({*rows} - {"reason"})


def test_what_can_be_delivered_to_is_valid(register):
    known = any(row.category for row in register.codes.values())
    held = []
    for case in CASES["valid"]:
        if not known and case["typed"].get("postcode") in CODES_OF_ONE_RECEIVER:
            continue
        reading = _read(register, case, case["typed"])
        if not reading.valid:
            held.append((case["typed"], reading.reasons))
    assert held == []


def test_labels_have_the_posts_order(register):
    got = [(case["typed"], list(_read(register, case, case["typed"]).label_lines)) for case in CASES["labels"]]
    assert got == [(case["typed"], case["lines"]) for case in CASES["labels"]]


def test_every_valid_address_fits_the_window(register):
    typed = [(case, typed) for case in CASES["same"] for typed in case["typed"]]
    typed += [(case, case["typed"]) for case in CASES["valid"] + CASES["labels"]]
    for case, fields in typed:
        lines = _read(register, case, fields).label_lines
        assert len(lines) <= LINES_MAX
        assert all(0 < len(line) <= LINE_MAX and line == line.strip() for line in lines)


def test_postcodes_abroad_are_printed_as_a_second_program_prints_them():
    typed = {
        "SE": ["11455", "114 55", "903 25"], "DK": ["2100", "0999", "9990"], "FI": ["00100", "99999"],
        "DE": ["10115", "01067", "99998"], "PL": ["00238", "00-238", "99-440"], "LT": ["01103", "99001"],
        "GB": ["sw1a2aa", "SW1A 2AA", "M1 1AE", "b338th", "EC1A 1BB", "CR2 6XH", "DN55 1PT", "GIR 0AA"],
    }  # fmt: skip
    assert set(typed) == set(COUNTRIES)
    for country, codes in typed.items():
        printed = [printed_postcode(code, country) for code in codes]
        assert [text and text.removeprefix("LT-") for text in printed] == [normalize(country, code) for code in codes]
