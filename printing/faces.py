"""From what a card says to a face that fits: letters checked, names fitted, the design chosen by date.

Fail closed: a letter that no font has or a name that does not fit is a fault with its field, never a box or a
clipped name.
"""

import hashlib
import unicodedata
from datetime import date
from functools import cache, lru_cache

from printing.layout import Placeholder, Side, ValueText, design, design_for, faces_of
from printing.models import Face, FaceContent, FaceFault
from printing.typeset import Fitted, fit, unprintable

_FIELDS: dict[Placeholder, str] = {"kind_label_no": "kind", "kind_label_en": "kind"}


def design_on(day: date, kind: str) -> str:
    """Which design `kind` cards issued on `day` (Oslo) have. Raises Refused `print.no_design`."""
    return design_for(day, kind).design


def lay_out(content: FaceContent) -> Face | FaceFault:
    """The face of a card, or the first reason why there is none. Raises Refused `print.no_design`.

    Pure measuring, no drawing: about a tenth of a millisecond a card.
    """
    name = design_on(content.issued_on, content.kind)
    texts = values(content)
    for place in _places(name):
        fault = _fault_of(texts[place.placeholder], place)
        if fault is not None:
            return fault
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
    org = content.org_number
    texts: dict[Placeholder, str] = {
        "kind_label_no": content.kind_label_no,
        "kind_label_en": content.kind_label_en,
        "family_name": content.family_name,
        "given_name": content.given_name,
        "birth_date": f"{content.birth_date:%d.%m.%Y}",
        "employer": content.employer,
        "org_number": f"{org[:3]} {org[3:6]} {org[6:]}",
        "number": content.number,
        "issued_on": f"{content.issued_on:%d.%m.%Y}",
        "issuer": content.issuer,
    }
    return {name: " ".join(unicodedata.normalize("NFC", text).split()) for name, text in texts.items()}


@cache
def _places_on(name: str, side: Side) -> tuple[ValueText, ...]:
    return tuple(element for element in faces_of(name).side(side) if isinstance(element, ValueText))


@cache
def _places(name: str) -> tuple[ValueText, ...]:
    return _places_on(name, "front") + _places_on(name, "back")


@lru_cache(maxsize=4096)
def _fit_cached(text: str, name: str, side: Side, index: int) -> Fitted | None:
    """Employer, issuer and labels repeat through a batch."""
    return fit(text, _places_on(name, side)[index])


def _fault_of(text: str, place: ValueText) -> FaceFault | None:
    field = _FIELDS.get(place.placeholder, place.placeholder)
    strange = unprintable(text, place.style)
    if strange:
        signs = ", ".join(f"U+{ord(letter):04X}" for letter in strange)
        return FaceFault(
            reason="name_glyph",
            field=field,
            detail=f"no font of the house can set {signs}",
            fix="ask for the spelling in Latin letters as the population register has it",
        )
    if fit(text, place) is None:
        return FaceFault(
            reason="name_too_long",
            field=field,
            detail=f"{len(text)} letters do not fit {place.max_lines} line(s) of {place.box.w} mm at {place.min_pt} pt",
            fix="ask the orderer for the shortened form that the person or the business uses",
        )
    return None


@cache
def _design_digest(name: str) -> bytes:
    look = design(name).model_dump_json() + faces_of(name).model_dump_json()
    return hashlib.sha256(look.encode()).digest()


def _digest(content: FaceContent, name: str) -> str:
    """SHA-256 over the look and the content of both sides: the same card gives the same digest on any machine."""
    return hashlib.sha256(_design_digest(name) + content.model_dump_json().encode()).hexdigest()
