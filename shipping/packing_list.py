"""The packing list: the letters of a packing run in order, their cards with places, and boxes to tick.

It goes with the tray to the bench. A letter with more cards than the page has room for goes on on the next page.
"""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from reportlab.pdfgen.canvas import Canvas

from shipping.drawing import HEIGHT_MM, MM, draw_data_matrix, fitted, open_canvas, shortened, text_at
from shipping.models import LetterCard
from shipping.packing import LetterOnBench

_LEFT, _RIGHT = 20.0, 195.0
_TOP, _BOTTOM = 33.0, 285.0
_CODE_MM = 11.0
_TEXT_LEFT = 36.0
_COLUMNS = (36.0, 116.0)  # cards stand in two columns, read across
_HEAD_MM, _LINE_MM, _GAP_MM = 11.0, 5.0, 4.0


@dataclass(frozen=True)
class _Block:
    """A letter, or the part of it that one page holds; `y` is its top in mm."""

    letter: LetterOnBench
    first: int
    cards: tuple[LetterCard, ...]
    y: float


def packing_list(list_id: str, day: date, letters: Sequence[LetterOnBench]) -> bytes:
    """The list as PDF, A4. A card that is scanned already has its box crossed. The same bytes from the same letters."""
    buffer = io.BytesIO()
    canvas = open_canvas(buffer, title=f"Pakkeliste {list_id}")
    pages = list(_pages(letters))
    for number, page in enumerate(pages, start=1):
        _draw_head(canvas, list_id, day, f"{number} / {len(pages)}")
        for block in page:
            _draw_block(canvas, block)
        if number == len(pages):
            _draw_sums(canvas, letters)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def _pages(letters: Sequence[LetterOnBench]) -> Iterator[list[_Block]]:
    """Blocks from top to bottom, page after page; there is one page at least."""
    page: list[_Block] = []
    y = _TOP
    for letter in letters:
        first = 0
        while first < len(letter.cards):
            lines = int((_BOTTOM - y - _HEAD_MM) // _LINE_MM)
            if lines < 1 or (page and _lines(letter) > lines and first == 0 and _lines(letter) <= 8):
                yield page
                page, y = [], _TOP
                continue
            cards = letter.cards[first : first + lines * len(_COLUMNS)]
            page.append(_Block(letter, first, cards, y))
            first += len(cards)
            y += _HEAD_MM + _LINE_MM * -(-len(cards) // len(_COLUMNS)) + _GAP_MM
    yield page


def _lines(letter: LetterOnBench) -> int:
    return -(-len(letter.cards) // len(_COLUMNS))


def _draw_head(canvas: Canvas, list_id: str, day: date, page: str) -> None:
    text_at(canvas, "Pakkeliste / packing list", x=_LEFT, y=20, size=15, style="bold")
    text_at(canvas, list_id, x=_LEFT, y=26, size=9)
    text_at(canvas, day.isoformat(), x=_RIGHT, y=20, size=11, align="right")
    text_at(canvas, page, x=_RIGHT, y=26, size=9, align="right")


def _rule(canvas: Canvas, y: float) -> None:
    canvas.setStrokeGray(0.5)
    canvas.setLineWidth(0.4)
    canvas.line(_LEFT * MM, (HEIGHT_MM - y) * MM, _RIGHT * MM, (HEIGHT_MM - y) * MM)


def _draw_block(canvas: Canvas, block: _Block) -> None:
    letter, shipment = block.letter, block.letter.shipment
    draw_data_matrix(canvas, letter.code, x=_LEFT, y=block.y, size=_CODE_MM)
    text_at(canvas, letter.code, x=_TEXT_LEFT, y=block.y + 3.4, size=10, style="bold")
    place = f"{shipment.address.postcode} {shipment.address.city} {shipment.address.country}"
    _draw_short(canvas, f"{shipment.label_lines[0]}, {place}", x=_TEXT_LEFT + 26, y=block.y + 3.4, room=122)
    what = f"{len(letter.cards)} kort · {shipment.weight_g:.1f} g · {shipment.thickness_mm:.1f} mm · {shipment.product}"
    more = "  –  forts. / continued" if block.first else ""
    _draw_short(canvas, what + more, x=_TEXT_LEFT, y=block.y + 7.8, room=140, grey=True)
    _draw_box(canvas, _RIGHT - 5, block.y, 5, ticked=letter.closed)
    for place_, card in enumerate(block.cards):
        line, column = divmod(place_, len(_COLUMNS))
        _draw_card(canvas, letter, card, x=_COLUMNS[column], y=block.y + _HEAD_MM + _LINE_MM * line)
    _rule(canvas, block.y - 2)


def _draw_card(canvas: Canvas, letter: LetterOnBench, card: LetterCard, *, x: float, y: float) -> None:
    scanned = letter.shipment.card_ids[card.place - 1] in letter.scanned
    _draw_box(canvas, x, y + 0.4, 3, ticked=scanned)
    text_at(canvas, str(card.place), x=x + 10, y=y + 3, size=8.5, align="right")
    text_at(canvas, card.card_number, x=x + 12, y=y + 3, size=8.5, style="bold")
    _draw_short(canvas, card.holder, x=x + 28, y=y + 3, room=48)


def _draw_short(canvas: Canvas, text: str, *, x: float, y: float, room: float, grey: bool = False) -> None:
    shown = shortened(text, room)
    style, size = fitted(shown, width=room, size=8.5)
    text_at(canvas, shown, x=x, y=y, size=size, style=style, grey=grey)


def _draw_box(canvas: Canvas, x: float, y: float, size: float, *, ticked: bool) -> None:
    canvas.setStrokeGray(0)
    canvas.setLineWidth(0.6)
    canvas.rect(x * MM, (HEIGHT_MM - y - size) * MM, size * MM, size * MM)
    if ticked:
        canvas.line(x * MM, (HEIGHT_MM - y) * MM, (x + size) * MM, (HEIGHT_MM - y - size) * MM)
        canvas.line(x * MM, (HEIGHT_MM - y - size) * MM, (x + size) * MM, (HEIGHT_MM - y) * MM)


def _draw_sums(canvas: Canvas, letters: Sequence[LetterOnBench]) -> None:
    cards = sum(len(letter.cards) for letter in letters)
    weight = sum(letter.shipment.weight_g for letter in letters)
    _rule(canvas, 287)
    sums = f"Sum: {len(letters)} brev / letters, {cards} kort / cards, {weight:.1f} g"
    text_at(canvas, sums, x=_LEFT, y=291, size=9, style="bold")
    text_at(canvas, "Pakket av / packed by: ____________________", x=_RIGHT, y=291, size=9, align="right")
