"""A layout as it will look, filled with samples: for the one who draws it, before any order is printed with it."""

import hashlib
import io
from datetime import date
from functools import cache

import numpy as np
from PIL import Image, ImageDraw

from cards.errors import Refused
from printing.faces import values
from printing.layout import SAMPLES, SIDES, Look, Placeholder, ValueText
from printing.layout_check import SAMPLE_STATUS_URL
from printing.models import FaceContent
from printing.page import Press, trim_box
from printing.sheet import SINGLE
from printing.typeset import fit

# Names as long as registers have them: who draws a layout should see the worst that it must hold.
LONG: dict[Placeholder, str] = {
    "family_name": "Wiśniewska-Konstantynopolitańczykowianeczka Brzęczyszczykiew",
    "given_name": "Nguyễn Thị Minh Khai Phương Thảo Bình Dương Hồng Đức Quỳnh",
    "employer": "Entreprenørforeningen Bygg og Anlegg Nordvestlandet avdeling Kristiansund AS",
}


def sample_content(look: Look, *, labels: tuple[str, str] | None = None, long: bool = False) -> FaceContent:
    """A made-up card of a look. `labels` are the kind's in both languages; `long` takes the longest names."""
    texts = SAMPLES | (LONG if long else {})
    no, en = labels or (texts["kind_label_no"], texts["kind_label_en"])
    return FaceContent(
        card_id="sample",
        number=texts["number"],
        kind=look.design.kind,
        kind_label_no=no,
        kind_label_en=en,
        given_name=texts["given_name"],
        family_name=texts["family_name"],
        birth_date=_day(texts["birth_date"]),
        employer=texts["employer"],
        org_number=texts["org_number"].replace(" ", ""),
        issued_on=_day(texts["issued_on"]),
        issuer=texts["issuer"],
        status_url=SAMPLE_STATUS_URL,
        portrait_sha256=hashlib.sha256(sample_portrait()).hexdigest(),
    )


def draw_preview(look: Look, content: FaceContent) -> bytes:
    """Both sides of one card as PDF, whether the look is bundled or not. Raises Refused `layout.too_small`."""
    press = Press(SINGLE.size, title=look.design.design)
    press.trim_pages_to(trim_box())
    texts = values(content)
    for side in SIDES:
        fitted = []
        for index, place in enumerate(look.faces.side(side)):
            if isinstance(place, ValueText):
                line = fit(texts[place.placeholder], place)
                if line is None:
                    raise _too_small(f"{side}[{index}]", texts[place.placeholder])
                fitted.append((place, line))
        press.set_side(look, side, content, fitted=fitted, portrait=sample_portrait())
        press.end_page()
    return press.finish()


@cache
def sample_portrait() -> bytes:
    """Nobody: a head and shoulders in grey on a light ground, 22 × 28 mm at 300 dpi."""
    size = 260, 331
    large = Image.new("RGB", (size[0] * 4, size[1] * 4), (226, 229, 231))
    pen = ImageDraw.Draw(large)
    pen.ellipse((130, 900, 910, 1900), fill=(122, 130, 138))
    pen.rounded_rectangle((430, 700, 610, 1000), 80, fill=(158, 165, 171))
    pen.ellipse((335, 270, 705, 790), fill=(168, 175, 181))
    picture = Image.fromarray(np.asarray(large.resize(size, Image.Resampling.BOX)))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90)
    return file.getvalue()


def _day(text: str) -> date:
    day, month, year = text.split(".")
    return date(int(year), int(month), int(day))


def _too_small(field: str, text: str) -> Refused:
    return Refused(
        "layout.too_small",
        f"{len(text)} letters do not fit even in two lines",
        field=field,
        fix="enlarge the box, lower min_pt to 5.5 at the least, or allow two lines",
    )
