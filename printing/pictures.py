"""Pages as pictures, for the operator's eye, the README and the demo."""

import io
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import pypdfium2
from PIL import Image

from printing.page import PAGE_DOTS
from printing.sheet import SINGLE, Sheet, Spot

Pixels = npt.NDArray[np.uint8]

_GAP_PX = 8
_THUMB_DPI = 75
_JUST_UNDER = 1 - 1e-6  # the renderer rounds sizes up: 662.0000001 pixels would be stretched over 663


@contextmanager
def opened_pdf(pdf: bytes) -> Iterator[pypdfium2.PdfDocument]:
    """A PDF held open while its pages are looked at."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        yield document
    finally:
        document.close()


def page_pixels(page: pypdfium2.PdfPage, dpi: float) -> Pixels:
    """One page as (height, width, 3) RGB pixels."""
    bitmap = page.render(scale=dpi / 72 * _JUST_UNDER, rev_byteorder=True)
    pixels: Pixels = np.array(bitmap.to_numpy()[:, :, :3])
    bitmap.close()
    return pixels


def page_png(pdf: bytes, page: int, dpi: int) -> bytes:
    """Page `page` (from 0) of a PDF as PNG at `dpi`."""
    with opened_pdf(pdf) as document:
        return as_png(page_pixels(document[page], dpi))


def card_pixels(page: Pixels, spot: Spot, dpi: float = 300) -> Pixels:
    """The card at a spot, with its bleed, out of the pixels of its whole page at `dpi`."""
    scale = dpi / 300
    left, wide, high = round(spot.left * scale), int(PAGE_DOTS[0] * scale), int(PAGE_DOTS[1] * scale)
    foot = page.shape[0] - round(spot.low * scale)
    return page[max(foot - high, 0) : foot, left : left + wide]


def draw_contact_sheet(run_pdf: bytes, *, columns: int = 8, sheet: Sheet = SINGLE, count: int | None = None) -> bytes:
    """The fronts of a run side by side in one PNG, row by row, for a look before the run is printed.

    `count` cards of a run on `sheet`s; without it, as many as its pages can hold.
    """
    with opened_pdf(run_pdf) as document:
        held = len(document) // 2 * sheet.cells
        fronts = list(_fronts(document, sheet, held if count is None else min(count, held)))
    wide, high = (length * _THUMB_DPI // 300 for length in PAGE_DOTS)
    rows, columns = max(1, -(-len(fronts) // columns)), max(1, min(columns, len(fronts)))
    shape = (rows * (high + _GAP_PX) + _GAP_PX, columns * (wide + _GAP_PX) + _GAP_PX, 3)
    picture: Pixels = np.full(shape, 236, np.uint8)
    for index, front in enumerate(fronts):
        row, column = divmod(index, columns)
        top, left = _GAP_PX + row * (high + _GAP_PX), _GAP_PX + column * (wide + _GAP_PX)
        picture[top : top + front.shape[0], left : left + front.shape[1]] = front
    return as_png(picture)


def _fronts(document: pypdfium2.PdfDocument, sheet: Sheet, count: int) -> Iterator[Pixels]:
    """The front of each card as it lies in the run; a page is rasterised once for all its cards."""
    drawn: tuple[int, Pixels] | None = None
    for index in range(count):
        spot = sheet.spot(index, "front")
        if drawn is None or drawn[0] != spot.page:
            page = document[spot.page]
            drawn = spot.page, page_pixels(page, _THUMB_DPI)
            page.close()
        yield card_pixels(drawn[1], spot, _THUMB_DPI)


def as_png(pixels: Pixels) -> bytes:
    """RGB pixels as a PNG file."""
    picture = io.BytesIO()
    Image.fromarray(pixels).save(picture, "PNG", optimize=False)
    return picture.getvalue()
