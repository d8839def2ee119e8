"""Two hundred photographs from a few free portraits: other crops, turns, light and files, never another face.

Each base picture is named with its eyes, measured once, so that every crop is known before it is cut: eyes at least
70 px apart, never enlarged beyond 1.6 times, never mirrored. The pictures themselves are not kept here; README.md
says which package each comes from and under which terms.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

EYES_APART_MIN_PX = 70.0
EYES_APART_MAX_PX = 136.0
HEIGHTS_PX = (600, 760)
ENLARGED_MAX = 1.6
PAD_PX = 160  # mirrored border around the base, so that a turned crop has no black corner
ORIENTATIONS = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}


@dataclass(frozen=True)
class Base:
    """A base picture and its eyes (x, y in its own pixels), the eye at the left of the picture first."""

    file: str
    left: tuple[float, float]
    right: tuple[float, float]

    @property
    def apart(self) -> float:
        return math.dist(self.left, self.right)

    @property
    def roll(self) -> float:
        """How far the head leans, in degrees; a turn by as much makes it level."""
        return math.degrees(math.atan2(self.right[1] - self.left[1], self.right[0] - self.left[0]))


BASES = (
    Base("astronaut.png", (202.6, 101.7), (246.6, 102.9)),
    Base("obama.jpg", (445.1, 206.7), (551.9, 209.8)),
    Base("ayo-ogunseinde-2.jpg", (175.6, 134.9), (241.4, 129.8)),
    Base("biden.jpg", (532.2, 320.5), (656.1, 347.3)),
    Base("kal-visuals-square.jpg", (375.2, 273.4), (494.3, 328.2)),
    Base("obama3.jpg", (737.3, 378.0), (855.2, 382.2)),
    Base("erik-lucatero-2.jpg", (159.2, 210.4), (243.7, 207.0)),
)


@dataclass(frozen=True)
class Take:
    """How one photograph is taken from its base: the frame in pixels, where the eyes are, turn, light."""

    width: int
    height: int
    eyes_apart: float
    eye_x: float
    eye_y: float
    turn: float
    gamma: float
    warmth: float
    quality: int
    orientation: int


def deal_take(base: Base, size: tuple[int, int], dice: random.Random) -> Take:
    """A take whose frame stays on the base picture (`size`, width and height in px), but for the corners of a turn."""
    most = min(base.apart * ENLARGED_MAX, EYES_APART_MAX_PX)
    least = max(EYES_APART_MIN_PX, most * 0.86, base.apart * HEIGHTS_PX[0] / size[1])
    eyes_apart = dice.uniform(least, most)
    scale = eyes_apart / base.apart
    room_x, room_y = size[0] * scale, size[1] * scale
    height = round(min(dice.randrange(*HEIGHTS_PX), room_y))
    width = round(min(max(height * dice.choice((0.75, 0.78, 0.8)), eyes_apart / 0.235), room_x))
    eye_x, eye_y = (base.left[0] + base.right[0]) / 2 * scale, (base.left[1] + base.right[1]) / 2 * scale
    return Take(
        width=width,
        height=height,
        eyes_apart=eyes_apart,
        eye_x=_within(width * dice.uniform(0.47, 0.53), width - room_x + eye_x, eye_x),
        eye_y=_within(height * dice.uniform(0.38, 0.46), height - room_y + eye_y, eye_y),
        turn=dice.uniform(-6, 6) * dice.choice((0.3, 1.0)),
        gamma=dice.uniform(0.86, 1.08),
        warmth=dice.uniform(-0.05, 0.05),
        quality=dice.randrange(80, 84),
        orientation=dice.choice((1, 1, 1, 1, 1, 1, 1, 3, 6, 8)),
    )


def _within(wished: float, least: float, most: float) -> float:
    return max(least, min(wished, most))


def frame(picture: Image.Image, base: Base, take: Take) -> Image.Image:
    """Cut, turn and scale in one resampling: the eyes come to lie where the take wants them."""
    padded = Image.fromarray(np.pad(np.asarray(picture), ((PAD_PX, PAD_PX), (PAD_PX, PAD_PX), (0, 0)), mode="reflect"))
    angle = math.radians(base.roll + take.turn)
    step = base.apart / take.eyes_apart
    cos, sin = math.cos(angle) * step, math.sin(angle) * step
    centre_x = (base.left[0] + base.right[0]) / 2 + PAD_PX
    centre_y = (base.left[1] + base.right[1]) / 2 + PAD_PX
    shift_x = centre_x - cos * take.eye_x + sin * take.eye_y
    shift_y = centre_y - sin * take.eye_x - cos * take.eye_y
    matrix = (cos, -sin, shift_x, sin, cos, shift_y)
    return padded.transform(
        (take.width, take.height), Image.Transform.AFFINE, matrix, resample=Image.Resampling.BICUBIC
    )


def relight(picture: Image.Image, take: Take) -> Image.Image:
    """A little brighter or darker, a little warmer or colder."""
    levels = [(value / 255) ** take.gamma for value in range(256)]
    tables = [
        [min(255, round(255 * level * gain)) for level in levels] for gain in (1 + take.warmth, 1, 1 - take.warmth)
    ]
    return picture.point([value for table in tables for value in table])


def save(picture: Image.Image, take: Take, path: Path) -> None:
    """In the format of the file's name; some JPEGs lie on their side and say so in EXIF, as phones write them."""
    if path.suffix == ".png":
        picture.save(path, optimize=True)
    elif path.suffix == ".webp":
        picture.save(path, quality=take.quality, method=6)
    elif take.orientation == 1:
        picture.save(path, quality=take.quality, optimize=True)
    else:
        exif = Image.Exif()
        exif[0x0112] = take.orientation
        picture.transpose(ORIENTATIONS[take.orientation]).save(path, quality=take.quality, optimize=True, exif=exif)


def write_photos(names: Sequence[str], *, no_face: str, pictures: Path, folder: Path) -> None:
    """Write one photograph per name below `folder`; `no_face` becomes a picture of a rocket, with nobody in it."""
    dice = random.Random(7)  # noqa: S311 - a seeded die for crops and light, nothing secret
    opened = {base.file: Image.open(pictures / base.file).convert("RGB") for base in BASES}
    (folder / "photos").mkdir(parents=True, exist_ok=True)
    for stale in (folder / "photos").iterdir():
        stale.unlink()
    for count, name in enumerate(names):
        base = BASES[count % len(BASES)]
        take = deal_take(base, opened[base.file].size, dice)
        if name == no_face:
            Image.open(pictures / "rocket.jpg").convert("RGB").save(folder / name, quality=85, optimize=True)
        else:
            save(relight(frame(opened[base.file], base, take), take), take, folder / name)
