"""`python -m benchmarks.printing`: photos, faces and read-back, each beside a bare loop of the same minute, one core.

Three yardsticks for faces: the barest reportlab that still draws the same things with every shortcut known (floor), the
house, and the program that one writes on first thought (drawImage, Paragraph, the library's own codes, ASCII85).
"""

import argparse
import hashlib
import io
import os
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pypdfium2
import zxingcpp
from PIL import Image
from reportlab import rl_config
from reportlab.graphics import renderPDF
from reportlab.graphics.barcode import code128
from reportlab.graphics.barcode.qr import QrCodeWidget
from reportlab.graphics.shapes import Drawing
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph

from benchmarks.bare import CARD, HEIGHT, WIDTH, bare_portrait, bare_portrait_with_eyes
from benchmarks.inbox import photographs
from benchmarks.mixups import draw_similar, false_alarms, mix_ups, similar_card
from printing.faces import lay_out, values
from printing.layout import placeholders
from printing.models import Face, FaceContent, FaceMismatch
from printing.portrait import make_portrait
from printing.proof import read_back
from printing.run import draw_run
from printing.typeset import font_name

MM = 72 / 25.4
DOT = 72 / 300
RUN = 500


def seconds_of(work: Callable[[], object]) -> float:
    """Processor seconds of one call: other work on the machine does not count."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def in_turn(rounds: int, *works: Callable[[], object]) -> list[float]:
    """The best time of each of `works`, run in turn so that a slow minute hits all alike."""
    times = [[seconds_of(work) for work in works] for _ in range(rounds)]
    return [min(column) for column in zip(*times, strict=True)]


def phone_photos(count: int) -> list[bytes]:
    """Sample photographs brought to 12 megapixels, as phones send them."""
    found = []
    for path in photographs()[:count]:
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
            grow = (12_000_000 / (picture.width * picture.height)) ** 0.5
            size = round(picture.width * grow), round(picture.height * grow)
            file = io.BytesIO()
            picture.resize(size, Image.Resampling.BICUBIC).save(file, "JPEG", quality=88, exif=opened.getexif())
        found.append(file.getvalue())
    return found


def a_portrait(index: int) -> bytes:
    """A portrait of 520 x 661 with as much detail as a face has, about 80 kB."""
    noise = np.random.default_rng(index).normal(0, 9, (HEIGHT, WIDTH, 3))
    ramp = np.linspace(60, 200, HEIGHT)[:, None, None]
    file = io.BytesIO()
    Image.fromarray(np.clip(ramp + noise, 0, 255).astype(np.uint8)).save(file, "JPEG", quality=80)
    return file.getvalue()


def contents_of(portraits: Sequence[bytes], first: int = 0) -> list[FaceContent]:
    """One card a portrait, numbered from `first`; no two with the same name, number or code."""
    found = []
    for index, portrait in enumerate(portraits, start=first):
        number = f"{4_000_000 + index}"
        changed = {
            "number": number, "card_id": f"card-{index}", "family_name": f"Testesen {index}",
            "given_name": f"Anna {index}", "status_url": f"https://status.hsecard.example/{number}/K7Q2PMX4",
        }  # fmt: skip
        found.append(similar_card(index % 40, portrait).model_copy(update=changed))
    return found


class _NamedJpeg(ImageReader):  # type: ignore[misc]  # reportlab ships no types
    """The floor's picture: passed through, named by digest."""

    _dataA = None  # noqa: N815  # reportlab looks for it under this name

    def __init__(self, data: bytes) -> None:
        self._data_of = data

    def getRGBData(self) -> bytes:  # noqa: N802  # reportlab asks for it by this name
        return hashlib.blake2b(self._data_of, digest_size=16).digest()

    def jpeg_fh(self) -> io.BytesIO:
        return io.BytesIO(self._data_of)


def draw_floor(contents: Sequence[FaceContent], portraits: Sequence[bytes]) -> bytes:
    """The same texts, codes and portrait at fixed sizes; nothing fitted, checked or decorated."""
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=CARD, invariant=1, pageCompression=1)
    for content, portrait in zip(contents, portraits, strict=True):
        canvas.drawImage(_NamedJpeg(portrait), 13, 33, 62, 79)
        canvas.setFont(font_name("regular"), 8)
        texts = values(content)
        for line, name in enumerate(placeholders()):
            canvas.drawString(85, 130 - 11 * line, texts[name])
        canvas.showPage()
        canvas.setFont(font_name("regular"), 8)
        canvas.drawString(30, 30, texts["number"])
        _plain_bars(canvas, content.status_url, zxingcpp.BarcodeFormat.QRCode, (160, 60), 6)
        _plain_bars(canvas, content.number, zxingcpp.BarcodeFormat.Code128, (20, 40), 4)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def _plain_bars(canvas: Canvas, text: str, kind: zxingcpp.BarcodeFormat, at: tuple[float, float], dots: int) -> None:
    modules = np.asarray(zxingcpp.create_barcode(text, kind).to_image(scale=1, add_quiet_zones=False)) == 0
    rows, step = (modules, 1) if kind == zxingcpp.BarcodeFormat.QRCode else (modules[:1], 20)
    drawn = [f"q {dots * DOT:.2f} 0 0 {dots * DOT:.2f} {at[0]:.2f} {at[1]:.2f} cm"]
    for row, line in enumerate(rows):
        edges = np.flatnonzero(np.diff(np.pad(line.astype(np.int8), 1))).tolist()
        drawn += [
            f"{start} {-row * step} {end - start} {step} re" for start, end in zip(edges[::2], edges[1::2], strict=True)
        ]
    canvas._code.append(" ".join(drawn) + " f Q")


def draw_plainly(contents: Sequence[FaceContent], portraits: Sequence[bytes]) -> bytes:
    """The program that one writes on first thought, with reportlab as it comes."""
    out = io.BytesIO()
    rl_config.useA85 = 1  # as reportlab comes; this process runs nothing beside it
    style = ParagraphStyle("value", fontName=font_name("regular"), fontSize=8, leading=10)
    canvas = Canvas(out, pagesize=CARD, invariant=1)
    for content, portrait in zip(contents, portraits, strict=True):
        canvas.drawImage(ImageReader(io.BytesIO(portrait)), 13, 33, 62, 79)
        texts = values(content)
        for line, name in enumerate(placeholders()):
            words = Paragraph(texts[name], style)
            words.wrapOn(canvas, 140, 12)
            words.drawOn(canvas, 85, 130 - 11 * line)
        canvas.showPage()
        code128.Code128(content.number, barHeight=23, barWidth=0.96).drawOn(canvas, 10, 40)
        widget = QrCodeWidget(content.status_url, barLevel="M", barWidth=56, barHeight=56)
        renderPDF.draw(Drawing(56, 56, widget), canvas, 160, 50)
        canvas.showPage()
    canvas.save()
    rl_config.useA85 = 0
    return out.getvalue()


def draw_as_the_house(contents: Sequence[FaceContent], portraits: Sequence[bytes]) -> bytes:
    """Fitted, checked and drawn by the room's own doors."""
    laid = [lay_out(content) for content in contents]
    faces = [face for face in laid if isinstance(face, Face)]
    return draw_run(faces, portraits, title="bench")


def report_photos(count: int, folder: Path) -> None:
    paths = []
    for index, photo in enumerate(phone_photos(count)):
        paths.append(folder / f"{index}.jpg")
        paths[-1].write_bytes(photo)
    house, floor, barest = in_turn(
        3,
        lambda: [make_portrait(path.read_bytes()) for path in paths],
        lambda: [bare_portrait_with_eyes(path) for path in paths],
        lambda: [bare_portrait(path) for path in paths],
    )
    print(f"photos, 12 megapixels:  {count / house:8.1f} /s   ÷ bare loop that finds the eyes {floor / house:.2f}")
    print(f"                                      ÷ bare loop at a quarter, box only {barest / house:.2f}")
    cores = os.cpu_count() or 1
    with ProcessPoolExecutor(cores) as pool:
        for work in (_portrait_of, bare_portrait_with_eyes):
            list(pool.map(work, paths[:cores]))
            begun = time.perf_counter()
            list(pool.map(work, paths))
            print(f"  {work.__name__.strip('_')}, {cores} processes: {count / (time.perf_counter() - begun):.1f} /s")


def _portrait_of(path: Path) -> str:
    verdict, portrait = make_portrait(path.read_bytes())
    return portrait.sha256 if portrait else ", ".join(found.reason.value for found in verdict.findings)


def report_faces(count: int, few: int) -> None:
    portraits = [a_portrait(index) for index in range(count)]
    contents = contents_of(portraits)
    draw_as_the_house(contents[:4], portraits[:4])
    draw_floor(contents[:4], portraits[:4])
    # New names in every round: what the house remembers of a fit must not make the next round cheap.
    rounds = [contents_of(portraits, (turn + 1) * count) for turn in range(3)]
    pairs = [
        in_turn(1, partial(draw_as_the_house, fresh, portraits), partial(draw_floor, fresh, portraits))
        for fresh in rounds
    ]
    house, floor = (min(column) for column in zip(*pairs, strict=True))
    (plain,) = in_turn(1, partial(draw_plainly, contents[:few], portraits[:few]))
    speed, plain_speed = count / house, few / plain
    print(f"faces, {count} a file:     {speed:8.1f} /s   ÷ reportlab floor {floor / house:.2f}")
    print(f"straightforward program:{plain_speed:8.1f} /s   house ÷ it {speed / plain_speed:.1f}")


def report_read_back(count: int, cores: int) -> None:
    """One core beside the bare loop that only rasterises and decodes; then all cores by the clock, against one."""
    portraits = [a_portrait(index) for index in range(count)]
    contents = contents_of(portraits)
    run = draw_as_the_house(contents, portraits)
    found = len(read_back(run, contents, portraits))
    house, floor = in_turn(2, partial(read_back, run, contents, portraits), partial(rasterise_and_decode, run))
    print(
        f"read-back, one core:    {2 * count / house:8.1f} pages/s   ÷ bare loop {floor / house:.2f}, {found} findings"
    )
    share = -(-count // (4 * cores))
    parts = [(run, count, at, contents[at : at + share], portraits[at : at + share]) for at in range(0, count, share)]
    with ProcessPoolExecutor(cores) as pool:
        list(pool.map(_read_part, parts[:cores] * 2))  # the workers have started and know the fonts
        begun = time.perf_counter()
        found = sum(map(len, pool.map(_read_part, parts)))
        together = time.perf_counter() - begun
    begun = time.perf_counter()
    read_back(run, contents, portraits)
    alone = time.perf_counter() - begun
    told = f"{cores} processes {2 * count / together:.1f} pages/s by the clock, {alone / together:.2f} × one"
    print(f"read-back, all cores:   {told}, {found} findings")


def _read_part(part: tuple[bytes, int, int, list[FaceContent], list[bytes]]) -> list[FaceMismatch]:
    run, cards, first, contents, portraits = part
    return read_back(run, contents, portraits, first=first, cards=cards)


def rasterise_and_decode(run: bytes) -> int:
    """The floor: every page at 300 dpi, and one reader over the whole of it; nothing is compared."""
    document = pypdfium2.PdfDocument(run)
    read = 0
    for page in document:
        grey = page.render(scale=300 / 72, grayscale=True).to_numpy()
        read += len(zxingcpp.read_barcodes(grey[:, :, 0] if grey.ndim == 3 else grey))
    document.close()
    return read


def report_mix_ups() -> None:
    cards = draw_similar(37)
    tried = list(mix_ups(cards))
    caught = sum(one.caught for one in tried)
    print(f"mix-ups caught:         {caught:,} of {len(tried):,}, false alarms {false_alarms(cards)} of {len(cards)}")


def draw_files(count: int) -> int:
    """`count` cards as the bureau draws them, in files of at most 500 written and dropped in turn; peak RSS in kB."""
    portraits = [a_portrait(index) for index in range(20)] * (RUN // 20)
    with tempfile.TemporaryDirectory(prefix="hsecard-bench-") as folder:
        for first in range(0, count, RUN):
            few = portraits[: min(RUN, count - first)]
            Path(folder, "run.pdf").write_bytes(draw_as_the_house(contents_of(few, first), few))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def report_memory(sizes: Sequence[int]) -> None:
    """A fresh process for each size, so that none hides behind the peak of another."""
    peaks = []
    for count in sizes:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
            peaks.append(f"{fresh.submit(draw_files, count).result() / 1024:.0f} MB at {count:,}")
    print(f"peak memory:            {', '.join(peaks)} cards in files of {RUN}")


def report_all_cores(count: int) -> None:
    """The same faces on every core at once, wall seconds: workers are warm, since the bureau's live for days."""
    cores = os.cpu_count() or 1
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
        list(pool.map(draw_share, [(draw, 20, 0) for draw in (True, False)] * cores))
        walls: dict[bool, list[float]] = {True: [], False: []}
        for turn in range(1, 4):
            for as_house, seconds in walls.items():
                jobs = [(as_house, count, (turn * cores + core) * count) for core in range(cores)]
                seconds.append(max(pool.map(draw_share, jobs)))  # the slowest worker ends the run
    house, floor = min(walls[True]), min(walls[False])
    print(f"faces on {cores} cores:       {cores * count / house:8.1f} /s   ÷ reportlab floor {floor / house:.2f}")


def draw_share(job: tuple[bool, int, int]) -> float:
    """Wall seconds that one worker draws; making the made-up portraits does not count."""
    as_house, count, first = job
    portraits = [a_portrait(index) for index in range(20)] * -(-count // 20)
    portraits = portraits[:count]
    contents = contents_of(portraits, first)
    begun = time.perf_counter()
    (draw_as_the_house if as_house else draw_floor)(contents, portraits)
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=24)
    parser.add_argument("--faces", type=int, default=RUN)
    parser.add_argument("--plain", type=int, default=40)
    parser.add_argument("--pages", type=int, default=40)
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--memory", type=int, nargs="+", default=[500, 2_000, 10_000])
    given = parser.parse_args()
    report_memory(given.memory)
    with tempfile.TemporaryDirectory(prefix="hsecard-bench-") as folder:
        report_photos(given.photos, Path(folder))
    report_faces(given.faces, given.plain)
    report_all_cores(given.faces)
    report_read_back(given.pages, given.cores)
    report_mix_ups()


if __name__ == "__main__":
    main()
