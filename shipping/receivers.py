"""Names of receivers compared: company forms, `&` and punctuation are one spelling; every other word counts.

`Fjordbygg AS` and `FJORDBYGG A/S` are one, `Fjordbygg` and `Fjordbygg ASA` are others: a card that reaches a stranger
costs more than a second letter.
"""

import re

from cards.identifiers import org_number_is_valid

# The forms that punctuation takes part in; what is left after it is compared word by word.
_PUNCTUATED = (
    (re.compile(r"\bsp(?:olka)?\.?\s*z\s*\.?\s*o\.?\s*o\b\.?"), " spzoo "),
    (re.compile(r"\ba\s*/\s*s\b|\ba\.\s?s\b\.?"), " as "),
    (re.compile(r"\bi\s*/\s*s\b"), " is "),
    (re.compile(r"\bk\s*/\s*s\b"), " ks "),
    (re.compile(r"\bg\.?\s?m\.?\s?b\.?\s?h\b\.?"), " gmbh "),
    (re.compile(r"\s*[&+]\s*"), " og "),
    (re.compile(r"(?<=[^\W\d_])\.\s?(?=[^\W\d_]\b)"), ""),  # A.B. and A. B. = AB
)
_WORDS = {
    "aksjeselskap": "as", "aksjeselskapet": "as", "allmennaksjeselskap": "asa", "allmennaksjeselskapet": "asa",
    "aktieselskab": "as", "anpartsselskab": "aps", "aktiebolag": "ab", "aktiebolaget": "ab", "osakeyhtio": "oy",
    "osakeyhtiø": "oy", "osakeyhtiö": "oy", "limited": "ltd", "company": "co", "incorporated": "inc", "uzdaroji": "",
    "avdelingen": "avd", "avdeling": "avd", "avdelning": "avd", "afdeling": "avd", "abteilung": "abt",
    "department": "dept",
}  # fmt: skip
_AND = frozenset({"and", "och", "und", "ir", "oraz"})
_LITHUANIAN_FORMS = frozenset({"uab", "mb", "ab", "vsi", "ii"})
_PLAIN = re.compile(r"[a-z0-9æøå ]*\Z")
_TOKEN = re.compile(r"\d+(?:[-/]\d+)*|[^\W\d_]+")
_INVERTED = re.compile(r"([^\W\d_]+(?:[- ][^\W\d_]+)?),\s*([^\W\d_]+\.?(?:[- ][^\W\d_]+\.?)?)\Z")
_NO_GIVEN_NAMES = {
    "as", "asa", "ans", "da", "ba", "sa", "nuf", "enk", "aps", "ab", "oy", "oyj", "ltd", "plc", "llc", "inc", "gmbh",
    "kg", "ag", "ug", "uab", "mb", "spzoo", "avd", "avdeling", "dept", "lager", "kontor", "hovedkontor", "post",
    "postmottak", "resepsjon", "resepsjonen", "regnskap", "drift", "bygg", "butikk", "verksted", "norge", "oslo",
    "bergen", "trondheim", "stavanger",
}  # fmt: skip
_ORG_NUMBER = re.compile(
    r"\b(?:org(?:anisasjons)?\.?\s*-?\s*(?:nr|nummer|no)?\.?:?\s*)?(?:no\s?)?(\d{3}[\s.]?\d{3}[\s.]?\d{3})(?:\s?mva)?\b"
)
_NINE = re.compile(r"\d\D?\d\D?\d")


def receiver_key(folded: str) -> str:
    """A receiver's comparison form: the organisation number when the name holds one, else the name."""
    return org_number_in(folded) or name_key(folded)


def org_number_in(folded: str) -> str | None:
    """An organisation number (nine digits, the last a true check digit) in a receiver's name, or None."""
    if _NINE.search(folded) is None or (found := _ORG_NUMBER.search(folded)) is None:
        return None
    digits = re.sub(r"\D", "", found.group(1))
    return digits if org_number_is_valid(digits) else None


def name_key(folded: str) -> str:
    """A name's comparison form: company forms, `&` and punctuation are one; words stay apart, in their order.

    Only `Hansen, Kari` is turned round: the comma says that the family name comes first.
    """
    plain = _PLAIN.match(folded) is not None and " z " not in folded  # a Polish `sp z oo` is one word
    words = folded.split() if plain else _TOKEN.findall(_without_punctuation(_turned_round(folded)))
    last = len(words) - 1
    named = ["og" if word in _AND and 0 < at < last else _WORDS.get(word, word) for at, word in enumerate(words)]
    if named[-2:] == ["a", "s"]:
        named[-2:] = ["as"]
    if len(named) > 1 and named[-1] in _LITHUANIAN_FORMS and named[-1] != "ab":
        named.insert(0, named.pop())  # `„Statyba“, UAB` and `UAB „Statyba“` are one name
    return " ".join(filter(None, named))


def _turned_round(text: str) -> str:
    found = _INVERTED.match(text)
    if found is None or _NO_GIVEN_NAMES & set(re.findall(r"[^\W\d_]+", text)):
        return text
    return f"{found.group(2)} {found.group(1)}"


def _without_punctuation(text: str) -> str:
    text = text.replace('"', "").replace("'", "")
    for pattern, form in _PUNCTUATED:
        text = pattern.sub(form, text)
    return text
