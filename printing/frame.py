"""A picture of a picture: the straight edges of a print, a page or a screen around the face.

A person's body is never cut by a straight line with two others standing on its ends; a photographed photo is. Doors,
flags and shelves behind a person fail that test, since shoulders cross them. A miss costs less than a false alarm.
"""

import math
from itertools import product

import cv2
import numpy as np
import numpy.typing as npt

from printing.detect import CHIN, FoundFace, Points
from printing.photos import Pixels

_LONG_SIDE_PX = 320
_STEEP = 36.0  # grey levels over the Sobel kernel's reach, so that soft shadows are no edges
_TILT_DEG = 12
_MOST_LINES = 10
_FROM_BORDER_PX = 4
_ASKEW_DEG = 3.0

Map = npt.NDArray[np.uint8]
Line = tuple[float, float]  # place at x (or y) = 0, and slope


def frame_around(picture: Pixels, face: FoundFace) -> float:
    """How much of a frame's left, right and lower edge shows around a face, 0-1: the least of the three, at best.

    `picture` is the upright RGB picture that the face was found in.
    """
    shrink = _LONG_SIDE_PX / max(picture.shape[:2])
    size = max(1, round(picture.shape[1] * shrink)), max(1, round(picture.shape[0] * shrink))
    grey = cv2.cvtColor(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    mesh = face.mesh[:, :2] * shrink
    apart = face.eye_distance * shrink
    if apart < 8 or abs(face.roll_deg) > 35:
        return 0.0
    across: Points = cv2.Sobel(grey, cv2.CV_32F, 1, 0).astype(np.float32)
    down: Points = cv2.Sobel(grey, cv2.CV_32F, 0, 1).astype(np.float32)
    upright = np.ascontiguousarray(_edges(across, down).T)
    level = _edges(down, across)
    middle = mesh[[33, 133, 362, 263]].mean(axis=0)
    sides = _lines(upright, apart)
    left = [side for side in sides if 1.0 * apart < middle[0] - _at(side, middle[1]) < 4.0 * apart]
    right = [side for side in sides if 1.0 * apart < _at(side, middle[1]) - middle[0] < 4.0 * apart]
    chin = float(mesh[CHIN, 1])
    feet = [foot for foot in _lines(level, apart) if 0.1 * apart < _at(foot, middle[0]) - chin < 4.0 * apart]
    top = float(middle[1]) - apart
    maps = upright, level
    threes = product(left[:_MOST_LINES], right[:_MOST_LINES], feet[:_MOST_LINES])
    return max((_shown(*three, top=top, maps=maps) for three in threes), default=0.0)


def _edges(along: Points, across: Points) -> Map:
    """Where the picture changes much one way and little the other; edges of one direction only."""
    found = (np.abs(along) > _STEEP) & (np.abs(along) > 2.5 * np.abs(across))
    return found.astype(np.uint8)


def _lines(edges: Map, apart: float) -> list[Line]:
    """Near-level lines of an edge map, strongest first, none on the picture's own border."""
    tilt = math.radians(_TILT_DEG)
    least = max(15, int(2.0 * apart))
    found = cv2.HoughLines(edges, 1, math.pi / 180, least, min_theta=math.pi / 2 - tilt, max_theta=math.pi / 2 + tilt)
    lines: list[Line] = []
    for rho, theta in [] if found is None else found[:60, 0]:
        line = float(rho / math.sin(theta)), float(-math.cos(theta) / math.sin(theta))
        centre = _at(line, edges.shape[1] / 2)
        inside = _FROM_BORDER_PX < centre < edges.shape[0] - _FROM_BORDER_PX
        if inside and all(abs(centre - _at(other, edges.shape[1] / 2)) > 2 for other in lines):
            lines.append(line)
    return lines


def _at(line: Line, along: float) -> float:
    return line[0] + line[1] * along


def _shown(left: Line, right: Line, foot: Line, *, top: float, maps: tuple[Map, Map]) -> float:
    """The least share of the three edges that is really there, between their corners; sides count from `top` down."""
    upright, level = maps
    slopes = [math.degrees(math.atan(slope)) for slope in (-left[1], -right[1], foot[1])]
    if max(slopes) - min(slopes) > _ASKEW_DEG:
        return 0.0
    corners = [_meet(side, foot) for side in (left, right)]
    if not all(0 <= x < level.shape[1] and 0 <= y < level.shape[0] for x, y in corners):
        return 0.0
    return min(
        _coverage(upright, left, top, corners[0][1]),
        _coverage(upright, right, top, corners[1][1]),
        _coverage(level, foot, corners[0][0], corners[1][0]),
    )


def _meet(side: Line, foot: Line) -> tuple[float, float]:
    """Where an upright line (x by y) meets a level one (y by x)."""
    y = (foot[0] + foot[1] * side[0]) / (1 - foot[1] * side[1])
    return _at(side, y), y


def _coverage(edges: Map, line: Line, start: float, end: float) -> float:
    """Share of the steps from `start` to `end` along a line that have an edge within a pixel."""
    steps = np.arange(max(0, math.ceil(start)), min(edges.shape[1], math.floor(end) + 1))
    if steps.size < 8:
        return 0.0
    places = np.round(_at(line, 0) + line[1] * steps).astype(int)
    hit = np.zeros(steps.size, bool)
    for aside in (-1, 0, 1):
        hit |= edges[np.clip(places + aside, 0, edges.shape[0] - 1), steps] > 0
    return float(hit.mean())
