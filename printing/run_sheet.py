"""The paper that goes with a run: which card lies at which position, for the hands and the scanner of the operator."""

import io
from collections.abc import Sequence

from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from printing.artwork import MM
from printing.codes import DOT_MM, code128_bars
from printing.models import FaceContent
from printing.page import paint_bars
from printing.typeset import font_name, unprintable, width_mm

_ROWS = 24
_TOP_MM = 268.0
_STEP_MM = 10.4
_COLUMNS_MM = {"position": 18.0, "number": 31.0, "name": 52.0, "employer": 105.0, "code": 160.0}
_TITLES = {
    "position": "Plass / Pos.",
    "number": "Kortnr. / No.",
    "name": "Navn / Name",
    "employer": "Arbeidsgiver / Employer",
    "code": "Kode / Code",
}


def draw_run_sheet(batch_id: str, rows: Sequence[tuple[int, FaceContent]]) -> bytes:
    """An A4 list of a batch as PDF: position, number, name, employer and Code 128 of the number, 24 cards a page."""
    sheet = io.BytesIO()
    pages = [rows[start : start + _ROWS] for start in range(0, len(rows), _ROWS)] or [rows]
    canvas = Canvas(sheet, pagesize=A4, invariant=1, pageCompression=1, initialFontName=font_name("regular"))
    canvas.setTitle(f"Run sheet {batch_id}")
    for number, page in enumerate(pages, start=1):
        _draw_head(canvas, batch_id, f"{number} / {len(pages)}", len(rows))
        for line, (position, content) in enumerate(page):
            _draw_row(canvas, _TOP_MM - (line + 1) * _STEP_MM, position, content)
        canvas.showPage()
    canvas.save()
    return sheet.getvalue()


def _draw_head(canvas: Canvas, batch_id: str, page: str, count: int) -> None:
    canvas.setFillGray(0)
    canvas.setFont(font_name("bold"), 14)
    canvas.drawString(18 * MM, 281 * MM, f"Kjøreliste / Run sheet  {batch_id}")
    canvas.setFont(font_name("regular"), 9)
    canvas.drawString(18 * MM, 275.5 * MM, f"{count} kort / cards")
    canvas.drawRightString(192 * MM, 275.5 * MM, page)
    canvas.setFont(font_name("bold"), 7)
    for column, title in _TITLES.items():
        canvas.drawString(_COLUMNS_MM[column] * MM, _TOP_MM * MM, title)
    canvas.setLineWidth(0.5)
    canvas.line(18 * MM, (_TOP_MM - 1.8) * MM, 192 * MM, (_TOP_MM - 1.8) * MM)


def _draw_row(canvas: Canvas, y: float, position: int, content: FaceContent) -> None:
    canvas.setFillGray(0)
    canvas.setFont(font_name("regular"), 9)
    canvas.drawString(_COLUMNS_MM["position"] * MM, y * MM, str(position))
    canvas.setFont(font_name("bold"), 10)
    canvas.drawString(_COLUMNS_MM["number"] * MM, y * MM, content.number)
    canvas.setFont(font_name("condensed"), 9)
    canvas.drawString(_COLUMNS_MM["name"] * MM, y * MM, _cut(f"{content.family_name}, {content.given_name}", 51))
    canvas.drawString(_COLUMNS_MM["employer"] * MM, y * MM, _cut(content.employer, 53))
    bars = code128_bars(content.number, 3, round(6 / DOT_MM))
    left, low = _COLUMNS_MM["code"] / DOT_MM, (y - 1.6) / DOT_MM
    paint_bars(canvas, bars, round(left), round(low))
    canvas.setStrokeGray(0.8)
    canvas.line(18 * MM, (y - 2.9) * MM, 192 * MM, (y - 2.9) * MM)


def _cut(text: str, width: float) -> str:
    """A list may shorten what a card may not; the card number beside it says who is meant."""
    plain = "".join("?" if unprintable(letter, "condensed") else letter for letter in text)
    while width_mm(plain, "condensed", 9) > width:
        plain = f"{plain[:-2]}…"
    return plain
