"""Finding printed cards in a scan or camera picture, wherever they lie, and laying each side flat at 300 dpi.

A card on a white scanner lid has no outline to speak of, so nothing is made of edges: the fixed words of the layout
(labels, headings, small print), the same on every card, are looked for by their features at any turn and size. Where
enough of them agree on one place there is a card; a last fit of all fixed words brings it within a tenth of a
millimetre.
"""

import io
import math
import warnings
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import pypdfium2
from PIL import Image, ImageSequence, UnidentifiedImageError

from cards.errors import Refused
from printing.codes import DOT_MM
from printing.expected import FACE_PX, drawn_sides, sample_content
from printing.layout import Box, Element, Label, Side, Words, designs, faces_of
from printing.page import SIDES
from printing.pictures import Pixels, opened_pdf, page_pixels
from printing.typeset import POINT_MM, width_mm

_FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "BMP")
_MAX_BYTES, _MAX_PIXELS, _MAX_FRAMES = 120_000_000, 64_000_000, 40
_PDF_DPI = 300
# Longer side of what is searched, and most features; at the second size an A4 sheet shows its cards at 220 dpi.
_SEARCHED_PX = ((1300, 2500), (2600, 12_000))
_PATTERN_FEATURES = 1800
_MOSTLY_CARDS = 0.4  # of a picture's area
_RATIO = 0.82  # of the distances to the best and the second best feature: what is as like two places tells nothing
_LEAST_FEATURES = 12
_NEAR_MM, _NEAR_TURN, _NEAR_SCALE = 18.0, math.radians(20), 0.35  # within these, features speak of the same card
_FIT_PX = 4.0
_SHAPE = (0.80, 1.25)  # of the sides' proportion against ID-1: what a mild perspective leaves
_LEAST_LIKENESS = 0.85  # cards in all that is asked of a scan have 0.97, other places 0.75

_Grey = npt.NDArray[np.uint8]
_Float = npt.NDArray[np.float32]
_Matrix = npt.NDArray[np.float64]


class FoundSide(NamedTuple):
    """One side of a card in a picture, laid flat: RGB pixels at 300 dpi, without bleed."""

    side: Side
    layout: str  # a design with the layout whose fixed words were found
    pixels: Pixels
    corners: tuple[tuple[float, float], ...]  # in the picture, from the card's own top left, clockwise
    dpi: float  # that the picture resolves


class _Pattern(NamedTuple):
    """The fixed words of one side: where they are and their features."""

    side: Side
    layout: str
    grey: _Grey
    mask: _Grey
    points: npt.NDArray[np.float32]
    sizes: npt.NDArray[np.float32]
    angles: npt.NDArray[np.float32]
    features: _Float


class _Matches(NamedTuple):
    """Features of a picture that are like one of a pattern: places in both, and what turn and size they mean."""

    there: npt.NDArray[np.float64]
    here: npt.NDArray[np.float64]
    turn: npt.NDArray[np.float64]
    scale: npt.NDArray[np.float64]


def open_scan(data: bytes) -> list[Pixels]:
    """Every picture in a file (PNG, JPEG, WebP, BMP, frames of a TIFF, pages of a PDF at 300 dpi) as RGB pixels.

    Raises Refused `proof.not_a_picture`.
    """
    if len(data) > _MAX_BYTES:
        raise _no_picture(f"{len(data) / 1e6:.0f} MB")
    try:
        if data[:5] == b"%PDF-":
            with opened_pdf(data) as document:
                return [page_pixels(document[index], _PDF_DPI) for index in range(min(len(document), _MAX_FRAMES))]
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return _frames(data)
    except (UnidentifiedImageError, pypdfium2.PdfiumError, OSError, ValueError, SyntaxError) as fault:
        raise _no_picture(type(fault).__name__) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError):
        raise _no_picture("more pixels than a card needs") from None


def _frames(data: bytes) -> list[Pixels]:
    with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
        if picture.width * picture.height > _MAX_PIXELS:
            raise _no_picture(f"{picture.width} x {picture.height} pixels")
        frames = ImageSequence.Iterator(picture)
        return [np.asarray(frame.convert("RGB")) for _, frame in zip(range(_MAX_FRAMES), frames, strict=False)]


def _no_picture(why: str) -> Refused:
    return Refused(
        "proof.not_a_picture",
        f"no picture could be opened: {why}",
        field="scan",
        fix="give a whole PNG, JPEG, TIFF or PDF of at most 64 megapixels and 120 MB",
    )


def find_sides(picture: Pixels) -> list[FoundSide]:
    """Every side of a card in a picture, at any turn, from the top of the picture down. 0.5 s a card, 3 s an A4 sheet.

    A picture that is mostly cards is searched coarsely; only a larger one, in which more may hide, finely.
    """
    found: list[FoundSide] = []
    for longer_px, most in _SEARCHED_PX:
        found = _found_at(picture, longer_px, most)
        area = sum(float(cv2.contourArea(np.array(side.corners, np.float32))) for side in found)
        if area > _MOSTLY_CARDS * picture.shape[0] * picture.shape[1] or longer_px >= max(picture.shape[:2]):
            break
    return sorted(found, key=lambda side: min(corner[1] for corner in side.corners))


def _found_at(picture: Pixels, longer_px: int, most: int) -> list[FoundSide]:
    shrunk, factor = _shrunk(picture, longer_px)
    grey = cv2.cvtColor(shrunk, cv2.COLOR_RGB2GRAY)
    points, features = cv2.SIFT_create(most, contrastThreshold=0.02).detectAndCompute(grey, None)  # type: ignore[attr-defined]  # left out of its stubs
    if features is None or len(points) < _LEAST_FEATURES:
        return []
    fits = [fit for pattern in _patterns() for fit in _fits(_matches(points, features, pattern), pattern)]
    kept: list[tuple[_Pattern, _Matrix]] = []
    for _, pattern, onto in sorted(fits, key=lambda fit: -fit[0]):
        if not any(_same_place(onto, other) for _, other in kept):
            kept.append((pattern, onto))
    return [side for pattern, onto in kept if (side := _laid_flat(picture, pattern, onto / _by(factor)))]


def _shrunk(picture: Pixels, longer_px: int) -> tuple[Pixels, float]:
    factor = min(1.0, longer_px / max(picture.shape[:2]))
    if factor == 1.0:
        return picture, factor
    return cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA).astype(np.uint8), factor


def _by(factor: float) -> _Matrix:
    """Rows of a matrix that maps onto a shrunk picture, as divisors that make it map onto the whole one."""
    return np.array([[factor], [factor], [1.0]])


@cache
def _patterns() -> tuple[_Pattern, ...]:
    """Front and back of every layout; designs that differ in colour only share one."""
    looks = {one.faces: one for one in reversed(designs())}
    return tuple(_pattern(look.design, look.kind, side) for look in looks.values() for side in SIDES)


def _pattern(layout: str, kind: str, side: Side) -> _Pattern:
    grey = cv2.cvtColor(drawn_sides(*sample_content(kind))[side], cv2.COLOR_RGB2GRAY)
    mask = fixed_mask(faces_of(layout).side(side))
    soft = cv2.GaussianBlur(grey, (0, 0), 0.9)
    points, features = cv2.SIFT_create(_PATTERN_FEATURES, contrastThreshold=0.02).detectAndCompute(soft, mask)  # type: ignore[attr-defined]  # left out of its stubs
    return _Pattern(side, layout, grey.astype(np.uint8), mask, *_told(points), features.astype(np.float32))


def _told(points: Sequence[cv2.KeyPoint]) -> tuple[_Float, _Float, _Float]:
    return (
        np.array([point.pt for point in points], np.float32),
        np.array([point.size for point in points], np.float32),
        np.array([math.radians(point.angle) for point in points], np.float32),
    )


def fixed_mask(elements: Sequence[Element]) -> _Grey:
    """255 where one side has words that are the same on every card, with a little room around."""
    mask = np.zeros(FACE_PX[::-1], np.uint8)
    for box in _fixed_boxes(elements):
        left, top, right, bottom = pixels_of(box, 0.6)
        mask[top:bottom, left:right] = 255
    for element in elements:
        if not isinstance(element, Label | Words) and element.type != "panel":
            left, top, right, bottom = pixels_of(element.box, -0.1)
            mask[top:bottom, left:right] = 0
    return mask


def _fixed_boxes(elements: Sequence[Element]) -> Iterator[Box]:
    for element in elements:
        if isinstance(element, Words):
            yield element.box
        elif isinstance(element, Label):
            width = width_mm(element.no, "bold", element.size_pt) + width_mm(
                f" / {element.en}", "regular", element.size_pt
            )
            left = element.x - width if element.align == "right" else element.x
            yield Box(x=left, y=element.y, w=width, h=element.size_pt * POINT_MM)


def pixels_of(box: Box, room_mm: float) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of a box and some room around it, in pixels of a face at 300 dpi."""
    wide, high = FACE_PX
    left, top = round((box.x - room_mm) / DOT_MM), round((box.y - room_mm) / DOT_MM)
    right, bottom = round((box.x + box.w + room_mm) / DOT_MM), round((box.y + box.h + room_mm) / DOT_MM)
    return max(0, left), max(0, top), min(wide, right), min(high, bottom)


def _matches(points: Sequence[cv2.KeyPoint], features: _Float, pattern: _Pattern) -> _Matches:
    """Features of the picture with one clear counterpart; a picture may hold several cards, a pattern is one."""
    pairs = cv2.BFMatcher(cv2.NORM_L2).knnMatch(features, pattern.features, k=2)
    clear = [first for first, second in pairs if first.distance < _RATIO * second.distance]
    there, sizes, angles = _told([points[pair.queryIdx] for pair in clear])
    ours = np.array([pair.trainIdx for pair in clear], np.intp)
    return _Matches(
        there.reshape(-1, 2).astype(np.float64),
        pattern.points[ours].astype(np.float64),
        (angles - pattern.angles[ours]).astype(np.float64),
        (sizes / pattern.sizes[ours]).astype(np.float64),
    )


def _fits(matches: _Matches, pattern: _Pattern) -> Iterator[tuple[int, _Pattern, _Matrix]]:
    """Places where many features agree on one card: (how many, pattern, matrix from its pixels onto the picture)."""
    left = np.ones(len(matches.there), bool)
    centres = _centres(matches)
    while left.sum() >= _LEAST_FEATURES:
        crowd = _crowd(matches, centres, left)
        if crowd.sum() < _LEAST_FEATURES:
            return
        onto, good = cv2.findHomography(matches.here[crowd], matches.there[crowd], cv2.RANSAC, _FIT_PX)
        left &= ~crowd
        if onto is None or good.sum() < _LEAST_FEATURES:
            continue
        exact: _Matrix = onto.astype(np.float64)
        if _is_a_card(exact):
            yield int(good.sum()), pattern, exact
            left &= ~_within(centres, _corners(exact))


def _centres(matches: _Matches) -> npt.NDArray[np.float64]:
    """Where each match would have the middle of its card."""
    away = np.array(FACE_PX) / 2 - matches.here
    cos, sin = np.cos(matches.turn), np.sin(matches.turn)
    turned = np.stack([away[:, 0] * cos - away[:, 1] * sin, away[:, 0] * sin + away[:, 1] * cos], axis=1)
    return matches.there + turned * matches.scale[:, None]


def _crowd(matches: _Matches, centres: npt.NDArray[np.float64], left: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The largest set of the matches left that mean the same card as one of them."""
    sizes = np.log2(matches.scale)
    best = np.zeros(len(left), bool)
    for seed in np.flatnonzero(left):
        near = np.hypot(*(centres - centres[seed]).T) < _NEAR_MM / DOT_MM * matches.scale[seed]
        near &= np.abs(sizes - sizes[seed]) < _NEAR_SCALE
        near &= np.abs(np.angle(np.exp(1j * (matches.turn - matches.turn[seed])))) < _NEAR_TURN
        near &= left
        if near.sum() > best.sum():
            best = near
    return best


def _corners(onto: _Matrix) -> npt.NDArray[np.float32]:
    wide, high = FACE_PX
    ours = np.array([[[0, 0]], [[wide, 0]], [[wide, high]], [[0, high]]], np.float64)
    return cv2.perspectiveTransform(ours, onto).reshape(4, 2).astype(np.float32)


def _within(points: npt.NDArray[np.float64], corners: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    return np.array([cv2.pointPolygonTest(corners, (float(x), float(y)), False) >= 0 for x, y in points], bool)


def _same_place(one: _Matrix, other: _Matrix) -> bool:
    """Whether two cards overlap by a fifth of the smaller: cards in one picture lie beside each other."""
    first, second = _corners(one), _corners(other)
    shared, _ = cv2.intersectConvexConvex(first, second)
    return shared > 0.2 * min(cv2.contourArea(first), cv2.contourArea(second))


def _is_a_card(onto: _Matrix) -> bool:
    """Whether a matrix lays a card down as a camera would see it: unmirrored, hardly stretched."""
    corners = _corners(onto)
    if not cv2.isContourConvex(corners) or cv2.contourArea(corners, oriented=True) < 0:
        return False
    wide, high = _edges(corners)
    shape = wide / high / (FACE_PX[0] / FACE_PX[1])
    return wide > 200 and _SHAPE[0] < shape < _SHAPE[1]


def _edges(corners: npt.NDArray[np.float32]) -> tuple[float, float]:
    """Mean width and height of a card with these corners, in pixels of its picture."""
    across, down, back, up = (float(np.hypot(*(corners[index] - corners[index - 3]))) for index in range(4))
    return (across + back) / 2, (down + up) / 2


def _laid_flat(picture: Pixels, pattern: _Pattern, onto: _Matrix) -> FoundSide | None:
    """The card under a matrix at 300 dpi, fitted to the fixed words; None when it does not look like them at all."""
    corners = _corners(onto)
    dpi = _edges(corners)[0] / FACE_PX[0] * 300
    if dpi > 450:  # averaged down first: a warp alone would pick single pixels out of a fine scan
        factor = 300 / dpi
        picture = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA).astype(np.uint8)
        onto = onto * _by(factor)
    onto = onto @ _nudge(cv2.cvtColor(_warped(picture, onto), cv2.COLOR_RGB2GRAY).astype(np.uint8), pattern)
    flat = _warped(picture, onto)
    if _likeness(flat, pattern) < _LEAST_LIKENESS:
        return None
    return FoundSide(pattern.side, pattern.layout, flat, tuple((float(x), float(y)) for x, y in corners), dpi)


def _warped(picture: Pixels, onto: _Matrix) -> Pixels:
    flags = cv2.WARP_INVERSE_MAP | cv2.INTER_CUBIC
    return cv2.warpPerspective(picture, onto, FACE_PX, flags=flags, borderMode=cv2.BORDER_REPLICATE).astype(np.uint8)


def _nudge(flat: _Grey, pattern: _Pattern) -> _Matrix:
    """The small homography that brings the fixed words into place, found at 150 dpi; none when nothing better is."""
    half = np.diag([0.5, 0.5, 1.0])
    small = [cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for grey in (pattern.grey, flat)]
    mask = cv2.dilate(cv2.resize(pattern.mask, small[0].shape[::-1], interpolation=cv2.INTER_NEAREST), np.ones((9, 9)))
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 40, 1e-5)
    start = np.eye(3, dtype=np.float32)
    try:
        _, moved = cv2.findTransformECC(small[0], small[1], start, cv2.MOTION_HOMOGRAPHY, stop, mask, 3)
    except cv2.error:  # it does not converge on what is no card
        return np.eye(3)
    nudge: _Matrix = np.linalg.inv(half) @ moved.astype(np.float64) @ half
    return nudge


def _likeness(flat: Pixels, pattern: _Pattern) -> float:
    """Correlation of the fixed words with the pattern's."""
    seen = cv2.GaussianBlur(cv2.cvtColor(flat, cv2.COLOR_RGB2GRAY), (0, 0), 1.5)[pattern.mask > 0]
    known = cv2.GaussianBlur(pattern.grey, (0, 0), 1.5)[pattern.mask > 0]
    return float(np.corrcoef(seen.astype(np.float64), known.astype(np.float64))[0, 1])
