"""From what a card says to a face that fits: letters checked, names fitted, the design chosen by date.

Fail closed: a letter that no font has or a name that does not fit is a fault with its field, never a box or a
clipped name.
"""

import hashlib
import unicodedata
from datetime import date
from functools import cache, lru_cache

from printing.layout import SIDES, Look, Placeholder, Side, ValueText, design_for, faces_of, look_of
from printing.models import Face, FaceContent, FaceFault
from printing.typeset import Fitted, fit, unprintable

_FIELDS: dict[Placeholder, str] = {"kind_label_no": "kind", "kind_label_en": "kind"}


def design_on(day: date, kind: str) -> str:
    """Which design `kind` cards issued on `day` (Oslo) have. Raises Refused `print.no_design`."""
    return design_for(day, kind).design


def lay_out(content: FaceContent) -> Face | FaceFault:
    """The face of a card, or the first reason why there is none. Raises Refused `print.no_design`.

    Pure measuring, no drawing: less than a tenth of a millisecond a card.
    """
    name = design_on(content.issued_on, content.kind)
    texts = values(content)
    for side in SIDES:
        for index, place in enumerate(_places_on(name, side)):
            text = texts[place.placeholder]
            if unprintable(text, place.style):
                return _strange(text, place)
            if _fit_cached(text, name, side, index) is None:
                return _too_long(text, place)
    return Face(content=content, design=name, digest=_digest(content, name))


def fitted_side(face: Face, side: Side) -> list[tuple[ValueText, Fitted]]:
    """Every value of one side with its lines, style and size, for drawing and for reading back."""
    texts = values(face.content)
    placed = []
    for index, place in enumerate(_places_on(face.design, side)):
        fitted = _fit_cached(texts[place.placeholder], face.design, side, index)
        if fitted is None:
            raise ValueError(f"{place.placeholder} of card {face.content.card_id} was never laid out")
        placed.append((place, fitted))
    return placed


def values(content: FaceContent) -> dict[Placeholder, str]:
    """What each placeholder says on this card: NFC, dates as DD.MM.YYYY, the organisation number in threes."""
    org, birth, issued = content.org_number, content.birth_date, content.issued_on
    texts: dict[Placeholder, str] = {
        "kind_label_no": content.kind_label_no,
        "kind_label_en": content.kind_label_en,
        "family_name": content.family_name,
        "given_name": content.given_name,
        "birth_date": f"{birth.day:02}.{birth.month:02}.{birth.year}",
        "employer": content.employer,
        "org_number": f"{org[:3]} {org[3:6]} {org[6:]}",
        "number": content.number,
        "issued_on": f"{issued.day:02}.{issued.month:02}.{issued.year}",
        "issuer": content.issuer,
    }
    return {name: " ".join(unicodedata.normalize("NFC", text).split()) for name, text in texts.items()}


@cache
def _places_on(name: str, side: Side) -> tuple[ValueText, ...]:
    return tuple(element for element in faces_of(name).side(side) if isinstance(element, ValueText))


@lru_cache(maxsize=8192)
def _fit_cached(text: str, name: str, side: Side, index: int) -> Fitted | None:
    """Measured once when a card is laid out, met again when it is drawn; employers and labels repeat besides."""
    return fit(text, _places_on(name, side)[index])


def fault_of(text: str, place: ValueText) -> FaceFault | None:
    """Why `text` cannot stand in its place; None when it can."""
    if unprintable(text, place.style):
        return _strange(text, place)
    return _too_long(text, place) if fit(text, place) is None else None


def _strange(text: str, place: ValueText) -> FaceFault:
    signs = ", ".join(f"U+{ord(letter):04X}" for letter in unprintable(text, place.style))
    return FaceFault(
        reason="name_glyph",
        field=_FIELDS.get(place.placeholder, place.placeholder),
        detail=f"no font of the house can set {signs}",
        fix="ask for the spelling in Latin letters as the population register has it",
    )


def _too_long(text: str, place: ValueText) -> FaceFault:
    return FaceFault(
        reason="name_too_long",
        field=_FIELDS.get(place.placeholder, place.placeholder),
        detail=f"{len(text)} letters do not fit {place.max_lines} line(s) of {place.box.w} mm at {place.min_pt} pt",
        fix="ask the orderer for the shortened form that the person or the business uses",
    )


@cache
def _design_digest(name: str) -> bytes:
    return look_digest(look_of(name))


def look_digest(look: Look) -> bytes:
    """SHA-256 over everything that a look says."""
    return hashlib.sha256((look.design.model_dump_json() + look.faces.model_dump_json()).encode()).digest()


def _digest(content: FaceContent, name: str) -> str:
    """SHA-256 over the look and the content of both sides: the same card gives the same digest on any machine."""
    return hashlib.sha256(_design_digest(name) + content.model_dump_json().encode()).hexdigest()
