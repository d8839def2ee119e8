"""The ground of the cards: fine lines, drawn as curves once a file, so that a copy from a screen or a copier shows.

Waves that run across the whole card, rosettes whose loops never repeat in step, a band in the colour of the kind.
No raster, no gradients: lines of a tenth of a millimetre stay lines at 600 dpi. Lines keep away from codes and small
print by the plain panels that the layout lays over them.
"""

import math
from collections.abc import Callable

from reportlab.lib.colors import HexColor
from reportlab.pdfgen.canvas import Canvas

from printing.layout import Design, Side, faces_of
from printing.models import CARD_HEIGHT_MM, CARD_WIDTH_MM

MM = 72 / 25.4
_HAIRLINE_MM = 0.1
_OVER_MM = 1.6  # the ground runs this far over the trimmed edge, beyond any bleed

_Curve = Callable[[float], tuple[float, float]]


def paint_ground(canvas: Canvas, design: Design, side: Side) -> None:
    """Paper tint, wave field, rosettes and the band of one side. Origin: lower left corner of the trimmed card."""
    _fill(canvas, design.palette["paper"], -_OVER_MM)
    canvas.setLineWidth(_HAIRLINE_MM * MM)
    canvas.setStrokeColor(HexColor(design.palette["soft"]))
    _waves(canvas, design)
    _rosettes(canvas, design, side)
    _band(canvas, design, side)


def _fill(canvas: Canvas, colour: str, low: float) -> None:
    """A colour over the whole width, from `low` mm to beyond the top edge."""
    canvas.setFillColor(HexColor(colour))
    width, height = CARD_WIDTH_MM + 2 * _OVER_MM, CARD_HEIGHT_MM + _OVER_MM - low
    canvas.rect(-_OVER_MM * MM, low * MM, width * MM, height * MM, stroke=0, fill=1)


def _waves(canvas: Canvas, design: Design) -> None:
    """Two families of strands with counter-running phases: where they cross, the eye sees a moving weave."""
    pattern = design.guilloche
    for strand in range(pattern.strands):
        share = strand / (pattern.strands - 1)
        for way in (1, -1):
            _stroke(canvas, _strand(pattern.waves, share, way), 0.0, 1.0, 5 * pattern.waves)


def _strand(waves: int, share: float, way: int) -> _Curve:
    height = CARD_HEIGHT_MM + 2 * _OVER_MM

    def at(t: float) -> tuple[float, float]:
        x = -_OVER_MM + t * (CARD_WIDTH_MM + 2 * _OVER_MM)
        swell = 1.9 + 1.1 * math.sin(math.tau * (t + share))
        y = -_OVER_MM + share * height + swell * math.sin(math.tau * (waves * t + way * 0.9 * share))
        return x, y

    return at


def _rosettes(canvas: Canvas, design: Design, side: Side) -> None:
    # Small print lies on the back's rosettes: they are as light as the waves there.
    canvas.setStrokeColor(HexColor(design.palette["line" if side == "front" else "soft"]))
    centre = (66.0, 20.5) if side == "front" else (30.0, 27.0)
    radius = 17.5 if side == "front" else 16.0
    pattern = design.guilloche
    for ring in range(pattern.rings):
        curve = _rosette(centre, radius * (1 - 0.055 * ring), pattern.petals, ring / pattern.rings)
        _stroke(canvas, curve, 0.0, 1.0, 8 * pattern.petals)


def _rosette(centre: tuple[float, float], radius: float, petals: int, phase: float) -> _Curve:
    def at(t: float) -> tuple[float, float]:
        turn = math.tau * t
        reach = radius * (0.74 + 0.26 * math.cos(petals * turn + math.pi * phase))
        return centre[0] + reach * math.cos(turn), centre[1] + reach * math.sin(turn)

    return at


def _band(canvas: Canvas, design: Design, side: Side) -> None:
    """The coloured band at the top, with three woven light lines along its lower edge."""
    depth = faces_of(design.design).band_mm[side]
    low = CARD_HEIGHT_MM - depth
    _fill(canvas, design.palette["main"], low)
    canvas.setStrokeColor(HexColor(design.palette["paper"]))
    canvas.setLineWidth(0.12 * MM)
    for strand in range(3):
        _stroke(canvas, _braid(low, strand / 3), 0.0, 1.0, 100)


def _braid(low: float, phase: float) -> _Curve:
    def at(t: float) -> tuple[float, float]:
        return -_OVER_MM + t * (CARD_WIDTH_MM + 2 * _OVER_MM), low + 0.6 + 0.32 * math.sin(math.tau * (26 * t + phase))

    return at


def _stroke(canvas: Canvas, curve: _Curve, start: float, end: float, pieces: int) -> None:
    """A smooth curve as `pieces` Bézier arcs whose tangents are taken from the curve itself."""
    step = (end - start) / pieces
    path = canvas.beginPath()
    x0, y0 = curve(start)
    path.moveTo(x0 * MM, y0 * MM)
    slope0 = _slope(curve, start)
    for piece in range(pieces):
        t1 = start + (piece + 1) * step
        (x1, y1), slope1 = curve(t1), _slope(curve, t1)
        reach = step / 3
        path.curveTo(
            (x0 + slope0[0] * reach) * MM,
            (y0 + slope0[1] * reach) * MM,
            (x1 - slope1[0] * reach) * MM,
            (y1 - slope1[1] * reach) * MM,
            x1 * MM,
            y1 * MM,
        )
        x0, y0, slope0 = x1, y1, slope1
    canvas.drawPath(path, stroke=1, fill=0)


def _slope(curve: _Curve, t: float) -> tuple[float, float]:
    (xa, ya), (xb, yb) = curve(t - 1e-5), curve(t + 1e-5)
    return (xb - xa) / 2e-5, (yb - ya) / 2e-5
