"""The rules for a photo, as limits on measures and a sentence for the person who has to take a new picture.

The rules are hms-id-kort.no's and the passport's; the limits were read off the pictures of
§ 2-3 and leave room between the worst picture that passes and the best that must not. A rule that only *warns* is
reported on an accepted photo.
"""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from printing.detect import SECOND_FACE
from printing.models import PhotoFinding, PhotoReason

R = PhotoReason


@cache
def sentences() -> dict[PhotoReason, tuple[str, str]]:
    """What the orderer is told for each reason, in Norwegian and English."""
    text = files("printing").joinpath("data", "photo_sentences.json").read_text("utf-8")
    return {PhotoReason(code): (both["no"], both["en"]) for code, both in json.loads(text).items()}


# What a religious head covering may break: cloth of any colour down to the brows. A head that leaves the picture is cut
# with a covering as without one.
_HEADGEAR = frozenset({"brow_colour", "brow_light", "crown_blue", "crown_grain"})


class Limit(NamedTuple):
    """A measure that must not be below `least` nor above `most`; `warns` tells without refusing."""

    measure: str
    reason: PhotoReason
    least: float | None = None
    most: float | None = None
    warns: bool = False


LIMITS: tuple[Limit, ...] = (
    Limit("certainty", R.NO_FACE, least=0.85),
    Limit("second_face", R.SEVERAL_FACES, most=SECOND_FACE),
    Limit("eye_distance_px", R.FACE_TOO_SMALL, least=40.0),
    Limit("room_above", R.FACE_CUT, least=1.4),
    Limit("room_below", R.FACE_CUT, least=1.9),
    Limit("room_left", R.FACE_CUT, least=1.25),
    Limit("room_right", R.FACE_CUT, least=1.25),
    Limit("tilt_deg", R.NOT_UPRIGHT, most=43.0),
    Limit("turned_away", R.NOT_FRONTAL, most=0.54),
    Limit("pitch", R.NOT_FRONTAL, least=0.12, most=0.56),
    Limit("eyes_open", R.EYES_NOT_VISIBLE, least=0.16),
    Limit("under_eyes", R.EYES_NOT_VISIBLE, least=0.55),
    Limit("eye_detail", R.EYES_NOT_VISIBLE, least=1.3),
    Limit("brow_colour", R.COVERED, most=19.0),
    Limit("brow_light", R.COVERED, most=38.0),
    Limit("crown_blue", R.COVERED, most=11.0),
    Limit("crown_grain", R.COVERED, least=0.1),
    Limit("mouth_hues", R.COVERED, least=0.8),
    Limit("mouth_detail", R.COVERED, least=1.6),
    Limit("cheek_grain", R.COVERED, least=0.13),
    Limit("cheeks_apart", R.COVERED, most=26.0),
    Limit("light_mean", R.TOO_DARK, least=10.0),
    Limit("light_mean", R.TOO_BRIGHT, most=90.0),
    Limit("burnt_share", R.TOO_BRIGHT, most=0.4),
    Limit("sharpness", R.BLURRED, least=0.2),
    Limit("steadiness", R.BLURRED, least=0.12),
    Limit("framed", R.PICTURE_OF_PICTURE, most=0.8),
    Limit("background_unrest", R.BACKGROUND, most=26.0, warns=True),
    Limit("background_share", R.BACKGROUND, least=0.4, warns=True),
    Limit("colourful", R.LOW_QUALITY, least=0.5, warns=True),
)


def finding(reason: PhotoReason, measured: float | None = None, limit: float | None = None) -> PhotoFinding:
    """One reason with its sentences."""
    norwegian, english = sentences()[reason]
    return PhotoFinding(reason=reason, measured=measured, limit=limit, sentence_no=norwegian, sentence_en=english)


def judge(measures: Mapping[str, float], *, head_covering: bool) -> tuple[bool, tuple[PhotoFinding, ...]]:
    """Whether a measured photo passes, and every rule that it breaks: the refusals, or the warnings when it passes."""
    broken = [(limit, found) for limit in LIMITS if (found := _broken(limit, measures)) is not None]
    broken = [pair for pair in broken if not (head_covering and pair[0].measure in _HEADGEAR)]
    refusals = [found for limit, found in broken if not limit.warns]
    chosen = refusals or [found for _, found in broken]
    return not refusals, _once_each(chosen)


def _broken(limit: Limit, measures: Mapping[str, float]) -> PhotoFinding | None:
    value = measures[limit.measure]
    if limit.least is not None and value < limit.least:
        return finding(limit.reason, value, limit.least)
    if limit.most is not None and value > limit.most:
        return finding(limit.reason, value, limit.most)
    return None


def _once_each(found: list[PhotoFinding]) -> tuple[PhotoFinding, ...]:
    first: dict[PhotoReason, PhotoFinding] = {}
    for one in found:
        first.setdefault(one.reason, one)
    return tuple(first.values())
