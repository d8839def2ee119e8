"""What a code in a picture says, by readers that know nothing of the program that drew it.

A QR code is read by zxing-cpp and by OpenCV, a bar code by zxing-cpp and by the decoder below, which goes from grey
rows to bar widths to letters with the table of ISO/IEC 15417. zxing-cpp also draws our codes: a fault of its tables
would draw and read alike, so each kind of code has a reader that shares nothing with it.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import numpy.typing as npt
import zxingcpp

_Grey = npt.NDArray[np.uint8]
_Row = npt.NDArray[np.float64]

# ISO/IEC 15417 table 1: bar, space, bar, space, bar, space in modules for the values 0 … 105; the stop has seven.
_WIDTHS = (
    "212222 222122 222221 121223 121322 131222 122213 122312 132212 221213 221312 231212 112232 122132 122231 113222 "
    "123122 123221 223211 221132 221231 213212 223112 312131 311222 321122 321221 312212 322112 322211 212123 212321 "
    "232121 111323 131123 131321 112313 132113 132311 211313 231113 231311 112133 112331 132131 113123 113321 133121 "
    "313121 211331 231131 213113 213311 213131 311123 311321 331121 312113 312311 332111 314111 221411 431111 111224 "
    "111422 121124 121421 141122 141221 112214 112412 122114 122411 142112 142211 241211 221114 413111 241112 134111 "
    "111242 121142 121241 114212 124112 124211 411212 421112 421211 212141 214121 412121 111143 111341 131141 114113 "
    "114311 411113 411311 113141 114131 311141 411131 211412 211214 211232"
)
_TABLE = np.array([[int(width) for width in widths] for widths in _WIDTHS.split()], np.float64)
_STOP = np.array([2, 3, 3, 1, 1, 1, 2], np.float64)
_SET_A, _SET_B, _SET_C = 103, 104, 105
_SHIFT, _TO_C, _TO_B, _TO_A = 98, 99, 100, 101
_WORST_SIGN = 1.9  # modules that the six widths of a sign may be off in sum; two signs differ by two at least
_BANDS, _AGREEING = 9, 3


def read_qr(grey: _Grey) -> tuple[str, str]:
    """What zxing-cpp and OpenCV read as the one QR code of a picture; what a reader cannot read is ""."""
    return _zxing(grey, zxingcpp.BarcodeFormat.QRCode), _opencv(grey)


def read_code128(grey: _Grey) -> tuple[str, str]:
    """What zxing-cpp and the house's own decoder read as the one Code 128 of a picture; "" where one reads nothing."""
    return _zxing(grey, zxingcpp.BarcodeFormat.Code128), code128_of(grey)


def _zxing(grey: _Grey, kind: zxingcpp.BarcodeFormat) -> str:
    found = zxingcpp.read_barcodes(grey, formats=zxingcpp.BarcodeFormats(kind))
    texts = sorted({code.text for code in found})
    return texts[0] if len(texts) == 1 else " and ".join(texts)


def _opencv(grey: _Grey) -> str:
    """OpenCV's two detectors in turn: the classic one misses six good codes in a thousand, the other none of 1,500."""
    for detector in (cv2.QRCodeDetectorAruco(), cv2.QRCodeDetector()):
        try:
            text, _, _ = detector.detectAndDecode(grey)
        except cv2.error:  # its geometry gives up by an assertion on some unsharp pictures
            text = ""
        if text:
            return str(text)
    return ""


def code128_of(grey: _Grey) -> str:
    """The text of an upright Code 128 that fills most of a picture's width, or "".

    Bands of rows are averaged and decoded one by one; at least three must read, and all that read must read the same.
    """
    rows = np.array_split(grey.astype(np.float64), min(_BANDS, len(grey)))
    read = Counter(text for band in rows if (text := _decoded(band.mean(axis=0))))
    return next(iter(read)) if len(read) == 1 and read.total() >= _AGREEING else ""


def _decoded(row: _Row) -> str:
    """One averaged row as text, "" when its bars are no Code 128 with a right check sign."""
    runs = _bar_widths(row)
    if len(runs) < 6 * 3 + 7 or len(runs) % 6 != 1:
        return ""
    stop = runs[-7:] / runs[-7:].sum() * _STOP.sum()
    values = [_sign(runs[start : start + 6]) for start in range(0, len(runs) - 7, 6)]
    if np.abs(stop - _STOP).sum() > _WORST_SIGN or None in values:
        return ""
    return _text([value for value in values if value is not None])


def _bar_widths(row: _Row) -> npt.NDArray[np.float64]:
    """Widths of bars and spaces in turn, first bar first, with edges placed between pixels at the middle grey."""
    level = (np.percentile(row, 3) + np.percentile(row, 97)) / 2
    if np.percentile(row, 97) - np.percentile(row, 3) < 24:
        return np.empty(0)
    over = row > level
    at = np.flatnonzero(over[1:] != over[:-1])
    edges = at + (level - row[at]) / (row[at + 1] - row[at])
    if len(at) and not over[0]:  # the picture starts within something dark: no quiet zone, drop that edge
        edges = edges[1:]
    return np.diff(edges)


def _sign(runs: npt.NDArray[np.float64]) -> int | None:
    """The value whose pattern is nearest to six widths, or None when none is near."""
    off = np.abs(_TABLE - runs / runs.sum() * 11).sum(axis=1)
    best = int(off.argmin())
    return best if off[best] <= _WORST_SIGN else None


def _text(values: Sequence[int]) -> str:
    start, *signs, check = values
    weighed = start + sum(place * value for place, value in enumerate(signs, start=1))
    if start not in (_SET_A, _SET_B, _SET_C) or weighed % 103 != check:
        return ""
    return "".join(_letters(start, signs))


def _letters(start: int, signs: Sequence[int]) -> Iterator[str]:
    """Letters of the three code sets; function signs print nothing."""
    sets = {_TO_A: _SET_A, _TO_B: _SET_B, _TO_C: _SET_C}
    now, lent = start, None
    for value in signs:
        use, lent = lent or now, None
        if use == _SET_C and value < 100:
            yield f"{value:02d}"
        elif value in sets and sets[value] != use:
            now = sets[value]
        elif value == _SHIFT and use != _SET_C:
            lent = _SET_A if use == _SET_B else _SET_B
        elif value < 96:
            yield chr(value + 32) if use == _SET_B or value < 64 else chr(value - 64)
