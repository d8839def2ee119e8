"""QR and Code 128 as PDF operators: black bars on whole device dots of the card printer.

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
    """A code without its quiet zone: rows of modules (True is black, top row first) and one module's size in dots."""

    modules: npt.NDArray[np.bool_]
    across: int
    up: int

    @property
    def width(self) -> int:
        """In dots."""
        return int(self.modules.shape[1]) * self.across

    @property
    def height(self) -> int:
        """In dots."""
        return int(self.modules.shape[0]) * self.up


def qr_bars(text: str, module_dots: int) -> Bars:
    """QR code (level M) of `text` without its quiet zone."""
    return Bars(_modules(text, zxingcpp.BarcodeFormat.QRCode), module_dots, module_dots)


def code128_bars(text: str, module_dots: int, height_dots: int) -> Bars:
    """Code 128 of `text` without its quiet zone."""
    return Bars(_modules(text, zxingcpp.BarcodeFormat.Code128)[:1], module_dots, height_dots)


def bars_in(text: str, place: CodeBox) -> tuple[Bars, int, int]:
    """The code of `text`, and how many dots it lies right of and above its box's lower left dot: centred.

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
    return bars, (wide - bars.width) // 2, (high - bars.height) // 2


def bars_op(bars: Bars, left: int, low: int) -> str:
    """Black rectangles on whole dots with the lower left corner at the dot (`left`, `low`) of the present origin.

    Neighbouring black modules of a row become one rectangle: fewer operators, no hairline gaps. Counted in modules,
    under a matrix that makes a module a whole number of dots: whole numbers are short and pack well.
    """
    rows, columns = bars.modules.shape
    line = np.zeros((rows, columns + 1), np.int8)
    line[:, :columns] = bars.modules
    edges = np.flatnonzero(np.diff(line.ravel(), prepend=0))
    starts, ends = edges[::2], edges[1::2]
    y, x = np.divmod(starts, columns + 1)
    keys = (((rows - 1 - y) << 20) | (x << 10) | (ends - starts)).tolist()
    matrix = f"q {dots_op(bars.across)} 0 0 {dots_op(bars.up)} {dots_op(left)} {dots_op(low)} cm"
    return f"0 g\n{matrix} {' '.join([_run_op(key) for key in keys])} f Q"


@cache
def _run_op(key: int) -> str:
    """A run of black modules; at most a few thousand differ."""
    return f"{key >> 10 & 1023} {key >> 20} {key & 1023} 1 re"


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


@cache
def dots_op(value: int) -> str:
    """A length of `value` dots as a PDF number in points."""
    return f"{value * DOT_PT:.2f}".rstrip("0").rstrip(".")
