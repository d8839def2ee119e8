"""A4 paper as our documents use it: text, rules, wrapped tables over pages, a footer that knows the page count.

Positions are points from the top left corner. Everything is planned before it is drawn, so the page count is known and
equal input gives equal bytes. A sign that the house typeface lacks shows as ?: the organisation number names a party,
and a document that the law wants must not fail on an emoji.
"""

import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from reportlab import rl_config
from reportlab.lib.pagesizes import A4
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from cards.typeface import font_file

rl_config.useA85 = 0  # a switch of the whole process: the same bytes, whichever room was imported first

WIDTH, HEIGHT = A4
LEFT, RIGHT = 51.0, WIDTH - 51.0  # 18 mm
TOP, BOTTOM = 48.0, HEIGHT - 62.0  # the footer stands below BOTTOM
LEADING = 1.32  # line height in sizes

INK, SOFT, ACCENT = (0.09, 0.11, 0.14), (0.38, 0.42, 0.47), (0.03, 0.29, 0.40)
_RULE, _TINT = (0.79, 0.81, 0.84), (0.945, 0.957, 0.965)
_REGULAR, _BOLD = "HseCardSans", "HseCardSans-Bold"
_MISSING = "?"

Colour = tuple[float, float, float]
_Act = Callable[[Canvas], None]


@dataclass(frozen=True)
class Column:
    """A table's column: heading in both languages, left edge and width in points, how its cells are set."""

    title_no: str
    title_en: str
    left: float
    width: float
    right_aligned: bool = False


@dataclass(frozen=True)
class Row:
    """One row: a cell a column, and what stands below it across the page in small type."""

    cells: tuple[str, ...]
    below: tuple[str, ...] = ()


class Paper:
    """A document under way. `y` is where the next thing goes."""

    def __init__(self, *, title: str, author: str, footer: Sequence[str]) -> None:
        self._title, self._author = title, author
        self._footer = footer
        self._pages: list[list[_Act]] = [[]]
        self.y = TOP
        _register_faces()

    def text(
        self,
        x: float,
        text: str,
        *,
        y: float | None = None,
        size: float = 9,
        bold: bool = False,
        colour: Colour = INK,
        right: bool = False,
    ) -> None:
        """One line whose baseline lies `size` below `y` (the cursor, when not given). Does not move the cursor."""
        base = HEIGHT - (self.y if y is None else y) - size
        shown, face = writable(text), _BOLD if bold else _REGULAR

        def act(canvas: Canvas) -> None:
            canvas.setFillColorRGB(*colour)
            canvas.setFont(face, size)
            (canvas.drawRightString if right else canvas.drawString)(x, base, shown)

        self._pages[-1].append(act)

    def lines(self, x: float, lines: Iterable[str], *, width: float, y: float, size: float = 9) -> float:
        """Wrapped lines from `y` down; the y below them."""
        for line in lines:
            for part in wrapped(line, width, size, False):
                self.text(x, part, y=y, size=size)
                y += size * LEADING
        return y

    def rule(self, *, left: float = LEFT, right: float = RIGHT, colour: Colour = _RULE, weight: float = 0.6) -> None:
        """A horizontal rule at the cursor."""
        at = HEIGHT - self.y

        def act(canvas: Canvas) -> None:
            canvas.setStrokeColorRGB(*colour)
            canvas.setLineWidth(weight)
            canvas.line(left, at, right, at)

        self._pages[-1].append(act)

    def tint(self, *, height: float, left: float = LEFT, right: float = RIGHT) -> None:
        """A light panel from the cursor down; what is set later stands on it."""
        bottom = HEIGHT - self.y - height

        def act(canvas: Canvas) -> None:
            canvas.setFillColorRGB(*_TINT)
            canvas.rect(left, bottom, right - left, height, stroke=0, fill=1)

        self._pages[-1].append(act)

    def need(self, height: float) -> bool:
        """Make sure `height` points are left, on a new page if they are not; True when a page was turned."""
        if self.y + height <= BOTTOM:
            return False
        self._pages.append([])
        self.y = TOP
        return True

    def table(self, columns: Sequence[Column], rows: Iterable[Row]) -> None:
        """A table from the cursor down, its heading again on each page; no row is cut in two."""
        self.need(60)
        self._heading(columns)
        first = True
        for row in rows:
            cells = [wrapped(cell, col.width, 8.5, False) for col, cell in zip(columns, row.cells, strict=True)]
            below = [part for text in row.below for part in wrapped(text, RIGHT - columns[1].left, 7, False)]
            height = max(map(len, cells)) * 8.5 * LEADING + len(below) * 7 * LEADING + 4
            if self.need(height + 2):
                self._heading(columns)
            elif not first:
                self.rule(weight=0.3)
                self.y += 2
            self._row(columns, cells, below)
            first = False
        self.rule(weight=0.9, colour=SOFT)
        self.y += 8

    def _heading(self, columns: Sequence[Column]) -> None:
        for column in columns:
            edge = column.left + (column.width if column.right_aligned else 0)
            self.text(edge, column.title_no, size=7.5, bold=True, right=column.right_aligned)
            self.text(edge, column.title_en, y=self.y + 9, size=6.5, colour=SOFT, right=column.right_aligned)
        self.y += 21
        self.rule(weight=0.9, colour=SOFT)
        self.y += 3

    def _row(self, columns: Sequence[Column], cells: Sequence[Sequence[str]], below: Sequence[str]) -> None:
        for column, parts in zip(columns, cells, strict=True):
            edge = column.left + (column.width if column.right_aligned else 0)
            for number, part in enumerate(parts):
                self.text(edge, part, y=self.y + number * 8.5 * LEADING, size=8.5, right=column.right_aligned)
        self.y += max(map(len, cells)) * 8.5 * LEADING
        for part in below:
            self.text(columns[1].left, part, size=7, colour=SOFT)
            self.y += 7 * LEADING
        self.y += 2

    def finished(self) -> bytes:
        """The PDF. Same calls, same bytes."""
        buffer = io.BytesIO()
        _register_faces()  # as the first font too: otherwise each page names a Helvetica that does not travel with it
        canvas = Canvas(buffer, pagesize=A4, invariant=1, pageCompression=1, lang="nb-NO", initialFontName=_REGULAR)
        canvas.setTitle(writable(self._title))
        canvas.setAuthor(writable(self._author))
        canvas.setCreator("hsecard")
        for number, acts in enumerate(self._pages, start=1):
            for act in acts:
                act(canvas)
            self._draw_footer(canvas, number)
            canvas.showPage()
        canvas.save()
        return buffer.getvalue()

    def _draw_footer(self, canvas: Canvas, number: int) -> None:
        canvas.setStrokeColorRGB(*_RULE)
        canvas.setLineWidth(0.6)
        canvas.line(LEFT, 50, RIGHT, 50)
        canvas.setFont(_REGULAR, 7)
        canvas.setFillColorRGB(*SOFT)
        parts = [part for text in self._footer for part in wrapped(text, RIGHT - LEFT - 70, 7, False)]
        for place, part in enumerate(parts[:3]):
            canvas.drawString(LEFT, 39 - place * 9.5, part)
        canvas.drawRightString(RIGHT, 39, f"Side {number} av {len(self._pages)}")
        canvas.drawRightString(RIGHT, 29.5, f"Page {number} of {len(self._pages)}")
        if number > 1:  # a loose sheet says what it belongs to
            canvas.drawRightString(RIGHT, HEIGHT - TOP + 12, writable(self._title))


def writable(text: str) -> str:
    """The text on one line, each sign that the typeface lacks shown as ?."""
    known = _signs()
    if all(ord(sign) in known for sign in text):
        return text
    plain = " ".join(text.split())
    return "".join(sign if ord(sign) in known else _MISSING for sign in plain)


@lru_cache(maxsize=20_000)  # a long invoice says the same line hundreds of times
def wrapped(text: str, width: float, size: float, bold: bool) -> tuple[str, ...]:
    """The text in lines of at most `width` points; a word too long for a line is cut."""
    face = _BOLD if bold else _REGULAR
    _register_faces()
    lines: list[str] = []
    for word in _words(writable(text), face, size, width):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and pdfmetrics.stringWidth(longer, face, size) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return tuple(lines) or ("",)


def _words(text: str, face: str, size: float, width: float) -> Iterable[str]:
    for word in text.split():
        rest = word
        while pdfmetrics.stringWidth(rest, face, size) > width and len(rest) > 1:
            fits = next(n for n in range(len(rest) - 1, 0, -1) if n == 1 or _width(rest[:n], face, size) <= width)
            yield rest[:fits]
            rest = rest[fits:]
        yield rest


def _width(text: str, face: str, size: float) -> float:
    return float(pdfmetrics.stringWidth(text, face, size))


@cache
def _register_faces() -> TTFont:
    regular = TTFont(_REGULAR, str(font_file("regular")))
    pdfmetrics.registerFont(regular)
    pdfmetrics.registerFont(TTFont(_BOLD, str(font_file("bold"))))
    return regular


@cache
def _signs() -> frozenset[int]:
    return frozenset(_register_faces().face.charToGlyph)
