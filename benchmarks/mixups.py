"""Every way to mix up two cards, by the thousand: a few runs are drawn and read once, then held against wrong orders.

The cards are as alike as cards can be: names, dates and numbers that differ in one letter, portraits that differ in one
patch. What is swapped is one thing at a time, since a card that is swapped as a whole differs in all of them.
"""

import hashlib
import io
import itertools
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from printing.faces import lay_out
from printing.models import Face, FaceContent
from printing.proof import CardSeen, differences, see_run
from printing.run import draw_run

KINDS = (
    ("construction", "Bygg og anlegg", "Construction"),
    ("cleaning", "Renhold", "Cleaning"),
    ("car_care", "Bilpleie og hjulskift", "Car care and wheels"),
    ("goods_transport", "Varetransport", "Goods transport"),
)
SWAPPED: dict[str, tuple[tuple[str, ...], str]] = {
    "given name": (("given_name",), "text"),
    "family name": (("family_name",), "text"),
    "birth date": (("birth_date",), "text"),
    "employer": (("employer",), "text"),
    "organisation": (("org_number",), "text"),
    "number and bar code": (("number",), "barcode"),
    "QR code": (("status_url",), "qr"),
    "photo": (("portrait_sha256",), "portrait"),
}


class Drawn(NamedTuple):
    """A card as ordered, with its portrait and what was read of its drawn faces."""

    content: FaceContent
    portrait: bytes
    seen: CardSeen


class MixUp(NamedTuple):
    """A card that was drawn with something of another, and whether the read-back says so."""

    what: str
    caught: bool


def similar_portrait(index: int) -> bytes:
    """Portraits that differ in one patch of a few pixels and shades."""
    ramp = np.linspace(60, 200, 331)[:, None, None] + np.zeros((331, 260, 3))
    ramp[120:140, 100 + index : 120 + index] = (90 + index, 120, 90)
    file = io.BytesIO()
    Image.fromarray(ramp.astype(np.uint8)).save(file, "JPEG", quality=90)
    return file.getvalue()


def similar_card(index: int, portrait: bytes) -> FaceContent:
    """Card `index` of a row in which neighbours differ in one letter, one day, one digit."""
    kind, label_no, label_en = KINDS[index % len(KINDS)]
    letter = "aábcčdđeéfghiíjklłmnńoóøpqrsštŧuvwxyzžæåäöșțằệ"[index]
    number = f"{4388200 + index:07d}"
    return FaceContent(
        card_id=f"card-{index}", number=number, kind=kind, kind_label_no=label_no, kind_label_en=label_en,
        given_name=f"Anna{letter}", family_name=f"Nguy{letter}n", birth_date=date(1990, 1, 1) + timedelta(days=index),
        employer=f"Bygg{letter} AS", org_number=f"{310149900 + index}", issued_on=date(2026, 11, 23),
        issuer="Evry Card Services AS", status_url=f"https://status.hsecard.example/4388200/K7Q2P{10 + index}",
        portrait_sha256=hashlib.sha256(portrait).hexdigest(),
    )  # fmt: skip


def draw_similar(count: int) -> list[Drawn]:
    """`count` (at most 44) cards drawn rightly in one run and read once."""
    portraits = [similar_portrait(index) for index in range(count)]
    contents = [similar_card(index, portrait) for index, portrait in enumerate(portraits)]
    laid = [lay_out(content) for content in contents]
    faces = [face for face in laid if isinstance(face, Face)]
    seen = see_run(draw_run(faces, portraits, title="mix-ups"), [face.design for face in faces])
    return [Drawn(*card) for card in zip(contents, portraits, seen, strict=True)]


def mix_ups(cards: list[Drawn]) -> Iterator[MixUp]:
    """Each thing of each card swapped with each other card's, both ways."""
    for one, other in itertools.permutations(cards, 2):
        for what, (fields, sort) in SWAPPED.items():
            yield MixUp(what, _caught(one, other, fields, sort))


def _caught(one: Drawn, other: Drawn, fields: tuple[str, ...], sort: str) -> bool:
    """Whether the drawn card is told from an order that has the other's `fields`, by a finding of the right sort."""
    taken: dict[str, Any] = {field: getattr(other.content, field) for field in fields}
    portrait = other.portrait if "portrait_sha256" in fields else one.portrait
    found = differences(one.seen, one.content.model_copy(update=taken), portrait)
    return sort in {what for what, _, _ in found}


def false_alarms(cards: list[Drawn]) -> int:
    """Cards drawn rightly that the read-back holds nevertheless."""
    return sum(bool(differences(card.seen, card.content, card.portrait)) for card in cards)
