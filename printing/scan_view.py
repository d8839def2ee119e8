"""The picture that an operator gets beside a verdict: the card as it was seen, over it what is right and what is not.

Green is as ordered, red is not, amber could not be read. Where something is wrong the card as ordered stands below, so
that the eye has both.
"""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cards.typeface import font_file
from printing.expected import FACE_PX
from printing.likeness import Check
from printing.pictures import Pixels
from printing.scan import pixels_of

_COLOURS = {"same": (0, 140, 60), "differs": (215, 25, 30), "illegible": (225, 135, 0)}
_WORDS = {"same": "as ordered", "differs": "differs", "illegible": "not legible"}
_MARGIN, _HEAD = 24, 46


def draw_verdict(title: str, seen: Pixels, ordered: Pixels | None, checks: Sequence[Check]) -> bytes:
    """A PNG of a side laid flat with a box an element; `ordered` below it where one of them is not as ordered."""
    wrong = [check for check in checks if check.outcome != "same"]
    panels = [(title, seen, list(checks))]
    if ordered is not None and wrong:
        panels.append(("as ordered", ordered, wrong))
    wide, high = FACE_PX
    sheet = Image.new("RGB", (wide + 2 * _MARGIN, (high + _HEAD + _MARGIN) * len(panels)), (246, 246, 246))
    draw = ImageDraw.Draw(sheet)
    for index, (words, pixels, marked) in enumerate(panels):
        top = index * (high + _HEAD + _MARGIN)
        draw.text((_MARGIN, top + 11), words, fill=(30, 30, 30), font=_font(24))
        sheet.paste(Image.fromarray(np.ascontiguousarray(pixels)), (_MARGIN, top + _HEAD))
        for check in marked:
            _mark(draw, check, (_MARGIN, top + _HEAD), named=check in wrong and index == 0)
    file = io.BytesIO()
    sheet.save(file, "PNG", optimize=False)
    return file.getvalue()


def _mark(draw: ImageDraw.ImageDraw, check: Check, at: tuple[int, int], *, named: bool) -> None:
    left, top, right, bottom = pixels_of(check.box, 0.35)
    colour = _COLOURS[check.outcome]
    place = (at[0] + left, at[1] + top, at[0] + right, at[1] + bottom)
    draw.rectangle(place, outline=colour, width=2 if check.outcome == "same" else 4)
    if named:
        words = f" {check.element.replace('_', ' ')}: {_WORDS[check.outcome]} "
        width = draw.textlength(words, font=_font(17))
        flag = (place[2] - width, place[1] - 11, place[2], place[1] + 11)
        draw.rectangle(flag, fill=colour)
        draw.text((flag[0], flag[1]), words, fill=(255, 255, 255), font=_font(17))


def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(font_file("bold")), size)
