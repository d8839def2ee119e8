"""Postcodes and delivery points of the countries that cards go to: SE DK FI DE GB PL LT, and a plain rule for others.

Each country has the form of its postcodes, the street words that are one, and how its last lines are written. No
register is asked abroad: a code of the right form is taken.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from shipping.spelling import folded_german, folded_no, folded_plain, joined

_Sub = tuple[re.Pattern[str], str]


@dataclass(frozen=True)
class Country:
    """How one country writes: `postcode` matches the bare code (prefix and spaces gone), `form` prints it."""

    prefixes: str
    postcode: re.Pattern[str]
    form: str
    fold: Callable[[str], str]
    words: tuple[_Sub, ...] = ()
    box: re.Pattern[str] | None = None
    example: str = ""
    digits: int = 0  # when not 0: a code this much too short may have lost its leading zeros in a spreadsheet
    code_before_city: bool = True
    label_prefix: str = ""
    never: re.Pattern[str] = field(default=re.compile(r"(?!)"))


def _subs(*pairs: tuple[str, str]) -> tuple[_Sub, ...]:
    return tuple((re.compile(pattern), form) for pattern, form in pairs)


_BOX_WORD = r"p\.?\s*o\.?\s*box|post\s*box"
_DK_UNITS = (
    (r"\bsal\b\.?", " "),
    (r"\b(?:til venstre|t\.?\s?v)\b\.?", " tv "),
    (r"\b(?:til hoejre|til højre|t\.?\s?h)\b\.?", " th "),
    (r"\b(?:midt for|m\.?\s?f)\b\.?", " mf "),
    (r"\b(?:stuen|stue|st)\b\.?(?=\s*(?:,|th|tv|mf|$))", " stuen "),
)

COUNTRIES: dict[str, Country] = {
    "SE": Country(
        prefixes=r"SE?-?",
        postcode=re.compile(r"([1-9]\d\d)(\d\d)"),
        form="{0} {1}",
        fold=folded_no,
        words=_subs(
            (
                r"(?:gatan|gata)\b|(?<=\w\w)g\.(?=\s*\d)|(?<=\s)g\.?(?=\s+\d)|(?<=\w)g:?(?=\s+\d)(?<=[bdfkmnprstv]g)",
                "gatan ",
            ),
            (r"(?:vægen|væg)\b|(?<=\w\w)v\.(?=\s*\d)|(?<=\s)v\.?(?=\s+\d)", "vægen "),
            (r"\bs:?ta\b|\bsankta\b", "sankta "),
            (r"\bs:t\b|\bsankt\b|\bst\b\.?(?=\s+\w{2})", "sankt "),
            (r"\blægenhet\b|\blgh\b\.?", " lgh "),
            (r"\btrappor\b|\btr\b\.?", " tr "),
        ),
        box=re.compile(rf"\b(?:box|{_BOX_WORD}|postbox)\.?\s*(\d[\d ]*)"),
        example="114 55",
        label_prefix="SE-",
    ),
    "DK": Country(
        prefixes=r"DK?-?",
        postcode=re.compile(r"(\d{4})"),
        form="{0}",
        fold=folded_no,
        words=_subs(
            (r"(?:gaden|gade)\b|(?<=\w\w)gd?\.(?=\s*\d)", "gade "),
            (r"(?:vejen|vej)\b|(?<=\w\w)v\.(?=\s*\d)", "vej "),
            (r"(?:alleen|alle)\b", "alle "),
            (r"\b(?:sankt|sct|skt)\b\.?|\bst\b\.(?=\s*\w{2})(?!\s*(?:th|tv|mf)\b)", "sankt "),
            *_DK_UNITS,
        ),
        box=re.compile(rf"\b(?:postboks|post\s*boks|boks|pb\.?|{_BOX_WORD})\.?\s*(\d[\d ]*)"),
        example="2100",
        digits=4,
        label_prefix="DK-",
        never=re.compile(r"0000"),
    ),
    "FI": Country(
        prefixes=r"(?:FIN?|AX)-?",
        postcode=re.compile(r"(\d{5})"),
        form="{0}",
        fold=folded_plain,
        words=_subs(
            (r"(?:katu)\b|(?<=\w\w)k\.(?=\s*\d)", "katu "),
            (r"(?:tie)\b|(?<=\w\w)t\.(?=\s*\d)", "tie "),
            (r"(?:gatan)\b|(?<=\w\w)g\.(?=\s*\d)", "gatan "),
            (r"\b(?:asunto|bostad|as|bst)\b\.?\s*(?=\d)", " as "),
        ),
        box=re.compile(rf"\b(?:pl|postilokero|pb|{_BOX_WORD})\.?\s*(\d+)"),
        example="00100",
        digits=5,
        label_prefix="FI-",
        never=re.compile(r"00000"),
    ),
    "DE": Country(
        prefixes=r"DE?-?",
        postcode=re.compile(r"(\d{5})"),
        form="{0}",
        fold=folded_german,
        words=_subs(
            (r"(?:strasse|str)\b\.?", "strasse "),
            (r"(?:platz)\b|(?<=\w\w)pl\.|\bpl\b\.?", "platz "),
            (r"\bsankt\b|\bst\b\.?(?=\s*\w{2})", "sankt "),
            (r"(?<=[a-z])\s*weg\b|(?<=\w\w)wg\.", "weg "),
        ),
        box=re.compile(rf"\b(?:postfach|pf\.?|{_BOX_WORD})\.?\s*(\d[\d ]*)"),
        example="10115",
        digits=5,
        label_prefix="DE-",
        never=re.compile(r"00\d{3}"),
    ),
    "GB": Country(
        prefixes=r"GB-?",
        postcode=re.compile(r"(GIR|[A-PR-UWYZ][A-HK-Y]?\d[\dA-HJKMNP-Y]?)(\d[ABD-HJLNP-UW-Z]{2})"),
        form="{0} {1}",
        fold=folded_plain,
        words=_subs(
            (r"\b(?:st|saint)\b\.?(?=\s+[a-z'’]{2,})(?!\s+(?:flat|unit|apt)\b)", "saint "),
            (r"\b(?:street|st|str)\b\.?", "street "),
            (r"\b(?:road|rd)\b\.?", "road "),
            (r"\b(?:avenue|ave|av)\b\.?", "avenue "),
            (r"\b(?:lane|ln)\b\.?", "lane "),
            (r"\b(?:drive|dr)\b\.?", "drive "),
            (r"\b(?:square|sq)\b\.?", "square "),
            (r"\b(?:court|ct)\b\.?", "court "),
            (r"\b(?:close|cl)\b\.?", "close "),
            (r"\b(?:crescent|cres)\b\.?", "crescent "),
            (r"\b(?:gardens|gdns)\b\.?", "gardens "),
            (r"\b(?:terrace|terr|tce)\b\.?", "terrace "),
            (r"\b(?:place|pl)\b\.?", "place "),
            (r"\b(?:house|hse)\b\.?", "house "),
            (r"\b(?:apartment|apt|flat)\b\.?", " flat "),
        ),
        box=re.compile(rf"\b(?:{_BOX_WORD})\.?\s*(\d+)"),
        example="SW1A 2AA",
        code_before_city=False,
    ),
    "PL": Country(
        prefixes=r"PL-?",
        postcode=re.compile(r"(\d\d)-?(\d{3})"),
        form="{0}-{1}",
        fold=folded_plain,
        words=_subs(
            (r"\b(?:ulica|ul)\b\.?", " "),
            (r"\b(?:aleja|aleje|al)\b\.?", " aleja "),
            (r"\b(?:plac|pl)\b\.?", " plac "),
            (r"\b(?:osiedle|os)\b\.?", " osiedle "),
            (r"\b(?:swietego|swietej|sw)\b\.?", " sw "),
            (r"\b(?:generala|gen)\b\.?", " gen "),
            (r"(?<=\d)([a-z]?)\s*(?:/|,?\s*(?:m|lok|lokal|mieszkanie|mieszk)\b\.?)\s*(?=\d)", r"\1/"),
        ),
        box=re.compile(r"\b(?:skr(?:ytka)?\.?\s*poczt(?:owa)?\.?|po\s*box|p\.o\.\s*box)\s*(?:nr\s*)?(\d+)"),
        example="00-238",
    ),
    "LT": Country(
        prefixes=r"LT-?",
        postcode=re.compile(r"(\d{5})"),
        form="LT-{0}",
        fold=folded_plain,
        words=_subs(
            (r"\b(?:gatve|g)\b\.?(?=[\s,]*\d)", "g "),
            (r"\b(?:prospektas|prosp|pr)\b\.?(?=[\s,]*\d)", "pr "),
            (r"\b(?:aleja|al)\b\.?(?=[\s,]*\d)", "al "),
            (r"\b(?:plentas|pl)\b\.?(?=[\s,]*\d)", "pl "),
            (r"\b(?:aikste|a)\b\.?(?=[\s,]*\d)", "a "),
            (r"(?<=\d)([a-z]?)\s*,?\s*(?:butas|but|bt)\b\.?\s*(?=\d)", r"\1-"),
        ),
        box=re.compile(rf"\b(?:a\.?\s*d\.?|pasto dezute|{_BOX_WORD})\s*(\d+)"),
        example="LT-01103",
        digits=5,
    ),
}
PLAIN = Country(
    prefixes=r"(?!)",
    postcode=re.compile(r"([A-Z0-9][A-Z0-9 -]{1,9})"),
    form="{0}",
    fold=folded_plain,
    box=re.compile(rf"\b(?:{_BOX_WORD})\.?\s*(\d+)"),
    example="1010",
)


def country_rules(code: str) -> Country:
    """The rules of a country, or the plain ones."""
    return COUNTRIES.get(code, PLAIN)


def printed_postcode(typed: str, code: str) -> str | None:
    """A postcode as its country writes it (`SW1A 2AA`, `114 55`, `00-238`), or None when it has not that form."""
    rules = country_rules(code)
    bare = typed.upper().strip()
    if rules is not PLAIN:
        bare = re.sub(r"[\s.]", "", bare)
        bare = re.sub(rf"^{rules.prefixes}(?=\w)", "", bare) if not rules.postcode.fullmatch(bare) else bare
    found = rules.postcode.fullmatch(bare)
    if found is None or rules.never.fullmatch(bare):
        return None
    return rules.form.format(*found.groups())


def foreign_street_key(text: str, code: str) -> tuple[str, bool]:
    """The comparison form of a delivery point abroad, and whether it is a box."""
    rules = country_rules(code)
    folded = rules.fold(text)
    box = rules.box.search(folded) if rules.box else None
    if box:
        return f"box{box.group(1).replace(' ', '')}", True
    for pattern, form in rules.words:
        folded = pattern.sub(form, folded)
    return joined(folded), False
