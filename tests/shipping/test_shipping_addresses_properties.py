"""What holds for every address and not only for the listed ones: the letter reads as the address did, and how it is
typed never matters: its case, its spaces, the form of its letters, the name of its place.
"""

import re
import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st

from shipping.addresses import read_typed

quick = settings(max_examples=150, deadline=None, derandomize=True)

_LETTERS = "abcdefghijklmnoprstuvyæøå"
_WORDS = st.text(_LETTERS, min_size=3, max_size=9).map(str.title)
_PERSONS = st.lists(_WORDS, min_size=2, max_size=3).map(" ".join)
_FIRMS = st.tuples(_WORDS, st.sampled_from([" AS", " & Sønn AS", " ASA", "-Bygg AS", " 3D AS", ""])).map("".join)
_STREETS = {
    "NO": ["Storgata {}", "Karl Johans gt. {} b", "Kirkevn. {}, 3. etg", "Åsveien {}-{}", "Postboks {}", "Mo {} H0301"],
    "SE": ["Storgatan {}", "S:t Eriksg. {}B", "Västra vägen {} lgh 1{}01", "Box {}"],
    "DK": ["Nørregade {}, 2. tv", "Gl. Kongevej {}", "Strandvejen {}, st. th", "Postboks {}"],
    "FI": ["Mannerheimintie {} A {}", "Säärikatu {}", "PL {}"],
    "DE": ["Müllerstr. {}", "Karl-Marx-Straße {}a", "Am Markt {}/{}", "Postfach {}"],
    "GB": ["{} High St", "Flat {}, 10 St James's Street", "PO Box {}", "{} Queen's Gardens"],
    "PL": ["ul. Długa {} m. {}", "al. Jana Pawła {}", "Rynek {}/{}"],
    "LT": ["Gedimino pr. {}-{}", "Žirmūnų g. {}", "a. d. {}"],
}  # fmt: skip
_PLACES = {
    "NO": ("0184", "Oslo"), "SE": ("11455", "Stockholm"), "DK": ("2100", "København Ø"), "FI": ("00100", "Helsinki"),
    "DE": ("D-10115", "Berlin"), "GB": ("sw1a2aa", "London"), "PL": ("00-238", "Warszawa"), "LT": ("01103", "Vilnius"),
}  # fmt: skip


@st.composite
def addresses(draw, countries=tuple(_STREETS)):
    """Valid addresses of the eight countries, whose lines the letter need not break (a British one ends in three)."""
    country = draw(st.sampled_from(countries))
    form = draw(st.sampled_from(_STREETS[country]))
    street = form.format(*(draw(st.integers(1, 99)) for _ in range(form.count("{}"))))
    postcode, city = _PLACES[country]
    typed = {"recipient": draw(_FIRMS), "street": street, "postcode": postcode, "city": city, "country": country}
    if draw(st.booleans()):
        typed["attention"] = draw(_PERSONS)
    if country != "GB" and draw(st.booleans()):
        typed["care_of"] = draw(_PERSONS)
    return typed


@quick
@given(addresses())
def test_the_lines_of_a_letter_read_as_the_address_did(typed):
    reading = read_typed(typed)
    assert reading.valid, reading.reasons
    receiver, *below = reading.label_lines
    again = read_typed({"recipient": receiver, "street": "\n".join(below)})
    assert (again.key, again.label_lines) == (reading.key, reading.label_lines)


_FORMS = {
    "upper": str.upper, "lower": str.lower, "spaces": lambda text: f"  {text.replace(' ', '   ')}\u00a0",
    "decomposed": lambda text: unicodedata.normalize("NFD", text), "unseen": lambda text: f"\ufeff{text}\u200b\u00ad",
    "wide": lambda text: re.sub("[0-9]", lambda digit: chr(ord(digit.group()) + 0xFEE0), text),
}  # fmt: skip


@quick
@given(addresses(), st.sampled_from(sorted(_FORMS)), st.sampled_from(sorted(_FORMS)))
def test_case_spaces_and_the_form_of_letters_never_matter(typed, one, other):
    changed = {name: _FORMS[one](_FORMS[other](text)) for name, text in typed.items()}
    assert read_typed(changed).key == read_typed(typed).key


@quick
@given(addresses(), st.text(_LETTERS + " ", max_size=20))
def test_the_name_of_the_place_is_never_in_the_key(typed, city):
    assert read_typed(typed | {"city": city}).key == read_typed(typed).key


_MARKS = st.sampled_from([" ", "-", "/", ", ", " - ", "A", " b ", ".", "+", " og ", "\n", " nr. ", ", 3. etg "])


@quick
@given(st.sampled_from(sorted(_STREETS)), st.lists(st.integers(1, 99).map(str), min_size=1, max_size=4), st.data())
def test_no_digit_of_a_street_is_ever_lost_or_run_together(country, numbers, data):
    street = "Storbakken " + numbers[0]
    for number in numbers[1:]:
        street += data.draw(_MARKS) + number
    postcode, city = _PLACES[country]
    key = read_typed(
        {"recipient": "X", "street": street, "postcode": postcode, "city": city, "country": country}
    ).key.split("|")[2]
    assert sorted(re.findall(r"\d+", key)) == sorted(re.findall(r"\d+", street))
