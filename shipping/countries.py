"""Countries as the post sees them: the Norwegian name that stands on the letter, the tariff zone, and the names that
people type instead of a code. A country that is not here is not guessed: its letter waits for a person.
"""

import re

from cards.errors import Refused
from shipping.models import Zone

_BETWEEN_NAMES = re.compile(r"[/,()]| - ")

# ISO 3166-1 alpha-2 → name in Norwegian. Europe as Posten's zone Europe has it: the continent with Turkey, Cyprus and
# the Caucasus; Russia's whole territory counts as Europe.
_EUROPE = {
    "AD": "Andorra", "AL": "Albania", "AM": "Armenia", "AT": "Østerrike", "AX": "Åland", "AZ": "Aserbajdsjan",
    "BA": "Bosnia-Hercegovina", "BE": "Belgia", "BG": "Bulgaria", "BY": "Belarus", "CH": "Sveits", "CY": "Kypros",
    "CZ": "Tsjekkia", "DE": "Tyskland", "DK": "Danmark", "EE": "Estland", "ES": "Spania", "FI": "Finland",
    "FO": "Færøyene", "FR": "Frankrike", "GB": "Storbritannia", "GE": "Georgia", "GG": "Guernsey", "GI": "Gibraltar",
    "GL": "Grønland", "GR": "Hellas", "HR": "Kroatia", "HU": "Ungarn", "IE": "Irland", "IM": "Man", "IS": "Island",
    "IT": "Italia", "JE": "Jersey", "LI": "Liechtenstein", "LT": "Litauen", "LU": "Luxembourg", "LV": "Latvia",
    "MC": "Monaco", "MD": "Moldova", "ME": "Montenegro", "MK": "Nord-Makedonia", "MT": "Malta", "NL": "Nederland",
    "PL": "Polen", "PT": "Portugal", "RO": "Romania", "RS": "Serbia", "RU": "Russland", "SE": "Sverige",
    "SI": "Slovenia", "SK": "Slovakia", "SM": "San Marino", "TR": "Tyrkia", "UA": "Ukraina", "VA": "Vatikanstaten",
    "XK": "Kosovo",
}  # fmt: skip
_WORLD = {
    "AE": "De forente arabiske emirater", "AR": "Argentina", "AU": "Australia", "BD": "Bangladesh", "BR": "Brasil",
    "CA": "Canada", "CL": "Chile", "CN": "Kina", "CO": "Colombia", "EG": "Egypt", "ER": "Eritrea", "ET": "Etiopia",
    "GH": "Ghana", "HK": "Hongkong", "ID": "Indonesia", "IL": "Israel", "IN": "India", "IQ": "Irak", "IR": "Iran",
    "JP": "Japan", "KE": "Kenya", "KR": "Sør-Korea", "KZ": "Kasakhstan", "LB": "Libanon", "LK": "Sri Lanka",
    "MA": "Marokko", "MX": "Mexico", "MY": "Malaysia", "NG": "Nigeria", "NP": "Nepal", "NZ": "New Zealand",
    "PE": "Peru", "PH": "Filippinene", "PK": "Pakistan", "QA": "Qatar", "SA": "Saudi-Arabia", "SG": "Singapore",
    "SY": "Syria", "TH": "Thailand", "TN": "Tunisia", "TW": "Taiwan", "US": "USA", "UZ": "Usbekistan",
    "VN": "Vietnam", "ZA": "Sør-Afrika",
}  # fmt: skip
_NAMES_NO = {"NO": "Norge", "SJ": "Svalbard og Jan Mayen"} | _EUROPE | _WORLD

# What people type in the country field instead of a code, casefolded.
_TYPED = {name.casefold(): code for code, name in _NAMES_NO.items()} | {
    "norway": "NO", "noreg": "NO", "nor": "NO", "norwegen": "NO", "norwegia": "NO", "svalbard": "SJ",
    "jan mayen": "SJ", "svalbard and jan mayen": "SJ", "sweden": "SE", "swe": "SE", "schweden": "SE",
    "denmark": "DK", "dnk": "DK", "dänemark": "DK", "suomi": "FI", "fin": "FI", "germany": "DE",
    "deutschland": "DE", "deu": "DE", "brd": "DE", "great britain": "GB", "united kingdom": "GB", "uk": "GB",
    "u.k.": "GB", "gbr": "GB", "england": "GB", "scotland": "GB", "skottland": "GB", "wales": "GB",
    "northern ireland": "GB", "nord-irland": "GB", "poland": "PL", "polska": "PL", "pol": "PL", "lithuania": "LT",
    "lietuva": "LT", "ltu": "LT", "iceland": "IS", "latvija": "LV", "lva": "LV", "eesti": "EE", "estonia": "EE",
    "netherlands": "NL", "the netherlands": "NL", "holland": "NL", "france": "FR", "spain": "ES", "italy": "IT",
    "n": "NO", "s": "SE", "d": "DE", "kingdom of norway": "NO", "kongeriket norge": "NO",
    "spitsbergen": "SJ", "den": "DK", "finnland": "FI", "ger": "DE",
    "bundesrepublik deutschland": "DE", "britain": "GB",
    "united kingdom of great britain and northern ireland": "GB", "storbritannien": "GB", "schottland": "GB",
    "grossbritannien": "GB", "großbritannien": "GB", "rzeczpospolita polska": "PL",
    "lietuvos respublika": "LT", "dania": "DK", "szwecja": "SE", "vokietija": "DE",
    "norvegija": "NO", "ruotsi": "SE", "norja": "NO", "tanska": "DK", "finlandia": "FI",
    "switzerland": "CH", "austria": "AT", "österreich": "AT", "belgium": "BE", "ireland": "IE", "united states": "US",
}  # fmt: skip


def country_code(typed: str) -> str | None:
    """The code of a country as typed (code or name in Norwegian, English or its own tongue), or None."""
    if typed in _NAMES_NO:
        return typed
    text = " ".join(typed.split()).strip(" .,;")
    return _code_of(text) or _TYPED.get(typed.strip().casefold()) or _said_twice(text)


def _code_of(text: str) -> str | None:
    upper = text.upper()
    return upper if upper in _NAMES_NO else _TYPED.get(text.casefold())


def _said_twice(text: str) -> str | None:
    """`Norge/Norway` and `Svalbard, Norge` name one country; `Norge/Sverige` names none."""
    codes = {_code_of(name.strip()) for name in _BETWEEN_NAMES.split(text) if name.strip()}
    if codes == {"NO", "SJ"}:
        return "SJ"
    return codes.pop() if len(codes) == 1 else None


def country_in_norwegian(code: str) -> str:
    """The country's name as the last line of a letter has it: Norwegian, capitals."""
    return _NAMES_NO[code].upper()


def zone_of(country: str) -> Zone:
    """The tariff zone of a country code or name. Raises Refused `address.country_unknown`."""
    code = country_code(country)
    if code is None:
        raise Refused(
            "address.country_unknown",
            f"{country!r} is no country that the post is known to reach",
            field="country",
            fix="correct the country code (two letters, ISO 3166-1), or add the country to shipping/countries.py",
        )
    if code in ("NO", "SJ"):
        return "NO"
    return "EUROPE" if code in _EUROPE else "WORLD"
