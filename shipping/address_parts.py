"""Typed fields taken apart: people write c/o, attention, a box, the postcode and the country wherever there is room."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from shipping.abroad import COUNTRIES, country_rules, printed_postcode
from shipping.countries import country_code
from shipping.norway import box_in
from shipping.spelling import folded_no

_CARE_OF = re.compile(
    r"(?:^|(?<=[\s,;(]))(?:c\s?/\s?[o0]|c\.\s?[o0]\.|co\s?/|c\\o|c\|o|care\s+of\b)[\s.:]*(?=\S)", re.IGNORECASE
)
_IN_CARE_OF_FIELD = re.compile(r"(?:c[\s./\\|-]?o[.:]?\s+|v\s?/\s*|ved\s+)(?=\S)", re.IGNORECASE)
_CARE_OF_HINT = re.compile(r"[cC]\s?[/.\\|]|[cC][oO]\s?/|[oO][fF]\b")
_ATTENTION = re.compile(
    r"(?:^|(?<=[\s,;(]))(?:att(?:n|ention)?\s*[.:]+|attn?\s+(?=[A-ZÆØÅ])|attention\s|v\s?/|f\.?a\.?o\.?:?\s"
    r"|kontakt(?:person)?\s*:|z\.?\s?h(?:d|\.)\.?:?\s)\s*(?=\S)",
    re.IGNORECASE,
)
_ATTENTION_HINT = re.compile(r"att|v\s?/|fao|f\.|kontakt|z\.?\s?h", re.IGNORECASE)
_PREFIX = re.compile(r"^([A-Z]{1,3})\s*-\s*(?=[A-Z]{0,2}\d)|^(SE|DK|FI|DE|LT|PL|NO|SJ)\s*(?=\d)", re.IGNORECASE)
_HOUSE = re.compile(r"^\d+\s*[A-Za-z]?$|^[A-Za-z]$")
_PLACE = r"[^\W\d_][^\W\d_ .'’()/-]*(?:[ .'’()/-]+[^\W\d_]+)*\.?\)?"
_PERSON_SIGNS = ("/", "att", "\\", "|", "care", "c.", "f.a", "fao", "kontakt", "z.", "zh", "z h", "c .", "fa.o")
_CODE_HINT = re.compile(r"\d{3}|\d[A-Za-z]{2}\b")  # every country's postcode has the one or the other
_EDGES = " ,;"
_BELIEVED = frozenset({*COUNTRIES, "NO", "SJ"})  # countries that a city or a street line may name


@dataclass(frozen=True, slots=True)
class Box:
    """A post box in Norway: its number (None when it was not given) and its line on the letter."""

    number: str | None
    line: str


@dataclass(slots=True)
class Parts:
    """What stands where it belongs. `street` holds the street line's parts; `inline_code` a postcode found there.

    `code` is the country's code, None when the country is unknown; without a country it is Norway.
    """

    recipient: str = ""
    attention: str = ""
    care_of: str = ""
    street: list[str] = field(default_factory=list)
    box: Box | None = None
    postcode: str = ""
    city: str = ""
    country: str = ""
    code: str | None = None
    inline_code: str = ""
    names_persons: bool = True  # a c/o or an attention may stand in some field


def in_parts(fields: Mapping[str, str]) -> Parts:
    """Take the seen fields of an address apart."""
    parts = Parts(country=fields["country"].strip(" .,;"))
    together = "\n".join(fields.values()).casefold()
    parts.names_persons = any(sign in together for sign in _PERSON_SIGNS)
    _take_receiver(parts, fields)
    _take_country(parts, fields["street"])
    _take_place(parts, " ".join(fields["postcode"].split("\n")), fields["city"])
    _take_street(parts, fields["street"])
    return parts


def _take_receiver(parts: Parts, fields: Mapping[str, str]) -> None:
    """Recipient, attention and c/o out of their three fields, whichever of them each was typed in."""
    parts.recipient = _take_persons(parts, fields["recipient"].replace("\n", ", "))
    if not parts.recipient:  # only somebody's c/o or attention was given: that is whom the letter is for
        parts.recipient, parts.care_of, parts.attention = (
            (parts.care_of, "", parts.attention) if parts.care_of else (parts.attention, "", "")
        )
    if typed := fields["attention"]:
        text = typed.replace("\n", ", ")
        if (found := _CARE_OF.search(text)) is not None:
            parts.care_of = _without_attention(parts, text[found.end() :])
            text = text[: found.start()]
        parts.attention = _ATTENTION.sub("", text).strip(_EDGES) or parts.attention
    if typed := fields["care_of"]:
        text = typed.replace("\n", ", ")
        found = _CARE_OF.match(text) or _IN_CARE_OF_FIELD.match(text)
        parts.care_of = _without_attention(parts, text[found.end() :] if found else text)


def _take_persons(parts: Parts, text: str) -> str:
    """The text without its c/o and its attention, which go where they belong."""
    if not parts.names_persons:
        return text.strip(_EDGES)
    if _CARE_OF_HINT.search(text) and (found := _CARE_OF.search(text)) is not None:
        parts.care_of, text = text[found.end() :].strip(_EDGES + ")"), text[: found.start()].strip(_EDGES + "(")
        parts.care_of = _without_attention(parts, parts.care_of)
    return _without_attention(parts, text)


def _without_attention(parts: Parts, text: str) -> str:
    if _ATTENTION_HINT.search(text) and (found := _ATTENTION.search(text)) is not None:
        before, person = text[: found.start()].strip(_EDGES + "("), text[found.start() :]
        if not before:  # `Att: Kari, Fjordbygg AS`: the person first, the business after the comma
            person, _, before = person.partition(",")
        parts.attention, text = _ATTENTION.sub("", person).strip(_EDGES + ")") or parts.attention, before
    return text.strip(_EDGES)


def _take_country(parts: Parts, street: str) -> None:
    """The country of `…, 114 55 Stockholm, Sverige` and of `…, SE-114 55 Stockholm`, when its own field is empty.

    Only the countries that cards go to: Grønland at the end of a street is a part of Oslo.
    """
    if parts.country or ("," not in street and "\n" not in street):
        return
    last = re.split(r"[\n,;]+", street.rstrip("\n,; "))[-1].strip()
    said = _country_said(last)
    if said is None and (found := _PREFIX.match(last)) is not None:
        said = country_code(found.group(1) or found.group(2))
        said = said if said in COUNTRIES and _place_line(last, said) else None
    if said in COUNTRIES:
        parts.country = said or ""


def _country_said(text: str) -> str | None:
    """The country that a piece of the street line names in full: the D of `Storgata 5, D` is a house's letter."""
    return country_code(text) if (len(text) > 2 or text == "UK") and not any(map(str.isdigit, text)) else None


def _take_place(parts: Parts, postcode: str, city: str) -> None:
    """Undo `0184 Oslo` in one field, `Stockholm, Sverige` in the city, and a country said by `SE-114 55` alone."""
    pieces = _separate(city)
    if pieces and parts.names_persons and (found := _CARE_OF.match(pieces[0])) is not None:
        parts.care_of = parts.care_of or pieces.pop(0)[found.end() :]
    said = country_code(pieces[-1]) if len(pieces) > 1 else None
    if said is not None and (said == country_code(parts.country) if parts.country else said in _BELIEVED):
        parts.country = parts.country or said
        pieces.pop()
    if not parts.country and (found := _PREFIX.match(postcode or (pieces[0] if pieces else ""))) is not None:
        parts.country = country_code(found.group(1) or found.group(2)) or ""
    parts.code = country_code(parts.country) if parts.country else "NO"
    parts.postcode, parts.city = postcode, ", ".join(pieces)
    if not postcode.isdigit() or not parts.city.isalpha():
        _sort_code_and_place(parts)
    parts.city = parts.city.strip(" ,.")


def _sort_code_and_place(parts: Parts) -> None:
    """Postcode and place where one field holds both, or each the other's."""
    postcode, city = parts.postcode, parts.city
    if city.isdigit() and not any(map(str.isdigit, postcode)):
        parts.postcode, parts.city = city, postcode
    elif postcode and not postcode.isdigit() and (read := _place_line(postcode, parts.code)) is not None:
        if not (city and read[1]) or folded_no(read[1])[:4] == folded_no(city)[:4]:
            parts.postcode, parts.city = read[0], city or read[1]
    elif any(map(str.isdigit, city)) and (read := _place_line(city, parts.code)) is not None:
        parts.postcode, parts.city = postcode or read[0], read[1]
        if postcode and _bare(postcode).lstrip("0") != _bare(read[0]).lstrip("0"):
            parts.inline_code = read[0]  # two codes: one of them is wrong


def _separate(city: str) -> list[str]:
    if "," not in city and "\n" not in city and ";" not in city:
        return [city] if city.strip(" .") else []
    return [piece.strip() for piece in re.split(r"[\n,;]+", city) if piece.strip(" .")]


def _bare(code: str) -> str:
    return re.sub(r"\D", "", code)


def _country_of(parts: Parts) -> str:
    return "NO" if parts.code in ("NO", "SJ") else parts.code or ""


@cache
def _place_lines(country: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Code and place alone on a line; and at the end of one that begins with something else."""
    inline = r"\d{4}" if country == "NO" else country_rules(country).inline
    prefix = rf"(?:(?:{'NO?R?|SJ' if country == 'NO' else country_rules(country).prefixes})\s?-?\s?)?"
    line = rf"{prefix}(?P<code>{inline})(?:[\s,]+(?P<place>{_PLACE}))?"
    turned = rf"(?P<first>{_PLACE})[\s,]+{prefix}(?P<last>{inline})"
    return (
        re.compile(rf"^(?:{line}|{turned})$", re.IGNORECASE),
        re.compile(rf"^(?P<rest>.*\S)\s+(?:{prefix}(?P<code>{inline})\s+(?P<place>{_PLACE}))$", re.IGNORECASE),
    )


def _place_line(text: str, code: str | None) -> tuple[str, str] | None:
    """Postcode and place of a line that holds nothing else; the place may be missing. None for any other line."""
    country = "NO" if code in ("NO", "SJ") else code or ""
    found = _place_lines(country)[0].match(text)
    if found is None:
        return None
    return found["code"] or found["last"], found["place"] or found["first"] or ""


def _take_street(parts: Parts, street: str) -> None:
    pieces = _street_pieces(street, number_last=_country_of(parts) != "GB")
    if not pieces and parts.care_of and "," in parts.care_of:
        pieces = _street_pieces(parts.care_of, number_last=True)  # `c/o Hansen, Storgata 5` in the c/o field
        parts.care_of = pieces.pop(0)
    for text in pieces:
        _take_piece(parts, text)


def _street_pieces(street: str, *, number_last: bool) -> list[str]:
    """The street field at its line ends, commas and semicolons; `Storgata, 5` and `10, Downing Street` stay whole."""
    if "," not in street and ";" not in street and "\n" not in street:
        return [street] if len(street) > 1 or street.isalnum() else []
    pieces: list[str] = []
    for piece in re.split(r"[\n,;]+", street):
        text = piece.strip(" .") if len(piece.strip()) < 2 else piece.strip()
        if not text:
            continue
        if pieces and _HOUSE.match(text) and (text[0].isdigit() != pieces[-1][-1].isdigit()):
            pieces[-1] = f"{pieces[-1]} {text}"
        elif pieces and _HOUSE.match(pieces[-1]) and pieces[-1][0].isdigit() and text[0].isalpha() and len(pieces) == 1:
            pieces[-1] = f"{text} {pieces[-1]}" if number_last else f"{pieces[-1]} {text}"
        else:
            pieces.append(text)
    return pieces


def _take_piece(parts: Parts, text: str) -> None:
    if _takes_person(parts, text):
        return
    begun = bool(parts.street or parts.box)
    if _repeats(parts, text, begun=begun):
        return
    if _CODE_HINT.search(text):
        text = _without_place(parts, text, begun=begun)
    if not text:
        return
    if _country_of(parts) == "NO" and parts.box is None and (box := box_in(text)) is not None:
        _take_box(parts, *box)
    elif parts.box is not None and begun and not any(map(str.isdigit, text)) and parts.box.line[-1:].isdigit():
        parts.box = Box(parts.box.number, f"{parts.box.line} {text}")  # `Postboks 12, Sentrum`
    else:
        parts.street.append(text)


def _take_box(parts: Parts, before: str, number: str | None, office: str) -> None:
    street = [before, office] if any(map(str.isdigit, office)) else [before]  # `Postboks 12 / Storgata 5`
    named = "" if len(street) > 1 else office
    parts.box = Box(number, " ".join(word for word in ("Postboks", number or "", named) if word))
    parts.street += filter(None, (text.strip(" /-") for text in street))


def _takes_person(parts: Parts, text: str) -> bool:
    """A piece that names whom the letter is in care of, or for the attention of."""
    if not parts.names_persons:
        return False
    if _CARE_OF_HINT.search(text) and (found := _CARE_OF.search(text)) is not None:
        before, person = text[: found.start()].strip(" -"), text[found.end() :].strip()
        person, dash, after = person.partition(" - ")
        if not any(map(str.isdigit, after)):  # `c/o Hansen - Storgata 5`, but not `c/o Berg - Hansen`
            person, after = f"{person}{dash}{after}", ""
        parts.care_of = parts.care_of or person
        for rest in filter(None, (before, after)):
            _take_piece(parts, rest)
        return True
    if _ATTENTION_HINT.search(text) and (found := _ATTENTION.search(text)) is not None:
        before = text[: found.start()].strip(_EDGES + "(")
        parts.attention = parts.attention or text[found.end() :].strip(_EDGES + ")")
        if before:
            _take_piece(parts, before)
        return True
    return False


def _repeats(parts: Parts, text: str, *, begun: bool) -> bool:
    """True for a piece of the street field that only says the receiver, the place or the country once more."""
    said = _country_said(text)
    if said is not None and said == parts.code:
        return True
    if not begun:
        return text.casefold() in (parts.recipient.casefold(), parts.care_of.casefold(), parts.attention.casefold())
    return folded_no(text) == folded_no(parts.city)


def _without_place(parts: Parts, text: str, *, begun: bool) -> str:
    """The piece without the postcode and place that it repeats or, when they have no field of their own, gives."""
    alone, trailing = _place_lines(_country_of(parts))
    if (found := alone.match(text)) is not None:
        place = found["place"] or found["first"] or ""
        if (found["code"] and (place or begun)) or (place and _is_place(parts, place)):
            parts.inline_code = found["code"] or found["last"]
            parts.city = parts.city or place or _place_before_code(parts)
            return ""
        return text
    found = trailing.match(text)
    if found is not None and any(map(str.isdigit, found["rest"])) and _is_place(parts, found["place"]):
        parts.inline_code = found["code"]
        parts.city = parts.city or found["place"]
        return found["rest"].strip(_EDGES)
    return text


def _place_before_code(parts: Parts) -> str:
    """The place of `10 High Street, London, SW1A 2AA`, where a country writes its code alone after it."""
    last = parts.street[-1] if len(parts.street) > 1 else ""
    if country_rules(_country_of(parts)).code_before_city or not last or any(map(str.isdigit, last)):
        return ""
    return parts.street.pop()


def _is_place(parts: Parts, place: str) -> bool:
    """The place is the address's own; one without any postcode yet takes what it finds."""
    return folded_no(place) == folded_no(parts.city) if parts.city else not parts.postcode


def inline_conflicts(parts: Parts, printed: str, country: str) -> bool:
    """True when the street names another postcode than the address does."""
    if not parts.inline_code:
        return False
    inline = parts.inline_code if country == "NO" else printed_postcode(parts.inline_code, country)
    return inline != printed
