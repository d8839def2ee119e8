"""What orderers send, made from one good portrait: formats, light, blur, turns, cuts, covers, pictures of pictures.

Each variant says what the check must answer, so that one portrait makes a hundred questions. Eyes travel with the
picture through every change. Nothing here is random: the same portrait makes the same variants.
"""

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from printing.measure import look_at
from printing.photos import Photo, open_photo

Pixels = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float64]
ACCEPT, REJECT, EITHER = "accept", "reject", "either"
_APART = 90.0  # eye distance of the variants, in px; only ever made smaller
_BROWS, _MOUTH, _CHIN, _TOP = (105, 334), (13, 14), 152, 10


@dataclass(frozen=True)
class Shot:
    """A picture with the 468 points of its face."""

    pixels: Pixels
    mesh: Points

    @property
    def eyes(self) -> Points:
        return np.array([self.mesh[[33, 133]].mean(axis=0), self.mesh[[362, 263]].mean(axis=0)])

    @property
    def apart(self) -> float:
        return float(np.hypot(*(self.eyes[1] - self.eyes[0])))

    @property
    def middle(self) -> Points:
        return np.asarray(self.eyes.mean(axis=0), np.float64)

    def moved(self, matrix: Points, size: tuple[int, int], border: int = cv2.BORDER_REFLECT_101) -> "Shot":
        """Through an affine of 2 x 3 into a picture of `size`."""
        pixels = cv2.warpAffine(self.pixels, matrix, size, flags=cv2.INTER_CUBIC, borderMode=border)
        return Shot(pixels.astype(np.uint8), self.mesh @ matrix[:, :2].T + matrix[:, 2])

    def cut(self, box: tuple[float, float, float, float]) -> "Shot":
        """The part from left, top to right, bottom, as far as there is any."""
        height, width = self.pixels.shape[:2]
        x0, y0 = max(0, round(box[0])), max(0, round(box[1]))
        x1, y1 = min(width, round(box[2])), min(height, round(box[3]))
        return Shot(np.ascontiguousarray(self.pixels[y0:y1, x0:x1]), self.mesh - (x0, y0))

    def scaled(self, grow: float) -> "Shot":
        size = max(1, round(self.pixels.shape[1] * grow)), max(1, round(self.pixels.shape[0] * grow))
        return Shot(cv2.resize(self.pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8), self.mesh * grow)


@dataclass(frozen=True)
class Variant:
    """A file as uploaded, and what must be answered: `expected`, one of `reasons`, eyes when they are known."""

    name: str
    data: bytes
    expected: str
    reasons: frozenset[str] = frozenset()
    eyes: Points | None = None


def shot_of(data: bytes) -> Shot:
    """A good portrait, reduced to the eye distance of the set. Raises ValueError where no single face shows."""
    photo = open_photo(data, reduced=False)
    if not isinstance(photo, Photo):
        raise ValueError(photo)
    sight = look_at(photo)
    if len(sight.faces) != 1:
        raise ValueError(f"{len(sight.faces)} faces")
    with Image.open(io.BytesIO(data)) as opened:
        shot = Shot(np.array(opened.convert("RGB")), sight.faces[0].mesh[:, :2].astype(np.float64))
    return shot.scaled(min(1.0, _APART / shot.apart))


def framed(shot: Shot) -> Shot:
    """Head and shoulders, as a photo for a card is framed."""
    (x, y), apart = shot.middle, shot.apart
    return shot.cut((x - 2.6 * apart, y - 2.4 * apart, x + 2.6 * apart, y + 4.2 * apart))


def jpeg(pixels: Pixels, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", **{"quality": 88, **options})
    return file.getvalue()


def saved(picture: Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def variants(data: bytes) -> Iterator[Variant]:
    """All variants of one portrait."""
    wide = shot_of(data)
    shot = framed(wide)
    for family in (of_formats, of_files, of_light, of_detail, of_turns, of_cuts, of_covers, of_eyes, of_company):
        yield from family(shot)
    yield from of_pictures(shot)


def _as(name: str, shot: Shot, expected: str, *reasons: str) -> Variant:
    return Variant(name, jpeg(shot.pixels), expected, frozenset(reasons), shot.eyes)


def of_formats(shot: Shot) -> Iterator[Variant]:
    """The same picture in every kind of file."""
    picture = Image.fromarray(shot.pixels)
    deep = cv2.imencode(".png", shot.pixels[:, :, ::-1].astype(np.uint16) * 257)[1].tobytes()
    grey16 = cv2.imencode(".tiff", cv2.cvtColor(shot.pixels, cv2.COLOR_RGB2GRAY).astype(np.uint16) * 257)[1].tobytes()
    alpha = picture.copy()
    alpha.putalpha(255)
    accepted = {
        "plain": jpeg(shot.pixels), "quality_30": jpeg(shot.pixels, quality=30),
        "progressive": jpeg(shot.pixels, progressive=True), "png": saved(picture, "PNG"), "png16": deep,
        "cmyk": saved(picture.convert("CMYK"), "JPEG"), "palette": saved(picture.quantize(256), "PNG"),
        "rgba": saved(alpha, "PNG"), "webp": saved(picture, "WEBP", quality=85), "tiff": saved(picture, "TIFF"),
        "tiff_lzw": saved(picture, "TIFF", compression="tiff_lzw"), "mpo": saved(picture, "MPO"),
        "mpo_two": saved(picture, "MPO", save_all=True, append_images=[picture.reduce(4)]),
        "icc_broken": jpeg(shot.pixels, icc_profile=b"\x00" * 200), "trailing": jpeg(shot.pixels) + bytes(3000),
        "exif_broken": jpeg(shot.pixels, exif=b"Exif\x00\x00II*\x00" + b"\xff" * 40),
    }  # fmt: skip
    for name, data in accepted.items():
        yield Variant(f"format_{name}", data, ACCEPT, eyes=shot.eyes)
    either = {
        "grey": jpeg(cv2.cvtColor(shot.pixels, cv2.COLOR_RGB2GRAY).astype(np.uint8)), "grey16_tiff": grey16,
        "bmp": saved(picture, "BMP"), "gif": saved(picture, "GIF"), "avif": saved(picture, "AVIF"),
        "quality_8": jpeg(shot.pixels, quality=8),
    }  # fmt: skip
    for name, data in either.items():
        yield Variant(f"format_{name}", data, EITHER, frozenset({"unsupported", "low_quality"}), shot.eyes)
    for orientation in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9):
        yield Variant(f"exif_{orientation}", _laid(picture, orientation, "JPEG"), ACCEPT, eyes=shot.eyes)
    yield Variant("exif_6_png", _laid(picture, 6, "PNG"), ACCEPT, eyes=shot.eyes)


def _laid(picture: Image.Image, orientation: int, form: str) -> bytes:
    turn = Image.Transpose
    back = {2: turn.FLIP_LEFT_RIGHT, 3: turn.ROTATE_180, 4: turn.FLIP_TOP_BOTTOM, 5: turn.TRANSPOSE,
            6: turn.ROTATE_90, 7: turn.TRANSVERSE, 8: turn.ROTATE_270}  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = picture.transpose(back[orientation]) if orientation in back else picture
    return saved(stored, form, exif=exif)


def of_files(shot: Shot) -> Iterator[Variant]:
    """Files that end early, are no pictures, or are many."""
    whole, png = jpeg(shot.pixels), saved(Image.fromarray(shot.pixels), "PNG")
    damaged = frozenset({"truncated", "not_an_image"})
    for share in (0.01, 0.1, 0.3, 0.6, 0.9):
        yield Variant(f"cut_jpeg_{share}", whole[: int(len(whole) * share)], REJECT, damaged)
        yield Variant(f"cut_png_{share}", png[: int(len(png) * share)], REJECT, damaged)
    picture = Image.fromarray(shot.pixels)
    moving = saved(picture, "WEBP", save_all=True, append_images=[picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)])
    yield Variant("animated_webp", moving, EITHER, frozenset({"unsupported"}))
    rotten = bytearray(whole)
    for place in range(len(rotten) // 3, len(rotten) - 10, len(rotten) // 9):
        rotten[place] ^= 0x55
    yield Variant("bit_rot", bytes(rotten), EITHER, damaged | {"low_quality", "no_face", "not_frontal", "covered"})


def of_light(shot: Shot) -> Iterator[Variant]:
    """Darker, brighter, warmer, colder."""
    base = shot.pixels.astype(np.float64)
    dark = ("too_dark", "no_face", "low_quality")
    bright = ("too_bright", "no_face", "low_quality", "eyes_not_visible")
    for gain in (0.7, 0.5, 0.4, 1.25):
        yield _as(f"light_x{gain}", _lit(shot, base * gain), ACCEPT)
    for gain, reasons in ((0.25, dark), (0.15, dark), (0.1, dark), (1.6, bright), (2.0, bright), (3.0, bright)):
        yield _as(f"light_x{gain}", _lit(shot, base * gain), EITHER, *reasons)
    for gain, reasons in ((0.04, dark), (0.02, dark), (9.0, bright), (14.0, bright)):
        yield _as(f"light_x{gain}", _lit(shot, base * gain), REJECT, *reasons)
    for name, cast in (("warm", (1.1, 1.0, 0.65)), ("cold", (0.8, 0.95, 1.15)), ("green", (0.9, 1.08, 0.9))):
        yield _as(f"cast_{name}", _lit(shot, base * np.array(cast)), ACCEPT)
    yield _as("flat", _lit(shot, 90 + base * 0.45), ACCEPT)


def _lit(shot: Shot, values: Points) -> Shot:
    return replace(shot, pixels=np.clip(values, 0, 255).astype(np.uint8))


def of_detail(shot: Shot) -> Iterator[Variant]:
    """Blur in parts of the eye distance, noise, and fewer pixels."""
    steps = {0.012: ACCEPT, 0.02: ACCEPT, 0.04: EITHER, 0.07: EITHER, 0.14: REJECT, 0.25: REJECT}
    for share, expected in steps.items():
        soft = cv2.GaussianBlur(shot.pixels, (0, 0), share * shot.apart).astype(np.uint8)
        yield _as(f"blur_{share}", replace(shot, pixels=soft), expected, "blurred", "eyes_not_visible", "no_face")
    for share, expected in ((0.1, EITHER), (0.45, REJECT)):
        line = np.zeros((99, 99), np.float32)
        length = max(1, round(share * shot.apart / 2))
        line[49, 49 - length : 50 + length] = 1 / (2 * length + 1)
        moved = cv2.filter2D(shot.pixels, -1, line).astype(np.uint8)
        yield _as(f"shaken_{share}", replace(shot, pixels=moved), expected, "blurred", "eyes_not_visible", "no_face")
    noise = np.random.default_rng(3).normal(0, 1, shot.pixels.shape)
    for sigma, expected in ((6, ACCEPT), (12, ACCEPT), (30, EITHER)):
        yield _as(f"noise_{sigma}", _lit(shot, shot.pixels + sigma * noise), expected, "low_quality", "blurred")
    for apart, expected in ((62, ACCEPT), (45, EITHER), (36, EITHER), (22, REJECT), (12, REJECT)):
        small = shot.scaled(min(1.0, apart / shot.apart))
        yield _as(f"apart_{apart}", small, expected, "face_too_small", "blurred", "no_face")


def of_turns(shot: Shot) -> Iterator[Variant]:
    """Heads tilted, and pictures on their side that do not say so."""
    height, width = shot.pixels.shape[:2]
    size = round(1.25 * width), round(1.1 * height)
    for degrees, expected in ((-30, ACCEPT), (-20, ACCEPT), (-8, ACCEPT), (8, ACCEPT), (20, ACCEPT), (30, ACCEPT),
                              (-45, EITHER), (45, EITHER)):  # fmt: skip
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
        matrix[:, 2] += (size[0] - width) / 2, (size[1] - height) / 2
        turned = shot.moved(matrix, size, cv2.BORDER_REPLICATE)
        yield _as(f"roll_{degrees}", turned, expected, "not_upright", "not_frontal", "low_quality")
    for quarter in (1, 2, 3):
        pixels = np.ascontiguousarray(np.rot90(shot.pixels, quarter))
        x, y = shot.mesh.T
        back = {1: (y, width - x), 2: (width - x, height - y), 3: (height - y, x)}[quarter]
        lying = Shot(pixels, np.stack(back, axis=1))
        yield _as(f"lying_{90 * quarter}", lying, EITHER, "not_upright", "no_face")


def of_cuts(shot: Shot) -> Iterator[Variant]:
    """Heads that leave the picture, and heads that only come near its edge."""
    (x, y), apart = shot.middle, shot.apart
    height, width = shot.pixels.shape[:2]
    chin, brow = shot.mesh[_CHIN, 1], shot.mesh[list(_BROWS), 1].mean()
    parts = {
        "top_brow": (0, brow - 0.1 * apart, width, height), "top_forehead": (0, y - 0.8 * apart, width, height),
        "bottom_mouth": (0, 0, width, shot.mesh[13, 1]), "bottom_chin": (0, 0, width, chin - 0.15 * apart),
        "left_eye": (x - 0.5 * apart, 0, width, height), "left_cheek": (x - 0.8 * apart, 0, width, height),
        "right_eye": (0, 0, x + 0.5 * apart, height), "right_cheek": (0, 0, x + 0.8 * apart, height),
    }  # fmt: skip
    for name, box in parts.items():
        yield _as(f"cut_{name}", shot.cut(box), REJECT, "face_cut", "no_face", "low_quality", "not_frontal")
    near = shot.cut((x - 1.6 * apart, y - 2.0 * apart, x + 1.6 * apart, chin + 0.5 * apart))
    yield _as("near_edges", near, EITHER, "face_cut")
    passport = shot.cut((x - 1.95 * apart, y - 2.3 * apart, x + 1.95 * apart, y + 2.9 * apart))
    yield _as("passport_frame", passport, ACCEPT)


def of_covers(shot: Shot) -> Iterator[Variant]:
    """Masks, hands, caps and hoods, painted."""
    cover = ("covered", "no_face", "eyes_not_visible", "face_cut", "not_frontal")
    for name, colour in (("blue", (130, 175, 215)), ("white", (240, 240, 240)), ("black", (25, 25, 28))):
        yield _as(f"mask_{name}", _masked(shot, colour), REJECT, *cover)
        yield _as(f"cap_{name}", _capped(shot, colour), REJECT, *cover)
        yield _as(f"hood_{name}", _hooded(shot, colour), EITHER, *cover, "background")
    apart = shot.apart
    for name, place in (("mouth", shot.mesh[13]), ("one_eye", shot.eyes[0]), ("other_eye", shot.eyes[1])):
        pixels = shot.pixels.copy()
        cv2.rectangle(pixels, *_corners(place, 0.62 * apart, 0.4 * apart), (90, 60, 45), -1)
        yield _as(f"thing_over_{name}", replace(shot, pixels=pixels), REJECT, *cover)
    pixels = shot.pixels.copy()
    centre = shot.middle
    pixels[:, : round(centre[0])] = (60, 70, 66)
    yield _as("half_behind_a_door", replace(shot, pixels=pixels), REJECT, *cover)


def _corners(place: Points, wide: float, high: float) -> tuple[tuple[int, int], tuple[int, int]]:
    return (round(place[0] - wide), round(place[1] - high)), (round(place[0] + wide), round(place[1] + high))


def _masked(shot: Shot, colour: tuple[int, int, int]) -> Shot:
    outline = shot.mesh[[6, 118, 50, 123, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397,
                         288, 361, 352, 280, 347]].copy()  # fmt: skip
    outline[0] = shot.mesh[197]
    pixels = shot.pixels.copy()
    cv2.fillPoly(pixels, [np.round(outline).astype(np.int32)], colour, cv2.LINE_AA)
    folds = np.sin(np.arange(pixels.shape[0]) / max(2.0, shot.apart / 9))[:, None, None] * 9
    inside = (pixels == np.array(colour, np.uint8)).all(axis=2, keepdims=True)
    return _lit(shot, np.where(inside, pixels + folds, pixels))


def _capped(shot: Shot, colour: tuple[int, int, int]) -> Shot:
    pixels, apart = shot.pixels.copy(), shot.apart
    foot = shot.mesh[151] - (0, 0.05 * apart)
    place = round(foot[0]), round(foot[1])
    cv2.ellipse(pixels, place, (round(1.35 * apart), round(1.3 * apart)), 0, 180, 360, colour, -1, cv2.LINE_AA)
    return replace(shot, pixels=pixels)


def _hooded(shot: Shot, colour: tuple[int, int, int]) -> Shot:
    oval = shot.mesh[[10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148,
                      176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109]]  # fmt: skip
    head = np.zeros(shot.pixels.shape[:2], np.uint8)
    centre = shot.mesh[[10, 152]].mean(axis=0)
    cv2.ellipse(head, (round(centre[0]), round(centre[1] - 0.2 * shot.apart)),
                (round(1.6 * shot.apart), round(2.3 * shot.apart)), 0, 0, 360, 255, -1)  # fmt: skip
    cv2.fillPoly(head, [np.round(oval).astype(np.int32)], 0)
    return replace(shot, pixels=np.where(head[:, :, None] > 0, np.array(colour, np.uint8), shot.pixels))


def of_eyes(shot: Shot) -> Iterator[Variant]:
    """Closed eyes, dark glasses, a bar over the eyes."""
    bad = ("eyes_not_visible", "covered", "no_face")
    yield _as("eyes_closed", _closed(_closed(shot, 0), 1), EITHER, *bad)
    for tint, expected in ((20, REJECT), (45, REJECT)):
        yield _as(f"dark_glasses_{tint}", _with_glasses(shot, tint), expected, *bad)
    pixels = shot.pixels.copy()
    cv2.rectangle(pixels, *_corners(shot.middle, 1.1 * shot.apart, 0.3 * shot.apart), (8, 8, 8), -1)
    yield _as("bar_over_eyes", replace(shot, pixels=pixels), REJECT, *bad)
    yield _as("wire_glasses", _with_wire(shot), EITHER, *bad)


def _closed(shot: Shot, side: int) -> Shot:
    """One eye shut: the lid's skin drawn over it, with the line of the lashes."""
    corners = shot.mesh[[33, 133] if side == 0 else [362, 263]]
    pixels = shot.pixels.copy()
    centre, wide = corners.mean(axis=0), float(np.hypot(*(corners[1] - corners[0])))
    x, y = np.round(centre).astype(int)
    lift = round(0.45 * wide)
    source = shot.pixels[y - lift - 3 : y - lift + 3, x - 3 : x + 3].reshape(-1, 3)
    skin = tuple(int(value) for value in np.median(source, axis=0))
    turn = math.degrees(math.atan2(*(corners[1] - corners[0])[::-1]))
    axes = (round(0.6 * wide), round(0.3 * wide))
    cv2.ellipse(pixels, (x, y), axes, turn, 0, 360, skin, -1, cv2.LINE_AA)
    dark = tuple(value // 3 for value in skin)
    cv2.ellipse(pixels, (x, y), (round(0.52 * wide), round(0.12 * wide)), turn, 10, 170, dark, 2, cv2.LINE_AA)
    return replace(shot, pixels=cv2.GaussianBlur(pixels, (0, 0), 0.8).astype(np.uint8))


def _with_glasses(shot: Shot, tint: int) -> Shot:
    pixels = shot.pixels.copy()
    for eye in shot.eyes:
        place = round(eye[0]), round(eye[1] + 0.05 * shot.apart)
        axes = round(0.42 * shot.apart), round(0.33 * shot.apart)
        cv2.ellipse(pixels, place, axes, 0, 0, 360, (tint,) * 3, -1, cv2.LINE_AA)
    left, right = ((round(x), round(y - 0.05 * shot.apart)) for x, y in shot.eyes)
    cv2.line(pixels, left, right, (tint // 2,) * 3, max(2, round(0.05 * shot.apart)))
    return replace(shot, pixels=pixels)


def _with_wire(shot: Shot) -> Shot:
    pixels = shot.pixels.copy()
    for eye in shot.eyes:
        place = round(eye[0]), round(eye[1] + 0.05 * shot.apart)
        axes = round(0.4 * shot.apart), round(0.3 * shot.apart)
        cv2.ellipse(pixels, place, axes, 0, 0, 360, (40, 35, 30), 2, cv2.LINE_AA)
    return replace(shot, pixels=pixels)


def of_company(shot: Shot) -> Iterator[Variant]:
    """A second face, as large or in the background."""
    height, width = shot.pixels.shape[:2]
    both = np.concatenate([shot.pixels, shot.pixels[:, ::-1]], axis=1)
    yield _as("two_faces", replace(shot, pixels=both), REJECT, "several_faces", "picture_of_picture")
    for share, expected in ((0.55, REJECT), (0.2, EITHER)):
        second = shot.scaled(share)
        part = second.pixels[: round(3.6 * second.apart + second.middle[1]), ::-1]
        room = np.concatenate([shot.pixels, np.full((height, part.shape[1] + 8, 3), 150, np.uint8)], axis=1)
        room[10 : 10 + part.shape[0], width + 4 : width + 4 + part.shape[1]] = part[: height - 10]
        yield _as(f"second_face_{share}", replace(shot, pixels=room), expected, "several_faces", "picture_of_picture")


def of_pictures(shot: Shot) -> Iterator[Variant]:
    """A picture on a document, a screen, a table."""
    told = ("picture_of_picture", "face_too_small", "low_quality", "face_cut", "not_frontal", "not_upright")
    yield _as("id_page", _id_page(shot), REJECT, *told)
    yield _as("id_page_tilted", _tilted(_id_page(shot), 6), REJECT, *told)
    yield _as("on_a_phone", _on_a_phone(shot), REJECT, *told)
    yield _as("print_on_a_table", _tilted(_bordered(shot, 245), -4), REJECT, *told)
    white = _bordered(shot, 255)
    yield _as("scan_with_white_margin", white, EITHER, *told)


def _tight(shot: Shot) -> Shot:
    (x, y), apart = shot.middle, shot.apart
    return shot.cut((x - 1.7 * apart, y - 2.0 * apart, x + 1.7 * apart, y + 2.4 * apart))


def _id_page(shot: Shot) -> Shot:
    photo = _tight(shot)
    high, wide = photo.pixels.shape[:2]
    page = np.full((round(1.75 * high), round(3.1 * wide), 3), (226, 232, 226), np.uint8)
    waves = np.sin((np.arange(page.shape[0])[:, None] + 6 * np.sin(np.arange(page.shape[1])[None] / 14)) / 2.2)
    page = np.clip(page + 6 * waves[:, :, None], 0, 255).astype(np.uint8)
    top, left = round(0.3 * high), round(0.15 * wide)
    page[top : top + high, left : left + wide] = photo.pixels
    size = high / 420
    pen = max(1, round(2 * size))
    lines = ("PASSPORT / PASS", "TESTESEN", "KARI MARIE", "NORSK / NORWEGIAN", "01 JAN 1990", "OSLO", "12 MAY 2031")
    for row, line in enumerate(lines):
        place = (left + wide + round(0.15 * wide), top + round((row + 0.6) * high / len(lines)))
        cv2.putText(page, line, place, cv2.FONT_HERSHEY_SIMPLEX, size, (30, 30, 40), pen, cv2.LINE_AA)
    for row, line in enumerate(("P<NORTESTESEN<<KARI<MARIE<<<<<<<<<<<<<<", "N1234567<8NOR9001014F3105128<<<<<<<<<<<")):
        place = (left, top + high + round((row + 1) * 0.16 * high))
        cv2.putText(page, line, place, cv2.FONT_HERSHEY_PLAIN, 1.7 * size, (20, 20, 20), pen, cv2.LINE_AA)
    return Shot(page, photo.mesh + np.array([left, top]))


def _table(high: int, wide: int) -> Pixels:
    grain = np.random.default_rng(5).normal(0, 1, (high, 8))
    wood = cv2.resize(grain, (wide, high), interpolation=cv2.INTER_LINEAR)
    shade = cv2.GaussianBlur(wood, (0, 0), 3) * 26
    return np.clip(np.array([139, 100, 66]) + shade[:, :, None], 0, 255).astype(np.uint8)


def _bordered(shot: Shot, tone: int) -> Shot:
    photo = _tight(shot)
    border = round(0.25 * shot.apart)
    pixels = cv2.copyMakeBorder(photo.pixels, *(border,) * 4, cv2.BORDER_CONSTANT, value=(tone,) * 3)
    return Shot(pixels.astype(np.uint8), photo.mesh + border)


def _tilted(shot: Shot, degrees: float) -> Shot:
    """A sheet on a wooden table."""
    high, wide = shot.pixels.shape[:2]
    size = round(1.35 * wide), round(1.35 * high)
    matrix = cv2.getRotationMatrix2D((wide / 2, high / 2), degrees, 1.0)
    matrix[:, 2] += (size[0] - wide) / 2, (size[1] - high) / 2
    laid = cv2.warpAffine(shot.pixels, matrix, size, flags=cv2.INTER_CUBIC)
    sheet = cv2.warpAffine(np.full((high, wide), 255, np.uint8), matrix, size)[:, :, None] / 255
    table = _table(size[1], size[0])
    return Shot((laid * sheet + table * (1 - sheet)).astype(np.uint8), shot.mesh @ matrix[:, :2].T + matrix[:, 2])


def _on_a_phone(shot: Shot) -> Shot:
    photo = _tight(shot)
    bar = round(0.22 * photo.pixels.shape[0])
    pixels = cv2.copyMakeBorder(photo.pixels, bar, bar, 14, 14, cv2.BORDER_CONSTANT, value=(8, 8, 10))
    phone = Shot(pixels.astype(np.uint8), photo.mesh + np.array([14, bar]))
    return _tilted(phone, 3)
