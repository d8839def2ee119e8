"""Cards come out as they always did: bytes of a run, look of its pages, codes, and what a second PDF library sees.

A changed hash is a changed card: look at the pages before writing it down anew.
"""

import hashlib
import io
import re
import zlib
from datetime import date
from functools import cache

import cv2
import numpy as np
import pypdf
import pytest
import zxingcpp
from PIL import Image

from printing.codes import DOT_MM, bars_in
from printing.faces import lay_out
from printing.layout import CodeBox, look_of
from printing.models import CARD_HEIGHT_MM, Face, FaceContent
from printing.page import BLEED_DOTS, PAGE_DOTS
from printing.run import draw_run, page_png

KINDS = {
    "construction": ("Bygg og anlegg", "Construction"),
    "cleaning": ("Renhold", "Cleaning"),
    "car_care": ("Bilpleie og hjulskift", "Car care and wheels"),
    "goods_transport": ("Varetransport", "Goods transport"),
}
RUNS = {
    "construction": "4b2064a372875e43ec002c1eeca1ffd50266eb016f2ac6e3addb3088fa06ed3a",
    "cleaning": "7b3930328699926f5cf55296184ae94ebe189113ea717644aa6c6f582c6cf234",
    "car_care": "08899f08b154b30a5c70f0803e724317d7353e6e7e3bcc3a548f401db4d78d1b",
    "goods_transport": "9f31d2e0a129736a0139ee340c3292d604ac0012d11b3753b27b6c88a9b23b70",
}
LOOKS = {
    "construction": ("a46e38f2bf1f7c9fbff04accc0566cee", "30091f113fa81642950057acad5da942"),
    "cleaning": ("85b65a41d359c001d45509f79c76ecb9", "3a942702398dc05ee66b60e5f1a226ad"),
    "car_care": ("2d72b5be215fa030941fc147dd4f15f1", "ad79a85fb20c5940afa46cceff945140"),
    "goods_transport": ("67dac97cea2bdff71774aaa8aef0b50b", "7affc3a3da8a0ab7cf6be27bfeae7c98"),
}
USUAL_DEFLATE = zlib.crc32(zlib.compress(bytes(range(256)) * 64 + b"HMS-kort" * 99)) == 3479729727
needs_usual_deflate = pytest.mark.skipif(not USUAL_DEFLATE, reason="another zlib packs the same pages in other bytes")


@cache
def portrait() -> bytes:
    file = io.BytesIO()
    ramp = np.linspace(60, 200, 331)[:, None, None] + np.zeros((331, 260, 3))
    ramp[60:200, 40:200] = (180, 140, 120)
    Image.fromarray(ramp.astype(np.uint8)).save(file, "JPEG", quality=90)
    return file.getvalue()


@cache
def run_of(kind: str) -> bytes:
    label_no, label_en = KINDS[kind]
    content = FaceContent(
        card_id="card-1", number="4388261", kind=kind, kind_label_no=label_no, kind_label_en=label_en,
        given_name="Ánnámáret", family_name="Nguyễn-Żółkiewska", birth_date=date(1990, 2, 28),
        employer="Fjordbygg og Sønner AS", org_number="310149942", issued_on=date(2026, 11, 23),
        issuer="Evry Card Services AS", status_url="https://status.hsecard.example/4388261/K7Q2PMX4",
        portrait_sha256=hashlib.sha256(portrait()).hexdigest(),
    )  # fmt: skip
    face = lay_out(content)
    assert isinstance(face, Face)
    return draw_run([face], [portrait()], title="Golden")


def pixels_of(kind: str, page: int, dpi: int) -> np.ndarray:
    with Image.open(io.BytesIO(page_png(run_of(kind), page, dpi))) as opened:
        return np.asarray(opened.convert("RGB"))


@needs_usual_deflate
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_has_the_bytes_it_always_had(kind: str):
    assert hashlib.sha256(run_of(kind)).hexdigest() == RUNS[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_both_faces_look_as_they_always_did(kind: str):
    looks = tuple(hashlib.sha256(pixels_of(kind, page, 300).tobytes()).hexdigest()[:32] for page in (0, 1))
    assert looks == LOOKS[kind]


@pytest.mark.parametrize("dpi", [300, 600])
@pytest.mark.parametrize("kind", KINDS)
def test_every_code_is_read_from_the_whole_back_at_printer_resolution(kind: str, dpi: int):
    grey = cv2.cvtColor(pixels_of(kind, 1, dpi), cv2.COLOR_RGB2GRAY)
    seen = {(str(code.format), code.text) for code in zxingcpp.read_barcodes(grey)}
    wanted = {("QR Code", "https://status.hsecard.example/4388261/K7Q2PMX4"), ("Code 128", "4388261")}
    assert seen == wanted


@pytest.mark.parametrize("dpi", [300, 600])
@pytest.mark.parametrize("kind", KINDS)
def test_codes_are_black_and_white_on_whole_dots_with_plain_quiet_zones(kind: str, dpi: int):
    """At printer resolution no dot is grey: within the code and its quiet zone each is full black or plain white."""
    drawn = pixels_of(kind, 1, dpi)
    scale = dpi / 300
    for place in (element for element in look_of(f"{kind}-2026a").faces.back if isinstance(element, CodeBox)):
        quiet = (4 if place.type == "qr" else 10) * place.module_dots
        text = "https://status.hsecard.example/4388261/K7Q2PMX4" if place.type == "qr" else "4388261"
        bars, right, up = bars_in(text, place)
        left = BLEED_DOTS + round(place.box.x / DOT_MM) + right
        low = PAGE_DOTS[1] - BLEED_DOTS - round((CARD_HEIGHT_MM - place.box.y - place.box.h) / DOT_MM) - up
        above = quiet if place.type == "qr" else 0
        rows = slice(round((low - bars.height - above) * scale), round((low + above) * scale))
        columns = slice(round((left - quiet) * scale), round((left + bars.width + quiet) * scale))
        code = drawn[rows, columns]
        assert set(np.unique(code)) == {0, 255}
        assert (code[:, : round(quiet * scale)] == 255).all()
        assert (code[:, -round(quiet * scale) :] == 255).all()


def millimetres(box: pypdf.generic.RectangleObject) -> tuple[float, float]:
    return float(box.width) * 25.4 / 72, float(box.height) * 25.4 / 72


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_library_sees_the_card_within_its_bleed(kind: str):
    for page in pypdf.PdfReader(io.BytesIO(run_of(kind)), strict=True).pages:
        assert millimetres(page.trimbox) == pytest.approx((85.60, 53.98), abs=0.001)
        assert millimetres(page.mediabox) == pytest.approx((1035 * 25.4 / 300, 662 * 25.4 / 300), abs=0.001)
        left, low = float(page.trimbox.left) - float(page.mediabox.left), float(page.trimbox.bottom)
        assert (left * 25.4 / 72, low * 25.4 / 72) == pytest.approx((1.016, 1.016), abs=0.001)


def test_fonts_are_embedded_as_subsets_with_their_letters():
    front = pypdf.PdfReader(io.BytesIO(run_of("construction"))).pages[0]
    house = [font.get_object() for font in front["/Resources"]["/Font"].values()]
    house = [font for font in house if "Noto" in font["/BaseFont"]]
    assert len(house) >= 3
    for font in house:
        assert re.fullmatch(r"/[A-Z]{6}\+.*", font["/BaseFont"])
        embedded = font["/FontDescriptor"].get_object()["/FontFile2"].get_object().get_data()
        assert 1_000 < len(embedded) < 60_000
    assert "Nguyễn-Żółkiewska" in front.extract_text()


def test_the_portrait_is_embedded_as_it_is():
    front = pypdf.PdfReader(io.BytesIO(run_of("construction"))).pages[0]
    pictures = [found.get_object() for found in front["/Resources"]["/XObject"].values()]
    (jpeg,) = [found for found in pictures if found["/Subtype"] == "/Image"]
    assert list(jpeg["/Filter"]) == ["/DCTDecode"]
    assert portrait() in run_of("construction")


@pytest.mark.parametrize("page", [0, 1])
def test_black_is_the_one_that_printers_take_from_the_black_panel(page: int):
    drawn = pypdf.PdfReader(io.BytesIO(run_of("construction"))).pages[page].get_contents().get_data().decode("latin-1")
    assert re.search(r"^0 g$", drawn, re.MULTILINE)
    assert not re.search(r"\b[\d.]+ [\d.]+ [\d.]+ [\d.]+ k\b|^0 0 0 rg$", drawn, re.MULTILINE)
