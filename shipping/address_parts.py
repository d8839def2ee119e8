"""Typed fields taken apart: people write c/o, attention, a box, the postcode and the country wherever there is room."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from shipping.countries import country_code
from shipping.norway import BOX, box_number
from shipping.spelling import folded_no

_CARE_OF = re.compile(r"(?:^|(?<=[\s,;]))(?:c\s?/\s?o|c\.\s?o\.|co\s?/|c\\o)[\s.:]*(?=\S)", re.IGNORECASE)
_ATTENTION = re.compile(
    r"(?:^|(?<=[\s,;]))(?:att(?:n|ention)?\s*[.:]+|attn?\s+(?=[A-ZÆØÅ])|attention\s|v\s?/|f\.?a\.?o\.?:?\s|z\.?\s?h(?:d|\.)\.?:?\s)\s*(?=\S)",
    re.IGNORECASE,
)
_NO_CODE = re.compile(r"^(?:NO?\s*-?\s*)?(\d{4})(?:\s+(?=[^\W\d_]{2})(.*))?$", re.IGNORECASE)
_CODE_AND_PLACE = re.compile(
    r"^(?:[A-Z]{1,2}\s*-\s*)?(\d{4,5}|\d{3}\s\d{2}|\d{2}-\d{3})\s+(?=[^\W\d_]{2})(.+)$", re.IGNORECASE
)
_HOUSE = re.compile(r"^\d+\s*[A-Za-z]?$|^[A-Za-z]$")


@dataclass(frozen=True)
class Box:
    """A post box in Norway: its number (None when it was not given) and its line on the letter."""

    number: str | None
    line: str


@dataclass(frozen=True)
class Parts:
    """What stands where it belongs. `street` holds the street line's parts; `inline_code` a postcode found there."""

    recipient: str
    attention: str
    care_of: str
    street: tuple[str, ...]
    box: Box | None
    postcode: str
    city: str
    country: str
    inline_code: str = ""


def in_parts(fields: Mapping[str, str]) -> Parts:
    """Take the seen fields of an address apart."""
    flat = {name: text.replace("\n", " ") for name, text in fields.items()}
    recipient, attention, care_of = _receiver(fields["recipient"].split("\n"))
    attention = _ATTENTION.sub("", flat["attention"]).strip(" ,;") or attention
    care_of = _CARE_OF.sub("", flat["care_of"]).strip(" ,;") or care_of
    postcode, city = _postcode_and_city(flat["postcode"], flat["city"])
    parts = Parts(recipient, attention, care_of, (), None, postcode, city, flat["country"].strip(" .,"))
    return _with_street(parts, fields["street"])


def _receiver(lines: list[str]) -> tuple[str, str, str]:
    """Recipient, attention and c/o out of the recipient's lines."""
    text = ", ".join(lines)
    care_of = attention = ""
    if (found := _CARE_OF.search(text)) is not None:
        care_of, text = text[found.end() :].strip(" ,;"), text[: found.start()].strip(" ,;")
        if not text:
            text, care_of = care_of, ""
    if (found := _ATTENTION.search(text)) is not None:
        attention, text = text[found.end() :].strip(" ,;"), text[: found.start()].strip(" ,;")
        if not text:
            text, attention = attention, ""
    return text.strip(" ,;"), attention, care_of


def _postcode_and_city(postcode: str, city: str) -> tuple[str, str]:
    """Undo `0184 Oslo` typed into one of the two fields."""
    if (both := _CODE_AND_PLACE.match(postcode)) is not None:
        return both.group(1), city or both.group(2)
    if (both := _CODE_AND_PLACE.match(city)) is not None:
        bare = re.sub(r"\D", "", postcode)
        if not bare or bare.lstrip("0") == re.sub(r"\D", "", both.group(1)).lstrip("0"):
            return postcode or both.group(1), both.group(2)
    return postcode, city.strip(" ,.")


def _with_street(parts: Parts, street: str) -> Parts:
    norwegian = country_code(parts.country or "NO") in ("NO", "SJ")
    for text in _street_pieces(street):
        parts = _with_piece(parts, text, norwegian=norwegian)
    return parts


def _street_pieces(street: str) -> list[str]:
    """The street field at its line ends, commas and semicolons; `Storgata, 5` stays whole."""
    pieces: list[str] = []
    for piece in re.split(r"[\n,;]+", street):
        text = piece.strip(" .") if len(piece.strip()) < 2 else piece.strip()
        if not text:
            continue
        if pieces and _HOUSE.match(text) and (text[0].isdigit() != pieces[-1][-1].isdigit()):
            pieces[-1] = f"{pieces[-1]} {text}"
        else:
            pieces.append(text)
    return pieces


def _with_piece(parts: Parts, text: str, *, norwegian: bool) -> Parts:
    aside = _with_person(parts, text, norwegian=norwegian)
    if aside is not None:
        return aside
    begun = bool(parts.street or parts.box)
    if begun and _repeats_place(parts, text):
        return parts
    code = _NO_CODE.match(text) if norwegian else None
    if code is not None and (code.group(2) or begun):
        return replace(parts, inline_code=code.group(1), city=parts.city or (code.group(2) or ""))
    box = _box(text) if norwegian and parts.box is None else None
    if box is not None:
        rest, found = box
        return replace(parts, box=found, street=(*parts.street, rest) if rest else parts.street)
    return replace(parts, street=(*parts.street, text))


def _with_person(parts: Parts, text: str, *, norwegian: bool) -> Parts | None:
    """A piece that names whom the letter is in care of, or for the attention of; None when it names nobody."""
    if (found := _CARE_OF.search(text)) is not None:
        before, person = text[: found.start()].strip(), text[found.end() :].strip()
        parts = _with_piece(parts, before, norwegian=norwegian) if before else parts
        return replace(parts, care_of=parts.care_of or person)
    if (found := _ATTENTION.match(text)) is not None:
        return replace(parts, attention=parts.attention or text[found.end() :].strip())
    return None


def _repeats_place(parts: Parts, text: str) -> bool:
    """True for a piece of the street field that only says the place or the country once more."""
    code = country_code(text) if len(text) > 2 else None
    same_country = code is not None and code == country_code(parts.country or "NO")
    return same_country or folded_no(text) == folded_no(parts.city)


def _box(text: str) -> tuple[str, Box] | None:
    """A post box in a piece of the street field: what stands before it, and the box as it is printed."""
    read = box_number(folded_no(text))
    if read is None:
        return None
    found = BOX.search(text.casefold())
    number, before = read
    if found is None:
        return before, Box(number, f"Postboks {number or ''}".strip())
    office = text[found.end() :].strip(" ,.")
    line = " ".join(word for word in ("Postboks", number or "", office) if word)
    return text[: found.start()].strip(" ,"), Box(number, line)
