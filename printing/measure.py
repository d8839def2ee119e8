"""What can be measured of a face in a photo: pose, light, sharpness, eyes, what covers it, how it lies in the picture.

All is measured in one normalised view, the portrait itself at 300 dpi, so that limits mean the same for a passport
scan and for a phone picture of twelve million pixels. Formulas follow OFIQ (ISO/IEC 29794-5) where they are cheap;
lengths are in eye distances (IED).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from printing.covers import measure_covers
from printing.detect import CHIN, FOREHEAD, FoundFace, Points, eye_openness, find_faces
from printing.frame import frame_around
from printing.models import PORTRAIT_HEIGHT_MM, PORTRAIT_WIDTH_MM
from printing.photos import Affine, Photo, Pixels

IED_SHARE = 0.24  # of the portrait's width
EYE_LINE = 0.45  # of its height, from the top
VIEW_DPI = 300
_SEARCH_PX = 640
_ALIASED = 1.5  # steps from which on a view needs the picture reduced by area first
_CHEEKS = ((50, 101, 118, 205), (280, 330, 347, 425))
_UNDER_EYES = ((119, 120, 230), (348, 349, 450))
_LIPS_AND_CHIN = (17, 200, 199, 18, 164, 165, 391)
_BROW = (151, 9, 108, 337)
_SIDES = (234, 454)
_NOSE_TIP = 1
_BURNT = 90.0  # L* above which skin has lost its colour
_WARM_CHEEK = 12.0  # b* of cheeks in white light, at the least
_FACE_OVAL = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176,
              149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109)  # fmt: skip


@dataclass(frozen=True)
class Sight:
    """A photo with the faces that were found in it; eyes and distances are in pixels of the whole upright photo."""

    photo: Photo
    faces: tuple[FoundFace, ...]  # in pixels of the reduced upright picture
    openness: tuple[float, float]
    framed: float = 0.0  # how much of a frame shows around the first face, 0-1

    @property
    def eyes(self) -> tuple[tuple[float, float], tuple[float, float]]:
        left, right = (eye * self.photo.reduction for eye in self.faces[0].eyes)
        return (round(float(left[0]), 1), round(float(left[1]), 1)), (
            round(float(right[0]), 1),
            round(float(right[1]), 1),
        )


def look_at(photo: Photo) -> Sight:
    """Search a photo for faces, in a copy of at most 640 pixels."""
    shrink = max(1.0, max(photo.size) / _SEARCH_PX)
    small = max(1, round(photo.size[0] / shrink)), max(1, round(photo.size[1] / shrink))
    grow = np.diag([photo.size[0] / small[0], photo.size[1] / small[1], 1.0])
    picture = _upright(photo, small)
    found = find_faces(picture)
    openness = eye_openness(picture, found[0]) if found else (0.0, 0.0)
    faces = tuple(FoundFace(mesh=_scaled(face.mesh, grow), certainty=face.certainty) for face in found)
    framed = frame_around(picture, found[0]) if found else 0.0
    return Sight(photo=photo, faces=faces, openness=openness, framed=framed)


def _upright(photo: Photo, size: tuple[int, int]) -> Pixels:
    """The whole photo upright at `size`: reduced by area first, so that fine patterns do not turn into coarse ones."""
    height, width = photo.pixels.shape[:2]
    along = size if photo.size == (width, height) else (size[1], size[0])
    part = photo.pixels
    if min(width // along[0], height // along[1]) >= 2:
        part = part[: height - height % 2, : width - width % 2]  # even sides are halved without rounding
    height, width = part.shape[:2]
    reduced = _reduced(part, along)
    to_reduced = np.diag([along[0] / width, along[1] / height, 1.0]) @ photo.to_stored
    to_reduced = to_reduced @ np.diag([photo.size[0] / size[0], photo.size[1] / size[1], 1.0])
    return seen(reduced, to_reduced, size)


def _reduced(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Made smaller by area; halved first where both sides are even, which is many times quicker than other steps."""
    height, width = pixels.shape[:2]
    if height % 2 == 0 and width % 2 == 0 and width >= 2 * size[0] and height >= 2 * size[1]:
        pixels = cv2.resize(pixels, (width // 2, height // 2), interpolation=cv2.INTER_AREA).astype(
            np.uint8, copy=False
        )
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def seen(pixels: Pixels, to_pixels: Affine, size: tuple[int, int], *, fine: bool = False) -> Pixels:
    """`pixels` through a transform from the wanted picture; edges go on where the photo ends. Corner coordinates."""
    if size == (pixels.shape[1], pixels.shape[0]) and np.allclose(to_pixels, np.eye(3), atol=1e-9):
        return pixels  # most photos are upright already
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])
    centres = np.linalg.inv(half) @ to_pixels @ half
    flags = (cv2.INTER_CUBIC if fine else cv2.INTER_LINEAR) | cv2.WARP_INVERSE_MAP
    picture = cv2.warpAffine(pixels, centres[:2], size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return picture.astype(np.uint8, copy=False)


def _scaled(mesh: Points, grow: Affine) -> Points:
    scaled: Points = mesh * np.array([grow[0, 0], grow[1, 1], grow[0, 0]])
    return scaled


def view_size(dpi: int) -> tuple[int, int]:
    """Width and height of the portrait in pixels."""
    return round(PORTRAIT_WIDTH_MM / 25.4 * dpi), round(PORTRAIT_HEIGHT_MM / 25.4 * dpi)


def view_to_upright(face: FoundFace, size: tuple[int, int]) -> Affine:
    """From points of the portrait to points of the reduced upright picture: level eyes at their place and distance.

    The eyes are taken to a sixteenth of a pixel, so that rounding in the nets does not change the portrait's bytes.
    """
    left, right = (np.round(eye * 16) / 16 for eye in face.eyes)
    middle, across = (left + right) / 2, right - left
    grow = float(np.hypot(*across)) / (IED_SHARE * size[0])
    turn = math.atan2(across[1], across[0])
    cos, sin = math.cos(turn) * grow, math.sin(turn) * grow
    x, y = size[0] / 2, EYE_LINE * size[1]
    return np.array(
        [[cos, -sin, middle[0] - cos * x + sin * y], [sin, cos, middle[1] - sin * x - cos * y], [0, 0, 1]], np.float64
    )


def cut_portrait(photo: Photo, face: FoundFace, dpi: int) -> Pixels:
    """The portrait's pixels at `dpi`, level and in place, light and colour untouched."""
    return cut_portraits(photo, face, (dpi,))[0]


def cut_portraits(photo: Photo, face: FoundFace, dpis: Sequence[int]) -> list[Pixels]:
    """The portrait at several resolutions, finest first: a large head is reduced once, and halved for a half of it."""
    sizes = [view_size(dpi) for dpi in dpis]
    ways = [photo.to_stored @ view_to_upright(face, size) for size in sizes]
    step = _step(ways[0])
    if step < _ALIASED:
        rest = [cut_portrait(photo, face, dpi) for dpi in dpis[1:]]
        return [seen(photo.pixels, ways[0], sizes[0], fine=True), *rest]
    reduced, to_reduced = _reduced_about(photo.pixels, ways[0], sizes[0], step)
    cuts = []
    for way, size in zip(ways, sizes, strict=True):
        if _step(to_reduced @ way) >= _ALIASED:
            half = reduced.shape[1] // 2, reduced.shape[0] // 2
            reduced, to_reduced = _reduced(reduced, half), np.diag([0.5, 0.5, 1.0]) @ to_reduced
        cuts.append(seen(reduced, to_reduced @ way, size, fine=True))
    return cuts


def _step(way: Affine) -> float:
    """How many pixels of the picture lie between two of the view."""
    return math.hypot(way[0, 0], way[1, 0])


def _reduced_about(pixels: Pixels, way: Affine, size: tuple[int, int], step: float) -> tuple[Pixels, Affine]:
    """The part of a picture that a view of `size` shows, `step` times smaller, with even sides; the way to it."""
    corners = way @ np.array([[0, size[0], 0, size[0]], [0, 0, size[1], size[1]], [1, 1, 1, 1]])
    (left, top), (right, bottom) = corners[:2].min(axis=1) - 8, corners[:2].max(axis=1) + 8
    height, width = pixels.shape[:2]
    x0, y0 = max(0, int(left)), max(0, int(top))
    x1, y1 = min(width, int(right) + 1), min(height, int(bottom) + 1)
    x1, y1 = x1 - (x1 - x0) % 2, y1 - (y1 - y0) % 2
    small = 2 * max(1, round((x1 - x0) / step / 2)), 2 * max(1, round((y1 - y0) / step / 2))
    shift = np.array([[1, 0, -x0], [0, 1, -y0], [0, 0, 1.0]])
    shrink = np.diag([small[0] / (x1 - x0), small[1] / (y1 - y0), 1.0])
    return _reduced(pixels[y0:y1, x0:x1], small), shrink @ shift


def measure(sight: Sight, view: Pixels) -> dict[str, float]:
    """All measures of the largest face; `view` is its portrait at 300 dpi with untouched light."""
    face = sight.faces[0]
    to_view: Affine = np.linalg.inv(view_to_upright(face, view_size(VIEW_DPI))).astype(np.float64)
    mesh = face.mesh[:, :2] @ to_view[:2, :2].T + to_view[:2, 2]
    unit = IED_SHARE * view.shape[1]
    lab: Points = np.asarray(cv2.cvtColor(view.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)
    found = {
        "faces": float(len(sight.faces)),
        "certainty": face.certainty,
        "eye_distance_px": face.eye_distance * sight.photo.reduction,
        "second_face": sight.faces[1].eye_distance / face.eye_distance if len(sight.faces) > 1 else 0.0,
        "roll_deg": face.roll_deg,
        "eyes_open": min(sight.openness),
        **_pose(mesh, unit),
        **_room(sight, to_view, unit),
        **_light(lab, mesh),
        **_skin(lab, mesh),
        **_sharpness(lab[:, :, 0], mesh),
        **_background(lab),
        "colourful": float(sight.photo.colourful),
    }
    found |= measure_covers(lab, mesh, light=found["light_mean"], unit=unit)
    found["mouth_hues"] = found["mouth_hues"] if sight.photo.colourful else 99.0
    found["crown_blue"] = max(0.0, found["crown_blue"] - max(0.0, _WARM_CHEEK - found["cheek_b"]))
    found["framed"] = sight.framed
    found["tilt_deg"] = abs((face.roll_deg + 45) % 90 - 45)
    found["turned_away"] = abs(found["yaw"])
    found["background_share"] = found["background_light"] / max(1.0, found["light_mean"])
    return {name: round(float(value), 4) for name, value in found.items()}


def _pose(mesh: Points, unit: float) -> dict[str, float]:
    """Yaw: the nose's shift between the sides of the face, -1 … 1; pitch: its height between eyes and chin, 0 … 1."""
    left, right = mesh[_SIDES[0], 0], mesh[_SIDES[1], 0]
    nose = mesh[_NOSE_TIP]
    eyes_y = mesh[[33, 133, 362, 263], 1].mean()
    lips = mesh[14, 1] - mesh[13, 1]
    return {
        "yaw": (2 * nose[0] - left - right) / max(1.0, right - left),
        "pitch": (nose[1] - eyes_y) / max(1.0, mesh[CHIN, 1] - eyes_y),
        "face_height_ied": (mesh[CHIN, 1] - mesh[FOREHEAD, 1]) / unit,
        "mouth_open": lips / max(1.0, mesh[CHIN, 1] - eyes_y),
    }


def _room(sight: Sight, to_view: Affine, unit: float) -> dict[str, float]:
    """How far the photo goes on from the eyes to each side of the head, in IED; how much of the view it leaves open."""
    width, height = sight.photo.size
    size = view_size(VIEW_DPI)
    edges = to_view @ np.array([[0, width, width, 0], [0, 0, height, height], [1, 1, 1, 1]], np.float64)
    polygon = edges[:2].T
    centre = np.array([size[0] / 2, EYE_LINE * size[1]])
    rooms = {
        name: _reach(polygon, centre, np.array(way)) / unit
        for name, way in {
            "room_above": (0, -1),
            "room_below": (0, 1),
            "room_left": (-1, 0),
            "room_right": (1, 0),
        }.items()
    }
    mask = np.zeros((size[1], size[0]), np.uint8)
    cv2.fillConvexPoly(mask, np.round(polygon).astype(np.int32), 255)
    return {**rooms, "missing_share": 1 - float((mask > 0).mean())}


def _reach(polygon: Points, start: Points, way: Points) -> float:
    """How far one can go from `start` in direction `way` before leaving a convex polygon."""
    reach = 1e6
    for corner, following in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        edge = following - corner
        across = way[0] * edge[1] - way[1] * edge[0]
        if abs(across) < 1e-9:
            continue
        offset = corner - start
        along = (offset[0] * edge[1] - offset[1] * edge[0]) / across
        if along >= 0:
            reach = min(reach, float(along))
    return reach


def _oval(shape: tuple[int, ...], mesh: Points) -> npt.NDArray[np.bool_]:
    mask = np.zeros(shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round(mesh[list(_FACE_OVAL)]).astype(np.int32)], 255)
    covered: npt.NDArray[np.bool_] = mask > 0
    return covered


def _light(lab: Points, mesh: Points) -> dict[str, float]:
    """Lightness L* (0-100) on the face: mean, spread, shares that are nearly black or burnt out, left against right."""
    inside = _oval(lab.shape, mesh)
    light = lab[:, :, 0][inside]
    if light.size == 0:
        return {"light_mean": 0.0, "light_spread": 0.0, "dark_share": 1.0, "burnt_share": 0.0, "light_balance": 1.0}
    left, right = (_patch(lab, mesh, points)[0] for points in _CHEEKS)
    return {
        "light_mean": float(light.mean()),
        "light_spread": float(light.std()),
        "dark_share": float((light < 12).mean()),
        "burnt_share": float((light > 97).mean()),
        "light_balance": min(left, right) / max(1.0, left, right),
    }


def _patch(lab: Points, mesh: Points, points: tuple[int, ...]) -> Points:
    """Median L*, a*, b* of small squares about mesh points; squares outside the view do not count."""
    height, width = lab.shape[:2]
    squares = []
    for x, y in np.round(mesh[list(points)]).astype(int):
        if 4 <= x < width - 4 and 4 <= y < height - 4:
            squares.append(lab[y - 3 : y + 4, x - 3 : x + 4].reshape(-1, 3))
    if not squares:
        return np.zeros(3)
    return np.asarray(np.median(np.concatenate(squares), axis=0), np.float64)


def _skin(lab: Points, mesh: Points) -> dict[str, float]:
    """Colour of the cheeks, and how mouth, brow and the skin under the eyes differ from them."""
    left, right = (_patch(lab, mesh, points) for points in _CHEEKS)
    cheeks = (left + right) / 2
    under = [_patch(lab, mesh, points)[0] for points in _UNDER_EYES]
    lower, brow = _patch(lab, mesh, _LIPS_AND_CHIN), _patch(lab, mesh, _BROW)
    burnt = max(left[0], right[0], brow[0]) > _BURNT
    return {
        "cheek_a": float(cheeks[1]),
        "cheek_b": float(cheeks[2]),
        "under_eyes": min(under) / max(1.0, float(cheeks[0])),
        "mouth_colour": float(np.hypot(*(lower - cheeks)[1:])),
        "mouth_light": float((lower - cheeks)[0]),
        "cheeks_apart": float(np.hypot(*(left - right)[1:])),
        "brow_colour": 0.0 if burnt else float(np.hypot(*(brow - cheeks)[1:])),
        "brow_light": float((brow - cheeks)[0]),
    }


def _sharpness(light: Points, mesh: Points) -> dict[str, float]:
    """Fine detail of the face over its coarse detail; falls with blur, hardly moves with light and contrast.

    `sharpness` looks all ways; `steadiness` only along the worse of the two axes, for a shaken camera blurs one way.
    """
    inside = _oval(light.shape, mesh)
    if not inside.any():
        return {"sharpness": 0.0, "steadiness": 0.0}
    soft = cv2.GaussianBlur(light, (0, 0), 2.0)
    coarse = max(0.3, float((soft - cv2.GaussianBlur(light, (0, 0), 8.0))[inside].std()))
    kernel, none = cv2.getGaussianKernel(13, 2.0), np.ones((1, 1))
    ways = [light - cv2.sepFilter2D(light, cv2.CV_32F, *pair) for pair in ((kernel, none), (none, kernel))]
    least = min(float(way[inside].std()) for way in ways)
    return {"sharpness": float((light - soft)[inside].std()) / coarse, "steadiness": least / coarse}


def _background(lab: Points) -> dict[str, float]:
    """Lightness and unrest of the strips beside the head, above the shoulders."""
    height, width = lab.shape[:2]
    top, bottom = int(0.06 * height), int(EYE_LINE * height)
    strips = np.concatenate([lab[top:bottom, : int(0.1 * width)], lab[top:bottom, int(0.9 * width) :]], axis=1)
    return {"background_light": float(strips[:, :, 0].mean()), "background_unrest": float(strips[:, :, 0].std())}
