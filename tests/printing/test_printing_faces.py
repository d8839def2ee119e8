"""Faces and runs: what is printed is what was ordered, and any two cards that were mixed up are found."""

import hashlib
import io
import unicodedata
from datetime import date
from itertools import product

import numpy as np
import pypdf
import pytest
from PIL import Image

from cards.errors import Refused
from printing.codes import bars_in
from printing.faces import design_on, fitted_side, lay_out
from printing.layout import SAMPLES, CodeBox, designs, faces_of, placeholders
from printing.models import Face, FaceContent, FaceFault
from printing.proof import read_back
from printing.run import draw_contact_sheet, draw_run, draw_run_sheet, page_png

KINDS = {
    "construction": ("Bygg og anlegg", "Construction"),
    "cleaning": ("Renhold", "Cleaning"),
    "car_care": ("Bilpleie og hjulskift", "Car care and wheels"),
    "goods_transport": ("Varetransport", "Goods transport"),
}


def picture(shade: int) -> bytes:
    file = io.BytesIO()
    ramp = np.linspace(60, 200, 331)[:, None, None] + np.zeros((331, 260, 3))
    ramp[60:200, 40:200] = (shade, 255 - shade, 90)
    Image.fromarray(ramp.astype(np.uint8)).save(file, "JPEG", quality=90)
    return file.getvalue()


def content(index: int, kind: str = "construction", **changed: object) -> FaceContent:
    label_no, label_en = KINDS[kind]
    fields = {
        "card_id": f"card-{index}", "number": f"{4388261 + index:07d}", "kind": kind,
        "kind_label_no": label_no, "kind_label_en": label_en, "given_name": "Paweł",
        "family_name": f"Żółk{'abcdefg'[index]}",
        "birth_date": date(1990, 2, 28), "employer": "Fjordbygg AS", "org_number": "310149942",
        "issued_on": date(2026, 11, 23), "issuer": "Evry Card Services AS",
        "status_url": f"https://status.hsecard.example/{4388261 + index:07d}/K7Q2P{'ABCDEFG'[index]}",
        "portrait_sha256": hashlib.sha256(picture(20 * index)).hexdigest(),
    }  # fmt: skip
    return FaceContent.model_validate(fields | changed)


def faces(contents: list[FaceContent]) -> list[Face]:
    laid = [lay_out(one) for one in contents]
    assert all(isinstance(face, Face) for face in laid), laid
    return [face for face in laid if isinstance(face, Face)]


def test_a_run_of_every_kind_reads_back_as_ordered():
    contents = [content(index, kind) for index, kind in enumerate(KINDS)]
    pictures = [picture(20 * index) for index in range(4)]
    run = draw_run(faces(contents), pictures, title="B-1")
    assert read_back(run, contents, pictures) == []
    assert run == draw_run(faces(contents), pictures, title="B-1")
    pages = pypdf.PdfReader(io.BytesIO(run)).pages
    assert len(pages) == 8
    width, height = (float(side) * 25.4 / 72 for side in (pages[0].trimbox.width, pages[0].trimbox.height))
    assert (width, height) == (pytest.approx(85.60, abs=0.01), pytest.approx(53.98, abs=0.01))
    assert pages[0].mediabox.width > pages[0].trimbox.width
    embedded = [image.data for image in pages[0].images]
    assert len(embedded) == 1


@pytest.mark.parametrize(
    ("mixed_up", "what"),
    [
        ({"family_name"}, "text"), ({"given_name"}, "text"), ({"birth_date"}, "text"), ({"employer"}, "text"),
        ({"org_number"}, "text"), ({"number"}, "barcode"), ({"status_url"}, "qr"), ({"kind_label_en"}, "text"),
    ],
)  # fmt: skip
def test_two_cards_that_swap_one_thing_are_both_found(mixed_up: set[str], what: str):
    other = {"given_name": "Paweła", "birth_date": date(1990, 2, 27), "employer": "Fjordbygg ASA"}
    other |= {"org_number": "313876144", "kind_label_en": "Constructions"}
    right = [content(0), content(1, **other)]
    swap = [{name: getattr(right[1 - index], name) for name in mixed_up} for index in (0, 1)]
    wrong = [one.model_copy(update=changed) for one, changed in zip(right, swap, strict=True)]
    pictures = [picture(0), picture(20)]
    found = read_back(draw_run(faces(wrong), pictures, title="t"), right, pictures)
    assert {(one.position, one.what) for one in found} >= {(1, what), (2, what)}


def test_swapped_photos_are_found_and_names_stay_out_of_findings():
    right, pictures = [content(0), content(1)], [picture(0), picture(20)]
    run = draw_run(faces(right), pictures[::-1], title="t")
    assert {(one.position, one.what) for one in read_back(run, right, pictures)} == {(1, "portrait"), (2, "portrait")}
    swapped = draw_run(faces(right[::-1]), pictures[::-1], title="t")
    assert "Żółk" not in str(read_back(swapped, right, pictures))


def test_a_page_too_few_and_a_broken_file_are_found():
    right, pictures = [content(0), content(1)], [picture(0), picture(20)]
    short = draw_run(faces(right[:1]), pictures[:1], title="t")
    assert [one.what for one in read_back(short, right, pictures)] == ["page"]
    assert [one.what for one in read_back(short[:300], right, pictures)] == ["page"]


NAMES = {
    "sixty letters": "Wiśniewska-Konstantynopolitańczykowianeczka Brzęczyszczykiew",
    "Vietnamese": "Nguyễn Thị Minh Khai Phương Thảo Bình Dương Hồng Đức Quỳnh An",
    "Polish": "Żółkiewska-Brzęczyszczykiewicz",
    "Lithuanian": "Šarūnė Kęstaitytė-Vaičiūnienė",
    "Romanian": "Ștefan Țepeș-Brâncoveanu",
    "Sámi": "Ánnámáret Ŋuolla Čáhppe Đorvu Ŧ",
    "Cyrillic": "Ольга Щербакова",
    "one letter": "Ø",
    "Norwegian": "Æsa Ødegård",
}


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("sort", NAMES)
def test_names_of_the_world_are_drawn_inside_their_boxes_and_read_by_a_second_library(sort: str, form: str):
    name = unicodedata.normalize(form, NAMES[sort])
    one = content(0, family_name=name, given_name=name)
    run = draw_run(faces([one]), [picture(0)], title="t")
    assert read_back(run, [one], [picture(0)]) == []
    text = "".join(pypdf.PdfReader(io.BytesIO(run)).pages[0].extract_text().split())
    assert text.count(unicodedata.normalize("NFC", "".join(name.split()))) == 2
    assert ink_outside_its_box(run, "family_name") == 0


def ink_outside_its_box(run: bytes, placeholder: str) -> int:
    """Dots of black between the boxes of a value and its neighbours, at 300 dpi: letters that stick out."""
    with Image.open(io.BytesIO(page_png(run, 0, 300))) as opened:
        grey = np.asarray(opened.convert("L")) < 40
    place = next(e for e in faces_of("construction-2026a").front if getattr(e, "placeholder", "") == placeholder)
    left, top = 12 + place.box.x / 25.4 * 300, 12 + place.box.y / 25.4 * 300
    right, foot = left + place.box.w / 25.4 * 300, top + place.box.h / 25.4 * 300
    around = grey[round(top - 2) : round(foot + 4), round(left - 24) : round(right + 24)].copy()
    inside = (slice(0, None), slice(22, 26 + round(right - left)))
    assert around[inside].any()
    around[inside] = False
    return int(around.sum())


def test_sixty_letters_are_sixty():
    assert len(NAMES["sixty letters"]) == 60


def test_decomposed_letters_are_set_composed():
    one = content(0, family_name=unicodedata.normalize("NFD", "Nguyễn"))
    assert fitted_side(faces([one])[0], "front")[2][1].lines == ("Nguyễn",)


@pytest.mark.parametrize(
    ("changed", "reason", "field"),
    [
        ({"family_name": "𠮷田"}, "name_glyph", "family_name"),
        ({"given_name": "محمد"}, "name_glyph", "given_name"),
        ({"given_name": "Ka\u0303\u0301ri\u200b"}, "name_glyph", "given_name"),
        ({"family_name": "W" * 60}, "name_too_long", "family_name"),
        ({"employer": "Entreprenør " * 20}, "name_too_long", "employer"),
    ],
)
def test_what_cannot_be_set_is_a_fault_with_its_field(changed: dict[str, str], reason: str, field: str):
    fault = lay_out(content(0, **changed))
    assert isinstance(fault, FaceFault)
    assert (fault.reason, fault.field) == (reason, field)


STEPS = {
    "as it is": ("Berg", 1, "bold", 11),
    "shrunk": ("Bergersen-Haugland Johannesdatter", 1, "bold", None),
    "condensed": ("Bergersen-Haugland Johannesdatter Kvam Nordli", 1, "condensed_bold", None),
    "two lines": ("Bergersen-Haugland Johannesdatter Kvam Nordli Solbakken Vik av Østre Aker", 2, "bold", None),
    "two condensed lines": ("Bergersen-Haugland " * 5, 2, "condensed_bold", None),
}


@pytest.mark.parametrize("step", STEPS)
def test_a_long_name_meets_every_step_of_fitting_in_turn(step: str):
    name, lines, style, size = STEPS[step]
    one = content(0, family_name=name.strip())
    _, fitted = fitted_side(faces([one])[0], "front")[2]
    assert (len(fitted.lines), fitted.style) == (lines, style)
    assert fitted.size_pt == (size or fitted.size_pt)
    assert fitted.size_pt >= 6
    assert read_back(draw_run(faces([one]), [picture(0)], title="t"), [one], [picture(0)]) == []


def test_designs_cover_their_kinds_by_date_and_refuse_other_days():
    assert design_on(date(2026, 11, 23), "cleaning") == "cleaning-2026a"
    with pytest.raises(Refused, match=r"print\.no_design"):
        design_on(date(2007, 1, 1), "construction")


def test_every_placeholder_has_a_sample_and_is_on_every_design():
    assert set(SAMPLES) == set(placeholders())
    for look, side in product(designs(), ("front", "back")):
        assert any(element.type == "value" for element in faces_of(look.design).side(side))


def test_codes_lie_on_whole_dots_with_their_quiet_zone_and_a_long_address_is_refused():
    place = next(e for e in faces_of("construction-2026a").back if isinstance(e, CodeBox) and e.type == "qr")
    bars, right, up = bars_in(content(0).status_url, place)
    assert min(right, up) >= 4 * place.module_dots
    assert max(right + bars.width, up + bars.height) <= place.box.w / 25.4 * 300 - 4 * place.module_dots
    with pytest.raises(Refused, match=r"print\.code_too_big"):
        bars_in("https://status.hsecard.example/" + "x" * 200, place)


def test_sheets_for_the_operator_are_drawn():
    contents = [content(0), content(1)]
    sheet = draw_run_sheet("B-7", [(1, contents[0]), (2, contents[1])])
    text = pypdf.PdfReader(io.BytesIO(sheet)).pages[0].extract_text()
    assert "4388261" in text
    assert "4388262" in text
    run = draw_run(faces(contents), [picture(0), picture(20)], title="t")
    with Image.open(io.BytesIO(draw_contact_sheet(run, columns=2))) as fronts:
        assert fronts.width > 2 * 250
