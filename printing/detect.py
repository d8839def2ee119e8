"""Finding faces: BlazeFace at any turn, the 468-point mesh that decides whether it is one, iris and lids, YuNet beside.

The nets are Google's MediaPipe models and OpenCV's YuNet (data/models, licences beside them), run by OpenCV on one
thread. Nets keep state while they run, so each thread
has its own.
"""

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from printing.photos import Pixels

Points = npt.NDArray[np.floating[Any]]

_BLAZE_PX, _MESH_PX, _IRIS_PX = 256, 192, 64
_BLAZE_SCORE, _MESH_SCORE = 0.5, 0.5
_BEYOND_DOUBT = 0.99999  # faces the right way up are surer than that, those upside down never above 0.9997
_YUNET_SCORE = 0.75  # at 0.6 it sees faces in studio backdrops
_MOST_CANDIDATES = 8
SECOND_FACE = 0.3  # of the first face's size: smaller ones in the background do not count
_LEAST_SIDE_PX = 16
_LEAST_SEEN_PX = 8.0  # eye distance that YuNet still finds
LEFT_EYE, RIGHT_EYE = (33, 133), (362, 263)  # mesh points of the lid corners, image-left eye first
CHIN, FOREHEAD = 152, 10

_own = threading.local()


@dataclass(frozen=True)
class FoundFace:
    """A face in pixels of the picture searched: 468 mesh points (x, y, z), their certainty, and the eyes' openness."""

    mesh: Points
    certainty: float
    openness: tuple[float, float] | None = None

    @property
    def eyes(self) -> tuple[Points, Points]:
        left = self.mesh[list(LEFT_EYE), :2].mean(axis=0, dtype=np.float64)
        right = self.mesh[list(RIGHT_EYE), :2].mean(axis=0, dtype=np.float64)
        return left, right

    @property
    def eye_distance(self) -> float:
        left, right = self.eyes
        return float(np.hypot(*(right - left)))

    @property
    def roll_deg(self) -> float:
        """Turn of the eye line against the horizontal, clockwise on the screen, -180 … 180."""
        left, right = self.eyes
        return math.degrees(math.atan2(right[1] - left[1], right[0] - left[0]))


def find_faces(picture: Pixels) -> list[FoundFace]:
    """All faces of an RGB picture (long side about 640 px), largest first.

    Quarter turns are tried where the mesh has a doubt: an upside-down face can pass for an upright one, less surely.
    """
    if min(picture.shape[:2]) < _LEAST_SIDE_PX:
        return []  # a strip: YuNet answers with numbers that are none
    first = _verified(picture, _blaze(picture))
    best = _verified(picture, _yunet(picture, _search_share(first)), first)
    for quarter in (1, 3, 2):
        if best and best[0].certainty >= _BEYOND_DOUBT:
            break
        turned = np.ascontiguousarray(np.rot90(picture, quarter))
        faces = [face for face in _verified(turned, _blaze(turned)) if abs(face.roll_deg) < 50]
        if faces and (not best or faces[0].certainty > best[0].certainty):
            best = [_turned_back(face, quarter, picture.shape) for face in faces]
    return best


def bare_eyes(picture: Pixels) -> tuple[Points, Points]:
    """The eyes of the first face that BlazeFace finds, after one pass of the mesh: the floor of benchmarks.

    Raises ValueError where there is none.
    """
    for centre, size, left, right in _blaze(picture):
        face = _mesh_once(picture, centre, float(max(size)) * 1.5, math.atan2(right[1] - left[1], right[0] - left[0]))
        if face is not None:
            return face.eyes
    raise ValueError("no face")


def eye_openness(picture: Pixels, face: FoundFace) -> tuple[float, float]:
    """Height / width of the lid opening of both eyes; open eyes have 0.20-0.44, closed ones 0.11-0.18."""
    left = _lid_opening(picture, face, LEFT_EYE, mirrored=False)
    right = _lid_opening(picture, face, RIGHT_EYE, mirrored=True)
    return left, right


def _lid_opening(picture: Pixels, face: FoundFace, corners: tuple[int, int], *, mirrored: bool) -> float:
    """Opening of the mid lids over the width of the eye, by the iris net, which knows right eyes mirrored only."""
    start, end = face.mesh[corners[0], :2], face.mesh[corners[1], :2]
    across = end - start
    side = float(np.hypot(*across)) * 2.3
    to_picture = _window((start + end) / 2, side, math.atan2(across[1], across[0]), _IRIS_PX)
    eye = _seen_through(picture, to_picture, _IRIS_PX)
    if mirrored:
        eye = np.ascontiguousarray(eye[:, ::-1])
    net = _net("iris_landmark")
    net.setInput(cv2.dnn.blobFromImage(eye, 1 / 255))
    lids = net.forward("output_eyes_contours_and_brows").reshape(-1, 3)[:16, :2]
    return float(np.hypot(*(lids[12] - lids[4])) / max(1e-6, np.hypot(*(lids[8] - lids[0]))))


def _verified(picture: Pixels, candidates: list[Points], known: Sequence[FoundFace] = ()) -> list[FoundFace]:
    """Candidates that the mesh confirms, and those known before, each face once; largest first."""
    faces = list(known)
    for found in candidates[:_MOST_CANDIDATES]:
        if any(_lies_in(found, face) for face in faces):
            continue
        face = _mesh(picture, found)
        if face is not None and not any(_same(face, other) for other in faces):
            faces.append(face)
    return sorted(faces, key=lambda face: -face.eye_distance)


def _lies_in(found: Points, face: FoundFace) -> bool:
    """Whether a candidate's eyes are those of a face found before."""
    apart = (found[2] + found[3]) / 2 - np.mean(face.eyes, axis=0)
    return float(np.hypot(*apart)) < 0.4 * face.eye_distance


def _search_share(faces: Sequence[FoundFace]) -> float:
    """How far the picture may be reduced for YuNet and still show the smallest second face that would be refused."""
    if not faces:
        return 1.0
    return min(1.0, max(0.45, _LEAST_SEEN_PX / (SECOND_FACE * faces[0].eye_distance)))


def _same(one: FoundFace, other: FoundFace) -> bool:
    distance = float(np.hypot(*(one.mesh[:, :2].mean(axis=0) - other.mesh[:, :2].mean(axis=0))))
    return distance < max(one.eye_distance, other.eye_distance)


def _turned_back(face: FoundFace, quarter: int, shape: tuple[int, ...]) -> FoundFace:
    """Points found in the picture after `quarter` counter-clockwise quarter turns, in the picture itself."""
    height, width = shape[:2]
    x, y, z = face.mesh.T
    back = {1: (width - y, x), 2: (width - x, height - y), 3: (y, height - x)}[quarter]
    return FoundFace(mesh=np.stack([*back, z], axis=1).astype(np.float32), certainty=face.certainty)


@cache
def _model_file(name: str) -> str:
    return str(files("printing").joinpath("data", "models", name))


def _net(name: str) -> Any:  # cv2 ships no types for its nets
    if not hasattr(_own, name):
        cv2.setNumThreads(1)  # pools run one process a core; threads within a net gained nothing
        setattr(_own, name, cv2.dnn.readNetFromTFLite(_model_file(f"{name}.tflite")))
    return getattr(_own, name)


@cache
def _anchors() -> Points:
    """Centres of BlazeFace's boxes: two a cell of a 16 x 16 grid, six a cell of an 8 x 8 one."""
    centres = []
    for cells, boxes in ((16, 2), (8, 6)):
        steps = (np.arange(cells) + 0.5) / cells
        grid = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
        centres.append(np.repeat(grid, boxes, axis=0))
    return np.concatenate(centres).astype(np.float32)


def _blaze(picture: Pixels) -> list[Points]:
    """Candidates of BlazeFace, best first: box centre and size, and the two eyes as (4, 2) points in pixels."""
    height, width = picture.shape[:2]
    scale = _BLAZE_PX / max(height, width)
    fitted = cv2.resize(
        picture, (max(1, round(width * scale)), max(1, round(height * scale))), interpolation=cv2.INTER_AREA
    )
    square = np.zeros((_BLAZE_PX, _BLAZE_PX, 3), np.uint8)
    square[: fitted.shape[0], : fitted.shape[1]] = fitted
    net = _net("face_detection_back")
    net.setInput(cv2.dnn.blobFromImage(square, 1 / 127.5, mean=(127.5, 127.5, 127.5)))
    boxes, scores = net.forward(["regressors", "classificators"])
    points = boxes.reshape(-1, 8, 2) / _BLAZE_PX
    points[:, [0, *range(2, 8)]] += _anchors()[:, None]
    certain = 1 / (1 + np.exp(-np.clip(scores.reshape(-1), -80, 80)))
    return [points[index, :4] * _BLAZE_PX / scale for index in _best_apart(points, certain)]


def _best_apart(points: Points, certain: Points) -> list[int]:
    """The best of each heap of overlapping boxes."""
    corners = np.concatenate([points[:, 0] - points[:, 1] / 2, points[:, 1]], axis=1) * 1000
    kept = cv2.dnn.NMSBoxes(corners.tolist(), certain.tolist(), _BLAZE_SCORE, 0.3)
    return [int(index) for index in kept]


def _yunet(picture: Pixels, share: float) -> list[Points]:
    """Candidates of YuNet in the form of `_blaze`: a second opinion on small faces and on how many there are.

    `share` is how much of the picture's size it is shown.
    """
    size = max(1, round(picture.shape[1] * share)), max(1, round(picture.shape[0] * share))
    grow = np.array([picture.shape[1] / size[0], picture.shape[0] / size[1]])
    if share < 1:
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    height, width = picture.shape[:2]
    if not hasattr(_own, "yunet"):
        model = _model_file("face_detection_yunet_2023mar.onnx")
        _own.yunet = cv2.FaceDetectorYN.create(model, "", (width, height), _YUNET_SCORE)
    _own.yunet.setInputSize((width, height))
    _, rows = _own.yunet.detect(np.ascontiguousarray(picture[:, :, ::-1]))
    found = [] if rows is None else rows
    return [_from_yunet(row) * grow for row in found if np.isfinite(row).all()]


def _from_yunet(row: Points) -> Points:
    side = max(row[2], row[3]) * 0.95  # BlazeFace boxes span brow to chin; YuNet's add the forehead
    centre = (row[0] + row[2] / 2, row[1] + row[3] * 0.55)
    return np.array([centre, (side, side), row[4:6], row[6:8]], np.float32)


def _mesh(picture: Pixels, found: Points) -> FoundFace | None:
    """The mesh in a candidate, asked twice, the second time by its own points; None where the net sees no face."""
    centre, size, left, right = found
    face = _mesh_once(picture, centre, float(max(size)) * 1.5, math.atan2(right[1] - left[1], right[0] - left[0]))
    if face is None:
        return None
    low, high = face.mesh[:, :2].min(axis=0), face.mesh[:, :2].max(axis=0)
    again = _mesh_once(picture, (low + high) / 2, float(max(high - low)) * 1.5, math.radians(face.roll_deg))
    return face if again is None else again


def _mesh_once(picture: Pixels, centre: Points, side: float, turn: float) -> FoundFace | None:
    to_picture = _window(centre, side, turn, _MESH_PX)
    net = _net("face_landmark")
    net.setInput(cv2.dnn.blobFromImage(_seen_through(picture, to_picture, _MESH_PX), 1 / 255))
    raw, flag = net.forward(["conv2d_20", "conv2d_30"])
    certainty = float(1 / (1 + np.exp(-flag.reshape(-1)[-1])))
    if certainty < _MESH_SCORE:
        return None
    mesh = raw.reshape(468, 3).astype(np.float32)
    mesh[:, :2] = mesh[:, :2] @ to_picture[:, :2].T + to_picture[:, 2]
    mesh[:, 2] *= side / _MESH_PX
    return FoundFace(mesh=mesh, certainty=certainty)


def _window(centre: Points, side: float, turn: float, pixels: int) -> Points:
    """The transform from a net's square input to the picture: a turned square of `side` pixels about `centre`."""
    grow = side / pixels
    cos, sin = math.cos(turn) * grow, math.sin(turn) * grow
    half = pixels / 2
    return np.array(
        [[cos, -sin, centre[0] - cos * half + sin * half], [sin, cos, centre[1] - sin * half - cos * half]], np.float64
    )


def _seen_through(picture: Pixels, to_picture: Points, pixels: int) -> Pixels:
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(picture, to_picture, (pixels, pixels), flags=flags).astype(np.uint8)
