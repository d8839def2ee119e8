"""Taking in whatever an orderer uploads: bytes from strangers become pixels, or a reason why not.

Only whitelisted formats are ever opened (others reach decoders that start programs), sizes are known before anything
is decoded, large pictures are decoded at a fraction, and the orientation is kept as a transform instead of turning
twelve million pixels.
"""

import io
import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pi_heif import register_heif_opener
from PIL import Image, UnidentifiedImageError

from printing.models import PhotoReason

MAX_BYTES = 10_000_000  # hms-id-kort.no: under 10 MB
MAX_PIXELS = 64_000_000
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "HEIF")
_ENOUGH_PX = 1200  # shorter side after decoding at a fraction: a head of a quarter of it still fills 600 dpi
_REAL_BUT_UNWANTED = (
    b"GIF8",
    b"BM",
    b"%!PS",
    b"%PDF",
    b"\xc5\xd0\xd3\xc6",
    b"<svg",
    b"<?xml",
    b"8BPS",
    b"\x00\x00\x01\x00",
    b"\x00\x00\x00\x0cjP  ",
    b"\xffO\xffQ",
)
_HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"mif1", b"msf1")
_ORIENTATION = 0x0112

Image.MAX_IMAGE_PIXELS = MAX_PIXELS
Image.init()
register_heif_opener()

Pixels = npt.NDArray[np.uint8]
Affine = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Photo:
    """A decoded photo: RGB `pixels` as stored and maybe reduced; `to_stored` maps upright points onto them.

    `size` is (width, height) of the reduced picture once upright, `reduction` original pixels per pixel of it.
    """

    pixels: Pixels
    to_stored: Affine
    size: tuple[int, int]
    reduction: float
    icc: bytes | None
    colourful: bool


def open_photo(data: bytes, *, reduced: bool = True) -> Photo | PhotoReason:
    """A photo from bytes, or why there is none: not_an_image, unsupported, bomb, truncated. Never raises."""
    if len(data) > MAX_BYTES:
        return PhotoReason.BOMB
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            return _decoded(data, reduced)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            return PhotoReason.BOMB
        except UnidentifiedImageError:
            return _foreign(data)
        except MemoryError:
            return PhotoReason.BOMB
        except Exception as cause:  # decoders raise anything on hostile bytes; all of it is a bad picture
            return PhotoReason.BOMB if "too large" in str(cause).lower() else PhotoReason.TRUNCATED


def _foreign(data: bytes) -> PhotoReason:
    known = data.lstrip()[:16].startswith(_REAL_BUT_UNWANTED) or data[4:12] in (b"ftypavif", b"ftypavis")
    if data[4:8] == b"ftyp" and data[8:12] in _HEIC_BRANDS:
        return PhotoReason.TRUNCATED
    return PhotoReason.UNSUPPORTED if known else PhotoReason.NOT_AN_IMAGE


def _decoded(data: bytes, reduced: bool) -> Photo | PhotoReason:
    with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
        full = picture.size
        if full[0] * full[1] > MAX_PIXELS:
            return PhotoReason.BOMB
        if picture.format not in {"MPO", "HEIF"} and getattr(picture, "n_frames", 1) > 1:
            return PhotoReason.UNSUPPORTED
        if reduced and picture.format in {"JPEG", "MPO"} and picture.mode in {"RGB", "L", "YCbCr"}:
            picture.draft(picture.mode, _reduced_size(full))
        picture.load()
        orientation = _orientation(picture)
        icc = picture.info.get("icc_profile")
        pixels = _as_rgb(picture)
    return _photo(pixels, full, orientation, icc if isinstance(icc, bytes) else None)


def _photo(pixels: Pixels, full: tuple[int, int], orientation: int, icc: bytes | None) -> Photo:
    height, width = pixels.shape[:2]
    size = (height, width) if orientation >= 5 else (width, height)
    sample = pixels[:: max(1, height // 64), :: max(1, width // 64)].astype(np.int16)
    spread = float((sample.max(axis=2) - sample.min(axis=2)).mean())
    return Photo(
        pixels=pixels,
        to_stored=_upright_to_stored(orientation, width, height),
        size=size,
        reduction=full[0] / width,
        icc=icc,
        colourful=spread > 4.0,
    )


def _reduced_size(full: tuple[int, int]) -> tuple[int, int]:
    """The size to ask the JPEG decoder for: a half, a quarter or an eighth that keeps enough pixels."""
    shrink = max(1, min(full) // _ENOUGH_PX)
    return full[0] // shrink, full[1] // shrink


def _orientation(picture: Image.Image) -> int:
    """EXIF orientation 1-8; anything else, or damaged EXIF, is taken as upright."""
    if picture.format == "HEIF":
        return 1  # the decoder has turned it already
    try:
        found = picture.getexif().get(_ORIENTATION, 1)
    except Exception:  # EXIF from strangers fails in any way; the picture itself is still good
        return 1
    return found if found in range(1, 9) else 1


def _as_rgb(picture: Image.Image) -> Pixels:
    """Eight-bit RGB: 16-bit grey scaled, transparency laid on white, CMYK and palettes converted."""
    if picture.mode.startswith("I") or picture.mode == "F":
        deep = np.asarray(picture).astype(np.float64)
        grey = np.clip(deep / (257.0 if deep.max() > 255 else 1.0), 0, 255).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if picture.mode in {"RGBA", "LA", "PA", "RGBa", "La"} or "transparency" in picture.info:
        layered = picture.convert("RGBA")
        white = Image.new("RGBA", layered.size, "white")
        return np.array(Image.alpha_composite(white, layered).convert("RGB"))
    return np.asarray(picture if picture.mode == "RGB" else picture.convert("RGB"))  # read only: nobody paints on it


def _upright_to_stored(orientation: int, width: int, height: int) -> Affine:
    """Where a point of the upright picture lies in the stored one of `width` x `height`; corners, not centres."""
    rows = {
        1: [[1, 0, 0], [0, 1, 0]],
        2: [[-1, 0, width], [0, 1, 0]],
        3: [[-1, 0, width], [0, -1, height]],
        4: [[1, 0, 0], [0, -1, height]],
        5: [[0, 1, 0], [1, 0, 0]],
        6: [[0, 1, 0], [-1, 0, height]],
        7: [[0, -1, width], [-1, 0, height]],
        8: [[0, -1, width], [1, 0, 0]],
    }[orientation]
    return np.array([*rows, [0, 0, 1]], np.float64)
