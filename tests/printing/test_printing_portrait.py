"""Photos judged as the open set of pictures says, and portraits that carry nothing but the picture."""

import io
import json
import math
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from printing.measure import look_at
from printing.models import PhotoReason
from printing.photos import Photo, open_photo
from printing.portrait import check, make_portrait
from printing.refusals import sentences

PHOTOS = Path(os.environ.get("HSECARD_TEST_PHOTOS", Path(__file__).parents[3] / "shared" / "photos"))
MANIFEST = PHOTOS / "manifest.json"
PICTURES = json.loads(MANIFEST.read_text("utf-8"))["pictures"] if MANIFEST.exists() else []
needs_photos = pytest.mark.skipif(not PICTURES, reason="the shared photos are not here")


@needs_photos
@pytest.mark.parametrize("told", PICTURES, ids=lambda told: told["file"])
def test_a_photo_is_judged_as_the_manifest_says(told: dict):
    verdict, portrait = make_portrait((PHOTOS / told["file"]).read_bytes())
    reasons = {found.reason.value for found in verdict.findings}
    assert verdict.accepted == (portrait is not None)
    if told["expected"] != "either":
        assert verdict.accepted == (told["expected"] == "accept"), reasons
    if not verdict.accepted:
        assert reasons & set(told["reasons"])
    elif verdict.eyes is not None and "eyes" in told:
        apart = math.dist(*told["eyes"])
        assert all(math.dist(*pair) < 0.15 * apart for pair in zip(verdict.eyes, told["eyes"], strict=True))
    if portrait is not None:
        assert not any(word.encode() in portrait.jpeg for word in told.get("must_not_contain", ()))


@needs_photos
def test_the_same_photo_gives_the_same_portrait_at_both_resolutions():
    photo = (PHOTOS / "meta_gps.jpg").read_bytes()
    for dpi, size in ((300, (260, 331)), (600, (520, 661))):
        first, second = make_portrait(photo, dpi=dpi)[1], make_portrait(photo, dpi=dpi)[1]
        assert first is not None
        assert first == second
        with Image.open(io.BytesIO(first.jpeg)) as opened:
            assert (opened.size, opened.mode, opened.format) == (size, "RGB", "JPEG")
            assert not opened.getexif()
            assert "icc_profile" not in opened.info
            assert np.asarray(opened).max(axis=2).min() >= 20


@needs_photos
@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_photo_on_its_side_without_exif_is_found_where_it_lies(quarters: int):
    with Image.open(PHOTOS / "ok_biden.jpg") as upright:
        turned = upright.rotate(90 * quarters, expand=True)
    file = io.BytesIO()
    turned.save(file, "JPEG", quality=90)
    verdict = check(file.getvalue())
    assert verdict.accepted
    assert verdict.eyes is not None
    assert all(0 < x < turned.width and 0 < y < turned.height for x, y in verdict.eyes)


def with_cloth(photo: Path, colour: tuple[int, int, int]) -> bytes:
    """A head covering of one colour, down to just above the brows."""
    opened = open_photo(photo.read_bytes())
    assert isinstance(opened, Photo)
    sight = look_at(opened)
    face, scale = sight.faces[0], opened.reduction
    top, brow = face.mesh[10, :2] * scale, face.mesh[151, :2] * scale
    foot = (int(top[0]), int(top[1] + 1.5 * (brow[1] - top[1])))
    with Image.open(photo) as bare:
        picture = np.array(bare.convert("RGB"))
    axes = (int(1.35 * face.eye_distance * scale), int(1.05 * face.eye_distance * scale))
    cv2.ellipse(picture, foot, axes, 0, 180, 360, colour, -1)
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=92)
    return file.getvalue()


@needs_photos
@pytest.mark.parametrize("colour", [(245, 245, 245), (20, 20, 25), (170, 20, 30)], ids=["white", "black", "red"])
def test_cloth_over_the_forehead_passes_only_as_a_head_covering(colour: tuple[int, int, int]):
    photo = with_cloth(PHOTOS / "ok_biden_half_body.jpg", colour)
    assert {found.reason for found in check(photo).findings} == {PhotoReason.COVERED}
    assert check(photo, head_covering=True).accepted


@needs_photos
def test_a_head_covering_excuses_nothing_but_itself():
    for told in PICTURES:
        if told["expected"] == "reject" and "covered" not in told["reasons"]:
            verdict = check((PHOTOS / told["file"]).read_bytes(), head_covering=True)
            assert not verdict.accepted, told["file"]
            assert {found.reason.value for found in verdict.findings} & set(told["reasons"])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not_an_image"), (b"hello", "not_an_image"), (b"%!PS-Adobe-3.0 EPSF-3.0\n", "unsupported"),
        (b"GIF89a" + bytes(40), "unsupported"), (b"\xff\xd8\xff" + bytes(10_000_001), "bomb"),
    ],
)  # fmt: skip
def test_hostile_bytes_are_a_verdict_and_never_an_error(data: bytes, reason: str):
    verdict, portrait = make_portrait(data)
    assert portrait is None
    assert [found.reason.value for found in verdict.findings] == [reason]


def test_a_picture_without_a_face_says_so_in_both_languages():
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (400, 300, 3), np.uint8)).save(file, "PNG")
    (found,) = check(file.getvalue()).findings
    assert found.reason is PhotoReason.NO_FACE
    assert "ansikt" in found.sentence_no
    assert "face" in found.sentence_en


def test_every_reason_has_its_sentences():
    assert set(sentences()) == set(PhotoReason)
