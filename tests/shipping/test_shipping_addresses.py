"""Same place, one key; different places, two; what cannot be delivered says why."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cards.address import Address
from cards.errors import Refused
from shipping.addresses import read_address, read_typed
from shipping.models import AddressReading
from shipping.register import bundled_register, load_register

_ROWS = (
    "0101\tOSLO\t0301\tOSLO\tP\r\n0184\tOSLO\t0301\tOSLO\tG\r\n0185\tOSLO\t0301\tOSLO\tG\r\n"
    "5003\tBERGEN\t4601\tBERGEN\tG\r\n"
    "5145\tFYLLINGSDALEN\t4601\tBERGEN\tG\r\n4610\tKRISTIANSAND S\t4204\tKRISTIANSAND\tG\r\n"
    "5547\tUTSIRA\t1151\tUTSIRA\tB\r\n9170\tLONGYEARBYEN\t2100\tSVALBARD\tB\r\n8735\tSTOKKVÅGEN\t1834\tLURØY\tG\r\n"
    "9991\tBÅTSFJORD\t5632\tBÅTSFJORD\tP\r\n"
)


@pytest.fixture(scope="module")
def register(tmp_path_factory):
    path = tmp_path_factory.mktemp("register") / "postnummerregister-ansi.txt"
    path.write_bytes(_ROWS.encode("latin-1"))
    return load_register(path)


_USUAL = {"postcode": "0184", "city": "Oslo", "recipient": "Fjordbygg AS", "country": "NO"}


def _read(register, *typed, **more):
    """`typed` in the order street, postcode, city, recipient, country; what is left out is as usual."""
    given = dict(zip(("street", *_USUAL), typed, strict=False))
    return read_typed(_USUAL | given | more, register=register)


SE, DE, GB = (
    ("114 55", "Stockholm", "X AB", "SE"),
    ("10115", "Berlin", "X GmbH", "DE"),
    ("SW1A 2AA", "London", "X", "GB"),
)
PL, LT = ("00-238", "Warszawa", "X", "PL"), ("LT-01103", "Vilnius", "UAB X", "LT")
DK, FI = ("2100", "København Ø", "X ApS", "DK"), ("00100", "Helsinki", "X Oy", "FI")

SAME = [
    [("Storgata 5",), ("Storgt. 5",), ("STORGATEN 5",), ("Stor gata 5",), ("Storg. 5",), ("Storgata5",), ("Storgt.5",)],
    [("Storgata 5",), ("Storgata nr. 5",), ("Storgata, 5",), ("Storgata 5, 0184 Oslo",), ("Storgata\u200b 5, Norge",)],
    [("Storgata 5",), ("Storgata 5", "NO-0184"), ("Storgata 5", "184"), ("Storgata 5", "N 0184"), ("Storgata 5", 184)],
    [("Storgata 5",), ("Storgata 5", "0184 Oslo", ""), ("Storgata 5", "0184", "0184 OSLO"), ("Storgata 5", "０１８４")],
    [("Storgata 5A",), ("Storgt 5 a",), ("Storgata 5-A",), ("Storgata 5, A",)],
    [("Storgata 5-7",), ("Storgata 5 – 7",), ("Storgt. 5—7",)],
    [("Kirkeveien 3",), ("Kirkevn. 3",), ("Kirkevn 3",), ("Kirkevegen 3",), ("Kirkev. 3",), ("Kirke vei 3",)],
    [("Karl Johans gate 5",), ("Karl Johansgt. 5",), ("Karl Johans gt 5",)],
    [("St. Olavs gate 3",), ("Sankt Olavs gate 3",), ("St Olavsgt 3",)],
    [("Haakon VIIs gate 2",), ("Håkon VII's gate 2",), ("Haakon 7s gt. 2",)],
    [("Rådhusplassen 1",), ("Rådhuspl. 1",), (unicodedata.normalize("NFD", "Rådhusplassen 1"),), ("Raadhusplassen 1",)],
    [("Postboks 12 Sentrum", "0101"), ("Pb 12", "0101"), ("P.b. 12", "0101"), ("Boks 12", "0101"), ("PB.12", "0101")],
    [("Postboks 12", "0101"), ("P.O. Box 12 Sentrum", "0101"), ("PO Box 12", "101")],
    [("Postboks 12", "0101"), ("Storgata 5, Postboks 12", "0101")],
    [("Storgata 5, 3. etg",), ("Storgata 5 3. etasje",), ("3. etg, Storgata 5",)],
    [("c/o Hansen, Storgata 5",), ("Storgata 5, C/O Hansen",), ("℅ Hansen\nStorgata 5",)],
    [("Storgata 5",), ("Storgata 5", "0184", "Oslo", "FJORDBYGG A/S")],
    [("Storgata 5",), ("Storgata 5", "0184", "Oslo", "Fjordbygg AS, att: Kari")],
    [("Kai 2", "9170", "Longyearbyen"), ("Kai 2", "9170", "Longyearbyen", "Fjordbygg AS", "SJ")],
    [("Drottninggatan 5 A", *SE), ("Drottningg. 5A", "SE-11455", "STOCKHOLM", "X Ab", "Sverige")],
    [("Müllerstr. 5", *DE), ("Muellerstraße 5", "D-10115", "Berlin", "X G.m.b.H.", "DE")],
    [("10 Downing St", *GB), ("10, Downing Street", "sw1a2aa", "LONDON", "X", "GB")],
    [("3 St John's Road", *GB), ("3 Saint Johns Rd", *GB)],
    [("ul. Długa 5 m. 3", *PL), ("Dluga 5/3", "PL-00-238", "Warsaw", "X", "PL")],
    [("ul. Długa 5 m. 3", *PL), ("Długa 5 lok. 3", "00238", "W", "X", "PL")],
    [("Gedimino pr. 5-3", *LT), ("Gedimino prospektas 5-3", "01103", "Vilnius", "UAB „X“", "LT")],
    [("Nørregade 5, 2. tv", *DK), ("Nørregade 5 2.tv.", "DK-2100", "Kbh Ø", "X ApS", "DK")],
    [("Mannerheimintie 5 A 12", *FI), ("Mannerheimint. 5 A12", "FI-00100", "HELSINKI", "X Oy", "FI")],
]  # fmt: skip


@pytest.mark.parametrize("spellings", SAME, ids=lambda group: str(group[0][0]))
def test_spellings_of_one_place_have_one_key_and_are_valid(register, spellings):
    readings = [_read(register, *spelling) for spelling in spellings]
    assert {reading.key for reading in readings} == {readings[0].key}
    assert [(s, r.reasons) for s, r in zip(spellings, readings, strict=True) if not r.valid] == []


DIFFERENT = [
    ("Storgata 57",), ("Storgata 5-7",), ("Storgata 5/7",), ("Storgata 5",), ("Storgata 5A",), ("Storgata 5B",),
    ("Storveien 5",), ("Postboks 5",), ("Postboks 55",), ("Storgata 5 H0301",), ("Storgata 5 H0302",),
    ("Storgata 5, 3. etg",), ("Storgata 5, 2. etg",), ("Storgata 5", "0185"), ("c/o Hansen, Storgata 5",),
    ("Storgata 5", "0184", "Oslo", "Fjordbygg Drift AS"), ("Storgata 5", "0184", "Oslo", "Fjordbygg ASA"),
    ("c/o Hanssen, Storgata 5",), ("Nedre Storgata 5",), ("Øvre Storgata 5",), ("Storgata 5 oppg A",),
    ("Vei 1 5",), ("Vei 15",), ("Møveien 5",), ("Moveien 5",), ("Fjordbygg 5",),
    ("Storgata 5", "2100", "Kbh", "Fjordbygg AS", "DK"),
    ("5 St John Street", *GB), ("5 St John Road", *GB), ("Długa 5/3", *PL), ("Długa 53", *PL),
]  # fmt: skip


def test_different_places_never_share_a_key(register):
    keys = [_read(register, *place).key for place in DIFFERENT]
    assert sorted(set(keys)) == sorted(keys)


INVALID = [
    (("Storgata 5", "9999", "Bergen"), "postcode_unknown"),
    (("Storgata 5", "0184", "Bergen"), "city_mismatch"),
    (("", "0184"), "street_missing"),
    (("5", "0184"), "street_missing"),
    (("Storgata", "0184"), "house_number_missing"),
    (("Postboks 5", "0184"), "box_in_street_code"),
    (("Storgata 5", "0101"), "street_in_box_code"),
    (("Postboks Sentrum", "0101"), "box_number_missing"),
    (("Storgata 5", "184", "Bergen"), "postcode_format"),
    (("Storgata 5", "01844"), "postcode_format"),
    (("Storgata 5", "O184"), "postcode_format"),
    (("Storgata 5", ""), "postcode_missing"),
    (("=HYPERLINK(1)",), "formula"),
    (("Stor\x07gata 5",), "control_characters"),
    (("Storgata 5", "0184", "Oslo", ""), "recipient_missing"),
    (("Storgata 5", "0184", "Oslo", "X", "XX"), "country_unknown"),
    (("Storgata 5, 0185 Oslo",), "postcode_conflict"),
    (("Kai 2", "0184", "Oslo", "X", "SJ"), "country_mismatch"),
    (("Storgata 5", "0184", ""), "city_missing"),
    (("Storgata 5", "0184", "Oslo", "A" * 36), "too_long"),
    (("Gata 5", "1145", "Stockholm", "X", "SE"), "postcode_format"),
    (("Str. 5", "1067", "Dresden", "X", "DE"), "postcode_format"),
    (("Street 5", "SW1A", "London", "X", "GB"), "postcode_format"),
]


@pytest.mark.parametrize(("place", "reason"), INVALID, ids=[f"{reason}-{i}" for i, (_, reason) in enumerate(INVALID)])
def test_an_address_that_cannot_be_delivered_says_why_and_what_to_do(register, place, reason):
    reading = _read(register, *place)
    assert reading.reasons == (reason,)
    assert not reading.valid
    assert reading.suggestion


def test_addresses_without_a_number_or_with_a_town_for_its_part_are_taken(register):
    assert _read(register, "Utsira", "5547", "Utsira").valid
    assert _read(register, "Skogen 5", "5145", "Bergen").valid
    assert _read(register, "Dronningens gate 5", "4610", "Kristiansand").valid


@pytest.mark.parametrize(
    ("place", "lines"),
    [
        (("Storgata 5",), ("Fjordbygg AS", "Att: Kari", "Storgata 5", "0184 OSLO")),
        (("c/o Hansen, Storgt. 5",), ("Fjordbygg AS", "Att: Kari", "c/o Hansen", "Storgt. 5", "0184 OSLO")),
        (("Pb. 12 Sentrum", "101"), ("Fjordbygg AS", "Att: Kari", "Postboks 12 Sentrum", "0101 OSLO")),
        (("Kai 2", "9170", "longyearbyen", "X", "SJ"), ("X", "Att: Kari", "Kai 2", "9170 LONGYEARBYEN")),
        (("Gatan 5", "11455", "Stockholm", "X", "SE"), ("X", "Att: Kari", "Gatan 5", "SE-114 55 STOCKHOLM", "SVERIGE")),
        (("10 Downing St", *GB), ("X", "Att: Kari", "10 Downing St", "LONDON", "SW1A 2AA", "STORBRITANNIA")),
        (("Długa 5/3", *PL), ("X", "Att: Kari", "Długa 5/3", "00-238 WARSZAWA", "POLEN")),
    ],
)
def test_the_letter_shows_lines_in_the_posts_order(register, place, lines):
    assert _read(register, *place, attention="Kari").label_lines == lines


def test_a_typed_address_and_a_parsed_one_read_alike():
    address = Address(recipient="Fjordbygg AS", attention="Lager 2", street="Storgt. 5", postcode="0184", city="OSLO")
    assert read_address(address) == read_typed(address.model_dump())
    assert read_address(address).key == "NO|0184|storgate5||fjordbygg as"


def test_missing_fields_and_foreign_types_are_answered_not_raised():
    assert read_typed({}).reasons == ("recipient_missing", "street_missing", "postcode_missing")
    assert not read_typed({"recipient": None, "street": 5, "postcode": [], "city": {}, "country": True}).valid


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["recipient", "street", "postcode", "city", "care_of", "attention"]), st.text(max_size=60)
    )
)
def test_any_text_is_answered_and_read_alike_twice(fields):
    reading = read_typed(fields)
    assert isinstance(reading, AddressReading)
    assert reading == read_typed(fields)
    assert reading.valid == (not reading.reasons)
    assert reading.valid or reading.suggestion
    assert not any(ord(letter) < 32 for line in reading.label_lines for letter in line)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 999), st.integers(1, 999), st.sampled_from(["-", "/", " ", ""]))
def test_house_numbers_are_never_run_together(one, other, mark):
    apart = read_typed(
        {"recipient": "X", "street": f"Vei {one}{mark or ' '}{other}", "postcode": "0184", "city": "Oslo"}
    )
    together = read_typed({"recipient": "X", "street": f"Vei {one}{other}", "postcode": "0184", "city": "Oslo"})
    assert apart.key != together.key


def test_the_register_that_ships_knows_the_codes_and_no_categories():
    register = bundled_register()
    assert len(register.codes) > 5000
    assert register.find("0184").place == "OSLO"
    assert {row.category for row in register.codes.values()} == {None}


@pytest.mark.parametrize(
    ("made", "line"),
    [
        (lambda rows: rows.replace("0185\tOSLO", "0185;OSLO").encode("latin-1"), 3),
        (lambda rows: rows.encode("utf-8"), 9),
        (lambda rows: rows.encode("utf-8-sig"), 1),
        (lambda rows: rows.encode("utf-16"), 1),
        (lambda rows: rows.encode("cp850"), 9),
        (lambda rows: rows.encode("mac-roman"), 9),
        (lambda rows: rows.replace("BERGEN\tG", "BERGEN\tG\tx", 1).encode("latin-1"), 4),
        (lambda rows: rows[:-20].encode("latin-1"), 10),
        (lambda rows: rows[: rows.index("9991")].encode("latin-1"), 9),
        (lambda rows: rows.replace("5003", "0184").encode("latin-1"), 4),
        (lambda rows: b"", 1),
        (lambda rows: b"\r\n\r\n", 1),
    ],
)
def test_a_register_that_is_not_as_published_is_refused_whole_with_the_line(tmp_path: Path, made, line):
    path = tmp_path / "register.txt"
    path.write_bytes(made(_ROWS))
    with pytest.raises(Refused) as refusal:
        load_register(path)
    assert (refusal.value.code, refusal.value.field) == ("register.layout", f"line {line}")
    assert f"line {line}" in refusal.value.message


def test_a_register_that_is_not_there_is_refused(tmp_path: Path):
    with pytest.raises(Refused, match=r"register\.unreadable"):
        load_register(tmp_path / "absent.txt")
