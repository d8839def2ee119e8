"""The floor: what a loop costs that only decodes, detects, crops, encodes and draws, with nothing proved or kept."""

import io
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from printing.detect import bare_eyes

WIDTH, HEIGHT = 520, 661  # 22 × 28 mm at 600 dpi
CARD = (85.6 * 72 / 25.4, 53.98 * 72 / 25.4)


@cache
def _detector() -> "cv2.FaceDetectorYN":
    model = next(path for path in files("printing").joinpath("data", "models").iterdir() if path.name.endswith(".onnx"))
    return cv2.FaceDetectorYN.create(str(model), "", (320, 320), 0.7)


def bare_portrait(path: Path) -> bytes:
    """Decode, detect, crop by the box, encode."""
    with Image.open(path) as opened:
        opened.draft("RGB", (1040, 1322))
        picture = np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))
    scale = 320 / max(picture.shape[:2])
    small = cv2.resize(picture, None, fx=scale, fy=scale)
    detector = _detector()
    detector.setInputSize((small.shape[1], small.shape[0]))
    _, faces = detector.detect(np.ascontiguousarray(small[:, :, ::-1]))
    x, y, w, h = (faces[0][:4] if faces is not None else (0, 0, *small.shape[1::-1])) / np.float32(scale)
    side = float(max(w, h)) * 1.6
    place = np.float32(
        [
            [WIDTH / side, 0, WIDTH / 2 - (x + w / 2) * WIDTH / side],
            [0, WIDTH / side, HEIGHT / 2 - (y + h / 2) * WIDTH / side],
        ]
    )
    crop = cv2.warpAffine(picture, place, (WIDTH, HEIGHT), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
    out = io.BytesIO()
    Image.fromarray(crop).save(out, "JPEG", quality=90)
    return out.getvalue()


def bare_portrait_with_eyes(path: Path) -> bytes:
    """Decode at half size, find the eyes as the house does (BlazeFace, one pass of the mesh), one affine, encode."""
    with Image.open(path) as opened:
        opened.draft("RGB", (opened.width // 2, opened.height // 2))
        picture = np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))
    scale = 640 / max(picture.shape[:2])
    left, right = bare_eyes(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
    middle, across = (left + right) / 2 / scale, (right - left) / scale
    cos, sin = across / (0.24 * WIDTH)
    shift = middle - (cos * WIDTH / 2 - sin * 0.45 * HEIGHT, sin * WIDTH / 2 + cos * 0.45 * HEIGHT)
    place = np.array([[cos, -sin, shift[0]], [sin, cos, shift[1]]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    crop = cv2.warpAffine(picture, place, (WIDTH, HEIGHT), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    out = io.BytesIO()
    Image.fromarray(crop).save(out, "JPEG", quality=90)
    return out.getvalue()


def bare_cards(paths: Sequence[Path]) -> int:
    """Portraits and two-page cards for `paths`, in one PDF in memory. Bytes written."""
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=CARD, invariant=1)
    for path in paths:
        canvas.drawImage(ImageReader(io.BytesIO(bare_portrait(path))), 8, 20, 62, 79)
        for line, text in enumerate(("HMS-kort", "Name Name", "01.01.1990", "Fjordbygg AS", "1234567")):
            canvas.drawString(80, 110 - 12 * line, text)
        canvas.showPage()
        canvas.drawString(20, 70, "1234567")
        canvas.showPage()
    canvas.save()
    return len(out.getvalue())


def bare_loop(paths: Sequence[Path], processes: int) -> None:
    """The whole floor, in as many processes as the house is given."""
    if processes == 1:
        bare_cards(paths)
        return
    with ProcessPoolExecutor(processes) as pool:
        list(pool.map(bare_cards, [paths[start::processes] for start in range(processes)]))
