"""The packing list read back: every card once, in its place, whatever the letters' sizes; codes scan; same bytes."""

from datetime import date

import numpy as np
import pypdfium2
import pytest
import zxingcpp

from shipping.models import LetterCard
from shipping.packing import LetterOnBench
from shipping.packing_list import packing_list
from tests.store.small_world import a_shipment

DAY = date(2026, 11, 23)


def _letter(number: int, count: int, scanned: int = 0) -> LetterOnBench:
    ids = [f"A-{number}-{n}" for n in range(1, count + 1)]
    cards = tuple(
        LetterCard(place=n, card_number=f"{number:02d}{n:05d}", holder="Wilhelmina Nguyễn Żółkiewska-Ødegård")
        for n in range(1, count + 1)
    )
    return LetterOnBench(shipment=a_shipment(number, ids), cards=cards, scanned=frozenset(ids[:scanned]))


@pytest.mark.parametrize("sizes", [[1], [2, 3, 1], [40, 1, 95], [300], [1] * 60, [7] * 12])
def test_every_card_stands_on_the_list_once_and_inside_the_page(sizes: list[int]) -> None:
    letters = [_letter(number, count) for number, count in enumerate(sizes, start=1)]
    document = pypdfium2.PdfDocument(packing_list("S-1", DAY, letters))
    pages = [page.get_textpage() for page in document]
    text = "\n".join(page.get_text_range() for page in pages)
    for letter in letters:
        assert all(text.count(card.card_number) == 1 for card in letter.cards)
    boxes = [page.get_charbox(n) for page in pages for n in range(page.count_chars())]
    assert min(bottom for _, bottom, _, _ in boxes) > 8
    assert f"{len(sizes)} brev / letters, {sum(sizes)} kort / cards" in text


@pytest.mark.parametrize("dpi", [203, 300])
def test_every_letters_code_scans_from_the_list(dpi: int) -> None:
    letters = [_letter(number, 1 + number % 4) for number in range(1, 12)]
    page = pypdfium2.PdfDocument(packing_list("S-1", DAY, letters))[0]
    found = zxingcpp.read_barcodes(np.asarray(page.render(scale=dpi / 72).to_numpy()))
    assert sorted(code.text for code in found) == [letter.code for letter in letters]


def test_the_same_letters_make_the_same_bytes_and_a_scan_shows() -> None:
    once, again = (packing_list("S-1", DAY, [_letter(1, 3)]) for _ in range(2))
    assert once == again
    assert packing_list("S-1", DAY, [_letter(1, 3, scanned=1)]) != once
    assert b"Helvetica" not in once


def test_a_run_without_letters_is_a_page_that_says_so() -> None:
    document = pypdfium2.PdfDocument(packing_list("S-1", DAY, []))
    assert "0 brev / letters" in document[0].get_textpage().get_text_range()
