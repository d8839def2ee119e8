"""Reading a drawn run back, card by card, before any blank is used: page against order, with other eyes.

Each page is rasterised at printer resolution by another library than the one that drew it. Each code is read by two
independent readers, every text box by its letters, and the portrait both by its bytes in the file and by the pixels
that show. What differs holds the card.
"""

import ctypes
import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import pypdfium2

from printing.code_reader import read_code128, read_qr
from printing.codes import DOT_MM, DOT_PT
from printing.faces import design_on, values
from printing.layout import Box, CodeBox, Element, Placeholder, PortraitBox, ValueText, faces_of
from printing.models import CARD_HEIGHT_MM, FaceContent, FaceMismatch
from printing.page import BLEED_DOTS, PAGE_DOTS, SIDES
from printing.pictures import Pixels, card_pixels, opened_pdf, page_pixels
from printing.sheet import SINGLE, Sheet, Spot

_DPI = 300
_PERSONAL: frozenset[Placeholder] = frozenset({"family_name", "given_name", "birth_date", "employer"})
_SAME_PICTURE = 6.0  # grey levels of mean difference on small pictures; drawing alone costs below 2
_SMALL = (44, 56)
Finding = tuple[str, str, str]  # what, expected, found


class SideSeen(NamedTuple):
    """What is on one side of a drawn card, each tuple in the order of the design's boxes of that sort."""

    size: tuple[int, int]  # of the page in dots
    texts: tuple[str, ...] = ()
    codes: tuple[tuple[str, ...], ...] = ()  # what each reader read
    jpegs: tuple[str, ...] = ()  # SHA-256 of every picture in the page
    shown: tuple[npt.NDArray[np.float32], ...] = ()  # small copies of what shows in the portrait's place


class CardSeen(NamedTuple):
    """A drawn card as it was read, without looking at the order."""

    design: str
    front: SideSeen
    back: SideSeen


def read_back(
    run_pdf: bytes,
    expected: Sequence[FaceContent],
    portraits: Sequence[bytes],
    *,
    first: int = 0,
    cards: int | None = None,
    sheet: Sheet = SINGLE,
) -> list[FaceMismatch]:
    """Every difference between a run and what was ordered, in page order; empty means that all is right.

    `expected[i]` and `portraits[i]` belong to card `first` + i of the run, that lies where `sheet` says: on pages
    2(first + i) and the next when a page is a card. `cards` is how many the whole run has, so that a part of it may be
    read beside the others. Positions count from 1. Names and pictures are told by digest only, so that a finding may
    be logged. About 20 ms a page.
    """
    if len(expected) != len(portraits):
        raise ValueError(f"{len(expected)} contents and {len(portraits)} portraits cannot be compared")
    pages = sheet.pages(len(expected) if cards is None else cards)
    whose = expected[0].card_id if expected else ""
    try:
        with opened_pdf(run_pdf) as document:
            if len(document) != pages:
                return [_mismatch(first + 1, whose, ("page", f"{pages}", f"{len(document)} pages"))]
            run = _Run(document, sheet)
            return [
                _mismatch(position + 1, content.card_id, finding)
                for position, (content, portrait) in enumerate(zip(expected, portraits, strict=True), start=first)
                for finding in differences(run.card(position, _design_of(content)), content, portrait)
            ]
    except pypdfium2.PdfiumError:
        return [_mismatch(first + 1, whose, ("page", "a readable file", "no readable file"))]


def see_run(run_pdf: bytes, designs: Sequence[str], *, sheet: Sheet = SINGLE) -> list[CardSeen]:
    """All cards of a run as they are drawn, `designs[i]` being the look of card i; for `differences` from any order."""
    with opened_pdf(run_pdf) as document:
        run = _Run(document, sheet)
        return [run.card(position, name) for position, name in enumerate(designs)]


def differences(seen: CardSeen, content: FaceContent, portrait: bytes) -> list[Finding]:
    """Where a card that was read is not the one ordered: (what, expected, found), personal text as digests."""
    name = _design_of(content)
    if seen.design != name:
        return [("page", name, seen.design)]
    return [
        finding
        for side, found in zip(SIDES, (seen.front, seen.back), strict=True)
        for finding in _side_findings(found, faces_of(name).side(side), content, portrait)
    ]


def _design_of(content: FaceContent) -> str:
    return design_on(content.issued_on, content.kind)


def _mismatch(position: int, card_id: str, finding: Finding) -> FaceMismatch:
    what, expected, found = finding
    return FaceMismatch(position=position, card_id=card_id, what=what, expected=expected, found=found)


class _Page(NamedTuple):
    """A page of a run as it was read: its pixels, its letters and its pictures, with their places in dots."""

    pixels: Pixels
    letters: list[tuple[str, float, float]]
    pictures: list[tuple[str, float, float]]


class _Run:
    """An open run. Cards that share a sheet are read off one rasterised page: the last two pages are kept."""

    def __init__(self, document: pypdfium2.PdfDocument, sheet: Sheet) -> None:
        self._document = document
        self._sheet = sheet
        self._pages: dict[int, _Page] = {}

    def card(self, index: int, name: str) -> CardSeen:
        """Card `index` (from 0), read with the boxes of the design called `name`."""
        front, back = (
            _see_side(self._page(spot.page), faces_of(name).side(side), spot, self._sheet)
            for side in SIDES
            for spot in [self._sheet.spot(index, side)]
        )
        return CardSeen(design=name, front=front, back=back)

    def _page(self, number: int) -> _Page:
        if number not in self._pages:
            while len(self._pages) > 1:
                del self._pages[min(self._pages)]
            page = self._document[number]
            self._pages[number] = _Page(page_pixels(page, _DPI), _letters(page), list(_jpegs(page)))
            page.close()
        return self._pages[number]


def _see_side(page: _Page, elements: Sequence[Element], spot: Spot, sheet: Sheet) -> SideSeen:
    high, wide = page.pixels.shape[:2]
    if (wide, high) != sheet.size:
        return SideSeen((wide, high) if (wide, high) != PAGE_DOTS else (0, 0))
    pixels = card_pixels(page.pixels, spot)
    letters = [_on_card(letter, spot) for letter in page.letters]
    return SideSeen(
        size=PAGE_DOTS,
        texts=tuple(_bare(_text_in(letters, place.box)) for place in elements if isinstance(place, ValueText)),
        codes=tuple(_read_code(_cut(pixels, place.box), place) for place in elements if isinstance(place, CodeBox)),
        jpegs=tuple(digest for digest, x, y in page.pictures if _lies_on(spot, x, y)),
        shown=tuple(_small(_cut(pixels, place.box)) for place in elements if isinstance(place, PortraitBox)),
    )


def _on_card(letter: tuple[str, float, float], spot: Spot) -> tuple[str, float, float]:
    """A letter of a page with its place in mm from the top left corner of the trimmed card at `spot`."""
    sign, x, y = letter
    return sign, (x - spot.left - BLEED_DOTS) * DOT_MM, CARD_HEIGHT_MM - (y - spot.low - BLEED_DOTS) * DOT_MM


def _lies_on(spot: Spot, x: float, y: float) -> bool:
    """Whether a dot of the page is on the card at `spot`, its bleed included."""
    return spot.left <= x < spot.left + PAGE_DOTS[0] and spot.low <= y < spot.low + PAGE_DOTS[1]


def _side_findings(
    seen: SideSeen, elements: Sequence[Element], content: FaceContent, portrait: bytes
) -> Iterator[Finding]:
    if seen.size != PAGE_DOTS:
        yield "page", f"{PAGE_DOTS[0]} x {PAGE_DOTS[1]}", f"{seen.size[0]} x {seen.size[1]}"
        return
    yield from _text_findings(seen, elements, content)
    places = [place for place in elements if isinstance(place, CodeBox)]
    for code, texts in zip(places, seen.codes, strict=True):
        yield from _code_findings(code, texts, content)
    for shown in seen.shown:
        yield from _portrait_findings(seen.jpegs, shown, portrait, content.portrait_sha256)


def _text_findings(seen: SideSeen, elements: Sequence[Element], content: FaceContent) -> Iterator[Finding]:
    """Each value box holds exactly its own text: a name that merely begins alike is another name."""
    texts = values(content)
    places = [place.placeholder for place in elements if isinstance(place, ValueText)]
    for placeholder, found in zip(places, seen.texts, strict=True):
        wanted = _bare(texts[placeholder])
        if wanted != found:
            veiled = placeholder in _PERSONAL
            yield "text", _told(placeholder, wanted, veiled), _told(placeholder, found, veiled)


def _letters(page: pypdfium2.PdfPage) -> list[tuple[str, float, float]]:
    """Every letter of a page in reading order, with the start of its baseline in dots from the lower left corner."""
    reader = page.get_textpage()
    x, y = ctypes.c_double(), ctypes.c_double()
    letters = []
    for index in range(reader.count_chars()):
        pypdfium2.raw.FPDFText_GetCharOrigin(reader, index, x, y)
        sign = chr(pypdfium2.raw.FPDFText_GetUnicode(reader, index))
        letters.append((sign, x.value / DOT_PT, y.value / DOT_PT))
    reader.close()
    return letters


def _text_in(letters: list[tuple[str, float, float]], box: Box) -> str:
    """The letters whose baseline starts in a box; its top fifth is where the label above may reach into."""
    head, foot = box.y + box.h / 5, box.y + box.h + 0.3
    left, right = box.x - 0.2, box.x + box.w
    return "".join(sign for sign, x, y in letters if left <= x <= right and head <= y <= foot)


def _bare(text: str) -> str:
    """Without white space and without the mark that the reader puts for a hyphen at a line's end."""
    return re.sub(r"\s", "", text.replace("￾", "-").replace("\x02", "-"))


def _told(placeholder: Placeholder, text: str, veiled: bool) -> str:
    return f"{placeholder}: {_digest(text.encode()) if veiled else text}"


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _cut(pixels: Pixels, box: Box) -> Pixels:
    """The part of a 300 dpi page that a box covers."""
    left, right = BLEED_DOTS + box.x / DOT_MM, BLEED_DOTS + (box.x + box.w) / DOT_MM
    foot = PAGE_DOTS[1] - BLEED_DOTS - CARD_HEIGHT_MM / DOT_MM
    top, bottom = foot + box.y / DOT_MM, foot + (box.y + box.h) / DOT_MM
    return pixels[round(top) : round(bottom), round(left) : round(right)]


def _read_code(pixels: Pixels, place: CodeBox) -> tuple[str, str]:
    """What each of two independent readers reads in a code's box."""
    grey = np.ascontiguousarray(pixels[:, :, 1])
    return read_code128(grey) if place.type == "code128" else read_qr(grey)


def _code_findings(place: CodeBox, texts: tuple[str, ...], content: FaceContent) -> Iterator[Finding]:
    what, wanted = ("qr", content.status_url) if place.type == "qr" else ("barcode", content.number)
    wrong = [text for text in texts if text != wanted]
    if wrong:
        yield what, wanted, wrong[0] or "nothing"


def _portrait_findings(
    jpegs: tuple[str, ...], shown: npt.NDArray[np.float32], portrait: bytes, ordered_sha256: str
) -> Iterator[Finding]:
    """The embedded picture is the ordered one to the byte, and what shows in its place looks like it."""
    if jpegs != (ordered_sha256,):
        yield "portrait", ordered_sha256, ", ".join(jpegs) or "no picture"
        return
    wanted = cv2.imdecode(np.frombuffer(portrait, np.uint8), cv2.IMREAD_COLOR_RGB)
    if wanted is None or hashlib.sha256(portrait).hexdigest() != ordered_sha256:
        yield "portrait", ordered_sha256, "another picture in the order's store"
        return
    distance = float(np.abs(_small(wanted.astype(np.uint8)) - shown).mean())
    if distance > _SAME_PICTURE:
        yield "portrait", ordered_sha256, f"pixels that differ by {distance:.0f} levels"


def _jpegs(page: pypdfium2.PdfPage) -> Iterator[tuple[str, float, float]]:
    """SHA-256 of every picture of a page, with the middle of its place in dots from the lower left corner."""
    for found in page.get_objects(filter=[pypdfium2.raw.FPDF_PAGEOBJ_IMAGE]):
        left, low, right, high = found.get_bounds()
        digest = hashlib.sha256(bytes(found.get_data(decode_simple=False))).hexdigest()
        yield digest, (left + right) / 2 / DOT_PT, (low + high) / 2 / DOT_PT


def _small(pixels: Pixels) -> npt.NDArray[np.float32]:
    return cv2.resize(np.ascontiguousarray(pixels), _SMALL, interpolation=cv2.INTER_AREA).astype(np.float32)
