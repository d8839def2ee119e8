"""What lies over a face: masks, hands, caps and bars, seen by colour and grain of skin, mouth, eyes and crown.

All is measured in the portrait at 300 dpi. Skin, lips and hair always have some grain and their own colours; cloth and
paint have not. Light changes lightness much more than colour, so cheeks are compared by colour.
"""

import cv2
import numpy as np

from printing.detect import Points

_CHEEKS = ((50, 101, 118, 205), (280, 330, 347, 425))
_MOUTH = (61, 291, 0, 17, 37, 267, 84, 314)
_EYES = ((33, 133, 159, 145), (362, 263, 386, 374))
_TOP = 10
_SAME_COLOUR = 15.0  # the wall behind short hair is no cap
_DIM = 50.0  # mean L* of a face in ordinary light; grain shrinks with light


def measure_covers(lab: Points, mesh: Points, *, light: float, unit: float) -> dict[str, float]:
    """Grain of cheeks, eyes, mouth and crown, and the crown's blueness; L*a*b* units. `unit` is the eye distance."""
    scale = max(0.3, light / _DIM)
    mouth = _spread(lab, mesh[list(_MOUTH)])
    cheeks = [_spread(lab, mesh[list(points)])[0] for points in _CHEEKS]
    eyes = [_spread(lab, mesh[list(points)])[0] for points in _EYES]
    return {
        "mouth_detail": float(mouth[0]) / scale,
        "mouth_hues": float(np.hypot(mouth[1], mouth[2])),
        "cheek_grain": float(min(cheeks)),
        "eye_detail": float(min(eyes)) / scale,
        **_crown(lab, mesh[_TOP], unit),
    }


def _spread(lab: Points, outline: Points) -> Points:
    """Standard deviation of L*, a*, b* within the hull of some mesh points; high where all of it is off the view."""
    hull = cv2.convexHull(np.round(outline).astype(np.int32))
    x, y, wide, high = cv2.boundingRect(hull)
    x0, y0, x1, y1 = max(0, x), max(0, y), min(lab.shape[1], x + wide), min(lab.shape[0], y + high)
    if x1 <= x0 or y1 <= y0:
        return np.full(3, 99.0)
    mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
    cv2.fillConvexPoly(mask, hull - (x0, y0), 1)
    inside = lab[y0:y1, x0:x1][mask > 0]
    return np.asarray(inside.std(axis=0), np.float64) if inside.size else np.full(3, 99.0)


def _crown(lab: Points, top: Points, unit: float) -> dict[str, float]:
    """The hair just above the forehead and higher up: colour of the first, grain of the grainier."""
    left, right = max(0, round(top[0] - unit / 2)), round(top[0] + unit / 2)
    parts = []
    for near, far in ((0.1, 0.35), (0.4, 0.8)):
        high, low = max(0, round(top[1] - far * unit)), max(0, round(top[1] - near * unit))
        parts.append(lab[high:low, left:right])
    if any(part.size < 60 for part in parts):
        return {"crown_grain": 99.0, "crown_blue": 0.0}
    colour = np.median(parts[0].reshape(-1, 3), axis=0)
    burnt = colour[0] > 97
    corners = np.concatenate([lab[:16, :24].reshape(-1, 3), lab[:16, -24:].reshape(-1, 3)])
    wall = float(np.linalg.norm(np.median(corners, axis=0) - colour)) < _SAME_COLOUR
    grain = [float((part[:, :, 0] - cv2.GaussianBlur(part[:, :, 0], (0, 0), 2.0)).std()) for part in parts]
    return {"crown_grain": 99.0 if burnt else max(grain), "crown_blue": 0.0 if wall else max(0.0, float(-colour[2]))}
