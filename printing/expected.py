"""What a card looks like when it was printed as ordered: both faces as pixels at 300 dpi, to hold a scan against."""

import hashlib
import io
from datetime import datetime

from PIL import Image

from printing.codes import DOT_MM
from printing.faces import lay_out
from printing.layout import SAMPLES, Side
from printing.models import CARD_HEIGHT_MM, CARD_WIDTH_MM, Face, FaceContent
from printing.page import BLEED_DOTS, PAGE_DOTS, SIDES
from printing.pictures import Pixels, opened_pdf, page_pixels
from printing.run import draw_run

FACE_PX = (round(CARD_WIDTH_MM / DOT_MM), round(CARD_HEIGHT_MM / DOT_MM))


def drawn_sides(content: FaceContent, portrait: bytes) -> dict[Side, Pixels]:
    """Front and back as RGB pixels at 300 dpi, trimmed to ID-1. About 40 ms. Raises ValueError when nothing fits."""
    face = lay_out(content)
    if not isinstance(face, Face):
        raise ValueError(f"card {content.card_id} cannot be laid out: {face.reason}")
    with opened_pdf(draw_run([face], [portrait], title=content.number)) as document:
        return {side: _trimmed(page_pixels(document[index], 300)) for index, side in enumerate(SIDES)}


def _trimmed(page: Pixels) -> Pixels:
    wide, high = FACE_PX
    top = PAGE_DOTS[1] - BLEED_DOTS - high
    return page[top : top + high, BLEED_DOTS : BLEED_DOTS + wide]


def sample_content(kind: str, number: str = SAMPLES["number"]) -> tuple[FaceContent, bytes]:
    """A card of the layout's samples with an empty portrait: for what is the same on every card."""
    blank = io.BytesIO()
    Image.new("RGB", (44, 56), (245, 250, 246)).save(blank, "JPEG")
    content = FaceContent(
        card_id="sample",
        number=number,
        kind=kind,
        kind_label_no=SAMPLES["kind_label_no"],
        kind_label_en=SAMPLES["kind_label_en"],
        given_name=SAMPLES["given_name"],
        family_name=SAMPLES["family_name"],
        birth_date=datetime.strptime(SAMPLES["birth_date"], "%d.%m.%Y").date(),  # noqa: DTZ007 -- a date, no time
        employer=SAMPLES["employer"],
        org_number=SAMPLES["org_number"].replace(" ", ""),
        issued_on=datetime.strptime(SAMPLES["issued_on"], "%d.%m.%Y").date(),  # noqa: DTZ007 -- a date, no time
        issuer=SAMPLES["issuer"],
        status_url=f"https://status.hsecard.example/{number}/SAMPLE",
        portrait_sha256=hashlib.sha256(blank.getvalue()).hexdigest(),
    )
    return content, blank.getvalue()
