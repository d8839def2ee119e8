"""The sample world's tables: four businesses, where they want their cards, and the people who hold them.

All businesses, units and people are made up. Organisation numbers are synthetic (they begin with 2 or 3 and have a
true check digit); postcodes and towns are real, so that the address rules have something to hold on to.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Firm:
    """A business, the card kind it orders most, its units (number, name) and who orders for it (name, mailbox)."""

    org_number: str
    name: str
    mail: str
    kind: str
    e_invoice: bool
    address: tuple[str, str, str]  # street, postcode, city
    units: tuple[tuple[str, str], ...]
    orderers: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Spelling:
    """One way in which somebody typed an address. What is None stays away from the order."""

    street: str
    postcode: str
    city: str
    recipient: str
    attention: str | None = None
    care_of: str | None = None
    country: str = "NO"


FIRMS = {
    "fjordbygg": Firm(
        org_number="310149942",
        name="Fjordbygg AS",
        mail="fjordbygg.example",
        kind="construction",
        e_invoice=True,
        address=("Storgata 5", "0184", "Oslo"),
        units=(
            ("313876144", "Fjordbygg avd. Drammen"),
            ("311204173", "Fjordbygg avd. Stavanger"),
            ("214873052", "Fjordbygg avd. Bergen"),
            ("315890349", "Fjordbygg avd. Trondheim"),
        ),
        orderers=(("Kari Moen", "kari"), ("Tor-Inge Håland", "tor-inge")),
    ),
    "nordlys": Firm(
        org_number="313650820",
        name="Nordlys Renhold AS",
        mail="nordlysrenhold.example",
        kind="cleaning",
        e_invoice=True,
        address=("Grønnegata 32", "9008", "Tromsø"),
        units=(
            ("314022971", "Nordlys Renhold Tromsø"),
            ("212664189", "Nordlys Renhold Oslo"),
            ("319403175", "Nordlys Renhold Bodø"),
        ),
        orderers=(("Rasa Petrauskienė", "rasa"), ("Anders Bakken", "anders")),
    ),
    "kystens": Firm(
        org_number="219344716",
        name="Kystens Bilpleie AS",
        mail="kystensbilpleie.example",
        kind="car_care",
        e_invoice=False,
        address=("Strandveien 18", "3110", "Tønsberg"),
        units=(("213055461", "Kystens Bilpleie Sandnes"), ("218766234", "Kystens Bilpleie Fredrikstad")),
        orderers=(("Marit Sørensen", "marit"),),
    ),
    "fjellfrakt": Firm(
        org_number="312219751",
        name="Fjellfrakt AS",
        mail="fjellfrakt.example",
        kind="goods_transport",
        e_invoice=False,
        address=("Industrivegen 40", "2317", "Hamar"),
        units=(
            ("316402755", "Fjellfrakt Hamar terminal"),
            ("217350948", "Fjellfrakt Lillehammer"),
            ("318265402", "Fjellfrakt Kongsberg"),
        ),
        orderers=(("Ole Martin Rød", "ole-martin"), ("Gunn Lien", "gunn")),
    ),
}


def _ways(recipient: str, *rows: tuple[str, ...], country: str = "NO") -> tuple[Spelling, ...]:
    """Spellings of one place. A row is street, postcode, city and then `att=`, `co=` or `to=` remarks."""
    return tuple(_way(recipient, row, country) for row in rows)


def _way(recipient: str, row: tuple[str, ...], country: str) -> Spelling:
    street, postcode, city, *remarks = row
    said = dict(remark.split("=", 1) for remark in remarks)
    return Spelling(
        street=street,
        postcode=postcode,
        city=city,
        recipient=said.get("to", recipient),
        attention=said.get("att"),
        care_of=said.get("co"),
        country=country,
    )


# Twenty-five places, each in the spellings that its orders use one after the other.
PLACES: dict[str, tuple[tuple[Spelling, ...], ...]] = {
    "fjordbygg": (
        _ways(
            "Fjordbygg AS",
            ("Storgata 5", "0184", "Oslo"),
            ("Storgt. 5", "0184", "OSLO", "att=Lager 2"),
            ("STORGATA 5", "0184", "Oslo", "to=FJORDBYGG AS"),
            ("Storgaten  5", "0184 ", "oslo"),
        ),
        _ways(  # its neighbour across the yard: another door, so another letter
            "Fjordbygg AS",
            ("Storgata 5A", "0184", "Oslo"),
            ("Storgata 5 a", "0184", "OSLO"),
            ("storgt 5a", "0184", "Oslo", "att=Brakkerigg"),
        ),
        _ways(
            "Fjordbygg avd. Drammen",
            ("Bjørnstjerne Bjørnsons gate 110", "3044", "Drammen"),
            ("Bjørnstjerne Bjørnsons gt. 110", "3044", "DRAMMEN", "att=Lager"),
        ),
        _ways(
            "Fjordbygg avd. Stavanger",
            ("Postboks 214 Sentrum", "4001", "Stavanger"),
            ("PB 214 Sentrum", "4001", "STAVANGER"),
            ("P.b. 214", "4001", "Stavanger"),
        ),
        _ways(
            "Fjordbygg avd. Bergen",
            ("Kanalveien 54", "5058", "Bergen"),
            ("Kanalvn. 54", "5058", "BERGEN"),
            ("KANALVEGEN 54", "5058", "Bergen", "att=Byggeleder"),
        ),
        _ways(
            "Fjordbygg avd. Trondheim",
            ("Innherredsveien 7-9", "7041", "Trondheim"),
            ("Innherredsvn 7–9", "7041", "TRONDHEIM"),
        ),
        _ways(  # 79 is not 7-9
            "Fjordbygg avd. Trondheim",
            ("Innherredsveien 79", "7041", "Trondheim"),
            ("Innherredsvegen 79", "7041", "Trondheim"),
        ),
        _ways(
            "Fjordbygg AS",
            ("A\u030asgardvegen 12", "6017", "A\u030alesund"),  # as a Mac writes it: letter and ring apart (NFD)
            ("Åsgardvegen 12", "6017", "ÅLESUND", "att=Rigg"),
        ),
        _ways(
            "Fjordbygg Polska Sp. z o.o.",
            ("ul. Długa 14 m. 3", "80-831", "Gdańsk"),
            ("Dluga 14 lok. 3", "80831", "GDAŃSK"),
            country="PL",
        ),
    ),
    "nordlys": (
        _ways(
            "Nordlys Renhold AS",
            ("Grønnegata 32", "9008", "Tromsø"),
            ("Grønnegt. 32", "9008", "TROMSØ"),
            ("GRØNNEGATA 32", "9008", "Tromsø", "att=Vaktrom"),
        ),
        _ways(
            "Nordlys Renhold AS",
            ("Postboks 6120 Langnes", "9259", "Tromsø"),
            ("P.b. 6120", "9259", "Tromsø"),
            ("postboks 6120", "9259", "TROMSØ"),
        ),
        _ways(  # the same house as Fjordbygg, another receiver: another letter
            "Nordlys Renhold Oslo",
            ("Storgata 5", "0184", "Oslo"),
            ("Storgt 5", "0184", "OSLO", "to=NORDLYS RENHOLD OSLO"),
        ),
        _ways(
            "Nordlys Renhold Bodø",
            ("Dronningens gate 56", "8006", "Bodø", "co=Solveig Nikolaisen"),
            ("Dronningens gt. 56", "8006", "BODØ", "co=Solveig Nikolaisen"),
            ("Dronningensgt 56", "8006", "Bodø", "co=SOLVEIG NIKOLAISEN"),
        ),
        _ways(
            "Nordlys Renhold AS",
            ("Ávjovárgeaidnu 50", "9730", "Karasjok"),
            ("ÁVJOVÁRGEAIDNU 50", "9730", "KARASJOK"),
        ),
        _ways(
            "Nordlys Städ AB",
            ("Södra Hamngatan 35", "411 14", "Göteborg"),
            ("Södra Hamngatan 35", "41114", "GÖTEBORG"),
            country="SE",
        ),
    ),
    "kystens": (
        _ways(
            "Kystens Bilpleie AS",
            ("Strandveien 18", "3110", "Tønsberg"),
            ("Strandvn. 18", "3110", "TØNSBERG"),
        ),
        _ways(
            "Kystens Bilpleie Sandnes",
            ("Jærveien 101 B", "4313", "Sandnes"),
            ("Jærvn. 101b", "4313", "SANDNES"),
        ),
        _ways(
            "Kystens Bilpleie Fredrikstad",
            ("Mosseveien 60", "1607", "Fredrikstad"),
            ("MOSSEVN 60", "1607", "Fredrikstad"),
        ),
        _ways(
            "Kystens Bilpleie AS",
            ("Setesdalsveien 4", "4611", "Kristiansand S"),
            ("Setesdalsvn. 4", "4611", "KRISTIANSAND S"),
        ),
        _ways(
            "Kystens Bilpleie AS",
            ("Sandviksveien 26", "1337", "Sandvika"),
            ("Sandviksvn 26", "1337", "SANDVIKA"),
        ),
    ),
    "fjellfrakt": (
        _ways(
            "Fjellfrakt AS",
            ("Industrivegen 40", "2317", "Hamar"),
            ("Industrivn. 40", "2317", "HAMAR", "att=Terminal"),
            ("Industriveien 40", "2317", "Hamar"),
        ),
        _ways(
            "Fjellfrakt Lillehammer",
            ("Kirkegata 41", "2609", "Lillehammer"),
            ("Kirkegt. 41", "2609", "LILLEHAMMER"),
        ),
        _ways(
            "Fjellfrakt Kongsberg",
            ("Sankt Hans gate 8", "3611", "Kongsberg"),
            ("St. Hans gt. 8", "3611", "KONGSBERG"),
        ),
        _ways(
            "Fjellfrakt AS",
            ("Postboks 77", "0104", "Oslo"),
            ("Boks 77", "0104", "OSLO"),
        ),
        _ways(
            "Fjellfrakt GmbH",
            ("Große Elbstraße 68", "22767", "Hamburg"),
            ("Grosse Elbstr. 68", "22767", "HAMBURG"),
            country="DE",
        ),
    ),
}

NO_SUCH_POSTCODE = Spelling(street="Havnegata 7", postcode="0199", city="Oslo", recipient="Kystens Bilpleie AS")

# Given names and family names by language; a holder takes both from one row.
NAMES: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (  # Norwegian
        ("Ingrid", "Øystein", "Kjell-Arne", "Åse", "Marte", "Håkon", "Sigrid", "Bjørn", "Torbjørn", "Maja", "Jørgen"),
        ("Sørlie", "Ødegård", "Bråten", "Lunde", "Nygård", "Kvåle", "Haugen", "Myhre-Strøm", "Aas", "Tveit", "Brække"),
    ),
    (  # Polish
        ("Paweł", "Małgorzata", "Łukasz", "Agnieszka", "Grzegorz", "Świętosława", "Tomasz", "Zdzisław", "Jędrzej"),
        ("Żółkiewski", "Wójcik", "Szczepański", "Dąbrowska", "Gęsicki", "Łukasiewicz", "Kowalczyk", "Brzęczek"),
    ),
    (  # Lithuanian
        ("Žygimantas", "Rūta", "Šarūnas", "Eglė", "Mindaugas", "Jūratė", "Ąžuolas", "Viktorija"),
        ("Kazlauskas", "Petrauskienė", "Žemaitis", "Vaičiūnaitė", "Čepulis", "Šimkus", "Grigaitė"),
    ),
    (  # Romanian
        ("Ștefan", "Ioana", "Răzvan", "Mihăiță", "Andreea", "Țiu", "Gheorghe", "Lăcrămioara"),
        ("Țurcanu", "Bălan", "Ionescu", "Șerban", "Mureșan", "Văcărescu", "Dumitrașcu"),
    ),
    (  # Vietnamese
        ("Thị Hồng", "Văn Đức", "Quốc Bảo", "Thùy Dương", "Minh Tuấn", "Ngọc Ánh"),
        ("Nguyễn", "Trần", "Phạm", "Đặng", "Huỳnh", "Lê"),
    ),
    (  # Sámi
        ("Ánte", "Máret", "Áilu", "Biret Ánne", "Niillas", "Sárá", "Juhán"),
        ("Čállin", "Sáre", "Guttorm-Ŋáhppi", "Beavnnas", "Đulvi", "Hætta", "Oskal"),
    ),
    (  # from further off, as crews are
        ("Zoë", "Emre", "Oksana", "João", "Ayşe", "Nataša", "Gábor", "Sinéad"),
        ("D'Angelo", "Yılmaz", "Kovačević", "Gonçalves", "Szőllősi", "O’Brien", "van der Meer"),
    ),
)

LONG_NAME = ("Aleksandra Konstancja Małgorzata", "Brzęczyszczykiewicz-Wojciechowska-Nyström")
NO_GLYPH_NAME = ("Haruka", "𠮷田")  # U+20BB7 lies in no font that the house ships
