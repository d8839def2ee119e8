"""A frozen batch as one print-ready PDF: front, back, front, back …; the same batch gives the same bytes anywhere.

Pages are the card and its bleed in whole device dots (MediaBox) with the card itself as TrimBox. The sheets for the
operator, a list and a contact sheet, are drawn beside it.
"""

import io
from collections.abc import Sequence

from reportlab.pdfgen.canvas import Canvas

from printing.models import Face
from printing.page import SIDES, draw_page, page_size, trim_box
from printing.pictures import draw_contact_sheet, page_png
from printing.run_sheet import draw_run_sheet
from printing.typeset import font_name

__all__ = ["draw_contact_sheet", "draw_run", "draw_run_sheet", "page_png"]


def draw_run(faces: Sequence[Face], portraits: Sequence[bytes], *, title: str) -> bytes:
    """The PDF of a batch: two pages a card, in the order of `faces`; `portraits[i]` is the JPEG of `faces[i]`.

    Keep a file at 500 cards or fewer: reportlab holds it in memory. Raises Refused `print.code_too_big`, ValueError
    when the two lists differ in length.
    """
    if len(faces) != len(portraits):
        raise ValueError(f"{len(faces)} faces and {len(portraits)} portraits are no run")
    sheet = io.BytesIO()
    canvas = Canvas(sheet, pagesize=page_size(), invariant=1, pageCompression=1, initialFontName=font_name("regular"))
    canvas.setTitle(title)
    canvas.setCreator("hsecard")
    canvas.setTrimBox(trim_box())
    drawn_forms: set[str] = set()
    for face, portrait in zip(faces, portraits, strict=True):
        for side in SIDES:
            draw_page(canvas, face, portrait, side, drawn_forms)
    canvas.save()
    return sheet.getvalue()
