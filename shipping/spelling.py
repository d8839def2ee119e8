"""How typed text is compared: what the eye does not see goes, what a spelling rule makes equal is made equal.

Digits, and `-` or `/` between digits, are never dropped: 5-7 is not 57 and 15/7 is not 157.
"""

import re
import unicodedata

# Zero-width and direction marks, soft hyphen, byte-order mark: pasted from web pages, invisible, never meant.
_INVISIBLE = dict.fromkeys([0x00AD, 0x034F, 0x061C, 0x180E, 0xFEFF, *range(0x200B, 0x2010), *range(0x202A, 0x202F)])
_INVISIBLE |= dict.fromkeys([*range(0x2060, 0x2070), *range(0xFE00, 0xFE10)])
_DASHES = {ord(dash): "-" for dash in "‐‑‒–—―−﹘﹣－"}
_QUOTES = {ord(quote): "'" for quote in "’‘‛´`ʼ′＇"} | {ord(quote): '"' for quote in "“”„‟«»″"}
_TABLE = {**_INVISIBLE, **_DASHES, **_QUOTES}
_NO_LETTERS = str.maketrans({"ä": "æ", "ö": "ø", "œ": "ø", "ð": "d", "þ": "th", "ß": "ss", "ł": "l", "đ": "d"})
_PLAIN_LETTERS = str.maketrans(
    {"ß": "ss", "ł": "l", "đ": "d", "ø": "o", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th", "ı": "i"}
)
_KEPT_NO = frozenset("æøå")


def seen(text: str) -> str:
    """The text as it is seen: NFKC, no invisible marks, one form of dash and quote, single spaces; lines are kept."""
    text = unicodedata.normalize("NFKC", text).translate(_TABLE)
    lines = (" ".join(line.split()) for line in re.split(r"[\r\n\u2028\u2029\v\f]+", text))
    return "\n".join(line for line in lines if line)


def printable(text: str) -> str:
    """The text without control characters: what a refused address may still be shown as."""
    return "".join(letter for letter in text if letter >= " " and not "\x7f" <= letter <= "\x9f")


def has_control_characters(text: str) -> bool:
    """True for characters that nobody types in an address (NUL, escape …); tabs and line ends are only layout."""
    return any(
        unicodedata.category(letter) in ("Cc", "Co", "Cs", "Cn") and letter not in "\t\r\n\v\f" for letter in text
    )


def looks_like_formula(text: str) -> bool:
    """True for text that a spreadsheet would run instead of show: no address begins so."""
    start = text.lstrip()[:1]
    return start in ("=", "@") or (start in ("+", "-") and "(" in text)


def folded_no(text: str) -> str:
    """Norwegian and Danish comparison form: aa = å, ae = æ = ä, oe = ø = ö; other accents go."""
    text = text.casefold().translate(_NO_LETTERS).replace("aa", "å").replace("ae", "æ").replace("oe", "ø")
    return _without_accents(text, _KEPT_NO)


def folded_german(text: str) -> str:
    """German comparison form: ü = ue, ß = ss."""
    text = text.casefold().replace("ä", "ae").replace("ö", "oe").replace("ü", "ue")
    return _without_accents(text.translate(_PLAIN_LETTERS), frozenset())


def folded_plain(text: str) -> str:
    """Comparison form without any accents: Polish, Lithuanian, British, Swedish and Finnish."""
    return _without_accents(text.casefold().translate(_PLAIN_LETTERS), frozenset())


def _without_accents(text: str, kept: frozenset[str]) -> str:
    if text.isascii():
        return text
    return "".join(letter if letter in kept else _bare(letter) for letter in text)


def _bare(letter: str) -> str:
    return unicodedata.normalize("NFD", letter)[0] if ord(letter) > 127 else letter


_TOKEN = re.compile(r"\d+|[^\W\d_]+|[-/]")


def joined(text: str) -> str:
    """Letters and digits of a folded text without what only separates them; `5 a` = `5a`, `1 5` ≠ `15`, `5-7` ≠ `57`.

    Two words meet without a space; two numbers keep one, or the `-` or `/` that stood between them.
    """
    out: list[str] = []
    pending = ""
    for piece in _TOKEN.findall(text):
        if piece in "-/":
            pending = piece if out else ""
            continue
        if len(piece) > 1 and piece[0].isalpha() and out and (out[-1][-1].isdigit() or _is_house_letter(out)):
            out.append(" ")  # a word after the number: a floor, an entrance, a building
        if piece[0].isdigit() and out and (out[-1][-1].isdigit() or (pending and _is_house_letter(out))):
            out.append(pending or " ")
        out.append(piece)
        pending = ""
    return "".join(out)


def _is_house_letter(out: list[str]) -> bool:
    return len(out) > 1 and len(out[-1]) == 1 and out[-2][-1].isdigit()


_COMPANY = (
    (re.compile(r"\bsp(?:olka)?\.?\s*z\s*\.?\s*o\.?\s*o\b\.?"), " spzoo "),
    (re.compile(r"\baksjeselskap(?:et)?\b|\ba\s*/\s*s\b|\ba\.\s?s\b\.?"), " as "),
    (re.compile(r"\ballmennaksjeselskap(?:et)?\b"), " asa "),
    (re.compile(r"\bg\.?\s?m\.?\s?b\.?\s?h\b\.?"), " gmbh "),
    (re.compile(r"\blimited\b"), " ltd "),
    (re.compile(r"\baktiebolag(?:et)?\b"), " ab "),
    (re.compile(r"\s*(?:&|\+)\s*|\s+(?:og|och|and|und|ja|ir)\s+"), " og "),
    (re.compile(r"\bavdeling(?:en)?\b|\bavd\b\.?"), " avd "),
    (re.compile(r"\bdepartment\b|\bdept\b\.?"), " dept "),
)
_ORG_NUMBER = re.compile(
    r"\b(?:org(?:anisasjons)?\.?\s*(?:nr|nummer|no)?\.?:?\s*)?(?:no\s?)?(\d{3}\s?\d{3}\s?\d{3})(?:\s?mva)?\b"
)


def org_number_in(folded: str) -> str | None:
    """Nine digits written as an organisation number in a recipient's name, or None."""
    found = _ORG_NUMBER.search(folded)
    return re.sub(r"\s", "", found.group(1)) if found else None


def recipient_key(folded: str) -> str:
    """A name's comparison form: company forms, `&` and punctuation are one; words stay apart, in their order."""
    text = folded.replace('"', "").replace("'", "")
    for pattern, form in _COMPANY:
        text = pattern.sub(form, text)
    text = re.sub(r"(?<=[^\W\d_])\.(?=[^\W\d_]\b)", "", text)  # A.B. = AB
    return " ".join(re.findall(r"\d+(?:[-/]\d+)*|[^\W\d_]+", text))
