"""Makes the sample world again: sixty orders with their photographs, and postage as it was charged before this system.

    python samples/make_samples.py --pictures FOLDER      everything; FOLDER holds the base pictures (see README.md)
    python samples/make_samples.py                        orders and earlier charges only

Everything comes from one seed and the tables beside this file, so the same tables give the same bytes. Run it with the
project installed: each order is read back by `cards.orders.parse_order` before it is written.
"""

import argparse
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from earlier import write_earlier
from world import FIRMS, LONG_NAME, NAMES, NO_GLYPH_NAME, NO_SUCH_POSTCODE, PLACES, Firm, Spelling

from cards.days import OSLO
from cards.orders import parse_order

HERE = Path(__file__).parent
SEED = 2071  # deals the order of forty to a building site and the one of twenty-five to a cleaner
TODAY = date(2026, 11, 23)
FIRST_NUMBER = 401
ABROAD = 6  # orders to other countries, one card each
SIZES = (1,) * 12 + (2,) * 20 + (3,) * 14 + (5, 6, 7, 7, 8, 25, 40)
# Where the troubles sit: the order's place in the row, from 1 (B-2026-000400 + place), always on line 1.
NO_FACE, NO_GLYPH, LONG, NFD_NAME, WRONG_ADDRESS = 7, 15, 22, 31, 37
REPEATED, CONFLICTING = 12, 20
WORKDAYS = tuple(datetime(2026, 11, day, tzinfo=OSLO) for day in range(16, 21))


@dataclass(frozen=True)
class Plan:
    """An order before its cards: who orders, how the address was typed, how many cards."""

    firm: Firm
    spelling: Spelling
    size: int


def plan_orders(dice: random.Random) -> list[Plan]:
    """Every spelling of every place once, in a mixed order, and one address that does not exist."""
    typed = [(FIRMS[firm], way) for firm, places in PLACES.items() for place in places for way in place]
    sizes = list(SIZES)
    dice.shuffle(typed)
    dice.shuffle(sizes)
    plans = [Plan(firm, way, sizes.pop() if way.country == "NO" else 1) for firm, way in typed]
    plans.insert(WRONG_ADDRESS - 1, Plan(FIRMS["kystens"], NO_SUCH_POSTCODE, 2))
    return plans


def people(dice: random.Random) -> Iterator[tuple[str, str, str]]:
    """Given name, family name and birth date, never the same person twice."""
    seen: set[tuple[str, str, str]] = set()
    while True:
        given, family = dice.choice(NAMES)
        born = date(1961, 1, 1) + timedelta(days=dice.randrange(46 * 365))
        person = (dice.choice(given), dice.choice(family), born.isoformat())
        if person not in seen:
            seen.add(person)
            yield person


def photo_name(number: int, line: int, count: int) -> str:
    """Mostly JPEG; now and then a PNG or a WebP, as phones and scanners make them. `count` runs over all cards."""
    suffix = "png" if count % 100 == 9 else "webp" if count % 25 == 3 else "jpg"
    return f"photos/{number:06d}-{line:02d}.{suffix}"


def write_order(
    plan: Plan, place: int, times: tuple[datetime, datetime], cards: list[dict[str, Any]]
) -> dict[str, Any]:
    """The order document, fields in the sequence in which the schema names them."""
    firm = plan.firm
    orderer, mailbox = firm.orderers[place % len(firm.orderers)]
    document: dict[str, Any] = {
        "order_number": f"B-2026-{FIRST_NUMBER - 1 + place:06d}",
        "ordered_at": times[0].isoformat(),
        "approved_at": times[1].isoformat(),
        "ordered_by": {"name": orderer, "email": f"{mailbox}@{firm.mail}"},
        "business": _business(firm),
    }
    unit = _unit(firm, plan.spelling, place)
    if unit:
        document["unit"] = unit
    document["deliver_to"] = {key: text for key, text in _address(plan.spelling).items() if text}
    document["card_kind"] = "goods_transport" if firm.kind == "construction" and place % 7 == 0 else firm.kind
    document["cards"] = cards
    return document


def _business(firm: Firm) -> dict[str, Any]:
    street, postcode, city = firm.address
    address = {"recipient": firm.name, "street": street, "postcode": postcode, "city": city, "country": "NO"}
    mail = f"faktura@{firm.mail}"
    business = {"org_number": firm.org_number, "name": firm.name, "invoice_email": mail, "e_invoice": firm.e_invoice}
    return {**business, "address": address}


def _unit(firm: Firm, spelling: Spelling, place: int) -> dict[str, str] | None:
    """The unit that receives; else one of the units in turn, and now and then none."""
    named = [unit for unit in firm.units if unit[1].casefold() == spelling.recipient.casefold()]
    if not named and place % 4 == 0:
        return None
    number, name = named[0] if named else firm.units[place % len(firm.units)]
    return {"org_number": number, "name": name}


def _address(spelling: Spelling) -> dict[str, str | None]:
    return {
        "recipient": spelling.recipient,
        "attention": spelling.attention,
        "care_of": spelling.care_of,
        "street": spelling.street,
        "postcode": spelling.postcode,
        "city": spelling.city,
        "country": spelling.country,
    }


def name_of(place: int, line: int, person: tuple[str, str, str]) -> tuple[str, str, str]:
    """The holder's name and birth date, with the troubles of the first lines worked in."""
    if line == 1 and place == NO_GLYPH:
        return (*NO_GLYPH_NAME, person[2])
    if line == 1 and place == LONG:
        return (*LONG_NAME, person[2])
    if line == 1 and place == NFD_NAME:
        return "A\u030ase", "O\u0328degaard-Z\u0307ak", person[2]  # letters and their marks apart, as a Mac writes
    return person


def make_orders() -> list[dict[str, Any]]:
    """All sixty orders, oldest first: about twelve on each working day of the week before."""
    dice = random.Random(SEED)  # noqa: S311 - a seeded die for made-up people, nothing secret
    holders, count, orders = people(dice), 0, []
    for place, plan in enumerate(plan_orders(dice), start=1):
        day = WORKDAYS[(place - 1) * len(WORKDAYS) // (len(SIZES) + ABROAD + 1)]
        ordered = day + timedelta(hours=8, minutes=(place - 1) % 12 * 35 + dice.randrange(30))
        cards = []
        for line in range(1, plan.size + 1):
            given, family, born = name_of(place, line, next(holders))
            card = {"line": line, "given_name": given, "family_name": family, "birth_date": born}
            cards.append({**card, "photo": photo_name(FIRST_NUMBER - 1 + place, line, count)})
            count += 1
        orders.append(write_order(plan, place, (ordered, ordered + timedelta(minutes=dice.randrange(20, 150))), cards))
    return orders


def write_troubles(folder: Path, orders: list[dict[str, Any]]) -> None:
    """The same order sent again in another dress, and three files that must be refused."""
    again = dict(reversed(orders[REPEATED - 1].items()))
    text = json.dumps(again, indent="\t", ensure_ascii=True)
    (folder / f"again-{again['order_number']}.json").write_text(text + "\n\n", "utf-8")

    other = dict(orders[CONFLICTING - 1])
    other["deliver_to"] = {**other["deliver_to"], "attention": "Resepsjonen"}
    _write(folder / "refused-same-number-other-content.json", other)

    wrong = {**orders[2], "order_number": "B-2026-000499"}
    wrong["business"] = {**wrong["business"], "org_number": _next_digit(wrong["business"]["org_number"])}
    _write(folder / "refused-wrong-check-digit.json", wrong)

    broken = json.dumps({**orders[1], "order_number": "B-2026-000498"}, indent=1, ensure_ascii=False)
    (folder / "refused-not-json.json").write_text(broken[: len(broken) * 2 // 3], "utf-8")


def _next_digit(org_number: str) -> str:
    return org_number[:8] + str((int(org_number[8]) + 1) % 10)


def _write(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")


def write_all_orders(folder: Path) -> list[dict[str, Any]]:
    """Write the orders and the troubles into `folder`, each true order read back first."""
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("*.json"):
        stale.unlink()
    orders = make_orders()
    for order in orders:
        parse_order(json.dumps(order), today=TODAY)
        _write(folder / f"{order['order_number']}.json", order)
    write_troubles(folder, orders)
    return orders


def main() -> None:
    """Write the sample world, beside this file unless told otherwise."""
    parser = argparse.ArgumentParser(description="Make the sample orders, photographs and earlier charges again.")
    parser.add_argument("--pictures", type=Path, help="folder with the base pictures named in README.md")
    parser.add_argument("--into", type=Path, default=HERE, help="folder to write into (default: beside this file)")
    asked = parser.parse_args()
    pictures, into = asked.pictures, asked.into
    orders = write_all_orders(into / "orders")
    write_earlier(into)
    if pictures:
        from portraits import write_photos  # noqa: PLC0415 - needs OpenCV and Pillow, the rest does not

        names = [card["photo"] for order in orders for card in order["cards"]]
        no_face = orders[NO_FACE - 1]["cards"][0]["photo"]
        write_photos(names, no_face=no_face, pictures=pictures, folder=into / "orders")


if __name__ == "__main__":
    main()
