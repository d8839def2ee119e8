"""Both sides of a card as PDF operators: portrait, codes and values over the shared artwork, in device dots.

What makes it fast: reportlab keeps the file, its fonts and objects, but each side is one string of operators; the
portrait's JPEG goes in as it is, never decoded; the ground and the fixed words are one form a side and file; what
repeats from card to card (employer, labels, day of issue) is written once and remembered; no ASCII85.
"""

import io

from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfdoc
from reportlab.pdfgen.canvas import Canvas

from printing.artwork import MM, colour, ground_of, painted
from printing.codes import DOT_MM, DOT_PT, bars_in, bars_op, dots_op
from printing.layout import (
    SIDES,
    Box,
    CodeBox,
    FontStyle,
    Ink,
    Label,
    Look,
    Panel,
    PortraitBox,
    Side,
    ValueText,
    Words,
)
from printing.models import CARD_HEIGHT_MM, CARD_WIDTH_MM, FaceContent
from printing.typeset import LINE_STEP, POINT_MM, Fitted, font_name, house_font, width_mm, wrapped

__all__ = ["BLEED_DOTS", "PAGE_DOTS", "SIDES", "Press", "trim_box"]

BLEED_DOTS = 12  # 1.016 mm on every side: what card printers print over the edge
PAGE_DOTS = (1035, 662)  # 85.60 x 53.98 mm and the bleed, rounded up to whole dots of 1/300 inch
_ASCENT = 0.9  # of the type size, from the head of a box to the first baseline: room for a capital with its accent
_ARC = 0.5523  # a quarter circle by one Bézier arc


class _Jpeg(ImageReader):  # type: ignore[misc]  # reportlab ships no types
    """A finished JPEG that reportlab embeds as it is."""

    _dataA = None  # noqa: N815  # reportlab looks for a transparency mask under this name

    def __init__(self, data: bytes) -> None:
        self._jpeg = data

    def jpeg_fh(self) -> io.BytesIO:
        return io.BytesIO(self._jpeg)


def trim_box() -> tuple[float, float, float, float]:
    """The card itself within a page of its own, in points."""
    edge = BLEED_DOTS * DOT_PT
    return edge, edge, round(edge + CARD_WIDTH_MM * MM, 3), round(edge + CARD_HEIGHT_MM * MM, 3)


class Press:
    """One print-ready file while it is written: sides of cards are set down at dots of a page, page after page."""

    def __init__(self, page_dots: tuple[int, int], *, title: str) -> None:
        size = page_dots[0] * DOT_PT, page_dots[1] * DOT_PT
        self._canvas = Canvas(
            io.BytesIO(), pagesize=size, invariant=1, pageCompression=1, initialFontName=font_name("regular")
        )
        self._canvas.setTitle(title)
        self._canvas.setCreator("hsecard")
        self._forms: set[str] = set()
        self._said: dict[tuple[str, int, str], str] = {}
        self._pictures = 0

    def trim_pages_to(self, box: tuple[float, float, float, float]) -> None:
        """The TrimBox of this page and all that follow."""
        self._canvas.setTrimBox(box)

    def set_side(
        self,
        look: Look,
        side: Side,
        content: FaceContent,
        *,
        fitted: list[tuple[ValueText, Fitted]],
        portrait: bytes,
        at: tuple[int, int] = (0, 0),
    ) -> None:
        """One side of one card, the lower left corner of its bleed at the dot `at`. Raises `print.code_too_big`."""
        form = f"{look.design.design}-{side}"
        if form not in self._forms:
            self._draw_form(look, side, form)
        drawn = [f"q 1 0 0 1 {dots_op(at[0] + BLEED_DOTS)} {dots_op(at[1] + BLEED_DOTS)} cm", self._form_op(form)]
        for element in look.faces.side(side):
            if isinstance(element, PortraitBox):
                drawn.append(self._portrait_op(portrait, element.box))
            elif isinstance(element, CodeBox):
                drawn.append(_code_op(content.status_url if element.type == "qr" else content.number, element))
        drawn += [self._value_op(form, index, place, line, look) for index, (place, line) in enumerate(fitted)]
        self._canvas._code.append("\n".join((*drawn, "Q")))

    def draw_marks(self, operators: str) -> None:
        """Operators of the sheet itself, under the cards."""
        self._canvas._code.append(operators)

    def end_page(self) -> None:
        """The page is full."""
        self._canvas.showPage()

    def finish(self) -> bytes:
        """The whole file."""
        document: bytes = self._canvas.getpdfdata()
        return document

    def _draw_form(self, look: Look, side: Side, name: str) -> None:
        """All that every card of a design shares, as one form XObject."""
        edge = BLEED_DOTS * DOT_PT  # clipped at the bleed: on a sheet the neighbour begins there
        high = [length * DOT_PT - edge for length in PAGE_DOTS]
        self._canvas.beginForm(name, -edge, -edge, *high)
        drawn = [painted(ground_of(look, side))]
        for element in look.faces.side(side):
            if isinstance(element, Panel):
                drawn.append(_panel_op(element, look))
            elif isinstance(element, Label):
                drawn.append(self._label_op(element, look))
            elif isinstance(element, Words):
                drawn.append(self._words_op(element, look))
        self._canvas._code.append("\n".join(drawn))
        self._canvas.endForm()
        self._forms.add(name)

    def _form_op(self, name: str) -> str:
        self._canvas._formsinuse.append(name)
        return f"/{self._canvas._doc.getXObjectName(name)} Do"

    def _portrait_op(self, portrait: bytes, box: Box) -> str:
        """The JPEG as an object of its own: each card has one, so nothing is gained by looking for equal ones."""
        document = self._canvas._doc
        self._pictures += 1
        name = f"portrait-{self._pictures}"
        picture = pdfdoc.PDFImageXObject(name, _Jpeg(portrait))
        picture.name = name
        document.Reference(picture, document.getXObjectName(name))
        document.addForm(name, picture)
        self._canvas._currentPageHasImages = 1
        low = CARD_HEIGHT_MM - box.y - box.h
        size = f"{box.w * MM:.3f} 0 0 {box.h * MM:.3f} {box.x * MM:.3f} {low * MM:.3f}"
        return f"q {size} cm {self._form_op(name)} Q"

    def _text_op(self, text: str, style: FontStyle, size_pt: float, x: float, y: float) -> str:
        """One line from (x, y) in mm; reportlab numbers the letters and collects them for the embedded subset."""
        font, document = house_font(style), self._canvas._doc
        shown = [
            f"{font.getSubsetInternalName(subset, document)} {size_pt:g} Tf <{letters.hex()}> Tj"
            for subset, letters in font.splitString(text, document)
        ]
        return f"BT {x * MM:.3f} {y * MM:.3f} Td {' '.join(shown)} ET"

    def _label_op(self, label: Label, look: Look) -> str:
        """Norwegian in bold, English beside it: the eye finds its own language by weight."""
        size = label.size_pt
        english = f" / {label.en}"
        first = width_mm(label.no, "bold", size)
        x = label.x - first - width_mm(english, "regular", size) if label.align == "right" else label.x
        y = CARD_HEIGHT_MM - label.y - _ASCENT * size * POINT_MM
        shown = (
            _ink_op(label.ink, look),
            self._text_op(label.no, "bold", size, x, y),
            self._text_op(english, "regular", size, x + first, y),
        )
        return "\n".join(shown)

    def _words_op(self, words: Words, look: Look) -> str:
        lines = wrapped(words.text, words.style, words.size_pt, words.box.w)
        step = words.size_pt * words.leading * POINT_MM
        first = CARD_HEIGHT_MM - words.box.y - _ASCENT * words.size_pt * POINT_MM
        shown = [
            self._text_op(line, words.style, words.size_pt, words.box.x, first - index * step)
            for index, line in enumerate(lines)
        ]
        return "\n".join((_ink_op(words.ink, look), *shown))

    def _value_op(self, form: str, index: int, place: ValueText, fitted: Fitted, look: Look) -> str:
        """The lines of a value from the head of its box; one line that shrank keeps the baseline of its neighbours."""
        key = form, index, "\n".join(fitted.lines)
        if key not in self._said:
            size = place.size_pt if len(fitted.lines) == 1 else fitted.size_pt
            first = CARD_HEIGHT_MM - place.box.y - _ASCENT * size * POINT_MM
            step = LINE_STEP * fitted.size_pt * POINT_MM
            shown = [
                self._text_op(
                    line, fitted.style, fitted.size_pt, _line_start(line, place, fitted), first - number * step
                )
                for number, line in enumerate(fitted.lines)
            ]
            self._said[key] = "\n".join((_ink_op(place.ink, look), *shown))
        return self._said[key]


def _panel_op(panel: Panel, look: Look) -> str:
    """A rectangle with round corners, filled, with its edge when it has one."""
    box, radius = panel.box, panel.radius_mm * MM
    left, low = box.x * MM, (CARD_HEIGHT_MM - box.y - box.h) * MM
    right, high = left + box.w * MM, low + box.h * MM
    paint = f"{colour(look.design.palette[panel.fill])} rg"
    if panel.edge is not None:
        paint += f" {0.15 * MM:.3f} w {colour(look.design.palette[panel.edge])} RG"
    return f"{paint} {_outline(left, low, right, high, radius)} {'f' if panel.edge is None else 'B'}"


def _outline(left: float, low: float, right: float, high: float, radius: float) -> str:
    if not radius:
        return f"{left:.3f} {low:.3f} {right - left:.3f} {high - low:.3f} re"
    k = radius * (1 - _ARC)
    points = (
        f"{left + radius:.3f} {low:.3f} m",
        f"{right - radius:.3f} {low:.3f} l",
        f"{right - k:.3f} {low:.3f} {right:.3f} {low + k:.3f} {right:.3f} {low + radius:.3f} c",
        f"{right:.3f} {high - radius:.3f} l",
        f"{right:.3f} {high - k:.3f} {right - k:.3f} {high:.3f} {right - radius:.3f} {high:.3f} c",
        f"{left + radius:.3f} {high:.3f} l",
        f"{left + k:.3f} {high:.3f} {left:.3f} {high - k:.3f} {left:.3f} {high - radius:.3f} c",
        f"{left:.3f} {low + radius:.3f} l",
        f"{left:.3f} {low + k:.3f} {left + k:.3f} {low:.3f} {left + radius:.3f} {low:.3f} c h",
    )
    return " ".join(points)


def _line_start(line: str, place: ValueText, fitted: Fitted) -> float:
    if place.align == "left":
        return place.box.x
    spare = place.box.w - width_mm(line, fitted.style, fitted.size_pt)
    return place.box.x + (spare if place.align == "right" else spare / 2)


def _ink_op(ink: Ink, look: Look) -> str:
    """Black is DeviceGray 0: the only black that every card printer takes from its black panel."""
    return "0 g" if ink == "black" else f"{colour(look.design.palette[ink])} rg"


def _code_op(text: str, place: CodeBox) -> str:
    bars, right, up = bars_in(text, place)
    left, low = round(place.box.x / DOT_MM), round((CARD_HEIGHT_MM - place.box.y - place.box.h) / DOT_MM)
    return bars_op(bars, left + right, low + up)
