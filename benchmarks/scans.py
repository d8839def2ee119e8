"""`python -m benchmarks.scans`: right and wrongly made cards as a scanner or camera would see them, by the hundred.

Every picture is a drawn face, turned, tilted, blurred, exposed, tinted, made noisy and packed at random within what
`hsecard proof` promises to stand. Right cards must not be called wrong; a card with one thing of another order must be.
"""

import argparse
import io
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.inbox import photographs
from benchmarks.mixups import similar_card
from printing.expected import drawn_sides
from printing.layout import Side
from printing.likeness import Check, checks_of, read_number
from printing.models import FaceContent
from printing.portrait import make_portrait
from printing.scan import find_sides

SWAPS: dict[str, tuple[str, ...]] = {
    "given_name": ("given_name",),
    "family_name": ("family_name",),
    "birth_date": ("birth_date",),
    "employer": ("employer",),
    "org_number": ("org_number",),
    "portrait": ("portrait_sha256",),
    "qr": ("status_url",),
    "barcode": ("number",),
}
PAIRS = ("aá", "eé", "oö", "sš", "zž", "dđ", "lł", "aå", "uú", "nń", "AÁ", "OØ", "EÉ", "İI", "șs", "ằă", "ệê")


class Taking(NamedTuple):
    """How a picture is taken of a card."""

    dpi: float
    blur_mm: float
    turn_deg: float
    stops: float
    noise: float
    jpeg: int
    tilt: float  # corners move by this part of the card's width
    tint: tuple[float, float, float]
    ground: int  # grey level of what the card lies on


class Tried(NamedTuple):
    """One picture: what was planted (nothing when the card was right), what was found, the scores, seconds it took."""

    planted: str
    found: tuple[str, ...]
    scores: dict[str, float]
    taking: Taking
    seconds: float


def a_taking(chance: np.random.Generator) -> Taking:
    """Anything within what is promised: 200-600 dpi, blur to 0.1 mm, 5° (or upside down), a stop, JPEG 70."""
    return Taking(
        dpi=float(chance.choice([200, 240, 300, 400, 600], p=[0.25, 0.25, 0.3, 0.1, 0.1])),
        blur_mm=chance.uniform(0, 0.1),
        turn_deg=chance.uniform(-5, 5) + float(chance.choice([0, 0, 0, 90, 180])),
        stops=chance.uniform(-1, 1),
        noise=chance.uniform(0, 12),
        jpeg=int(chance.integers(70, 96)),
        tilt=chance.uniform(0, 0.02),
        tint=tuple(chance.uniform(0.9, 1.1, 3).tolist()),
        ground=int(chance.choice([40, 128, 235, 250])),
    )


def taken(face: npt.NDArray[np.uint8], how: Taking, chance: np.random.Generator) -> npt.NDArray[np.uint8]:
    """The picture of a face (RGB at 300 dpi): geometry, optics, light, sensor, file."""
    high, wide = face.shape[:2]
    scale = how.dpi / 300
    turn = np.deg2rad(how.turn_deg)
    corners = np.array([[0, 0], [wide, 0], [wide, high], [0, high]], np.float64)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    there = (corners - [wide / 2, high / 2]) * scale @ rotation.T + chance.uniform(-how.tilt, how.tilt, (4, 2)) * wide
    there += 30 - there.min(axis=0)
    size = tuple(int(length) + 30 for length in there.max(axis=0))
    sharp = face.astype(np.float32)
    if scale < 1:  # a sensor's pixel sees an area
        sharp = cv2.GaussianBlur(sharp, (0, 0), 0.42 / scale).astype(np.float32)
    onto = cv2.getPerspectiveTransform(corners.astype(np.float32), there.astype(np.float32))
    seen = np.full((size[1], size[0], 3), how.ground, np.float32)
    cv2.warpPerspective(sharp, onto, size, seen, cv2.INTER_CUBIC, cv2.BORDER_TRANSPARENT)
    seen = cv2.GaussianBlur(seen, (0, 0), max(how.blur_mm / 25.4 * how.dpi, 0.2)).astype(np.float32)
    light = (np.clip(seen, 0, 255) / 255) ** 2.2 * np.array(how.tint, np.float32) * 2.0**how.stops
    exposed = np.clip(light, 0, 1) ** (1 / 2.2) * 255 + chance.normal(0, how.noise, seen.shape)
    return as_jpeg(np.clip(exposed, 0, 255).astype(np.uint8), how.jpeg)


def as_jpeg(pixels: npt.NDArray[np.uint8], quality: int) -> npt.NDArray[np.uint8]:
    """Packed and unpacked."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(io.BytesIO(file.getvalue())).convert("RGB"))


def portraits(most: int) -> list[bytes]:
    """Portraits of different people from the sample photographs, at most `most`: a face is taken once."""
    kept: list[tuple[npt.NDArray[np.float64], bytes]] = []
    for path in photographs():
        if len(kept) == most:
            break
        _, portrait = make_portrait(path.read_bytes())
        if portrait is None:
            continue
        with Image.open(io.BytesIO(portrait.jpeg)) as opened:
            small = np.asarray(opened.convert("L").resize((22, 28)), np.float64).ravel()
        if all(np.corrcoef(small, other)[0, 1] < 0.9 for other, _ in kept):
            kept.append((small, portrait.jpeg))
    return [jpeg for _, jpeg in kept]


def card(index: int, faces: Sequence[bytes]) -> tuple[FaceContent, bytes]:
    """Card `index`: neighbours differ in one letter, one day, one digit."""
    portrait = faces[index % len(faces)]
    return similar_card(index % 44, portrait), portrait


def planted(right: FaceContent, what: str, other: FaceContent, chance: np.random.Generator) -> FaceContent:
    """The order with one thing of another card; an `accent` is one letter of the family name spelled otherwise."""
    if what == "accent":
        pair = PAIRS[int(chance.integers(len(PAIRS)))]
        return right.model_copy(update={"family_name": right.family_name + pair[0]})
    if what == "clipped":
        return right.model_copy(update={"family_name": f"{right.family_name}s"})
    if what == "long employer":
        return right.model_copy(update={"employer": f"{right.employer} {LONG}"})
    taken_over: dict[str, Any] = {field: getattr(other, field) for field in SWAPS[what]}
    if what == "qr":
        taken_over["status_url"] = right.status_url.replace("K7Q2P", "K7Q2Q")
    return right.model_copy(update=taken_over)


LONG = "Entreprenør og Maskinutleie Nordre Østfold"


def try_one(seed: int, faces: Sequence[bytes], what: str | None) -> Tried:
    """One picture of one card; `what` is wrong on it, or nothing."""
    chance = np.random.default_rng(seed)
    ordered, portrait = card(seed, faces)
    made, made_portrait = ordered, portrait
    if what:
        other, _ = card(seed + 1 + int(chance.integers(40)), faces)
        other_portrait = faces[(seed + 1 + int(chance.integers(len(faces) - 1))) % len(faces)]
        ordered, made = _ordered_and_made(ordered, what, other, chance)
        made_portrait = other_portrait if what == "portrait" else portrait
    side: Side = "back" if what in ("qr", "barcode") or (what is None and seed % 2) else "front"
    how = a_taking(chance)
    picture = taken(drawn_sides(made, made_portrait)[side], how, chance)
    begun = time.process_time()
    found = find_sides(picture)
    if [one.side for one in found] != [side]:
        return Tried(what or "", (f"{len(found)} sides",), {}, how, time.process_time() - begun)
    checks = checks_of(found[0], ordered, portrait)
    seconds = time.process_time() - begun
    wrong = _wrong(checks)
    if what is None and side == "front" and read_number(found[0])[0] != ordered.number:
        wrong = (*wrong, "number not read")
    return Tried(what or "", wrong, {one.element: one.score for one in checks if one.score is not None}, how, seconds)


def _ordered_and_made(
    right: FaceContent, what: str, other: FaceContent, chance: np.random.Generator
) -> tuple[FaceContent, FaceContent]:
    """What was ordered and what came out. A letter more or less, and an accent, are planted next to each other."""
    if what == "accent":
        seed = int(chance.integers(1 << 30))
        plain = planted(right, what, other, np.random.default_rng(seed))
        pair = PAIRS[int(np.random.default_rng(seed).integers(len(PAIRS)))]
        marked = plain.model_copy(update={"family_name": plain.family_name[:-1] + pair[1]})
        return (plain, marked) if chance.integers(2) else (marked, plain)
    if what == "clipped":
        return planted(right, what, other, chance), right
    if what == "long employer":  # small print: the last letter of a name that had to shrink
        long = planted(right, what, other, chance)
        return long, long.model_copy(update={"employer": f"{long.employer[:-1]}t"})
    return right, planted(right, what, other, chance)


def _wrong(checks: Sequence[Check]) -> tuple[str, ...]:
    return tuple(
        one.element if one.outcome == "differs" else f"{one.element} ?" for one in checks if one.outcome != "same"
    )


KINDS_OF_FAULT = (*SWAPS, "accent", "clipped", "long employer")
_SHOWS_AS = {"accent": "family_name", "clipped": "family_name", "long employer": "employer"}


def is_caught(tried: Tried) -> bool:
    """Whether the thing that was planted is among those found."""
    return _SHOWS_AS.get(tried.planted, tried.planted) in tried.found


def tries(count: int, faulty: bool) -> Iterator[tuple[int, str | None]]:
    """Seeds and faults: every fault in turn."""
    for index in range(count):
        yield (10_000 + index, KINDS_OF_FAULT[index % len(KINDS_OF_FAULT)]) if faulty else (index, None)


def sweep(count: int, *, faulty: bool, faces: Sequence[bytes], workers: int = 1) -> Iterator[Tried]:
    """`count` pictures one after another, on several processes when asked."""
    jobs = list(tries(count, faulty))
    if workers == 1:
        yield from (try_one(seed, faces, what) for seed, what in jobs)
        return
    with ProcessPoolExecutor(workers, initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        yield from pool.map(partial(_job, faces), jobs, chunksize=4)


def _job(faces: Sequence[bytes], job: tuple[int, str | None]) -> Tried:
    return try_one(job[0], faces, job[1])


def _counted(pictures: Iterator[Tried], trouble: str) -> tuple[list[Tried], list[Tried]]:
    """All pictures and those that went wrong, told as they come."""
    seen: list[Tried] = []
    bad: list[Tried] = []
    for one in pictures:
        seen.append(one)
        if is_caught(one) if one.planted else not one.found:
            continue
        bad.append(one)
        scores = {name: round(float(score), 2) for name, score in one.scores.items()}
        print(f"{trouble}: {one.planted or 'right'} {one.found} {scores} {one.taking}", flush=True)
    print(f"{len(seen)} pictures, {len(bad)} {trouble}", flush=True)
    return seen, bad


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--right", type=int, default=330)
    parser.add_argument("--wrong", type=int, default=330)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    faces = portraits(12)
    right, alarms = _counted(sweep(given.right, faulty=False, faces=faces, workers=given.workers), "called wrong")
    wrong, missed = _counted(sweep(given.wrong, faulty=True, faces=faces, workers=given.workers), "missed")
    print(f"right cards:   {len(right) - len(alarms)} of {len(right)} called right")
    print(f"wrong cards:   {len(wrong) - len(missed)} of {len(wrong)} caught")
    print("missed by kind:", dict(Counter(tried.planted for tried in missed)))
    texts = [score for tried in right for name, score in tried.scores.items() if name != "portrait"]
    likes = [tried.scores["portrait"] for tried in right if "portrait" in tried.scores]
    strange = [tried.scores["portrait"] for tried in wrong if tried.planted == "portrait" and tried.scores]
    planted_scores = [
        tried.scores[_SHOWS_AS.get(tried.planted, tried.planted)]
        for tried in wrong
        if tried.planted not in ("qr", "barcode", "portrait") and tried.scores
    ]
    print(f"texts:         right at most {max(texts):.2f}, wrong at least {min(planted_scores):.2f}")
    print(f"portraits:     right at least {min(likes):.2f}, wrong at most {max(strange):.2f}")
    print(f"a side:        {np.mean([tried.seconds for tried in right]):.2f} s of one core")


if __name__ == "__main__":
    main()
