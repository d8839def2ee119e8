"""Cards on sheets: each where the sheet says, backs behind their fronts, cut on the line, read back card by card."""

import hashlib
import io
import json
from datetime import date
from functools import cache
from pathlib import Path

import numpy as np
import pypdf
import pytest
from PIL import Image

from cards.errors import Refused
from printing.faces import lay_out
from printing.models import Face, FaceContent
from printing.page import BLEED_DOTS, PAGE_DOTS
from printing.proof import read_back
from printing.run import draw_contact_sheet, draw_run, draw_run_sheet, page_png
from printing.sheet import SINGLE, Sheet, bundled_sheets, sheet_named

A4 = "a4-10up"


@cache
def picture(shade: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (260, 331), (60 + 10 * shade, 120, 200 - 10 * shade)).save(file, "JPEG", quality=90)
    return file.getvalue()


def content(index: int) -> FaceContent:
    kind = (("construction", "Bygg og anlegg", "Construction"), ("cleaning", "Renhold", "Cleaning"))[index % 2]
    return FaceContent(
        card_id=f"card-{index}", number=f"{4388261 + index}", kind=kind[0], kind_label_no=kind[1],
        kind_label_en=kind[2], given_name="Paweł", family_name=f"Żółk{'abcdefghijklmn'[index]}",
        birth_date=date(1990, 2, 28), employer="Fjordbygg AS", org_number="310149942", issued_on=date(2026, 11, 23),
        issuer="Evry Card Services AS", status_url=f"https://status.hsecard.example/{4388261 + index}/K7Q2PMX4",
        portrait_sha256=hashlib.sha256(picture(index)).hexdigest(),
    )  # fmt: skip


@cache
def run_of(count: int, sheet: str = A4) -> bytes:
    faces = [face for index in range(count) if isinstance(face := lay_out(content(index)), Face)]
    return draw_run(faces, [picture(index) for index in range(count)], title="t", sheet=sheet_named(sheet))


def ordered(count: int) -> tuple[list[FaceContent], list[bytes]]:
    return [content(index) for index in range(count)], [picture(index) for index in range(count)]


def test_a_run_on_sheets_reads_back_card_by_card():
    contents, pictures = ordered(12)
    sheet = sheet_named(A4)
    assert read_back(run_of(12), contents, pictures, sheet=sheet) == []
    assert read_back(run_of(12), contents[10:], pictures[10:], first=10, cards=12, sheet=sheet) == []
    pages = pypdf.PdfReader(io.BytesIO(run_of(12)), strict=True).pages
    assert len(pages) == 4
    assert [float(side) * 25.4 / 72 for side in pages[0].mediabox[2:]] == pytest.approx([210, 297], abs=0.05)


def test_two_cards_that_changed_places_on_a_sheet_are_found():
    contents, pictures = ordered(4)
    swapped = [contents[0], contents[3], contents[2], contents[1]]
    found = read_back(run_of(4), swapped, pictures, sheet=sheet_named(A4))
    assert {one.position for one in found} == {2, 4}
    alone = read_back(run_of(4), contents, pictures)
    assert [one.what for one in alone] == ["page"]
    wrong_paper = read_back(run_of(4, "card"), contents, pictures, sheet=sheet_named(A4))
    assert {one.what for one in wrong_paper} == {"page"}


def test_each_back_lies_behind_its_front_when_the_sheet_is_turned():
    sheet = sheet_named(A4)
    wide = sheet.size[0]
    for index in range(sheet.cells):
        front, back = sheet.spot(index, "front"), sheet.spot(index, "back")
        assert (back.page, back.low) == (front.page + 1, front.low)
        assert abs(wide - (back.left + PAGE_DOTS[0]) - front.left) <= 1


def test_no_card_draws_into_its_neighbour_and_marks_lie_on_the_cut():
    sheet = sheet_named(A4)
    with Image.open(io.BytesIO(page_png(run_of(4), 0, 300))) as opened:
        paper = np.asarray(opened.convert("L"))
    spots = [sheet.spot(index, "front") for index in range(4)]
    below = paper.shape[0] - spots[2].low  # the first row under the cards is empty paper, but for marks in the margins
    assert (paper[below + 2 : below + 400, spots[2].left : spots[3].left + PAGE_DOTS[0]] == 255).all()
    top = paper.shape[0] - spots[0].low - PAGE_DOTS[1]
    cut = spots[0].left + BLEED_DOTS
    assert (paper[top - 40 : top - 8, cut - 1 : cut + 1] < 128).any(axis=1).all()
    assert (paper[top - 40 : top - 8, cut + 6 : cut + 900] == 255).all()


def test_the_run_sheet_and_the_contact_sheet_follow_the_sheet():
    contents, _ = ordered(12)
    sheet = sheet_named(A4)
    rows = list(enumerate(contents, start=1))
    text = pypdf.PdfReader(io.BytesIO(draw_run_sheet("P-1", rows, lot="L-9", sheet=sheet))).pages[0].extract_text()
    assert "2 ark / sheets a4-10up" in text
    assert "parti / lot L-9" in text
    assert [name for name in ("1-1-1", "1-1-2", "1-5-2", "2-1-2") if name not in text] == []
    with Image.open(io.BytesIO(draw_contact_sheet(run_of(12), columns=6, sheet=sheet, count=12))) as fronts:
        assert fronts.height < 2 * 190
        tints = {fronts.getpixel((60 + 266 * index, 20)) for index in range(4)}
    assert len(tints) == 2  # the bands of two kinds of card


def test_a_sheet_of_one_is_the_card_with_its_bleed():
    assert sheet_named("card").size == SINGLE.size == PAGE_DOTS
    assert SINGLE.spot(7, "back") == (15, 0, 0)
    assert sheet_named("card").marks() == ""


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"columns": 3}, "cards need"),
        ({"turned_over": "short_edge"}, "upright edge"),
        ({"height_mm": 285}, "cut marks need"),
        ({"colums": 2}, "colums"),
    ],
)
def test_a_sheet_that_cannot_work_is_refused_with_its_field(tmp_path: Path, changed: dict[str, object], words: str):
    file = tmp_path / "own.json"
    file.write_text(json.dumps(bundled_sheets()[A4].model_dump() | changed), "utf-8")
    with pytest.raises(Refused, match=words) as refused:
        sheet_named(str(file))
    assert refused.value.code == "print.sheet"


def test_a_sheet_of_ones_own_and_an_unknown_one(tmp_path: Path):
    file = tmp_path / "own.json"
    file.write_text('{"sheet": "a3", "width_mm": 297, "height_mm": 420, "columns": 3, "rows": 7, "gap_mm": 2}', "utf-8")
    assert sheet_named(str(file)).cells == 21
    assert Sheet.model_validate_json(file.read_text("utf-8")) == sheet_named(str(file))
    with pytest.raises(Refused, match=r"print\.no_sheet"):
        sheet_named("a5-4up")
