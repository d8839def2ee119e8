"""Letters, labels and manifests read back with other eyes; the folder that plays the carrier."""

import csv
import io
from datetime import date

import numpy as np
import pypdfium2
import pytest
import zxingcpp

from cards.address import Address
from cards.errors import Refused, Unavailable
from shipping.adapters.folder import FolderCarrier
from shipping.documents import WINDOW_MM, label, letter, manifest_csv, manifest_pdf
from shipping.models import LeftOut, LetterCard, Shipment, ShipmentState
from shipping.numbers import check_digit, shipment_code, shipment_number

MM = 72 / 25.4
SENDER = Address(recipient="Kortbyrået AS", street="Verkstedveien 1", postcode="0277", city="Oslo")
USUAL = ("Fjordbygg AS", "Att: Paweł Żółkiewski", "Storgata 5", "0184 OSLO")
LONGEST = (
    "ARBEIDS- OG VELFERDSDIREKTORATET AV",
    "Att: Wilhelmina Maria Nguyễn-Øster",
    "c/o KOMMUNALBANKENS EIENDOMSSELSKAP",
    "Øvre Smestadmoen Industriområde 12A",
    "SE-114 55 GAMLE FREDRIKSTAD SENTRUM",
    "STORBRITANNIA",
)


def _shipment(lines=USUAL, **more):
    fields = {
        "shipment_id": "s-12", "number": 12, "address_key": "k", "address": SENDER, "label_lines": lines,
        "card_ids": ("A-1", "A-2"), "weight_g": 22.3, "thickness_mm": 1.8, "product": "Brev Norge Små",
        "tariff": "posten-2026-02", "postage_net_ore": 2240, "vat_percent": 25, "shares": (("A", 2240),),
        "state": ShipmentState.PACKED, "planned_on": date(2026, 11, 23),
    }  # fmt: skip
    return Shipment.model_validate(fields | more)


def _cards(count):
    return [
        LetterCard(place=n, card_number=f"48201{n:02d}", holder="Nguyễn Żółkiewska-Ødegård")
        for n in range(1, count + 1)
    ]


def _char_boxes(page):
    """Left, top, right, bottom of every inked character, in mm from the top left."""
    text, height = page.get_textpage(), page.get_height()
    boxes = [(text.get_text_range(n, 1), text.get_charbox(n)) for n in range(text.count_chars())]
    return [
        (left / MM, (height - top) / MM, right / MM, (height - bottom) / MM)
        for letter, (left, bottom, right, top) in boxes
        if letter.strip()
    ]


@pytest.mark.parametrize("lines", [USUAL, LONGEST[:5], LONGEST, ("Ab",)], ids=["usual", "five", "six", "short"])
def test_the_address_lies_inside_both_windows_with_slack_and_alone(lines):
    page = pypdfium2.PdfDocument(letter(_shipment(lines), _cards(2), sender=SENDER))[0]
    left, top, right, bottom = WINDOW_MM
    in_view = [box for box in _char_boxes(page) if box[3] > 39 and box[1] < 79 and box[2] > 15 and box[0] < 120]
    assert len(in_view) == sum(len("".join(line.split())) for line in lines)
    assert min(box[0] for box in in_view) >= left + 3
    assert min(box[1] for box in in_view) >= top + 3
    assert max(box[2] for box in in_view) <= right - 3
    assert max(box[3] for box in in_view) <= bottom - 3


@pytest.mark.parametrize("dpi", [203, 300])
def test_the_codes_on_letter_and_label_read_back(dpi):
    for paper in (letter(_shipment(), _cards(4), sender=SENDER), label(_shipment())):
        for page in pypdfium2.PdfDocument(paper):
            (code,) = zxingcpp.read_barcodes(np.asarray(page.render(scale=dpi / 72).to_numpy()))
            assert shipment_number(code.text) == 12


def test_the_letter_names_every_card_in_its_place_and_every_letter_is_written():
    document = pypdfium2.PdfDocument(letter(_shipment(), _cards(7), sender=SENDER))
    text = "".join(page.get_textpage().get_text_range() for page in document)
    assert len(document) == 3
    assert all(card.card_number in text for card in _cards(7))
    assert text.count("Nguyễn Żółkiewska-Ødegård") == 7
    assert "Paweł Żółkiewski" in text


def test_papers_come_out_the_same_byte_for_byte():
    day, shipments = date(2026, 11, 23), [_shipment(number=n, booking="70999990000000001") for n in range(1, 90)]
    assert letter(_shipment(), _cards(5), sender=SENDER) == letter(_shipment(), _cards(5), sender=SENDER)
    assert label(_shipment()) == label(_shipment())
    assert manifest_pdf(day, shipments, sender=SENDER) == manifest_pdf(day, shipments, sender=SENDER)


def test_what_the_typeface_cannot_write_or_the_window_hold_is_refused():
    with pytest.raises(Refused, match=r"letter\.glyph_missing"):
        letter(_shipment(("株式会社", "Storgata 5")), _cards(1), sender=SENDER)
    with pytest.raises(Refused, match=r"letter\.address_too_large"):
        letter(_shipment(("a",) * 7), _cards(1), sender=SENDER)
    with pytest.raises(Refused, match=r"letter\.address_too_large"):
        letter(_shipment(("W" * 80,)), _cards(1), sender=SENDER)


def test_the_manifest_sums_up_and_starts_no_formula():
    evil = SENDER.model_copy(update={"recipient": "=HYPERLINK(1)", "street": "\t=1", "city": "-2"})
    content = manifest_csv(date(2026, 11, 23), [_shipment(), _shipment(address=evil, number=13)])
    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=";"))
    assert [row["shipment"] for row in rows] == ["12", "13"]
    assert (rows[1]["recipient"], rows[1]["street"], rows[1]["city"]) == ("'=HYPERLINK(1)", "'\t=1", "'-2")
    text = pypdfium2.PdfDocument(manifest_pdf(date(2026, 11, 23), [_shipment()] * 3, sender=SENDER))[0].get_textpage()
    assert "67.20" in text.get_text_range()


BEHIND = [
    LeftOut(subject="S-000013", number=13, cards=2, reason="not_scanned", detail="places 1 2"),
    LeftOut(subject="=B-1", number=None, cards=1, reason="held", detail="@tariff_unknown"),
]


def test_the_manifest_names_what_stays_behind_with_its_reason_and_starts_no_formula():
    day = date(2026, 11, 23)
    content = manifest_csv(day, [_shipment(carrier_number="RR473124829NO")], left_out=BEHIND).decode("utf-8-sig")
    gone, unscanned, held = csv.DictReader(io.StringIO(content, newline=""), delimiter=";")
    assert (gone["carrier_number"], gone["left_out_because"]) == ("RR473124829NO", "")
    assert (unscanned["code"], unscanned["cards"], unscanned["weight_g"]) == ("S00000013", "2", "")
    assert (unscanned["left_out_because"], unscanned["left_out_detail"]) == ("not_scanned", "places 1 2")
    assert (held["shipment"], held["left_out_because"], held["left_out_detail"]) == (
        "'=B-1",
        "held",
        "'@tariff_unknown",
    )


@pytest.mark.parametrize("count", [1, 38, 39, 90])
def test_pages_of_what_stays_behind_follow_the_manifest(count):
    behind = [
        LeftOut(subject=f"S-{n:06d}", number=n, cards=1, reason="no_number", detail="") for n in range(1, count + 1)
    ]
    made = manifest_pdf(date(2026, 11, 23), [_shipment()], sender=SENDER, left_out=behind)
    first, *rest = (page.get_textpage().get_text_range() for page in pypdfium2.PdfDocument(made))
    assert f"{count} stay behind" in first
    assert len(rest) == -(-count // 38)
    assert all("".join(rest).count(one.subject) == 1 for one in behind)
    assert made == manifest_pdf(date(2026, 11, 23), [_shipment()], sender=SENDER, left_out=behind)


def test_numbers_check_and_read_back():
    assert check_digit("7043810126801853") == "9"
    assert check_digit("37043810126805853") == "6"
    assert shipment_number(shipment_code(123456789)) == 123456789
    assert shipment_number("4820101") is None


def test_one_key_is_one_booking_across_restarts(tmp_path):
    booking = FolderCarrier(tmp_path).book("ship:s-12", _shipment())
    assert FolderCarrier(tmp_path).look_up("ship:s-12") == booking
    assert FolderCarrier(tmp_path).book("ship:s-12", _shipment()) == booking
    assert booking.consignment[-1] == check_digit(booking.consignment[:-1])
    others = {FolderCarrier(tmp_path).book(f"k{n}", _shipment()).consignment for n in range(20)}
    assert len(others | {booking.consignment}) == 21
    assert FolderCarrier(tmp_path).look_up("never") is None


def test_a_consignment_number_taken_by_another_key_is_not_given_again(tmp_path):
    first = FolderCarrier(tmp_path / "a").book("k", _shipment()).consignment
    claims = tmp_path / "b" / "consignments"
    claims.mkdir(parents=True)
    (claims / first).write_text("another key")
    assert FolderCarrier(tmp_path / "b").book("k", _shipment()).consignment != first


def test_a_manifest_is_handed_over_once(tmp_path):
    carrier = FolderCarrier(tmp_path)
    carrier.hand_over("2026-11-23", b"pdf", b"csv")
    carrier.hand_over("2026-11-23", b"other", b"other")
    assert (tmp_path / "manifests" / "2026-11-23.pdf").read_bytes() == b"pdf"
    assert sorted(path.name for path in (tmp_path / "manifests").iterdir()) == ["2026-11-23.csv", "2026-11-23.pdf"]


def test_what_the_carrier_does_not_take_is_refused_and_a_lost_folder_is_told(tmp_path):
    with pytest.raises(Refused, match=r"carrier\.refused"):
        FolderCarrier(tmp_path).book("k", _shipment(weight_g=2000.1))
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match=r"carrier\.unavailable"):
        FolderCarrier(tmp_path / "file").book("k", _shipment())
