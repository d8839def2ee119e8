"""One side of one card as a PDF page: geometry in device dots, portrait, codes and values over the shared artwork.

What makes it fast: the portrait's JPEG goes in as it is, named by its digest and never
decoded; the ground and the fixed words are one form a side and file; codes are plain rectangles; no ASCII85.
"""

import hashlib
import io

from reportlab.lib.colors import HexColor
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from printing.artwork import MM, paint_ground
from printing.codes import DOT_MM, DOT_PT, Bars, dots_op, placed_bars
from printing.faces import fitted_side
from printing.layout import (
    Box,
    CodeBox,
    Design,
    Ink,
    Label,
    Panel,
    PortraitBox,
    Side,
    ValueText,
    Words,
    design,
    faces_of,
)
from printing.models import CARD_HEIGHT_MM, CARD_WIDTH_MM, Face
from printing.typeset import LINE_STEP, POINT_MM, Fitted, font_name, width_mm, wrapped

BLEED_DOTS = 12  # 1.016 mm on every side: what card printers print over the edge
PAGE_DOTS = (1035, 662)  # 85.60 x 53.98 mm and the bleed, rounded up to whole dots of 1/300 inch
SIDES: tuple[Side, Side] = ("front", "back")
_ASCENT = 0.9  # of the type size, from the head of a box to the first baseline: room for a capital with its accent


class _Jpeg(ImageReader):  # type: ignore[misc]  # reportlab ships no types
    """A finished JPEG that reportlab embeds as it is: named by its digest, never decoded."""

    _dataA = None  # noqa: N815  # reportlab looks for a transparency mask under this name

    def __init__(self, data: bytes) -> None:
        self._jpeg = data

    def getRGBData(self) -> bytes:  # noqa: N802  # reportlab asks for it by this name
        return hashlib.blake2b(self._jpeg, digest_size=16).digest()

    def jpeg_fh(self) -> io.BytesIO:
        return io.BytesIO(self._jpeg)


def page_size() -> tuple[float, float]:
    """Width and height of a page in points: the card and its bleed."""
    return PAGE_DOTS[0] * DOT_PT, PAGE_DOTS[1] * DOT_PT


def trim_box() -> tuple[float, float, float, float]:
    """The card itself within the page, in points."""
    edge = BLEED_DOTS * DOT_PT
    return edge, edge, round(edge + CARD_WIDTH_MM * MM, 3), round(edge + CARD_HEIGHT_MM * MM, 3)


def draw_page(canvas: Canvas, face: Face, portrait: bytes, side: Side, drawn: set[str]) -> None:
    """One side of one card as the next page; `drawn` remembers which forms this file already has."""
    look = design(face.design)
    form = f"{face.design}-{side}"
    if form not in drawn:
        _draw_form(canvas, look, side, form)
        drawn.add(form)
    canvas.translate(BLEED_DOTS * DOT_PT, BLEED_DOTS * DOT_PT)
    canvas.doForm(form)
    for element in faces_of(face.design).side(side):
        if isinstance(element, PortraitBox):
            _place_portrait(canvas, portrait, element.box)
        elif isinstance(element, CodeBox):
            text = face.content.status_url if element.type == "qr" else face.content.number
            paint_bars(canvas, placed_bars(text, element), *_corner_dots(element.box))
    for place, fitted in fitted_side(face, side):
        _set_value(canvas, place, fitted, look)
    canvas.showPage()


def _draw_form(canvas: Canvas, look: Design, side: Side, name: str) -> None:
    """All that every card of a design shares, as one form XObject."""
    over = 3 * MM
    canvas.beginForm(name, -over, -over, CARD_WIDTH_MM * MM + over, CARD_HEIGHT_MM * MM + over)
    paint_ground(canvas, look, side)
    for element in faces_of(look.design).side(side):
        if isinstance(element, Panel):
            _draw_panel(canvas, element, look)
        elif isinstance(element, Label):
            _draw_label(canvas, element, look)
        elif isinstance(element, Words):
            _draw_words(canvas, element, look)
    canvas.endForm()


def _draw_panel(canvas: Canvas, panel: Panel, look: Design) -> None:
    canvas.setFillColor(HexColor(look.palette[panel.fill]))
    if panel.edge is not None:
        canvas.setStrokeColor(HexColor(look.palette[panel.edge]))
        canvas.setLineWidth(0.15 * MM)
    box = panel.box
    left, low = box.x * MM, (CARD_HEIGHT_MM - box.y - box.h) * MM
    stroke = 0 if panel.edge is None else 1
    canvas.roundRect(left, low, box.w * MM, box.h * MM, panel.radius_mm * MM, stroke=stroke, fill=1)


def _draw_label(canvas: Canvas, label: Label, look: Design) -> None:
    """Norwegian in bold, English beside it: the eye finds its own language by weight."""
    size = label.size_pt
    english = f" / {label.en}"
    width = width_mm(label.no, "bold", size) + width_mm(english, "regular", size)
    x = label.x - width if label.align == "right" else label.x
    y = CARD_HEIGHT_MM - label.y - _ASCENT * size * POINT_MM
    _ink(canvas, label.ink, look)
    canvas.setFont(font_name("bold"), size)
    canvas.drawString(x * MM, y * MM, label.no)
    canvas.setFont(font_name("regular"), size)
    canvas.drawString((x + width_mm(label.no, "bold", size)) * MM, y * MM, english)


def _draw_words(canvas: Canvas, words: Words, look: Design) -> None:
    lines = wrapped(words.text, words.style, words.size_pt, words.box.w)
    step = words.size_pt * words.leading * POINT_MM
    _ink(canvas, words.ink, look)
    canvas.setFont(font_name(words.style), words.size_pt)
    first = CARD_HEIGHT_MM - words.box.y - _ASCENT * words.size_pt * POINT_MM
    for index, line in enumerate(lines):
        canvas.drawString(words.box.x * MM, (first - index * step) * MM, line)


def _set_value(canvas: Canvas, place: ValueText, fitted: Fitted, look: Design) -> None:
    """The lines of a value from the head of its box; a single line that shrank keeps the baseline of its neighbours."""
    _ink(canvas, place.ink, look)
    canvas.setFont(font_name(fitted.style), fitted.size_pt)
    size = place.size_pt if len(fitted.lines) == 1 else fitted.size_pt
    first = CARD_HEIGHT_MM - place.box.y - _ASCENT * size * POINT_MM
    for index, line in enumerate(fitted.lines):
        x = _line_start(line, place, fitted)
        canvas.drawString(x * MM, (first - index * LINE_STEP * fitted.size_pt * POINT_MM) * MM, line)


def _line_start(line: str, place: ValueText, fitted: Fitted) -> float:
    if place.align == "left":
        return place.box.x
    spare = place.box.w - width_mm(line, fitted.style, fitted.size_pt)
    return place.box.x + (spare if place.align == "right" else spare / 2)


def _ink(canvas: Canvas, ink: Ink, look: Design) -> None:
    """Black is DeviceGray 0: the only black that every card printer takes from its black panel."""
    if ink == "black":
        canvas.setFillGray(0)
    else:
        canvas.setFillColor(HexColor(look.palette[ink]))


def _place_portrait(canvas: Canvas, portrait: bytes, box: Box) -> None:
    low = CARD_HEIGHT_MM - box.y - box.h
    canvas.drawImage(_Jpeg(portrait), box.x * MM, low * MM, box.w * MM, box.h * MM)


def _corner_dots(box: Box) -> tuple[int, int]:
    """The lower left corner of a box on the dot grid."""
    return round(box.x / DOT_MM), round((CARD_HEIGHT_MM - box.y - box.h) / DOT_MM)


def paint_bars(canvas: Canvas, bars: Bars, left: int, low: int) -> None:
    """Black rectangles on whole dots, from the dot (`left`, `low`) of the present origin."""
    operators = [f"{dots_op(x + left)} {dots_op(y + low)} {dots_op(w)} {dots_op(h)} re" for x, y, w, h in bars.boxes]
    canvas.setFillGray(0)
    canvas._code.append(" ".join(operators) + " f")  # raw: a path object costs ten times as much for 300 modules
