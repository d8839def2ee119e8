"""Scans: cards are found at any turn, several in a picture; right ones are called right, wrong ones wrong."""

import io
from functools import cache

import cv2
import numpy as np
import pytest
from PIL import Image

from benchmarks.scans import KINDS_OF_FAULT, Taking, as_jpeg, card, is_caught, portraits, sweep, taken, try_one
from cards.errors import Refused
from printing.expected import drawn_sides
from printing.likeness import checks_of, read_codes, read_number
from printing.scan import find_sides, open_scan

PLAIN = Taking(dpi=300, blur_mm=0.03, turn_deg=0, stops=0, noise=3, jpeg=90, tilt=0.0, tint=(1.0, 1.0, 1.0), ground=235)


@cache
def faces() -> list[bytes]:
    return portraits(3)


def picture(index: int, side: str, **how: object) -> np.ndarray:
    content, portrait = card(index, faces())
    return taken(drawn_sides(content, portrait)[side], PLAIN._replace(**how), np.random.default_rng(index))


def test_right_cards_are_called_right_however_they_are_taken():
    tried = list(sweep(6, faulty=False, faces=faces()))
    assert [(one.found, one.taking) for one in tried if one.found] == []


@pytest.mark.parametrize(("at", "what"), list(enumerate(KINDS_OF_FAULT)))
def test_every_kind_of_fault_is_caught(at: int, what: str):
    tried = try_one(10_000 + at, faces(), what)
    assert is_caught(tried), (tried.found, tried.scores, tried.taking)


@pytest.mark.parametrize("how", [{"turn_deg": 90}, {"turn_deg": 217, "dpi": 200}, {"dpi": 600, "ground": 250}])
def test_a_card_is_laid_flat_to_a_tenth_of_a_millimetre_at_any_turn(how: dict[str, float]):
    content, portrait = card(1, faces())
    (found,) = find_sides(picture(1, "front", **how))
    drawn = cv2.cvtColor(drawn_sides(content, portrait)["front"], cv2.COLOR_RGB2GRAY).astype(np.float32)
    seen = cv2.cvtColor(found.pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    for left, top, right, bottom in ((40, 20, 400, 120), (600, 420, 1000, 630), (40, 480, 400, 630)):
        moved, _ = cv2.phaseCorrelate(drawn[top:bottom, left:right], seen[top:bottom, left:right])
        assert np.hypot(*moved) < 1.2
    assert found.dpi == pytest.approx(how.get("dpi", 300), rel=0.03)
    assert read_number(found)[0] == content.number


def test_several_cards_in_one_picture_are_found_from_the_top_down():
    laid = [picture(2, "front", dpi=200, turn_deg=4), picture(3, "back", dpi=200, turn_deg=178)]
    laid += [picture(3, "front", dpi=200), picture(2, "back", dpi=200)]
    sheet = np.full((sum(one.shape[0] for one in laid), max(one.shape[1] for one in laid) + 60, 3), 235, np.uint8)
    at = 0
    for index, one in enumerate(laid):
        sheet[at : at + one.shape[0], 20 * index : 20 * index + one.shape[1]] = one
        at += one.shape[0]
    found = find_sides(sheet)
    assert [one.side for one in found] == ["front", "back", "front", "back"]
    numbers = [card(index, faces())[0].number for index in (2, 3)]
    assert [read_number(found[0])[0], read_number(found[2])[0]] == numbers
    assert [set(read_codes(found[at]).barcode or ()) for at in (1, 3)] == [{numbers[1]}, {numbers[0]}]


@pytest.mark.parametrize("how", [{"blur_mm": 0.35}, {"dpi": 110}, {"noise": 110, "stops": -1.0}])
def test_what_cannot_be_judged_is_never_called_right(how: dict[str, float]):
    content, portrait = card(4, faces())
    for found in find_sides(picture(4, "front", **how)):
        outcomes = {check.outcome for check in checks_of(found, content, portrait) if check.element != "portrait"}
        assert "same" not in outcomes


def test_a_picture_without_a_card_has_no_sides():
    chance = np.random.default_rng(1)
    assert find_sides(np.full((300, 400, 3), 255, np.uint8)) == []
    assert find_sides(chance.integers(0, 255, (500, 800, 3)).astype(np.uint8)) == []
    assert find_sides(as_jpeg(np.asarray(Image.open(io.BytesIO(faces()[0])).convert("RGB")), 80)) == []


def packed(kind: str, *pictures: Image.Image, **how: object) -> bytes:
    file = io.BytesIO()
    pictures[0].save(file, kind, **how)
    return file.getvalue()


def test_every_picture_of_a_file_is_opened():
    one, two = Image.new("RGB", (60, 40), "red"), Image.new("RGB", (60, 40), "blue")
    assert [len(open_scan(packed(kind, one))) for kind in ("PNG", "JPEG", "TIFF", "BMP")] == [1, 1, 1, 1]
    assert len(open_scan(packed("TIFF", one, save_all=True, append_images=[two]))) == 2
    pages = open_scan(packed("PDF", one, save_all=True, append_images=[two], resolution=300))
    assert [page.shape for page in pages] == [(40, 60, 3)] * 2
    assert open_scan(packed("PNG", two))[0][0, 0].tolist() == [0, 0, 255]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"text",
        b"%PDF-1.7 broken",
        packed("PNG", Image.new("RGB", (60, 40)))[:60],
        packed("PNG", Image.new("1", (9000, 9000))),
        packed("GIF", Image.new("L", (20, 20))),
    ],
    ids=["empty", "text", "broken pdf", "cut png", "81 megapixels", "gif"],
)
def test_what_is_no_picture_is_refused(data: bytes):
    with pytest.raises(Refused) as refused:
        open_scan(data)
    assert refused.value.code == "proof.not_a_picture"
