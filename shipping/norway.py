"""Norwegian delivery points: street words, house letters, boxes. Which spellings are one place and which are not.

Source of the forms: Posten, "Adressering til postmottakere i Norge"; the street words in their Bokmål, Nynorsk and
dialect forms with the usual abbreviations.
"""

import re

from shipping.spelling import folded_no, joined

_GATE = re.compile(r"(?:gaten|gatene|gata|gatå|gate|gatan|gaden|gade|gtn|gta|gt)\b\.?")
_VEI = re.compile(r"(?:veien|vegen|veie|vegan|vei|veg|vejen|vej)\b\.?")
_VN = re.compile(r"(?<=[^\W\d_]{3})(?<!av)(?<!ov)vn\b\.?|\bvn\b\.?|(?<=[^\W\d_]{3})vn\.")
_PLASS = re.compile(r"(?:plassen|plass)\b|(?<=[^\W\d_]{2})pl\.|\bpl\b\.?")
_ALLE = re.compile(r"(?:alleen|alleer|alle)\b")
_TERRASSE = re.compile(r"(?:terrassen|terrasse)\b|\bterr\b\.?|(?<=[^\W\d_]{2})terr\.")
_DOTTED_G = re.compile(r"(?<=[^\W\d_]{2})g\.\s*(?=\d|$)|(?<=\s)g\.?\s+(?=\d)")
_DOTTED_V = re.compile(r"(?<=[^\W\d_]{2})v\.\s*(?=\d|$)|(?<=\s)v\.?\s+(?=\d)")
_SANKT = re.compile(r"\b(?:sankt|sanct|sct|skt|st)\b\.?(?=\s*[^\W\d_]{2})")
_ROMAN = re.compile(
    r"(?<=[^\W\d_]\s)(?:den\s+)?(viii|vii|vi|iv|iii|ii|\d)(?:\.|')?\s?('?s)?\b(?=\s*(?:gate|vei|plass|alle))"
)
_ROMAN_VALUES = {"ii": "2", "iii": "3", "iv": "4", "vi": "6", "vii": "7", "viii": "8"}
_UNITS = (
    (re.compile(r"\b(?:etasjen|etasje|etg|et)\b\.?"), "etg"),
    (re.compile(r"\b(?:oppgangen|oppgang|oppg)\b\.?"), "oppg"),
    (re.compile(r"\b(?:leilighet|leil|lgh)\b\.?(?:\s*nr\b\.?)?"), "leil"),
    (re.compile(r"\b(?:inngangen|inngang|inng)\b\.?"), "inng"),
    (re.compile(r"\b(?:bygningen|bygning|bygget|bygg|bygn)\b\.?(?=\s*[\da-zæøå]{1,3}\b)"), "bygg"),
    (re.compile(r"\b(?:bolignummer|bolignr|bruksenhet)\b\.?"), ""),
    (re.compile(r"\b(?:gardsnummer|gårdsnummer|gårdsnr|gardsnr|gnr)\b\.?"), "gnr"),
    (re.compile(r"\b(?:bruksnummer|bruksnr|bnr)\b\.?"), "bnr"),
    (re.compile(r"\b(?:husnr|nr|no)\b\.?\s*(?=\d)"), ""),
)
_LETTER_DIGIT = re.compile(r"(?<=[^\W\d_])(?=\d)")
_NUMBERED_STREET = re.compile(r"(?:gate|vei)$")

BOX = re.compile(
    r"\b(?:post\s*-?\s*boks|postbox|post\s+box|post\s*b\.?|p\s*\.?\s*-?\s*boks|boks|pboks|p\s*\.?\s*o\s*\.?\s*-?\s*box"
    r"|p\s*\.\s*b\s*\.?|pb\s*\.?|box)(?=[\s.:\d]|$)[\s.:]*(?:nr\.?\s*)?(\d[\d ]*\d|\d)?"
)


def box_number(folded: str) -> tuple[str | None, str] | None:
    """The box in a folded address part: its number (None when missing) and what stands before the word. None: no box.

    The office after the number (`Sentrum`) is dropped: the postcode names it.
    """
    found = BOX.search(folded)
    if found is None or (found.group(1) is None and folded[found.end() :].strip()[:1].isalpha() and found.start()):
        return None
    if found.group(1) is None and found.group(0).strip(" .:") in ("boks", "box"):
        return None  # a place may be called so; a box needs its number to be one
    number = found.group(1)
    return (number.replace(" ", "") if number else None), folded[: found.start()].strip(" ,")


def street_key(text: str) -> str:
    """The comparison form of a street, house number and unit: `Storgt. 5 A` = `Storgata 5a`."""
    folded = _LETTER_DIGIT.sub(" ", folded_no(text))
    for pattern, form in _UNITS:
        folded = pattern.sub(f" {form} " if form else " ", folded)
    for pattern, form in ((_GATE, "gate "), (_DOTTED_G, "gate "), (_VN, "vei "), (_VEI, "vei "), (_DOTTED_V, "vei ")):
        folded = pattern.sub(form, folded)
    for pattern, form in ((_PLASS, "plass "), (_ALLE, "alle "), (_TERRASSE, "terrasse "), (_SANKT, "sankt ")):
        folded = pattern.sub(form, folded)
    folded = _ROMAN.sub(lambda m: f"{_ROMAN_VALUES.get(m.group(1), m.group(1))}s ", folded)
    return joined(folded)


def lacks_house_number(key: str) -> bool:
    """True for a street by its name's ending that has no number: not enough to deliver to, unlike a place name."""
    return _NUMBERED_STREET.search(key) is not None
