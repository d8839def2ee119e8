"""The ground of the cards: fine lines, drawn as curves once a file, so that a copy from a screen or a copier shows.

A field of strands that bunch and part, a rosette of counter-turning rings, a band in the colour of the kind. No raster,
no gradients: lines of a tenth of a millimetre stay lines at 600 dpi. All is PDF operators in points from the lower left
corner of the trimmed card, made once a process and design. Lines keep away from codes by the plain panels over them.
"""

import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

from printing.layout import Guilloche, Look, Side
from printing.models import CARD_HEIGHT_MM, CARD_WIDTH_MM

MM = 72 / 25.4
_HAIRLINE_MM = 0.09
_OVER_MM = 1.6  # the ground runs this far over the trimmed edge, beyond any bleed

_Curve = Callable[[float], tuple[float, float]]


class Ground(NamedTuple):
    """What one side's ground depends on: the numbers of the pattern, four inks, the depth of the band in mm."""

    pattern: Guilloche
    paper: str
    soft: str
    line: str
    main: str
    band_mm: float
    side: Side


def ground_of(look: Look, side: Side) -> Ground:
    """The ground of one side of a look."""
    inks = look.design.palette
    tints = inks["paper"], inks["soft"], inks["line"], inks["main"]
    return Ground(look.design.guilloche, *tints, look.faces.band_mm[side], side)


@lru_cache(maxsize=32)
def painted(ground: Ground) -> str:
    """Paper tint, field of strands, rosette and band, as PDF operators."""
    strands = (*_field(ground), *_rosette_rings(ground))
    lines = f"{_HAIRLINE_MM * MM:.3f} w {colour(ground.soft)} RG"
    return "\n".join(("q", _sheet_of(ground.paper, -_OVER_MM), lines, *strands, *_band(ground), "Q"))


def colour(hexadecimal: str) -> str:
    """`#1B6B3F` as three PDF numbers."""
    return " ".join(_short(int(hexadecimal[i : i + 2], 16) / 255) for i in (1, 3, 5))


def _short(number: float) -> str:
    return f"{number:.3f}".rstrip("0").rstrip(".")


def _sheet_of(tint: str, low: float) -> str:
    """A colour over the whole width, from `low` mm to beyond the top edge."""
    width, height = CARD_WIDTH_MM + 2 * _OVER_MM, CARD_HEIGHT_MM + _OVER_MM - low
    return f"{colour(tint)} rg {-_OVER_MM * MM:.2f} {low * MM:.2f} {width * MM:.2f} {height * MM:.2f} re f"


def _field(ground: Ground) -> Iterator[str]:
    """Strands from edge to edge whose waves run slowly out of step: where they draw near, the eye sees a relief."""
    pattern = ground.pattern
    for strand in range(pattern.strands):
        yield _stroked(_strand(pattern.waves, strand / (pattern.strands - 1)), 6 * pattern.waves)


def _strand(waves: int, share: float) -> _Curve:
    height = CARD_HEIGHT_MM + 8.0

    def at(t: float) -> tuple[float, float]:
        x = -_OVER_MM + t * (CARD_WIDTH_MM + 2 * _OVER_MM)
        swell = 1.25 + 0.75 * math.sin(math.tau * (0.8 * t + share))
        wave = math.sin(math.tau * (waves * t + 1.6 * share)) + 0.45 * math.sin(
            math.tau * (0.5 * waves * t - 2 * share)
        )
        return x, -4.0 + share * height + swell * wave

    return at


def _rosette_rings(ground: Ground) -> Iterator[str]:
    # Small print lies on the back's rosette: it is as light as the strands there.
    front = ground.side == "front"
    yield f"{colour(ground.line if front else ground.soft)} RG"
    centre, radius = ((68.0, 24.0), 15.0) if front else ((59.0, 14.5), 13.0)
    pattern = ground.pattern
    for ring in range(pattern.rings):
        share = ring / pattern.rings
        for way in (1, -1):
            yield _stroked(
                _rosette(centre, radius * (1 - 0.5 * share), pattern.petals, way * share), 8 * pattern.petals
            )


def _rosette(centre: tuple[float, float], radius: float, petals: int, phase: float) -> _Curve:
    def at(t: float) -> tuple[float, float]:
        turn = math.tau * t
        reach = radius * (0.86 + 0.14 * math.cos(petals * turn + math.pi * phase))
        return centre[0] + reach * math.cos(turn), centre[1] + reach * math.sin(turn)

    return at


def _band(ground: Ground) -> Iterator[str]:
    """The coloured band at the top, with three woven light lines along its lower edge."""
    low = CARD_HEIGHT_MM - ground.band_mm
    yield _sheet_of(ground.main, low)
    yield f"{0.12 * MM:.3f} w {colour(ground.paper)} RG"
    for strand in range(3):
        yield _stroked(_braid(low, strand / 3), 100)


def _braid(low: float, phase: float) -> _Curve:
    def at(t: float) -> tuple[float, float]:
        return -_OVER_MM + t * (CARD_WIDTH_MM + 2 * _OVER_MM), low + 0.6 + 0.32 * math.sin(math.tau * (26 * t + phase))

    return at


def _stroked(curve: _Curve, pieces: int) -> str:
    """A smooth curve over t = 0 … 1 as Bézier arcs whose tangents are taken from the curve itself."""
    step = 1 / pieces
    (x0, y0), (u0, v0) = curve(0.0), _slope(curve, 0.0)
    drawn = [f"{x0 * MM:.2f} {y0 * MM:.2f} m"]
    for piece in range(1, pieces + 1):
        (x1, y1), (u1, v1) = curve(piece * step), _slope(curve, piece * step)
        reach = step / 3
        drawn.append(
            f"{(x0 + u0 * reach) * MM:.2f} {(y0 + v0 * reach) * MM:.2f} "
            f"{(x1 - u1 * reach) * MM:.2f} {(y1 - v1 * reach) * MM:.2f} {x1 * MM:.2f} {y1 * MM:.2f} c"
        )
        x0, y0, u0, v0 = x1, y1, u1, v1
    return " ".join((*drawn, "S"))


def _slope(curve: _Curve, t: float) -> tuple[float, float]:
    (xa, ya), (xb, yb) = curve(t - 1e-5), curve(t + 1e-5)
    return (xb - xa) / 2e-5, (yb - ya) / 2e-5
