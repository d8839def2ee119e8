"""A frozen batch as one print-ready PDF: front, back, front, back …; the same batch gives the same bytes anywhere.

On single cards a page is the card and its bleed in whole device dots (MediaBox) with the card itself as TrimBox; on
sheets many cards lie on a page, each where `Sheet.spot` says. The operator's papers are drawn beside it.
"""

from collections.abc import Sequence

from printing.faces import fitted_side
from printing.layout import SIDES, look_of
from printing.models import Face
from printing.page import Press, trim_box
from printing.pictures import draw_contact_sheet, page_png
from printing.run_sheet import draw_run_sheet
from printing.sheet import SINGLE, Sheet

__all__ = ["draw_contact_sheet", "draw_run", "draw_run_sheet", "page_png"]


def draw_run(faces: Sequence[Face], portraits: Sequence[bytes], *, title: str, sheet: Sheet = SINGLE) -> bytes:
    """The PDF of a batch, in the order of `faces`; `portraits[i]` is the JPEG of `faces[i]`.

    Keep a file at 500 cards or fewer: reportlab holds it in memory. Raises Refused `print.code_too_big`, ValueError
    when the two lists differ in length.
    """
    if len(faces) != len(portraits):
        raise ValueError(f"{len(faces)} faces and {len(portraits)} portraits are no run")
    press = Press(sheet.size, title=title)
    if sheet.cells == 1 and sheet.width_mm is None and sheet.height_mm is None:
        press.trim_pages_to(trim_box())
    cards = list(enumerate(zip(faces, portraits, strict=True)))
    for start in range(0, len(cards), sheet.cells):
        for side in SIDES:
            press.draw_marks(sheet.marks())
            for index, (face, portrait) in cards[start : start + sheet.cells]:
                fitted, spot = fitted_side(face, side), sheet.spot(index, side)
                at = spot.left, spot.low
                press.set_side(look_of(face.design), side, face.content, fitted=fitted, portrait=portrait, at=at)
            press.end_page()
    return press.finish()
