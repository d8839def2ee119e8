"""One side of a printed card, laid flat, held against what was ordered: texts, codes and portrait, one by one.

A scan is unsharp, noisy, lighter or darker than what was drawn. So the drawn face is made as unsharp as the scan
(measured on the words that are the same on every card), every box is aligned by itself, contrast and brightness are
fitted, and what remains is smoothed over the width of a stroke: noise and edges vanish, a letter or an accent too much
or too little stays. A portrait is compared by its fine structure, where faces of different people have nothing in
common.
"""

from functools import cache
from typing import Literal, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from printing.code_reader import read_code128, read_qr
from printing.expected import drawn_sides, sample_content
from printing.faces import design_on, values
from printing.layout import Box, CodeBox, PortraitBox, ValueText, faces_of
from printing.models import FaceContent
from printing.pictures import Pixels
from printing.scan import FoundSide, fixed_mask, pixels_of
from printing.typeset import width_mm

# What remains over a stroke's width, of the ink's contrast: right texts had 0.30 at most, wrong ones 0.48 at least.
TEXT_LIMIT = 0.38
PORTRAIT_LIMIT = 0.60  # correlation of the fine structure
NUMBER_LIMIT = 0.60  # correlation of a digit
_LEAST_DPI = 150.0
_LEAST_CONTRAST = 0.30  # of what was drawn
_MOST_BLUR_PX = 2.6  # at 300 dpi: 0.22 mm, where accents of the smallest print go
_MOST_NOISE = 0.30  # of the ink's contrast, by pixel
_BLURS_PX = (0.0, 0.4, 0.8, 1.2, 1.6, 2.0, 2.4, 2.8, 3.3)
_STROKE_PX = 1.5  # 0.13 mm
_ROOM_MM, _SHIFT_PX = 0.35, 5
_COARSE_PX, _FINE_PX = 14.0, 1.6  # the structure of a portrait lies between these

_Float = npt.NDArray[np.float32]
Outcome = Literal["same", "differs", "illegible"]


class Check(NamedTuple):
    """One element of a side: what was expected, what was seen or by how much it is off, and the limit it has to keep.

    `score` of a text is what remains (small is good), of a portrait the likeness (large is good); None for codes.
    """

    element: str
    outcome: Outcome
    expected: str
    seen: str
    score: float | None
    limit: float | None
    box: Box


class Codes(NamedTuple):
    """What each of two readers read of a side's codes; "" where a reader read nothing, None where there is no code."""

    qr: tuple[str, str] | None
    barcode: tuple[str, str] | None


class _Scene(NamedTuple):
    """A scan and the drawn face in grey, the drawn one also as unsharp as the scan."""

    scan: _Float
    wanted: _Float
    soft: _Float
    blur: float
    dpi: float


def read_codes(found: FoundSide) -> Codes:
    """The codes of a side, each tried at 300 and at 600 dpi by both readers."""
    grey = cv2.cvtColor(found.pixels, cv2.COLOR_RGB2GRAY)
    read: dict[str, tuple[str, str]] = {}
    for place in faces_of(found.layout).side(found.side):
        if isinstance(place, CodeBox):
            left, top, right, bottom = pixels_of(place.box, 0.4 if place.type == "qr" else 0.0)
            read[place.type] = _tried(grey[top:bottom, left:right].astype(np.uint8), place.type)
    return Codes(read.get("qr"), read.get("code128"))


def _tried(grey: npt.NDArray[np.uint8], kind: str) -> tuple[str, str]:
    reader = read_qr if kind == "qr" else read_code128
    first = reader(np.ascontiguousarray(grey))
    if all(first):
        return first
    larger = cv2.resize(grey, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    second = reader(larger)
    return first[0] or second[0], first[1] or second[1]


def read_number(found: FoundSide) -> tuple[str, float]:
    """The card number printed on a side, digit by digit, and the worst likeness of its digits; ("", 0) without one."""
    places = [one for one in faces_of(found.layout).side(found.side) if isinstance(one, ValueText)]
    place = next((one for one in places if one.placeholder == "number" and one.align == "left"), None)
    if place is None:
        return "", 0.0
    grey = cv2.cvtColor(found.pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    step = width_mm("0", place.style, place.size_pt)
    read = [_digit(grey, place.box, step, position) for position in range(7)]
    return "".join(digit for digit, _ in read), min(likeness for _, likeness in read)


def _digit(grey: _Float, box: Box, step: float, position: int) -> tuple[str, float]:
    cell = Box(x=box.x + position * step, y=box.y + 0.3, w=step, h=box.h - 0.6)
    left, top, right, bottom = pixels_of(cell, 0.0)
    seen = grey[max(0, top - 4) : bottom + 4, max(0, left - 4) : right + 4]
    likeness = []
    for digit in "0123456789":
        drawn = cv2.GaussianBlur(_digits(digit)[top:bottom, left:right], (0, 0), 1.0)
        likeness.append(float(cv2.matchTemplate(seen, drawn, cv2.TM_CCOEFF_NORMED).max()))
    best = int(np.argmax(likeness))
    return str(best), likeness[best]


@cache
def _digits(digit: str) -> _Float:
    """The front of a card whose number is one digit seven times."""
    return _grey(drawn_sides(*sample_content("construction", digit * 7))["front"])


def _grey(pixels: Pixels) -> _Float:
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)


def checks_of(found: FoundSide, content: FaceContent, portrait: bytes, codes: Codes | None = None) -> list[Check]:
    """Every element of a side against the order. Raises ValueError when the order cannot be laid out."""
    drawn = drawn_sides(content, portrait)[found.side]
    elements = faces_of(design_on(content.issued_on, content.kind)).side(found.side)
    scene = _scene(found, drawn, fixed_mask(elements) > 0)
    texts = values(content)
    read = codes or read_codes(found)
    checks = []
    for place in elements:
        if isinstance(place, ValueText):
            checks.append(_text_check(scene, place, texts[place.placeholder]))
        elif isinstance(place, PortraitBox):
            checks.append(_portrait_check(scene, place.box))
        elif isinstance(place, CodeBox):
            checks.append(_code_check(place, content, read))
    return checks


def _scene(found: FoundSide, drawn: Pixels, mask: npt.NDArray[np.bool_]) -> _Scene:
    scan, wanted = _grey(found.pixels), _grey(drawn)
    blur = _blur_of(scan, wanted, mask)
    return _Scene(scan, wanted, _softened(wanted, blur), blur, found.dpi)


def _softened(grey: _Float, blur: float) -> _Float:
    return cv2.GaussianBlur(grey, (0, 0), blur).astype(np.float32) if blur else grey


def _blur_of(scan: _Float, wanted: _Float, mask: npt.NDArray[np.bool_]) -> float:
    """How unsharp a scan is, in pixels of standard deviation at 300 dpi: what makes the fixed words most alike."""
    likeness = [np.corrcoef(scan[mask], _softened(wanted, blur)[mask])[0, 1] for blur in _BLURS_PX]
    return _BLURS_PX[int(np.argmax(likeness))]


def _text_check(scene: _Scene, place: ValueText, text: str) -> Check:
    window = pixels_of(place.box, _ROOM_MM)
    left, top, right, bottom = window
    drawn, sharp = scene.soft[top:bottom, left:right], scene.wanted[top:bottom, left:right]
    seen = _aligned(scene, window)
    ink = float(np.percentile(sharp, 99.5) - np.percentile(sharp, 0.5))
    gain, base = np.polyfit(drawn.ravel(), seen.ravel(), 1)
    rest = seen - gain * drawn - base
    # A swapped text fits badly and would shrink the gain: what remains is measured by what the ink should have been.
    contrast = max(gain, _LEAST_CONTRAST) * ink
    noise = float(np.median(np.abs(rest - cv2.GaussianBlur(rest, (0, 0), 1.5)))) * 1.5 / contrast
    score = float(np.abs(cv2.GaussianBlur(rest, (0, 0), _STROKE_PX)).max()) / contrast
    legible = scene.dpi >= _LEAST_DPI and scene.blur <= _MOST_BLUR_PX and noise <= _MOST_NOISE
    outcome: Outcome = "differs" if score > TEXT_LIMIT else "same"
    return Check(
        element=place.placeholder,
        outcome=outcome if legible else "illegible",
        expected=text,
        seen="as expected" if score <= TEXT_LIMIT else "something else",
        score=round(score, 3),
        limit=TEXT_LIMIT,
        box=place.box,
    )


def _aligned(scene: _Scene, window: tuple[int, int, int, int]) -> _Float:
    """The scan's part of a window, moved by up to half a millimetre to where the drawn one fits best."""
    left, top, right, bottom = window
    drawn = scene.soft[top:bottom, left:right]
    padded = np.pad(scene.scan, _SHIFT_PX, mode="edge")
    around = padded[top : bottom + 2 * _SHIFT_PX, left : right + 2 * _SHIFT_PX]
    likeness = cv2.matchTemplate(around, drawn, cv2.TM_CCOEFF_NORMED).astype(np.float32)
    _, _, _, (dx, dy) = cv2.minMaxLoc(likeness)
    x, y = dx + _between(likeness[dy, :], dx), dy + _between(likeness[:, dx], dy)
    moved = np.array([[1, 0, x], [0, 1, y]], np.float32)
    size = (right - left, bottom - top)
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(around, moved, size, flags=flags, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)


def _between(values: _Float, at: int) -> float:
    """Where the top of a parabola through a peak and its neighbours lies, in pixels from the peak."""
    if not 0 < at < len(values) - 1:
        return 0.0
    before, peak, after = (float(value) for value in values[at - 1 : at + 2])
    bend = before - 2 * peak + after
    return 0.0 if bend >= 0 else float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5))


def _code_check(place: CodeBox, content: FaceContent, codes: Codes) -> Check:
    """What one reader reads is enough; no reader may read anything else."""
    element, wanted, read = (
        ("qr", content.status_url, codes.qr) if place.type == "qr" else ("barcode", content.number, codes.barcode)
    )
    texts = sorted({text for text in read or () if text})
    outcome: Outcome = "illegible" if not texts else "same" if texts == [wanted] else "differs"
    return Check(element, outcome, wanted, " and ".join(texts) or "nothing", None, None, place.box)


def _portrait_check(scene: _Scene, box: Box) -> Check:
    window = pixels_of(box, -0.4)
    left, top, right, bottom = window
    seen = _structure(_aligned(scene, window))
    drawn = _structure(scene.soft[top:bottom, left:right])
    score = float((seen * drawn).mean())
    outcome: Outcome = "differs" if score < PORTRAIT_LIMIT else "same"
    return Check(
        element="portrait",
        outcome=outcome if scene.dpi >= _LEAST_DPI else "illegible",
        expected="the portrait of the order",
        seen="as expected" if score >= PORTRAIT_LIMIT else "another picture",
        score=round(score, 3),
        limit=PORTRAIT_LIMIT,
        box=box,
    )


def _structure(grey: _Float) -> _Float:
    """What is finer than a cheek and coarser than noise, freed of light and contrast from place to place."""
    fine = cv2.GaussianBlur(grey, (0, 0), _FINE_PX) - cv2.GaussianBlur(grey, (0, 0), _COARSE_PX)
    flat = fine / (np.sqrt(cv2.GaussianBlur(fine * fine, (0, 0), _COARSE_PX)) + 4.0)
    level: _Float = ((flat - flat.mean()) / (flat.std() + 1e-6)).astype(np.float32)
    return level
