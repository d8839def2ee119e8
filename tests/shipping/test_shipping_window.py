"""The letter on the page: whatever address passes lies in both windows with slack; no card is folded or seen.

Read back from the drawn PDF. An address that cannot be held is refused, never squeezed or cut: its cards are held.
"""

from datetime import date
from itertools import pairwise

import pypdfium2
import pypdfium2.raw as pdfium
import pytest

from cards.address import Address
from cards.errors import Refused
from shipping.documents import letter
from shipping.models import LetterCard, Shipment, ShipmentState

MM = 72 / 25.4
SLACK_MM = 3.0
# From the sheet's top left, source officeconsult.no: left, top, right, bottom.
C5 = (15.0, 44.0, 120.0, 79.0)
C6_5 = (15.0, 39.0, 115.0, 74.0)
FOLDS_MM = (99.0, 148.5, 198.0)  # C6/5 folds twice, C5 once
CARD_MM = (53.98, 85.6)
SENDER = Address(recipient="Kortbyrået AS", street="Verkstedveien 1", postcode="0277", city="Oslo")
# Wide, narrow, tall (two marks on a capital) with letters below the line, and usual ones.
INKS = ("W", "i", "Åg", "Ḗḁ", "Øvre Smestadmoen Ąę")


def _letter(lines: tuple[str, ...], cards: int) -> pypdfium2.PdfDocument:
    shipment = Shipment(
        shipment_id="s-12", number=12, address_key="k", address=SENDER, label_lines=lines, card_ids=("A-1",),
        weight_g=22.3, thickness_mm=1.8, product="Brev", tariff="t", postage_net_ore=2240, vat_percent=25,
        shares=(("A", 2240),), state=ShipmentState.PACKED, planned_on=date(2026, 11, 23),
    )  # fmt: skip
    named = [LetterCard(place=n, card_number=f"{n:07d}", holder="Nguyễn Żółkiewska") for n in range(1, cards + 1)]
    return pypdfium2.PdfDocument(letter(shipment, named, sender=SENDER))


def _ink(page: pypdfium2.PdfPage) -> list[tuple[float, float, float, float]]:
    """Left, top, right, bottom of every inked character, in mm from the top left."""
    text, height = page.get_textpage(), page.get_height()
    boxes = [text.get_charbox(n) for n in range(text.count_chars()) if text.get_text_range(n, 1).strip()]
    return [(left / MM, (height - top) / MM, right / MM, (height - bottom) / MM) for left, bottom, right, top in boxes]


def _seen(box: tuple[float, float, float, float], window: tuple[float, float, float, float]) -> bool:
    return box[0] < window[2] and box[2] > window[0] and box[1] < window[3] and box[3] > window[1]


@pytest.mark.parametrize("ink", INKS)
@pytest.mark.parametrize("count", range(1, 7))
def test_every_address_that_passes_lies_in_both_windows_with_slack(count: int, ink: str) -> None:
    """Lines of 1 to 35 letters, what an address may have at most, in 1 to 6 lines. Too wide ones are refused."""
    passed = 0
    for length in (1, 12, 23, 28, 31, 33, 34, 35):
        # each line begins elsewhere in the ink: the reader takes equal lines close together for one in bold
        lines = tuple((ink * 40)[start : start + length].strip() or ink[0] for start in range(count))
        page = _page_or_refused(lines)
        if page is None:
            continue
        passed += 1
        ink_on_page = _ink(page)
        for left, top, right, bottom in (C5, C6_5):
            seen = [box for box in ink_on_page if _seen(box, (left, top, right, bottom))]
            assert len(seen) == sum(len("".join(line.split())) for line in lines)
            assert min(box[0] for box in seen) >= left + SLACK_MM
            assert min(box[1] for box in seen) >= top + SLACK_MM
            assert max(box[2] for box in seen) <= right - SLACK_MM
            assert max(box[3] for box in seen) <= bottom - SLACK_MM
    assert passed >= 3  # what the refusals leave is not a handful


def test_a_seventh_line_is_refused_and_not_squeezed_in() -> None:
    with pytest.raises(Refused, match=r"letter\.address_too_large"):
        _letter(("a",) * 7, 1)


def _page_or_refused(lines: tuple[str, ...]) -> pypdfium2.PdfPage | None:
    try:
        return _letter(lines, 1)[0]
    except Refused as fault:
        if fault.code != "letter.address_too_large":
            raise
        return None


def _cards_on(page: pypdfium2.PdfPage) -> list[tuple[float, float, float, float]]:
    """Left, top, right, bottom in mm of the outlines that are as large as a card."""
    height, found = page.get_height(), []
    for drawn in page.get_objects([pdfium.FPDF_PAGEOBJ_PATH]):
        left, bottom, right, top = drawn.get_bounds()
        if (right - left) / MM > CARD_MM[0] - 1 and CARD_MM[1] - 1 < (top - bottom) / MM < 100:
            found.append((left / MM, (height - top) / MM, right / MM, (height - bottom) / MM))
    return found


@pytest.mark.parametrize("cards", [1, 2, 3, 4, 7])
def test_no_card_lies_across_a_fold_or_in_the_window(cards: int) -> None:
    places = []
    for page in _letter(("Fjordbygg AS", "0184 OSLO"), cards):
        outlines = _cards_on(page)
        places += outlines
        for card in outlines:
            assert not any(card[1] < fold < card[3] for fold in FOLDS_MM)
            assert not any(_seen(card, window) for window in (C5, C6_5))
            assert min(card) > 0
            assert (card[2] < 210, card[3] < 297) == (True, True)
        for one, other in pairwise(outlines):
            assert one[2] <= other[0]  # side by side
    assert len(places) == cards
