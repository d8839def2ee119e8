"""The paper that goes with a run: which card lies where, how many blanks to take, room to tick what came of each.

Made for hands and scanners: card number as Code 128, position as the operator counts, place on the sheet where many
cards share one, and two boxes for good and spoiled with the count to sign at the end.
"""

import io
from collections.abc import Sequence

from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from printing.artwork import MM
from printing.codes import DOT_MM, bars_op, code128_bars
from printing.models import FaceContent
from printing.sheet import SINGLE, Sheet
from printing.typeset import font_name, unprintable, width_mm

_ROWS = 23
_TOP_MM = 263.0
_STEP_MM = 10.4
_RIGHT_MM = 195.0
_COLUMNS_MM = {"position": 15.0, "number": 30.0, "name": 49.0, "employer": 98.0, "code": 143.0, "good": 177.0}
_TITLES = {
    "position": "Plass / Pos.",
    "number": "Kortnr. / No.",
    "name": "Navn / Name",
    "employer": "Arbeidsgiver / Employer",
    "code": "Kode / Code",
    "good": "OK",
    "spoiled": "Vrak",
}
_SPOILED_MM = 184.5


def draw_run_sheet(
    batch_id: str, rows: Sequence[tuple[int, FaceContent]], *, lot: str = "", sheet: Sheet = SINGLE
) -> bytes:
    """An A4 list of a batch as PDF, 23 cards a page: `rows` are (position in the tray, card) in the order of the run.

    `lot` is where the blanks come from. On `sheet`s of many cards each row names sheet, row and column, counted from
    the top left of the front.
    """
    paper = io.BytesIO()
    pages = [rows[start : start + _ROWS] for start in range(0, len(rows), _ROWS)] or [rows]
    canvas = Canvas(paper, pagesize=A4, invariant=1, pageCompression=1, initialFontName=font_name("regular"))
    canvas.setTitle(f"Run sheet {batch_id}")
    for number, page in enumerate(pages):
        _draw_head(canvas, batch_id, f"{number + 1} / {len(pages)}", _needed(rows, lot, sheet))
        for line, (position, content) in enumerate(page):
            place = sheet.place_name(number * _ROWS + line)
            _draw_row(canvas, _TOP_MM - (line + 1) * _STEP_MM, f"{position}", place, content)
        _draw_foot(canvas)
        canvas.showPage()
    canvas.save()
    return paper.getvalue()


def _needed(rows: Sequence[tuple[int, FaceContent]], lot: str, sheet: Sheet) -> str:
    blanks = f"{len(rows)} blanke kort / blanks"
    where = f" · parti / lot {lot}" if lot else ""
    sheets = f" · {sheet.pages(len(rows)) // 2} ark / sheets {sheet.sheet}" if sheet.cells > 1 else ""
    return blanks + where + sheets


def _draw_head(canvas: Canvas, batch_id: str, page: str, needed: str) -> None:
    canvas.setFillGray(0)
    canvas.setFont(font_name("bold"), 14)
    canvas.drawString(15 * MM, 279 * MM, f"Kjøreliste / Run sheet  {batch_id}")
    canvas.setFont(font_name("regular"), 9)
    canvas.drawString(15 * MM, 273 * MM, needed)
    canvas.drawRightString(_RIGHT_MM * MM, 279 * MM, page)
    canvas.setFont(font_name("bold"), 6.5)
    for column, title in _TITLES.items():
        canvas.drawString(_COLUMNS_MM.get(column, _SPOILED_MM) * MM, _TOP_MM * MM, title)
    canvas.setLineWidth(0.5)
    canvas.setStrokeGray(0)
    canvas.line(15 * MM, (_TOP_MM - 1.8) * MM, _RIGHT_MM * MM, (_TOP_MM - 1.8) * MM)


def _draw_row(canvas: Canvas, y: float, position: str, place: str, content: FaceContent) -> None:
    canvas.setFillGray(0)
    canvas.setFont(font_name("bold"), 9)
    canvas.drawString(_COLUMNS_MM["position"] * MM, y * MM, position)
    canvas.setFont(font_name("regular"), 6.5)
    canvas.drawString((_COLUMNS_MM["position"] + 6.5) * MM, y * MM, place)
    canvas.setFont(font_name("bold"), 10)
    canvas.drawString(_COLUMNS_MM["number"] * MM, y * MM, content.number)
    canvas.setFont(font_name("condensed"), 9)
    canvas.drawString(_COLUMNS_MM["name"] * MM, y * MM, _cut(f"{content.family_name}, {content.given_name}", 47))
    canvas.drawString(_COLUMNS_MM["employer"] * MM, y * MM, _cut(content.employer, 41))
    bars = code128_bars(content.number, 3, round(6 / DOT_MM))
    left, low = _COLUMNS_MM["code"] / DOT_MM, (y - 1.6) / DOT_MM
    canvas._code.append(bars_op(bars, round(left), round(low)))
    canvas.setStrokeGray(0.35)
    canvas.setLineWidth(0.6)
    for box in (_COLUMNS_MM["good"], _SPOILED_MM):
        canvas.rect(box * MM, (y - 0.6) * MM, 4 * MM, 4 * MM)
    canvas.setStrokeGray(0.8)
    canvas.line(15 * MM, (y - 2.9) * MM, _RIGHT_MM * MM, (y - 2.9) * MM)


def _draw_foot(canvas: Canvas) -> None:
    """What the one who ran it counts and signs."""
    canvas.setFont(font_name("regular"), 7.5)
    canvas.setStrokeGray(0.35)
    x = 15.0
    for words, room in (("OK", 16), ("Vrak / Spoiled", 16), ("Tilbake / Returned", 16), ("Kjørt av / Run by", 45)):
        canvas.drawString(x * MM, 12 * MM, words)
        start = x + width_mm(words, "regular", 7.5) + 2
        canvas.line(start * MM, 11.5 * MM, (start + room) * MM, 11.5 * MM)
        x = start + room + 5


def _cut(text: str, width: float) -> str:
    """A list may shorten what a card may not; the card number beside it says who is meant."""
    plain = "".join("?" if unprintable(letter, "condensed") else letter for letter in text)
    while width_mm(plain, "condensed", 9) > width:
        plain = f"{plain[:-2]}…"
    return plain
