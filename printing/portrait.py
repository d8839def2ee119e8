"""A photo becomes a portrait, or a reason in two languages why it cannot.

Level, cropped and scaled in one step from the stored pixels; exposure and white balance only mildly and only where
they are off, each step logged; no retouching, no other background: passport rules refuse altered pictures.
"""

import hashlib
import io

import cv2
import numpy as np
from PIL import Image, ImageCms

from printing.detect import Points
from printing.measure import VIEW_DPI, Sight, cut_portrait, cut_portraits, look_at, measure
from printing.models import PhotoVerdict, Portrait
from printing.photos import MAX_BYTES, Photo, Pixels, open_photo
from printing.refusals import R, finding, judge

_QUALITY = 92
_FINE_DPI = 600
_GOOD_LIGHT = (52.0, 72.0)  # mean L* of a face that is left alone
_MOST_GAMMA, _LEAST_GAMMA = 1.35, 0.65
_NATURAL_A, _NATURAL_B = (5.0, 25.0), (5.0, 35.0)  # OFIQ's natural colour of cheeks
_MOST_GAIN = 1.15
_BLACK_LIFT = 28  # card printers take what is darker for black ink
_SRGB = ImageCms.createProfile("sRGB")


def check(photo: bytes, *, head_covering: bool = False) -> PhotoVerdict:
    """Judge a photo as uploaded. Never raises for a bad picture: that is a verdict with reasons.

    `findings` are the refusals of a refused photo, and the warnings of an accepted one.
    """
    return _judged(photo, head_covering)[0]


def make_portrait(photo: bytes, *, head_covering: bool = False, dpi: int = 600) -> tuple[PhotoVerdict, Portrait | None]:
    """The verdict and the portrait of 22 x 28 mm at `dpi`; None if and only if the photo is refused.

    Same photo, same bytes: a baseline JPEG in sRGB without metadata.
    """
    verdict, seen_first, cut = _judged(photo, head_covering)
    if seen_first is None or not verdict.accepted:
        return verdict, None
    sight = _with_enough_pixels(photo, seen_first, dpi)
    if sight is not seen_first or dpi != _FINE_DPI or cut is None:
        cut = cut_portrait(sight.photo, sight.faces[0], dpi)
    pixels = _in_srgb(cut, sight.photo.icc)
    pixels, adjustments = _adjusted(pixels, verdict.measures)
    jpeg = _as_jpeg(pixels, dpi)
    sha256 = hashlib.sha256(jpeg).hexdigest()
    return verdict, Portrait(jpeg=jpeg, dpi=dpi, sha256=sha256, adjustments=adjustments)


def _judged(data: bytes, head_covering: bool) -> tuple[PhotoVerdict, Sight | None, Pixels | None]:
    """The verdict, what was seen, and the portrait at 600 dpi that the measured view was cut beside.

    Whoever only checks pays for the finer cut too: one way to the view is one verdict.
    """
    photo = open_photo(data)
    if not isinstance(photo, Photo):
        size = (float(len(data)), float(MAX_BYTES)) if photo is R.BOMB and len(data) > MAX_BYTES else (None, None)
        return PhotoVerdict(accepted=False, findings=(finding(photo, *size),), measures={}, eyes=None), None, None
    sight = look_at(photo)
    if not sight.faces:
        missing = finding(R.NO_FACE, 0.0, 1.0)
        return PhotoVerdict(accepted=False, findings=(missing,), measures={"faces": 0.0}, eyes=None), None, None
    cut, view = cut_portraits(photo, sight.faces[0], (_FINE_DPI, VIEW_DPI))
    view = _in_srgb(view, photo.icc)
    measures = measure(sight, view)
    accepted, findings = judge(measures, head_covering=head_covering)
    return PhotoVerdict(accepted=accepted, findings=findings, measures=measures, eyes=sight.eyes), sight, cut


def _with_enough_pixels(data: bytes, sight: Sight, dpi: int) -> Sight:
    """Decoded at full size when the head is too small in the reduced picture for the portrait asked for."""
    wanted = 0.24 * 22.0 / 25.4 * dpi
    if sight.photo.reduction <= 1.01 or sight.faces[0].eye_distance >= 0.8 * wanted:
        return sight
    whole = open_photo(data, reduced=False)
    return look_at(whole) if isinstance(whole, Photo) else sight


def _in_srgb(pixels: Pixels, icc: bytes | None) -> Pixels:
    """Colours of the picture's own profile in sRGB; a profile that is broken or not for RGB is left out."""
    if icc is None:
        return pixels
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        converted = ImageCms.profileToProfile(Image.fromarray(pixels), profile, _SRGB, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return pixels
    return pixels if converted is None else np.array(converted)


def _adjusted(pixels: Pixels, measures: dict[str, float]) -> tuple[Pixels, dict[str, float]]:
    """White balance, exposure and the lift of black, as one table a channel; what was done is told."""
    gains = _white_gains(measures)
    gamma = _gamma(measures["light_mean"])
    levels = np.arange(256, dtype=np.float64)
    tables = [_lifted(255 * (np.clip(levels * gain, 0, 255) / 255) ** gamma) for gain in gains]
    table = np.stack(tables, axis=-1).reshape(1, 256, 3).astype(np.uint8)
    log = {"exposure_gamma": gamma, "black_lift": float(_BLACK_LIFT)}
    log |= {f"white_balance_{name}": gain for name, gain in zip(("red", "green", "blue"), gains, strict=True)}
    return cv2.LUT(pixels, table).astype(np.uint8), {name: round(value, 3) for name, value in log.items()}


def _lifted(levels: Points) -> Points:
    """Shadows bent up softly so that nothing is darker than the lift; twice the lift and brighter stay as they are."""
    soft = _BLACK_LIFT + levels / 2
    lifted: Points = np.round(np.where(levels < 2 * _BLACK_LIFT, soft, levels))
    return lifted


def _gamma(light: float) -> float:
    """The exponent that brings a face's mean lightness to the near end of good light, within mild bounds."""
    target = min(max(light, _GOOD_LIGHT[0]), _GOOD_LIGHT[1])
    if target == light:
        return 1.0
    wanted = float(np.log(target / 100) / np.log(min(max(light, 2.0), 98.0) / 100))
    return round(min(max(wanted, _LEAST_GAMMA), _MOST_GAMMA), 2)


def _white_gains(measures: dict[str, float]) -> tuple[float, float, float]:
    """Gains for red, green, blue that take cheeks of an unnatural colour part of the way back."""
    over_b = measures["cheek_b"] - min(max(measures["cheek_b"], _NATURAL_B[0]), _NATURAL_B[1])
    over_a = measures["cheek_a"] - min(max(measures["cheek_a"], _NATURAL_A[0]), _NATURAL_A[1])
    if measures["colourful"] < 0.5 or (over_a == 0 and over_b == 0):
        return 1.0, 1.0, 1.0
    warm, pink = over_b / 100, over_a / 100
    gains = (1 - warm / 2 - pink / 2, 1 + pink / 2, 1 + warm)
    red, green, blue = (round(min(max(gain, 1 / _MOST_GAIN), _MOST_GAIN), 2) for gain in gains)
    return red, green, blue


def _as_jpeg(pixels: Pixels, dpi: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=_QUALITY, dpi=(dpi, dpi), subsampling=0, optimize=True)
    return file.getvalue()
