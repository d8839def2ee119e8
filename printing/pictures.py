"""Pages as pictures, for the operator's eye, the README and the demo."""

import io
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import pypdfium2
from PIL import Image

from printing.page import PAGE_DOTS

Pixels = npt.NDArray[np.uint8]

_GAP_PX = 8
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
        return _as_png(page_pixels(document[page], dpi))


def draw_contact_sheet(run_pdf: bytes, *, columns: int = 8) -> bytes:
    """The fronts of a run side by side in one PNG, row by row, for a look before the run is printed."""
    with opened_pdf(run_pdf) as document:
        fronts = [page_pixels(document[index], 80) for index in range(0, len(document), 2)]
    wide, high = _thumb_size()
    rows = max(1, -(-len(fronts) // columns))
    shape = (rows * (high + _GAP_PX) + _GAP_PX, columns * (wide + _GAP_PX) + _GAP_PX, 3)
    sheet: Pixels = np.full(shape, 236, np.uint8)
    for index, front in enumerate(fronts):
        row, column = divmod(index, columns)
        top, left = _GAP_PX + row * (high + _GAP_PX), _GAP_PX + column * (wide + _GAP_PX)
        sheet[top : top + high, left : left + wide] = front[:high, :wide]
    return _as_png(sheet)


def _thumb_size() -> tuple[int, int]:
    return PAGE_DOTS[0] * 80 // 300, PAGE_DOTS[1] * 80 // 300


def _as_png(pixels: Pixels) -> bytes:
    picture = io.BytesIO()
    Image.fromarray(pixels).save(picture, "PNG", optimize=False)
    return picture.getvalue()
