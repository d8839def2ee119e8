"""Labels with the carrier's numbers: drawn, rendered as a label printer would, and read by another program."""

from datetime import date

import numpy as np
import pypdfium2
import pytest
import zxingcpp

from cards.address import Address
from cards.errors import Refused
from shipping.barcodes import number_label
from shipping.models import Shipment, ShipmentState
from shipping.number_ranges import NumberKind, check_range, number_of
from shipping.numbers import check_digit, is_s10, is_sscc, s10_check_digit, shipment_number

SENDER = Address(recipient="Kortbyrået AS", street="Verkstedveien 1", postcode="0277", city="Oslo")
S10, SSCC = "RR473124829NO", "370438101268058536"


def _shipment(lines=("Fjordbygg AS", "Att: Paweł Żółkiewski", "Storgata 5", "0184 OSLO")):
    return Shipment(
        shipment_id="s-12", number=12, address_key="k", address=SENDER, label_lines=lines, card_ids=("A-1", "A-2"),
        weight_g=22.3, thickness_mm=1.8, product="Brev Norge Små", tariff="posten-2026-02", postage_net_ore=2240,
        vat_percent=25, shares=(("A", 2240),), state=ShipmentState.PACKED, planned_on=date(2026, 11, 23),
    )  # fmt: skip


def _codes(paper, dpi):
    page = pypdfium2.PdfDocument(paper)[0]
    found = zxingcpp.read_barcodes(np.asarray(page.render(scale=dpi / 72).to_numpy()))
    ours = [code for code in found if "matrix" in str(code.format).lower()]
    (bars,) = [code for code in found if code not in ours and "matrix" not in str(code.format).lower()]
    assert [shipment_number(code.text) for code in ours] == [12]
    return bars


@pytest.mark.parametrize("dpi", [203, 300])
def test_an_s10_number_reads_back_in_both_kinds_of_bars(dpi):
    code39 = _codes(number_label(_shipment(), S10, sender=SENDER), dpi)
    assert (code39.text[:-1], code39.text[-1]) == (S10, _mod_43(S10))
    assert _codes(number_label(_shipment(), S10, sender=SENDER, s10="code128"), dpi).text == S10


def _mod_43(text):
    letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-. $/+%"
    return letters[sum(letters.index(letter) for letter in text) % 43]


@pytest.mark.parametrize("dpi", [203, 300])
def test_an_sscc_reads_back_as_gs1(dpi):
    bars = _codes(number_label(_shipment(), SSCC, sender=SENDER), dpi)
    assert bars.symbology_identifier == "]C1"
    assert "".join(letter for letter in bars.text if letter.isdigit()) == f"00{SSCC}"


@pytest.mark.parametrize("dpi", [203, 300])
def test_every_number_of_a_range_reads_back_from_its_label(dpi):
    """First, last and some between, of both kinds: leading noughts and every check digit's edge rule among them."""
    for kind, prefix, serials in ((NumberKind.S10, "RR", (0, 8, 12, 15, 34, 99_999_999)),
                                  (NumberKind.SSCC, "37043810", (0, 7, 126_805_853, 999_999_999))):  # fmt: skip
        check_range(kind, prefix, serials[0], serials[-1])
        for serial in serials:
            number = number_of(kind, prefix, serial)
            assert is_s10(number) if kind is NumberKind.S10 else is_sscc(number)
            text = _codes(number_label(_shipment(), number, sender=SENDER), dpi).text
            assert number in "".join(letter for letter in text if letter.isalnum())


@pytest.mark.parametrize(
    ("kind", "prefix", "first", "last", "field"),
    [
        ("s10", "R", 1, 2, "prefix"),
        ("s10", "rr", 1, 2, "prefix"),
        ("s10", "RR", 2, 1, "last"),
        ("s10", "RR", -1, 1, "last"),
        ("s10", "RR", 1, 100_000_000, "last"),
        ("sscc", "3704381", 1, 2, "prefix"),
        ("sscc", "٣٧٠٤٣٨١٠", 1, 2, "prefix"),
        ("sscc", "370438101", 1, 100_000_000, "last"),
    ],
)
def test_what_is_no_range_is_refused_with_its_field(kind, prefix, first, last, field):
    with pytest.raises(Refused, match=r"numbers\.invalid") as refused:
        check_range(NumberKind(kind), prefix, first, last)
    assert refused.value.field == field


@pytest.mark.parametrize("number", [S10, SSCC])
def test_people_can_read_the_number_and_nothing_leaves_the_label(number):
    document = pypdfium2.PdfDocument(number_label(_shipment(), number, sender=SENDER))
    text = document[0].get_textpage()
    assert number in "".join(letter for letter in text.get_text_range() if letter.isalnum())
    boxes = [text.get_charbox(place) for place in range(text.count_chars())]
    assert min(box[0] for box in boxes) > 0
    assert max(box[2] for box in boxes) < document[0].get_width()


def test_a_label_comes_out_the_same_byte_for_byte():
    assert number_label(_shipment(), S10, sender=SENDER) == number_label(_shipment(), S10, sender=SENDER)


@pytest.mark.parametrize("number", ["RR473124820NO", "rr473124829no", SSCC[:-1] + "7", SSCC[:-1], "", "٣" * 18])
def test_a_number_that_fails_its_own_check_is_refused(number):
    with pytest.raises(Refused, match=r"label\.number_wrong"):
        number_label(_shipment(), number, sender=SENDER)


def test_what_does_not_fit_the_label_is_refused():
    with pytest.raises(Refused, match=r"label\.address_too_large"):
        number_label(_shipment(("W" * 90,)), S10, sender=SENDER)


def test_the_edge_rules_of_the_check_digits():
    serials = {"47312482": "9", "00000008": "0", "00000012": "0", "00000015": "5", "00000034": "5"}
    assert {serial: s10_check_digit(serial) for serial in serials} == serials
    assert is_s10(S10)
    assert is_sscc(SSCC)
    assert check_digit(SSCC[:-1]) == "6"
