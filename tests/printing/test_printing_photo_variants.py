"""One sample portrait asked a hundred ways: formats, light, blur, turns, cuts, covers, pictures of pictures."""

import io
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from benchmarks import photo_variants as made
from benchmarks.inbox import SAMPLES
from benchmarks.photos import fault_of
from printing.models import PhotoReason
from printing.portrait import check, make_portrait
from printing.refusals import LIMITS, sentences

BASE = SAMPLES / "photos" / "000401-01.jpg"
FAMILIES = (
    made.of_formats, made.of_files, made.of_light, made.of_detail, made.of_turns, made.of_cuts, made.of_covers,
    made.of_eyes, made.of_company, made.of_pictures,
)  # fmt: skip


@pytest.fixture(scope="module")
def shot() -> made.Shot:
    return made.framed(made.shot_of(BASE.read_bytes()))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_every_variant_is_judged_rightly(shot: made.Shot, family):
    faults = {}
    for variant in family(shot):
        verdict = check(variant.data)
        fault = fault_of(variant, verdict)
        if fault:
            faults[variant.name] = fault, [(found.reason.value, found.measured) for found in verdict.findings]
    assert faults == {}


def png_with_text(size: int) -> bytes:
    """A picture of one pixel with a compressed text chunk that inflates to `size`."""
    info = PngImagePlugin.PngInfo()
    info.add(b"zTXt", b"bomb\0\0" + zlib.compress(bytes(size), 9))
    file = io.BytesIO()
    Image.new("RGB", (40, 40)).save(file, "PNG", pnginfo=info)
    return file.getvalue()


def a_picture(form: str, size: tuple[int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("L", size).save(file, form)
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "reasons"),
    [
        (lambda: a_picture("PNG", (9000, 9000)), {"bomb"}),
        (lambda: a_picture("TIFF", (8001, 8001))[:2000], {"bomb", "truncated"}),
        (lambda: a_picture("GIF", (9000, 9000)), {"unsupported"}),
        (lambda: png_with_text(80_000_000), {"bomb", "truncated", "no_face"}),
        (lambda: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", {"unsupported"}),
        (lambda: b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', {"unsupported"}),
        (lambda: a_picture("JPEG2000", (60, 60)), {"unsupported"}),
        (lambda: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40), {"truncated"}),
        (lambda: b"<!DOCTYPE html><html><img src=x></html>", {"not_an_image"}),
        (lambda: a_picture("PNG", (1, 1)), {"no_face"}),
        (lambda: a_picture("JPEG", (3000, 1)), {"no_face"}),
    ],
    ids=["png", "tiff", "gif", "ztxt", "pdf", "svg", "jpeg2000", "heic", "html", "one_pixel", "a_line"],
)  # fmt: skip
def test_hostile_files_are_refused_with_a_reason(data, reasons: set[str]):
    assert {found.reason.value for found in check(data()).findings} <= reasons


def drawing() -> np.ndarray:
    """A face as a child draws it."""
    paper = np.full((500, 400, 3), 250, np.uint8)
    cv2.circle(paper, (200, 240), 120, (30, 30, 30), 3)
    for x in (160, 240):
        cv2.circle(paper, (x, 210), 12, (30, 30, 30), -1)
    cv2.ellipse(paper, (200, 280), (50, 25), 0, 0, 180, (30, 30, 30), 3)
    return paper


@pytest.mark.parametrize(
    "pixels", [drawing(), np.zeros((600, 480, 3), np.uint8), np.full((600, 480, 3), 255, np.uint8)]
)
def test_a_picture_without_a_person_is_refused(pixels: np.ndarray):
    assert "no_face" in {found.reason.value for found in check(made.jpeg(pixels)).findings}


def test_a_large_photo_and_its_small_copy_are_seen_alike(shot: made.Shot):
    large = cv2.resize(shot.pixels, None, fx=4.013, fy=4.013, interpolation=cv2.INTER_CUBIC)
    verdict = check(made.jpeg(large.astype(np.uint8)))
    assert verdict.eyes is not None
    assert np.abs(np.array(verdict.eyes) / 4.013 - shot.eyes).max() < 0.05 * shot.apart


def test_eyes_of_a_portrait_lie_where_the_card_wants_them(shot: made.Shot):
    portrait = make_portrait(made.jpeg(shot.pixels))[1]
    assert portrait is not None
    found = made.shot_of(portrait.jpeg)
    grow = 661 / found.pixels.shape[0]
    assert found.apart * grow == pytest.approx(0.24 * 520, rel=0.06)
    assert found.middle[1] * grow == pytest.approx(0.45 * 661, rel=0.04)


def test_every_limit_names_its_measure_and_a_reason_with_both_sentences():
    measures = check(BASE.read_bytes()).measures
    for limit in LIMITS:
        assert limit.measure in measures
        assert (limit.least is None) != (limit.most is None) or limit.measure == "pitch"
    told = [sentence for reason in PhotoReason for sentence in sentences()[reason]]
    assert len(set(told)) == 2 * len(PhotoReason)
