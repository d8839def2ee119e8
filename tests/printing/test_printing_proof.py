"""Reading back: two readers a code, one of them ours for Code 128; a run read in parts tells what the whole tells."""

import numpy as np
import pytest
import zxingcpp

from benchmarks.mixups import similar_card, similar_portrait
from printing.code_reader import code128_of, read_code128, read_qr
from printing.faces import lay_out
from printing.models import Face
from printing.proof import read_back
from printing.run import draw_run


def bars(text: str, kind: zxingcpp.BarcodeFormat = zxingcpp.BarcodeFormat.Code128) -> np.ndarray:
    """A Code 128 of modules of 4 pixels with its quiet zones."""
    modules = np.asarray(zxingcpp.create_barcode(text, kind).to_image(scale=1, add_quiet_zones=False))[:1]
    return np.pad(np.repeat(np.repeat(modules, 4, 1), 90, 0), ((6, 6), (40, 40)), constant_values=255)


@pytest.mark.parametrize("text", ["4388261", "0000000", "12345678", "AB-12 ab", "a1\t2B", "Zz99999999zZ", "~!|"])
def test_the_decoder_of_our_own_reads_what_another_program_drew(text: str):
    assert code128_of(bars(text)) == text


def test_it_reads_every_sign_of_the_table():
    for first in range(0, 100, 10):
        digits = "".join(f"{pair:02d}" for pair in range(first, first + 10))
        assert code128_of(bars(digits)) == digits
    letters = "".join(chr(code) for code in range(32, 127))
    assert code128_of(bars(letters)) == letters


def test_it_reads_noise_and_grey_but_guesses_nothing():
    chance = np.random.default_rng(7)
    drawn = bars("4388261")
    noisy = np.clip(drawn * 0.4 + 50 + chance.normal(0, 20, drawn.shape), 0, 255).astype(np.uint8)
    assert code128_of(noisy) == "4388261"
    assert code128_of(drawn[:, : drawn.shape[1] // 2]) == ""
    assert code128_of(np.full((40, 400), 255, np.uint8)) == ""
    for module in range(88):  # two modules turned over: read rightly or not at all, never as another number
        broken, edge = drawn.copy(), 40 + 4 * module
        broken[6:-6, edge : edge + 8] = 255 - broken[6:-6, edge : edge + 8]
        assert code128_of(broken) in {"", "4388261"}


def test_bands_that_disagree_are_not_read():
    assert code128_of(np.vstack([bars("4388261"), bars("4388262")])) == ""


def test_both_readers_answer_for_both_codes():
    assert read_code128(bars("4388261")) == ("4388261", "4388261")
    modules = np.asarray(zxingcpp.create_barcode("HTTPS://A.NO/1", zxingcpp.BarcodeFormat.QRCode).to_image(scale=6))
    assert read_qr(modules) == ("HTTPS://A.NO/1", "HTTPS://A.NO/1")
    assert read_qr(np.full((200, 200), 255, np.uint8)) == ("", "")


def test_parts_of_a_run_tell_together_what_the_whole_tells():
    portraits = [similar_portrait(index) for index in range(5)]
    ordered = [similar_card(index, portrait) for index, portrait in enumerate(portraits)]
    drawn = list(ordered)
    drawn[1] = drawn[1].model_copy(update={"family_name": "Another"})
    drawn[4] = drawn[4].model_copy(update={"number": "9999999"})
    faces = [face for face in map(lay_out, drawn) if isinstance(face, Face)]
    run = draw_run(faces, portraits, title="parts")
    whole = read_back(run, ordered, portraits)
    assert {(found.position, found.what) for found in whole} == {(2, "text"), (5, "text"), (5, "barcode")}
    parts = [
        found
        for at in (0, 2, 4)
        for found in read_back(run, ordered[at : at + 2], portraits[at : at + 2], first=at, cards=5)
    ]
    assert parts == whole
    assert [found.what for found in read_back(run, ordered[:2], portraits[:2], first=0, cards=4)] == ["page"]
