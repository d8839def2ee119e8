"""Labels that carry a number of the carrier's: S10 (UPU) for mailbox parcels and registered mail, SSCC-18 for parcels.

Sizes, bar widths and heights are the carrier's label sheets'. A number that fails its own check is refused before ink:
a label with a wrong digit travels, and nobody can trace it.
"""

import io
from typing import Literal

from reportlab.graphics.barcode.code39 import Standard39
from reportlab.graphics.barcode.code128 import Code128
from reportlab.pdfgen.canvas import Canvas

from cards.address import Address
from cards.errors import Refused
from shipping.drawing import MM, draw_data_matrix, fitted, open_canvas, text_at
from shipping.models import Shipment
from shipping.numbers import is_s10, is_sscc, shipment_code

S10Symbology = Literal["code39", "code128"]

S10_LABEL_MM = (99.0, 105.0)
SSCC_LABEL_MM = (101.0, 192.0)
BAR_MM = 3 * 25.4 / 203  # 0.3754: at least the 0.375 asked, and three whole dots at 203 dpi
S10_BARS_MM = 28.0
SSCC_BARS_MM = 25.0


def number_label(shipment: Shipment, number: str, *, sender: Address, s10: S10Symbology = "code39") -> bytes:
    """The label of a tracked shipment as PDF: 99 × 105 mm for an S10 number, 101 × 192 mm for an SSCC-18.

    `s10` chooses the bars of an S10 number: Code 39 with its mod-43 check letter, or Code 128. Raises Refused
    `label.number_wrong` when the number is neither, `letter.glyph_missing` and `label.address_too_large`.
    """
    if is_s10(number):
        size, bars_mm, bars = S10_LABEL_MM, S10_BARS_MM, _s10_bars(number, s10)
    elif is_sscc(number):
        size, bars_mm, bars = SSCC_LABEL_MM, SSCC_BARS_MM, _sscc_bars(number)
    else:
        raise Refused(
            "label.number_wrong",
            f"{number!r} is neither an S10 number nor an SSCC with a right check digit",
            field="number",
            fix="take the number from the carrier's letter again; never correct its last digit by hand",
        )
    buffer = io.BytesIO()
    canvas = open_canvas(buffer, title=f"Label {number}", size_mm=size)
    _draw_places(canvas, shipment, sender, size)
    _draw_bars(canvas, bars, number, size=size, bars_mm=bars_mm)
    canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def _s10_bars(number: str, symbology: S10Symbology) -> Standard39 | Code128:
    height = S10_BARS_MM * MM
    if symbology == "code128":
        return Code128(number, barWidth=BAR_MM * MM, barHeight=height, quiet=0, humanReadable=0)
    return Standard39(number, barWidth=BAR_MM * MM, ratio=2.0, checksum=1, barHeight=height, quiet=0, humanReadable=0)


def _sscc_bars(number: str) -> Code128:
    """GS1-128: FNC1 (ReportLab's \\xf1) and application identifier 00 before the eighteen digits."""
    height = SSCC_BARS_MM * MM
    return Code128(f"\xf100{number}", barWidth=BAR_MM * MM, barHeight=height, quiet=0, humanReadable=0)


def _draw_places(canvas: Canvas, shipment: Shipment, sender: Address, size: tuple[float, float]) -> None:
    width, height = size
    line = f"Fra: {sender.recipient}, {sender.street}, {sender.postcode} {sender.city}"
    style, points = fitted(line, width=width - 12, size=8)
    text_at(canvas, line, x=6, y=8, size=points, style=style, height=height)
    canvas.setLineWidth(0.4)
    canvas.line(6 * MM, (height - 11) * MM, (width - 6) * MM, (height - 11) * MM)
    text_at(canvas, "Til:", x=6, y=17, size=8, grey=True, height=height)
    fits = [fitted(line, width=width - 40, size=11) for line in shipment.label_lines]
    if len(fits) > 6 or min(points for _, points in fits) < 7:
        raise Refused(
            "label.address_too_large",
            "the address does not fit the label",
            field="label_lines",
            fix="have the address shortened: at most six lines of about 35 letters",
        )
    for place, (text, (style, points)) in enumerate(zip(shipment.label_lines, fits, strict=True)):
        text_at(canvas, text, x=14, y=17 + 5 * place, size=points, style=style, height=height)
    draw_data_matrix(canvas, shipment_code(shipment.number), x=width - 20, y=14, size=14, height=height)
    text_at(canvas, shipment_code(shipment.number), x=width - 13, y=32, size=7, align="centre", height=height)
    contents = f"{len(shipment.card_ids)} kort · {shipment.weight_g:g} g · {shipment.product}"
    text_at(canvas, contents, x=6, y=51, size=8, height=height)


def _draw_bars(
    canvas: Canvas, bars: Standard39 | Code128, number: str, *, size: tuple[float, float], bars_mm: float
) -> None:
    """The bars in the middle of the label's foot, the number as people read it below them."""
    width, height = size
    foot = 14.0
    canvas.setLineWidth(0.4)
    canvas.line(6 * MM, (foot + bars_mm + 6) * MM, (width - 6) * MM, (foot + bars_mm + 6) * MM)
    bars.drawOn(canvas, (width * MM - bars.width) / 2, foot * MM)
    text_at(canvas, _readable(number), x=width / 2, y=height - 7, size=12, style="bold", align="centre", height=height)


def _readable(number: str) -> str:
    if len(number) == 13:
        return f"{number[:2]} {number[2:5]} {number[5:8]} {number[8:11]} {number[11:]}"
    return f"(00) {number[0]} {number[1:8]} {number[8:17]} {number[17]}"
