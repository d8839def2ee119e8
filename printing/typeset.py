"""Measuring and breaking text in the house typeface: what fits where, and which letters no font of ours has.

Pure measuring; nothing is drawn. Widths come from the same font objects that the run embeds, so what was measured
is what is printed.
"""

import unicodedata
from functools import cache
from typing import NamedTuple

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

from cards.typeface import font_file
from printing.layout import FontStyle, ValueText

POINT_MM = 25.4 / 72
LINE_STEP = 1.12  # line distance of a value broken in two, in type sizes
_SIZE_STEP_PT = 0.25


class Fitted(NamedTuple):
    """A value as it will be set: its lines, the style and the size in points."""

    lines: tuple[str, ...]
    style: FontStyle
    size_pt: float


@cache
def font_name(style: FontStyle) -> str:
    """The name under which reportlab knows `style`; registers it at the first use."""
    name = f"House-{style}"
    pdfmetrics.registerFont(TTFont(name, str(font_file(style))))
    return name


@cache
def house_font(style: FontStyle) -> TTFont:
    """The font object of `style`, for those who write text operators themselves."""
    return pdfmetrics.getFont(font_name(style))


@cache
def _advances(style: FontStyle) -> dict[str, float]:
    """Advance width in thousandths of the type size, by letter; only the letters that the font has."""
    face = house_font(style).face
    return {chr(code): float(face.charWidths.get(code, 0.0)) for code in face.charToGlyph}


@cache
def _settable(style: FontStyle) -> frozenset[str]:
    """Letters with a glyph that stand by themselves: no stray marks, no invisible signs."""
    return frozenset(letter for letter in _advances(style) if unicodedata.category(letter)[0] not in "CM")


def width_mm(text: str, style: FontStyle, size_pt: float) -> float:
    """How wide `text` is in mm; letters that the font lacks count nothing."""
    advance = _advances(style).get
    return sum([advance(letter, 0.0) for letter in text]) * size_pt * POINT_MM / 1000


def unprintable(text: str, style: FontStyle) -> str:
    """The letters of NFC `text` that `style` cannot set rightly: no glyph, stray marks, invisible signs."""
    strange = set(text) - _settable(style)
    return "".join(sorted(strange)) if strange else ""


def fit(text: str, place: ValueText) -> Fitted | None:
    """`text` in its box: shrunk to the floor, then condensed, then in two lines; None when nothing helps."""
    styles = (place.style,) if place.narrow is None else (place.style, place.narrow)
    for style in styles:
        if size := _size_that_fits((text,), style, place):
            return Fitted((text,), style, size)
    if place.max_lines < 2:
        return None
    for style in styles:
        for lines in _broken_in_two(text, style):
            if size := _size_that_fits(lines, style, place):
                return Fitted(lines, style, size)
    return None


def _size_that_fits(lines: tuple[str, ...], style: FontStyle, place: ValueText) -> float | None:
    widest = max([width_mm(line, style, 1.0) for line in lines])
    by_width = place.box.w / widest if widest else place.size_pt
    by_height = place.box.h / POINT_MM / (LINE_STEP * len(lines)) if len(lines) > 1 else place.size_pt
    size = min(place.size_pt, by_width, by_height)
    if size < place.size_pt:
        size = int(size / _SIZE_STEP_PT) * _SIZE_STEP_PT
    return size if size >= place.min_pt else None


def _broken_in_two(text: str, style: FontStyle) -> list[tuple[str, str]]:
    """The two lines of `text` that are most alike in width: broken at a space, or after a hyphen or stroke."""
    breaks = [i for i in range(1, len(text)) if text[i] == " " or text[i - 1] in "-–/"]
    halves = [(text[:i].rstrip(), text[i:].lstrip()) for i in breaks]
    halves = [pair for pair in halves if all(pair)]
    halves.sort(key=lambda pair: max(width_mm(line, style, 1.0) for line in pair))
    return halves[:1]


def wrapped(text: str, style: FontStyle, size_pt: float, width: float) -> tuple[str, ...]:
    """Running text in lines of at most `width` mm, broken at spaces."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if width_mm(longer, style, size_pt) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return tuple(lines)
