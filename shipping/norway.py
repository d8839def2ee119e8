"""Norwegian delivery points: street words, house letters, boxes. Which spellings are one place and which are not.

Source of the forms: Posten, "Adressering til postmottakere i Norge"; the street words in their Bokmål, Nynorsk and
dialect forms with the usual abbreviations.
"""

import re
from collections.abc import Iterable

from shipping.spelling import folded_no, joined

# Each rule stands behind letters of which some must occur for it to matter: looking for them is far cheaper.
_STREET_WORDS = (
    ("ga", "gt", re.compile(r"(?:gaten|gatene|gata|gatå|gate|gatan|gaden|gade|gtn|gta|gt)\b\.?"), "gate "),
    ("g.", " g", re.compile(r"(?<=[^\W\d_]{2})g\.\s*(?=\d|$)|(?<=\s)g\.?\s+(?=\d)"), "gate "),
    ("vn", "vn", re.compile(r"(?<=[^\W\d_]{3})(?<!av)(?<!ov)vn\b\.?|\bvn\b\.?|(?<=[^\W\d_]{3})vn\."), "vei "),
    ("ve", "ve", re.compile(r"(?:veien|vegen|veia|vega|veie|vegan|vei|veg|vejen|vej)\b\.?"), "vei "),
    ("v.", " v", re.compile(r"(?<=[^\W\d_]{2})v\.\s*(?=\d|$)|(?<=\s)v\.?\s+(?=\d)"), "vei "),
    ("pl", "pl", re.compile(r"(?:plassen|plass)\b|(?<=[^\W\d_]{2})pl\.|\bpl\b\.?"), "plass "),
    ("all", "all", re.compile(r"(?:alleen|alleer|alle)\b"), "alle "),
    ("terr", "terr", re.compile(r"(?:terrassen|terrasse)\b|\bterr\b\.?|(?<=[^\W\d_]{2})terr\."), "terrasse "),
)
_SANKT = re.compile(r"\b(?:sankt|sanct|sct|skt|st)\b\.?[\s-]*(?=[^\W\d_]{2})")
_TITLES = (
    (re.compile(r"\b(?:dr|doktor)\b\.?[\s-]*(?=[^\W\d_]{2})"), "doktor "),
    (re.compile(r"\b(?:prof|professor)\b\.?[\s-]*(?=[^\W\d_]{2})"), "professor "),
    (re.compile(r"\b(?:gen|general)\b\.?[\s-]*(?=[^\W\d_]{3})"), "general "),
    (re.compile(r"\b(?:chr)\b\.?[\s-]*(?=[^\W\d_]{2})"), "christian "),
    (re.compile(r"\b(?:kapt|kpt)\b\.?[\s-]*(?=[^\W\d_]{2})"), "kaptein "),
    (re.compile(r"\b(?:biskop|bisp)\b\.?[\s-]*(?=[^\W\d_]{3})"), "biskop "),
    (re.compile(r"\b(?:gml)\b\.?[\s-]*(?=[^\W\d_]{2})"), "gamle "),
    (re.compile(r"\b(?:sdr)\b\.?[\s-]*(?=[^\W\d_]{2})"), "søndre "),
)
_SHORTENED = re.compile(r"\b(?:dr|prof|gen|chr|kapt|kpt|bisp|gml|sdr|doktor|professor|general|biskop)\b")
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
    (re.compile(r"\b(?:bolignummer|bolignr|bolig|bruksenhetsnummer|bruksenhet)\b\.?(?=\s*[hukl]\b)"), ""),
    (re.compile(r"\b(?:bolignummer|bolignr|bruksenhetsnummer|bruksenhet)\b\.?"), ""),
    (re.compile(r"\b(?:gardsnummer|gårdsnummer|gårdsnr|gardsnr|gnr)\b\.?"), "gnr"),
    (re.compile(r"\b(?:bruksnummer|bruksnr|bnr)\b\.?"), "bnr"),
    (re.compile(r"\b(?:husnummer|husnr|nummer|nr|no)\b\.?\s*(?=\d)"), ""),
)
_UNIT_WORD = re.compile(
    r"\b(?:et(?:asjen?|g)?|oppg(?:ang(?:en)?)?|leil(?:ighet)?|lgh|inng(?:ang(?:en)?)?|byg|bolig|bruks|g[åa]rds|gnr|bnr"
    r"|hus|nummer|nr|no)"
)
_UNIT_OF_A_FLAT = re.compile(r"\bleil (?=h \d{4}\b)")
_LETTER_DIGIT = re.compile(r"(?<=[^\W\d_])(?=\d)")
_NUMBERED_STREET = re.compile(r"(?:gate|vei)[a-f]?$")
_UNIT_ALONE = re.compile(r"(?:\d+ ?etg|\d* ?(?:etg|oppg|leil|inng|bygg)|[hukl] ?\d{4}$)")

_BOX = re.compile(
    r"\b(?:post\s*-?\s*boks|postbox|post\s+box|post\s*b\.?|p\s*[./]?\s*-?\s*boks|boks|p\s*\.?\s*o\s*\.?\s*-?\s*b(?:ox|\.)"
    r"|p\s*\.\s*b\s*\.?|p/b|pb\s*\.?|pob|box)(?=[\s.:#\d-]|$)[\s.:#-]*(?:nr\.?\s*)?"
    r"(\d{1,2}\s\d{3}\b|\d+(?:\s?[a-zæøå]\b|[-/]\d+)?)?",
    re.IGNORECASE,
)


def box_in(text: str) -> tuple[str, str | None, str] | None:
    """A post box in a seen piece: what stands before the word, its number (None when missing) and the office after it.

    None when there is none. The office (`Sentrum`) is only printed: the postcode names it.
    """
    if ("b" not in text and "B" not in text) or (found := _BOX.search(text)) is None:
        return None
    number, before, after = found.group(1), text[: found.start()], text[found.end() :]
    if number is None and (before.strip() and after.strip()[:1].isalpha()):
        return None
    if number is None and found.group().strip(" .:").casefold() in ("boks", "box"):
        return None  # a place may be called so; a box needs its number to be one
    plain = re.sub(r"\s", "", number).lstrip("0").upper() or "0" if number else None
    return before.strip(" ,"), plain, after.strip(" .,-")


def street_key(texts: Iterable[str]) -> str:
    """The comparison form of a street, house number and unit out of spelled parts: `Storgt. 5 A` = `Storgata 5a`."""
    return joined(", ".join(texts))


def spelled(text: str) -> str:
    """A part of a street line in one spelling of its words: `Storgt. 5 A` and `Storgata 5a` are `storgate 5 a`."""
    folded = _LETTER_DIGIT.sub(" ", folded_no(text))
    if _UNIT_WORD.search(folded):
        for pattern, form in _UNITS:
            folded = pattern.sub(f" {form} " if form else " ", folded)
        folded = _UNIT_OF_A_FLAT.sub("", " ".join(folded.split()))
    for sign, other, pattern, form in _STREET_WORDS:
        if sign in folded or other in folded:
            folded = pattern.sub(form, folded)
    if "st." in folded or "st " in folded or "st-" in folded or "kt" in folded or "ct" in folded:
        folded = _SANKT.sub("sankt ", folded)
    if _SHORTENED.search(folded):
        for pattern, form in _TITLES:
            folded = pattern.sub(form, folded)
    if "gate" in folded or "vei" in folded or "pla" in folded or "all" in folded:
        folded = _ROMAN.sub(lambda m: f"{_ROMAN_VALUES.get(m.group(1), m.group(1))}s ", folded)
    return folded


def lacks_house_number(key: str) -> bool:
    """True for a street by its name's ending that has no number: not enough to deliver to, unlike a place name."""
    return _NUMBERED_STREET.search(key) is not None


def is_unit(key: str) -> bool:
    """True for a part that names a floor, an entrance or a flat and no street: `3. etg`, `H0301`."""
    return _UNIT_ALONE.match(key) is not None
