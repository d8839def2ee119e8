"""The papers of a shipment: the letter that carries the cards, its label, and the day's manifest.

Everything is drawn with embedded fonts and comes out the same byte for byte. A letter that a font cannot write in full
is refused, because a box in the place of a name sends a person's card astray.
"""

import csv
import io
from collections.abc import Sequence
from datetime import date
from typing import TypeVar

from reportlab.pdfgen.canvas import Canvas

from cards.address import Address
from cards.errors import Refused
from cards.money import nok
from cards.typeface import FontStyle
from shipping.drawing import (
    HEIGHT_MM,
    MM,
    SIZE_MIN_PT,
    draw_data_matrix,
    fitted,
    open_canvas,
    shortened,
    text_at,
    width_mm,
)
from shipping.models import LeftOut, LetterCard, Shipment
from shipping.numbers import shipment_code

# The window of C5 (15/44, 105 × 35) and of C6/5 (15/39, 100 × 35) share x 15–115, y 44–74 (mm from the sheet's top
# left; source officeconsult.no). Everything in it keeps WINDOW_SLACK_MM: the sheet slides in its envelope.
WINDOW_MM = (15.0, 44.0, 115.0, 74.0)
WINDOW_SLACK_MM = 3.0
ADDRESS_LEFT_MM = 20.0
ADDRESS_WIDTH_MM = 74.0
CODE_SIZE_MM = 11.0
CODE_LEFT_MM = 100.0
CODE_TOP_MM = 53.0
# First baseline mm, step mm, size pt: 10–12 pt and spacing 1–1.5 as Posten asks. The tallest capital of the typeface
# (1.07 of the size, two marks on it) and its deepest letter (0.28) keep the slack too.
FIVE_LINES = (51.2, 4.65, 11.0)
SIX_LINES = (50.8, 3.83, 10.0)

# C5 folds at 148.5, C6/5 at 99 and 198: only the panel below 198 mm holds a card upright in both.
FOLDS_MM = (99.0, 148.5, 198.0)
CARD_MM = (54.0, 85.6)
CARD_TOP_MM = 207.0
CARD_LEFTS_MM = (16.0, 78.0, 140.0)
CARDS_A_SHEET = len(CARD_LEFTS_MM)

_NO = (
    "Her er HMS-kortene dere har bestilt. Kortet er personlig: innehaveren skal alltid ha det på seg",
    "på arbeidsplassen. Kontroller navn og bilde. Er noe feil, eller virker brikken ikke, meld fra; et kort",
    "med feil blir erstattet uten kostnad. Et mistet kort meldes straks, så det kan sperres.",
)
_EN = (
    "Here are the HSE cards you ordered. The card is personal: its holder shall always carry it at the place",
    "of work. Check name and portrait. If anything is wrong, or the chip does not work, tell us; a faulty card",
    "is replaced free of charge. Report a lost card at once, so that it can be blocked.",
)


def letter(shipment: Shipment, cards: Sequence[LetterCard], *, sender: Address) -> bytes:
    """The carrier letter as PDF, A4: three cards a sheet, the address in the window common to C5 and C6/5.

    The shipment's DataMatrix shows in the window beside the address. Raises Refused `letter.glyph_missing` and
    `letter.address_too_large`.
    """
    buffer = io.BytesIO()
    canvas = open_canvas(buffer, title=f"HMS-kort {shipment_code(shipment.number)}")
    sheets = [cards[start : start + CARDS_A_SHEET] for start in range(0, len(cards), CARDS_A_SHEET)] or [[]]
    for number, on_sheet in enumerate(sheets, start=1):
        if number == 1:
            _draw_head(canvas, shipment, len(cards), sender)
        else:
            _draw_further_head(canvas, shipment, number, len(sheets))
        _draw_fold_marks(canvas)
        for left, card in zip(CARD_LEFTS_MM, on_sheet, strict=False):
            _draw_place(canvas, card, left)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def _draw_head(canvas: Canvas, shipment: Shipment, cards: int, sender: Address) -> None:
    text_at(canvas, sender.recipient, x=ADDRESS_LEFT_MM, y=20, size=12, style="bold")
    text_at(canvas, f"{sender.street}, {sender.postcode} {sender.city}", x=ADDRESS_LEFT_MM, y=25.5, size=9)
    text_at(canvas, shipment.planned_on.isoformat(), x=195, y=20, size=9, align="right")
    text_at(canvas, f"Forsendelse / shipment {shipment.number}", x=195, y=25.5, size=9, align="right")
    draw_address(canvas, shipment.label_lines)
    draw_data_matrix(canvas, shipment_code(shipment.number), x=CODE_LEFT_MM, y=CODE_TOP_MM, size=CODE_SIZE_MM)
    text_at(canvas, f"HMS-kort / HSE cards: {cards}", x=ADDRESS_LEFT_MM, y=108, size=15, style="bold")
    for place, line in enumerate(_NO):
        text_at(canvas, line, x=ADDRESS_LEFT_MM, y=118 + 5 * place, size=10)
    for place, line in enumerate(_EN):
        text_at(canvas, line, x=ADDRESS_LEFT_MM, y=138 + 5 * place, size=10, grey=True)
    _draw_orders(canvas, shipment)


def _draw_orders(canvas: Canvas, shipment: Shipment) -> None:
    orders = [order for order, _ in shipment.shares]
    if not orders:
        return
    shown = ", ".join(orders[:6]) + (f" + {len(orders) - 6}" if len(orders) > 6 else "")
    line = f"Bestilling / order: {shown}"
    style, size = fitted(line, width=175, size=9)
    text_at(canvas, line, x=ADDRESS_LEFT_MM, y=163, size=size, style=style)


def _draw_further_head(canvas: Canvas, shipment: Shipment, sheet: int, sheets: int) -> None:
    """Nothing of a further sheet may show in the window: its head stands below it."""
    text_at(canvas, f"Forsendelse / shipment {shipment.number}", x=ADDRESS_LEFT_MM, y=108, size=12, style="bold")
    text_at(canvas, f"Ark / sheet {sheet} av / of {sheets}", x=195, y=108, size=9, align="right")
    draw_data_matrix(canvas, shipment_code(shipment.number), x=ADDRESS_LEFT_MM, y=114, size=CODE_SIZE_MM)


def draw_address(canvas: Canvas, lines: Sequence[str]) -> None:
    """Address lines at the left edge of the window, one font, no emphasis. At most six fit both envelopes."""
    if len(lines) > 6:
        raise _address_too_large(f"{len(lines)} lines")
    first, step, size = FIVE_LINES if len(lines) <= 5 else SIX_LINES
    fits = [fitted(line, width=ADDRESS_WIDTH_MM, size=size) for line in lines]
    style: FontStyle = "condensed" if any(fit[0] == "condensed" for fit in fits) else "regular"
    size = min(fit[1] for fit in fits)
    if size < SIZE_MIN_PT:
        widest = max(lines, key=lambda line: width_mm(line, style=style, size=SIZE_MIN_PT))
        raise _address_too_large(f"{widest!r} is too wide")
    for place, line in enumerate(lines):
        text_at(canvas, line, x=ADDRESS_LEFT_MM, y=first + step * place, size=size, style=style)


def _address_too_large(what: str) -> Refused:
    return Refused(
        "letter.address_too_large",
        f"the address does not fit the envelope's window: {what}",
        field="label_lines",
        fix="have the address shortened: at most six lines of about 35 letters",
    )


def _draw_fold_marks(canvas: Canvas) -> None:
    canvas.setStrokeGray(0.6)
    canvas.setLineWidth(0.3)
    for fold in FOLDS_MM:
        canvas.line(4 * MM, (HEIGHT_MM - fold) * MM, 8 * MM, (HEIGHT_MM - fold) * MM)


def _draw_place(canvas: Canvas, card: LetterCard, left: float) -> None:
    """One card's place: the caption above it stays legible when the card lies on it."""
    width, height = CARD_MM
    style, size = fitted(card.holder, width=width, size=8.5)
    text_at(canvas, f"{card.place}   {card.card_number}", x=left, y=CARD_TOP_MM - 5.4, size=9, style="bold")
    text_at(canvas, card.holder, x=left, y=CARD_TOP_MM - 1.6, size=size, style=style)
    canvas.setStrokeGray(0.65)
    canvas.setLineWidth(0.5)
    canvas.setDash(2, 2)
    canvas.roundRect(left * MM, (HEIGHT_MM - CARD_TOP_MM - height) * MM, width * MM, height * MM, 3.18 * MM)
    canvas.setDash()
    text_at(
        canvas, str(card.place), x=left + width / 2, y=CARD_TOP_MM + height / 2 + 4, size=30, align="centre", grey=True
    )


def label(shipment: Shipment) -> bytes:
    """An address label as PDF, 90 × 50 mm: the address, the shipment number and its DataMatrix."""
    buffer = io.BytesIO()
    canvas = open_canvas(buffer, title=f"Label {shipment_code(shipment.number)}", size_mm=(90, 50))
    for place, line in enumerate(shipment.label_lines):
        style, size = fitted(line, width=62, size=10.5)
        text_at(canvas, line, x=5, y=9 + 5 * place, size=size, style=style, height=50)
    draw_data_matrix(canvas, shipment_code(shipment.number), x=71, y=6, size=14, height=50)
    text_at(canvas, shipment_code(shipment.number), x=78, y=25, size=7, align="centre", height=50)
    canvas.setStrokeGray(0.6)
    canvas.line(5 * MM, 8 * MM, 85 * MM, 8 * MM)
    contents = f"{len(shipment.card_ids)} kort · {shipment.weight_g:g} g · {shipment.product}"
    text_at(canvas, contents, x=5, y=46, size=7, height=50)
    canvas.showPage()
    canvas.save()
    return buffer.getvalue()


_COLUMNS: tuple[tuple[str, float], ...] = (
    ("Nr.", 20),
    ("Bestilling / booking", 33),
    ("Mottaker / recipient", 75),
    ("Sted / place", 119),
    ("Kort", 156),
    ("Gram", 171),
    ("Porto", 195),
)
_LEFT_OUT_COLUMNS: tuple[tuple[str, float], ...] = (
    ("Forsendelse, bestilling / shipment, order", 20),
    ("Kort", 92),
    ("Grunn / reason", 100),
    ("Mer / more", 135),
)
_ROWS_A_PAGE = 38
_Row = TypeVar("_Row")


def manifest_pdf(
    day: date, shipments: Sequence[Shipment], *, sender: Address, left_out: Sequence[LeftOut] = ()
) -> bytes:
    """The day's list for the carrier as PDF: every letter, its weight and postage (net), sums at the end.

    What stays behind is named with its reason on pages of its own.
    """
    buffer = io.BytesIO()
    canvas = open_canvas(buffer, title=f"Manifest {day.isoformat()}")
    pages = _paged(shipments) or [[]]
    behind = _paged(left_out)
    count = len(pages) + len(behind)
    for number, page in enumerate(pages, start=1):
        _draw_manifest_head(canvas, day, sender, f"{number} / {count}")
        _draw_heading(canvas, _COLUMNS)
        for place, shipment in enumerate(page):
            _draw_manifest_row(canvas, shipment, 58 + 5.5 * place)
        if number == len(pages):
            _draw_sums(canvas, shipments, 58 + 5.5 * len(page) + 3, behind=len(left_out))
        canvas.showPage()
    for number, rest in enumerate(behind, start=len(pages) + 1):
        _draw_manifest_head(canvas, day, sender, f"{number} / {count}")
        text_at(canvas, "Ikke med / not handed over", x=20, y=42, size=11, style="bold")
        _draw_heading(canvas, _LEFT_OUT_COLUMNS)
        for place, one in enumerate(rest):
            _draw_left_out(canvas, one, 58 + 5.5 * place)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def _paged(rows: Sequence[_Row]) -> list[Sequence[_Row]]:
    return [rows[at : at + _ROWS_A_PAGE] for at in range(0, len(rows), _ROWS_A_PAGE)]


def _draw_manifest_head(canvas: Canvas, day: date, sender: Address, page: str) -> None:
    text_at(canvas, "Leveringsliste / manifest", x=20, y=22, size=16, style="bold")
    text_at(canvas, day.isoformat(), x=195, y=22, size=11, align="right")
    text_at(canvas, page, x=195, y=28, size=9, align="right")
    text_at(canvas, f"{sender.recipient}, {sender.street}, {sender.postcode} {sender.city}", x=20, y=30, size=9)


def _draw_heading(canvas: Canvas, columns: Sequence[tuple[str, float]]) -> None:
    for title, x in columns:
        right = title in ("Kort", "Gram", "Porto")
        text_at(canvas, title, x=x, y=49, size=8, style="bold", align="right" if right else "left")
    canvas.setStrokeGray(0.3)
    canvas.setLineWidth(0.6)
    canvas.line(20 * MM, (HEIGHT_MM - 51.5) * MM, 195 * MM, (HEIGHT_MM - 51.5) * MM)


def _draw_manifest_row(canvas: Canvas, shipment: Shipment, y: float) -> None:
    place = f"{shipment.address.postcode} {shipment.address.city} {shipment.address.country}"
    lefts = (
        (str(shipment.number), 20, 12.0),
        (shipment.carrier_number or shipment.booking or "–", 33, 40.0),
        (shipment.label_lines[0], 75, 42.0),
        (place, 119, 30.0),
    )
    for text, x, room in lefts:
        shown = shortened(text, room)
        style, size = fitted(shown, width=room, size=8)
        text_at(canvas, shown, x=x, y=y, size=size, style=style)
    numbers = ((str(len(shipment.card_ids)), 156), (f"{shipment.weight_g:.1f}", 171), (_net(shipment), 195))
    for text, x in numbers:
        text_at(canvas, text, x=x, y=y, size=8, align="right")


def _draw_left_out(canvas: Canvas, one: LeftOut, y: float) -> None:
    subject = f"{one.subject}  ({shipment_code(one.number)})" if one.number else one.subject
    for text, x, room in ((subject, 20, 66.0), (one.reason.replace("_", " "), 100, 33.0), (one.detail, 135, 60.0)):
        shown = shortened(text, room)
        style, size = fitted(shown, width=room, size=8)
        text_at(canvas, shown, x=x, y=y, size=size, style=style)
    text_at(canvas, str(one.cards), x=92, y=y, size=8, align="right")


def _net(shipment: Shipment) -> str:
    return nok(shipment.postage_net_ore)


def _draw_sums(canvas: Canvas, shipments: Sequence[Shipment], y: float, *, behind: int) -> None:
    canvas.line(20 * MM, (HEIGHT_MM - y + 4.5) * MM, 195 * MM, (HEIGHT_MM - y + 4.5) * MM)
    text_at(canvas, f"Sum: {len(shipments)} brev / letters", x=20, y=y, size=9, style="bold")
    sums = (
        (str(sum(len(s.card_ids) for s in shipments)), 156),
        (f"{sum(s.weight_g for s in shipments):.1f}", 171),
        (nok(sum(s.postage_net_ore for s in shipments)), 195),
    )
    for text, x in sums:
        text_at(canvas, text, x=x, y=y, size=9, style="bold", align="right")
    if behind:
        words = f"{behind} står igjen, se siste side / {behind} stay behind, see the last page"
        text_at(canvas, words, x=20, y=y + 6, size=8, grey=True)
    text_at(canvas, "Utlevert av / handed over by: ____________________", x=20, y=y + 14, size=9)
    text_at(canvas, "Mottatt av / received by: ____________________", x=115, y=y + 14, size=9)


_CSV_HEADING = (
    *("day", "shipment", "code", "booking", "recipient", "street", "postcode", "city", "country", "cards"),
    *("weight_g", "thickness_mm", "product", "tariff", "postage_net", "vat_percent"),
    *("carrier_number", "left_out_because", "left_out_detail"),
)


def manifest_csv(day: date, shipments: Sequence[Shipment], *, left_out: Sequence[LeftOut] = ()) -> bytes:
    """The same list for a spreadsheet: semicolons, UTF-8 with BOM, CRLF; no cell can start a formula.

    What stays behind follows, with a reason in `left_out_because`; its `shipment` is a number, or the order's.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    writer.writerow(_CSV_HEADING)
    rows = (*(_manifest_cells(day, shipment) for shipment in shipments), *(_left_out_cells(day, o) for o in left_out))
    for row in rows:
        writer.writerow([_formula_safe(cell) for cell in row])
    return text.getvalue().encode("utf-8-sig")


def _left_out_cells(day: date, one: LeftOut) -> tuple[str, ...]:
    known = {
        "day": day.isoformat(),
        "shipment": str(one.number or one.subject),
        "code": shipment_code(one.number) if one.number else "",
        "cards": str(one.cards),
        "left_out_because": one.reason,
        "left_out_detail": one.detail,
    }
    return tuple(known.get(name, "") for name in _CSV_HEADING)


def _manifest_cells(day: date, shipment: Shipment) -> tuple[str, ...]:
    address = shipment.address
    return (
        day.isoformat(),
        str(shipment.number),
        shipment_code(shipment.number),
        shipment.booking or "",
        address.recipient,
        address.street,
        address.postcode,
        address.city,
        address.country,
        str(len(shipment.card_ids)),
        f"{shipment.weight_g:.2f}",
        f"{shipment.thickness_mm:.2f}",
        shipment.product,
        shipment.tariff,
        nok(shipment.postage_net_ore),
        str(shipment.vat_percent),
        shipment.carrier_number or "",
        "",
        "",
    )


def _formula_safe(cell: str) -> str:
    """A spreadsheet runs what begins with = + - @ or a control character; an apostrophe makes it text."""
    return f"'{cell}" if cell.lstrip()[:1] in ("=", "+", "-", "@") or cell[:1] in ("\t", "\r", "\n") else cell
