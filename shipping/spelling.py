"""How typed text is compared: what the eye does not see goes, what a spelling rule makes equal is made equal.

Digits, and `-` or `/` between digits, are never dropped: 5-7 is not 57, 15/7 is not 157 and 5½ is not 51/2.
"""

import re
import unicodedata

# Zero-width and direction marks, soft hyphen, byte-order mark: pasted from web pages, invisible, never meant.
_INVISIBLE = dict.fromkeys([0x00AD, 0x034F, 0x061C, 0x180E, 0xFEFF, *range(0x200B, 0x2010), *range(0x202A, 0x202F)])
_INVISIBLE |= dict.fromkeys([*range(0x2060, 0x2070), *range(0xFE00, 0xFE10)])
_DASHES = {ord(dash): "-" for dash in "‐‑‒–—―−﹘﹣－"}
_QUOTES = {ord(quote): "'" for quote in "’‘‛´`ʼ′＇"} | {ord(quote): '"' for quote in "“”„‟«»″"}
_TABLE = {**_INVISIBLE, **_DASHES, **_QUOTES, 0x2044: "/", 0x2215: "/", 0xFF0F: "/"}
_RAISED = re.compile(
    r"(?<=\d)(?=[²³¹ªº⁰-₟¼-¾⅐-⅞])|(?<=[²³¹⁰-₟¼-¾⅐-⅞])(?=\d)"
)  # NFKC would run 5½ and 5² together into 51/2 and 52
_LINE_ENDS = re.compile(r"[\r\n\u2028\u2029\u0085\v\f]+")
_NO_LETTERS = str.maketrans({"ä": "æ", "ö": "ø", "œ": "ø", "ð": "d", "þ": "th", "ß": "ss", "ł": "l", "đ": "d"})
_PLAIN_LETTERS = str.maketrans(
    {"ß": "ss", "ł": "l", "đ": "d", "ø": "o", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th", "ı": "i"}
)
_FI_LETTERS = str.maketrans({"ø": "ö", "æ": "ä", "ß": "ss", "ł": "l", "đ": "d"})
_FOREIGN_TO_NO = re.compile(r"[^\x00-\x7fæøå]")
_FOREIGN_TO_FI = re.compile(r"[^\x00-\x7fäöå]")
_FOREIGN = re.compile(r"[^\x00-\x7f]")


def seen(text: str) -> str:
    """The text as it is seen: NFKC, no invisible marks, one form of dash and quote, single spaces; lines are kept."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    text = unicodedata.normalize("NFKC", _RAISED.sub(" ", text).replace("´", "'")).translate(_TABLE)
    lines = (" ".join(line.split()) for line in _LINE_ENDS.split(text))
    return "\n".join(line for line in lines if line)


def printable(text: str) -> str:
    """The text without control characters: what a refused address may still be shown as."""
    if text.isprintable():
        return text
    return "".join(
        letter
        for letter in text
        if letter >= " " and not "\x7f" <= letter <= "\x9f" and not "\ud800" <= letter <= "\udfff"
    )


def has_control_characters(text: str) -> bool:
    """True for characters that nobody types in an address (NUL, escape …); tabs and line ends are only layout."""
    return not text.isprintable() and any(  # Unicode's invisible marks are no fault, only unseen
        unicodedata.category(letter) in ("Cc", "Co", "Cs", "Cn") and letter not in "\t\r\n\v\f\x85" for letter in text
    )


# What takes a letter's place when a program reads or writes text in another alphabet than it was in.
_LOST = re.compile(
    r"\ufffd|√|[<>]|(?<=[^\W\d_])[?|{}\[\]_°¿¤›‹µ†¢¥¦§¶](?=[^\W\d_])"
    r"|Ã[\u0080-\u00bf…†‡ˆ‰Š‹ŒŽ˜™š›œžŸ‘’“”•–—]"  # UTF-8 read as Latin-1
    r"|&(?:[a-z]{2,8}|#\d{2,4});|\\u[0-9a-f]{4}",  # a web page's or a program's own spelling
    re.IGNORECASE,
)
_CARE_OF_BAR = re.compile(r"\bc\|o\b", re.IGNORECASE)
_OF_LOST = frozenset("?|{}[]_<>&\\")
_MIXED = re.compile(r"[A-Za-zÀ-ɏ][\u0370-\u052f]|[\u0370-\u052f][A-Za-zÀ-ɏ]")


def has_lost_letters(text: str) -> bool:
    """True for text that some program has damaged (`Gr?nland`, `BlÃ¥`, `&oslash;`), pictures, look-alikes in a word."""
    if text.isascii() and _OF_LOST.isdisjoint(text):
        return False
    if _LOST.search(_CARE_OF_BAR.sub("", text)) is not None:
        return True
    if text.isascii():
        return False
    if max(text) < "\u0370":
        return False
    text = unicodedata.normalize("NFKC", text)  # ℅ and № are words, a picture stays one
    return _MIXED.search(text) is not None or any(unicodedata.category(letter) == "So" for letter in text)


_FORMULA_SIGNS = frozenset("(|!")
_SHEET_ERROR = re.compile(r"#(?:REF|N/A|NAME|VALUE|DIV/0|NUM|NULL|VERDI|NAVN|I/T|SPILL)\b", re.IGNORECASE)


def looks_like_formula(text: str) -> bool:
    """True for text that a spreadsheet would run instead of show, or put there for a failed one: no address is so."""
    start = text.lstrip()
    if start[:1] in ("=", "@") or (start[:1] in ("+", "-") and not _FORMULA_SIGNS.isdisjoint(text)):
        return True
    return start[:1] == "#" and _SHEET_ERROR.match(start) is not None


def folded_no(text: str) -> str:
    """Norwegian and Danish comparison form: aa = å, ae = æ = ä, oe = ø = ö; other accents go."""
    text = text.casefold()
    if text.isascii():
        return text.replace("aa", "å").replace("ae", "æ").replace("oe", "ø")
    text = text.translate(_NO_LETTERS).replace("aa", "å").replace("ae", "æ").replace("oe", "ø")
    return _FOREIGN_TO_NO.sub(_bare, text)


def folded_german(text: str) -> str:
    """German comparison form: ü = ue, ß = ss."""
    text = text.casefold().replace("ä", "ae").replace("ö", "oe").replace("ü", "ue")
    return _FOREIGN.sub(_bare, text.translate(_PLAIN_LETTERS))


def folded_finnish(text: str) -> str:
    """Finnish comparison form: ä, ö and å are letters of their own (Saarikatu is not Säärikatu); other accents go."""
    text = text.casefold()
    return text if text.isascii() else _FOREIGN_TO_FI.sub(_bare, text.translate(_FI_LETTERS))


def folded_plain(text: str) -> str:
    """Comparison form without any accents: Polish, Lithuanian and British."""
    text = text.casefold()
    return text if text.isascii() else _FOREIGN.sub(_bare, text.translate(_PLAIN_LETTERS))


def _bare(letter: re.Match[str]) -> str:
    """The letter without its accent; a loose accent goes altogether."""
    base = unicodedata.normalize("NFD", letter.group())[0]
    return "" if unicodedata.combining(base) else base


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
