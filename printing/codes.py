"""QR and Code 128 as modules, and as bars on whole device dots of the card printer.

Widths that are no whole number of dots print unevenly and stop scanning; so all is
counted in dots of 1/300 inch, and a 600 dpi head prints two of its own for each.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import zxingcpp

from cards.errors import Refused
from printing.layout import CodeBox

DOT_PT = 72 / 300
DOT_MM = 25.4 / 300
QR_QUIET = 4  # modules, ISO/IEC 18004
CODE128_QUIET = 10  # modules, ISO/IEC 15417


class Bars(NamedTuple):
    """Black rectangles in dots: (x, y, width, height) from the lower left corner, and the size of the whole."""

    boxes: tuple[tuple[int, int, int, int], ...]
    width: int
    height: int


def qr_bars(text: str, module_dots: int) -> Bars:
    """QR code (level M) of `text` without its quiet zone."""
    return _runs(_modules(text, zxingcpp.BarcodeFormat.QRCode), module_dots, module_dots)


def code128_bars(text: str, module_dots: int, height_dots: int) -> Bars:
    """Code 128 of `text` without its quiet zone."""
    return _runs(_modules(text, zxingcpp.BarcodeFormat.Code128)[:1], module_dots, height_dots)


def placed_bars(text: str, place: CodeBox) -> Bars:
    """The bars of a code centred in its box on whole dots; x and y count from the box's lower left dot.

    Raises Refused `print.code_too_big` when code and quiet zone do not fit into the box.
    """
    wide, high = int(place.box.w / DOT_MM), int(place.box.h / DOT_MM)
    bars, quiet_x, quiet_y = _bars_for(text, place)
    if bars.width + 2 * quiet_x > wide or bars.height + 2 * quiet_y > high:
        raise Refused(
            "print.code_too_big",
            f"a {place.type} of {bars.width} x {bars.height} dots with its quiet zone is larger than {wide} x {high}",
            field="status_url" if place.type == "qr" else "number",
            fix="shorten the status address or enlarge the code's box in the layout file",
        )
    left, low = (wide - bars.width) // 2, (high - bars.height) // 2
    return Bars(tuple((x + left, y + low, w, h) for x, y, w, h in bars.boxes), bars.width, bars.height)


def _bars_for(text: str, place: CodeBox) -> tuple[Bars, int, int]:
    if place.type == "qr":
        quiet = QR_QUIET * place.module_dots
        return qr_bars(text, place.module_dots), quiet, quiet
    return code128_bars(text, place.module_dots, round(place.bar_mm / DOT_MM)), CODE128_QUIET * place.module_dots, 0


def _modules(text: str, kind: zxingcpp.BarcodeFormat) -> npt.NDArray[np.bool_]:
    """Rows of True for black, top row first."""
    options = {"ec_level": "M"} if kind == zxingcpp.BarcodeFormat.QRCode else {}
    picture = zxingcpp.create_barcode(text, kind, **options).to_image(scale=1, add_quiet_zones=False)
    modules: npt.NDArray[np.bool_] = np.asarray(picture) == 0
    return modules


def _runs(modules: npt.NDArray[np.bool_], across: int, up: int) -> Bars:
    """Neighbouring black modules of a row become one rectangle: fewer operators, no hairline gaps."""
    rows, columns = modules.shape
    edges = np.diff(np.pad(modules.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    starts, ends = np.argwhere(edges == 1), np.argwhere(edges == -1)
    boxes = tuple(
        (int(x0) * across, (rows - 1 - int(row)) * up, int(x1 - x0) * across, up)
        for (row, x0), (_, x1) in zip(starts, ends, strict=True)
    )
    return Bars(boxes, columns * across, rows * up)


@cache
def dots_op(value: int) -> str:
    """A length of `value` dots as a PDF number in points."""
    return f"{value * DOT_PT:.2f}".rstrip("0").rstrip(".")
