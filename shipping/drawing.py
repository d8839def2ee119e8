"""Ink on paper for the shipping room: millimetres from the top left, the house typeface, the DataMatrix.

ReportLab prints a missing glyph as a box without a word; here a text is written in full or refused.
"""

import io
from functools import cache
from typing import Literal

import numpy as np
import zxingcpp
from numpy.typing import NDArray
from reportlab import rl_config
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from cards.errors import Refused
from cards.typeface import FontStyle, font_file

rl_config.useA85 = 0  # a switch of the whole process: the same bytes, whichever room was imported first

MM = 72 / 25.4
WIDTH_MM, HEIGHT_MM = 210.0, 297.0
SIZE_MIN_PT = 8.0


@cache
def _face(style: FontStyle) -> tuple[str, frozenset[int]]:
    """The registered name of a style and the code points it can write."""
    name = f"Shipping-{style}"
    font = TTFont(name, str(font_file(style)))
    pdfmetrics.registerFont(font)
    return name, frozenset(font.face.charToGlyph)


def open_canvas(buffer: io.BytesIO, *, title: str, size_mm: tuple[float, float] = (WIDTH_MM, HEIGHT_MM)) -> Canvas:
    """A PDF that comes out the same byte for byte from the same drawing."""
    pages = (size_mm[0] * MM, size_mm[1] * MM)
    first, _ = _face("regular")  # otherwise each page names a Helvetica that does not travel with it
    canvas = Canvas(buffer, pagesize=pages, invariant=1, pageCompression=1, initialFontName=first)
    canvas.setTitle(title)
    canvas.setAuthor("hsecard")
    return canvas


def width_mm(text: str, *, style: FontStyle, size: float) -> float:
    """How wide a text is set, in millimetres. Raises Refused `letter.glyph_missing`."""
    name, glyphs = _face(style)
    missing = sorted({letter for letter in text if ord(letter) not in glyphs})
    if missing:
        shown = ", ".join(f"{letter!r} (U+{ord(letter):04X})" for letter in missing)
        raise Refused(
            "letter.glyph_missing",
            f"the house typeface cannot write {shown}",
            field="label_lines",
            fix="have the address or name written in Latin, Greek or Cyrillic letters",
        )
    return float(pdfmetrics.stringWidth(text, name, size)) / MM


def fitted(text: str, *, width: float, size: float) -> tuple[FontStyle, float]:
    """The style and size (pt) at which a text fits `width` mm: a little smaller first, condensed after that."""
    for style in ("regular", "condensed"):
        chosen: FontStyle = "regular" if style == "regular" else "condensed"
        full = width_mm(text, style=chosen, size=size)
        shrunk = size if full <= width else int(size * width / full * 4) / 4
        if shrunk >= (size - 1 if chosen == "regular" else 0):
            return chosen, shrunk
    return "condensed", SIZE_MIN_PT


def shortened(text: str, room: float) -> str:
    """What of a text fits `room` mm at the smallest; a list may cut a name as long as it shows that it did."""
    cut = text
    while width_mm(cut, style="condensed", size=6.5) > room:
        cut = cut.removesuffix("…")[:-1] + "…"
    return cut


def text_at(
    canvas: Canvas,
    text: str,
    *,
    x: float,
    y: float,
    size: float,
    style: FontStyle = "regular",
    align: Literal["left", "right", "centre"] = "left",
    grey: bool = False,
    height: float = HEIGHT_MM,
) -> None:
    """Set a text with its baseline `y` mm below the top of a page of `height` mm."""
    left = x - {"left": 0.0, "centre": 0.5, "right": 1.0}[align] * width_mm(text, style=style, size=size)
    canvas.setFont(_face(style)[0], size)
    canvas.setFillGray(0.45 if grey else 0)
    canvas.drawString(left * MM, (height - y) * MM, text)
    canvas.setFillGray(0)


def data_matrix(text: str) -> NDArray[np.bool_]:
    """The modules of a DataMatrix (ISO/IEC 16022, ECC 200) without quiet zone; True is dark."""
    barcode = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.DataMatrix)
    image = np.asarray(zxingcpp.write_barcode_to_image(barcode, scale=1, add_quiet_zones=False))
    return np.asarray(image < 128, dtype=np.bool_)


def draw_data_matrix(canvas: Canvas, text: str, *, x: float, y: float, size: float, height: float = HEIGHT_MM) -> None:
    """Draw a DataMatrix of `size` mm with its top left corner at x, y mm; runs of a row are one rectangle."""
    modules = data_matrix(text)
    module = size / max(modules.shape)
    path = canvas.beginPath()
    for row_number, row in enumerate(modules):
        edges = np.flatnonzero(np.diff(np.concatenate(([0], row.astype(np.int8), [0]))))
        bottom = (height - y - module * (row_number + 1)) * MM
        for start, end in zip(edges[::2], edges[1::2], strict=True):
            path.rect((x + module * float(start)) * MM, bottom, module * float(end - start) * MM, module * MM)
    canvas.setFillGray(0)
    canvas.drawPath(path, stroke=0, fill=1)
