"""Postage as it was charged before this system, with its mistakes, and the card payments that covered the invoices.

The table is typed by hand, so that it is independent of the tariff code that audits it: a list price has 25 % VAT
inside (18.00 is 14.40 net). README.md lists what an audit should find. The price of a card is what the scheme's pages
named in that year.
"""

import json
from collections import defaultdict
from pathlib import Path

from world import FIRMS

from cards.money import vat_ore

COLUMNS = (
    "charge_id;payer_org_number;payer_name;order_number;invoice_number;shipment;posted_on;zone;weight_g;thickness_mm;"
    "cards;charged_net;vat;vat_percent;payment;fault_reship"
)
# Grams and millimetres of a letter by the number of cards in it: 4.9 g a card, 5.0 g a sheet of three, 7.5 g around.
LETTERS = {1: ("17.4", "1.8"), 2: ("22.3", "1.8"), 3: ("27.2", "1.8"), 4: ("37.1", "3.0"), 6: ("46.9", "3.0")}
LETTERS |= {7: ("56.8", "4.2"), 9: ("66.6", "4.2")}
CARD_NET_ORE = {2020: 10400, 2021: 10550, 2023: 12950}

# posted on · payer · order · letter · its cards of this order · all its cards · zone · net · VAT · re-sent by our fault
CHARGES = """
2020-01-14 fjordbygg  2020-000031 S-20-0102 1 1 NO     13.60 3.40 no
2020-02-11 nordlys    2020-000088 S-20-0231 2 2 NO     19.20 4.80 no
2020-03-03 kystens    2020-000140 S-20-0377 1 1 NO     13.60 3.40 no
2020-04-21 fjordbygg  2020-000209 S-20-0519 1 1 EUROPE 20.80 5.20 no
2020-06-17 nordlys    2020-000318 S-20-0760 3 3 NO     19.20 4.80 no
2020-12-29 fjellfrakt 2020-000702 S-20-1544 1 1 NO     14.40 3.60 no
2021-01-05 fjordbygg  2021-000004 S-21-0011 1 1 NO     14.40 3.60 no
2021-01-12 nordlys    2021-000019 S-21-0040 3 3 NO     19.20 4.80 no
2021-01-19 nordlys    2021-000027 S-21-0066 2 2 NO     38.40 9.60 no
2021-02-02 kystens    2021-000041 S-21-0098 1 1 NO     14.40 3.60 no
2021-02-09 fjordbygg  2021-000055 S-21-0120 1 2 NO     19.20 4.80 no
2021-02-09 fjordbygg  2021-000056 S-21-0120 1 2 NO     19.20 4.80 no
2021-02-16 fjellfrakt 2021-000068 S-21-0151 1 1 NO     19.20 4.80 no
2021-03-02 fjordbygg  2021-000083 S-21-0190 7 7 NO     21.60 5.40 no
2021-03-09 nordlys    2021-000091 S-21-0204 2 3 NO     12.80 3.20 no
2021-03-09 nordlys    2021-000092 S-21-0204 1 3 NO      6.40 1.60 no
2021-03-16 kystens    2021-000107 S-21-0233 2 2 NO     24.80 6.20 no
2021-03-23 fjordbygg  2021-000115 S-21-0251 1 1 EUROPE 21.60 5.40 no
2021-04-06 nordlys    2021-000131 S-21-0288 4 4 NO     57.60 14.40 no
2021-04-13 fjellfrakt 2021-000140 S-21-0305 2 2 NO     19.20 4.80 no
-          fjordbygg  2021-000152 S-21-0330 3 3 NO     19.20 4.80 no
2021-05-04 kystens    2021-000166 S-21-0371 1 1 NO     14.40 4.50 no
2021-05-11 nordlys    2021-000171 S-21-0390 3 3 NO     14.40 3.60 no
2021-05-18 fjordbygg  2021-000180 S-21-0412 9 9 NO     21.60 5.40 no
2021-06-01 fjordbygg  2021-000180 S-21-0450 1 1 NO     14.40 3.60 yes
2021-06-08 fjellfrakt 2021-000203 S-21-0467 1 1 NO     14.40 3.60 no
2021-06-15 nordlys    2021-000211 S-21-0481 6 6 NO     21.60 5.40 no
2021-06-22 kystens    2021-000220 S-21-0502 3 3 NO     19.20 4.80 no
2021-07-06 fjordbygg  2021-000238 S-21-0549 2 3 NO     19.20 4.80 no
2021-07-06 fjordbygg  2021-000239 S-21-0549 1 3 NO     19.20 4.80 no
2021-08-17 nordlys    2021-000260 S-21-0617 1 1 EUROPE 21.60 5.40 no
2021-08-24 fjellfrakt 2021-000274 S-21-0640 4 4 NO     19.20 4.80 no
2021-09-07 kystens    2021-000288 S-21-0688 1 1 NO     44.00 11.00 no
2021-09-14 fjordbygg  2021-000296 S-21-0703 1 1 NO     14.40 3.60 no
2021-09-28 nordlys    2021-000311 S-21-0741 2 2 NO     19.20 4.80 no
2021-10-12 nordlys    2021-000311 S-21-0780 1 1 NO     14.40 3.60 no
2021-10-26 fjellfrakt 2021-000340 S-21-0822 1 1 NO     14.40 3.60 no
2021-11-16 fjordbygg  2021-000366 S-21-0890 3 3 NO     19.20 4.80 no
2021-12-14 kystens    2021-000391 S-21-0951 2 2 NO     19.20 4.80 no
2023-02-14 nordlys    2023-000047 S-23-0101 1 1 NO     18.40 4.60 no
2023-05-09 fjordbygg  2023-000133 S-23-0304 2 2 NO     24.80 6.20 no
2023-09-19 fjellfrakt 2023-000251 S-23-0566 1 1 NO     18.40 4.60 no
"""


def read_rows() -> list[list[str]]:
    """The table's rows as words; a day that never came is `-`."""
    return [line.split() for line in CHARGES.strip().splitlines()]


def payments_by_order(rows: list[list[str]]) -> dict[str, str]:
    """One card payment per invoice, numbered within its year: `pay-2021-0001`."""
    names: dict[str, str] = {}
    numbers: dict[str, int] = defaultdict(int)
    for row in rows:
        order = row[2]
        if order not in names:
            numbers[order[:4]] += 1
            names[order] = f"pay-{order[:4]}-{numbers[order[:4]]:04d}"
    return names


def charge_line(number: int, row: list[str], payment: str) -> str:
    """One line of the CSV file."""
    day, payer, order, letter, cards, in_letter, zone, net, vat, reship = row
    firm = FIRMS[payer]
    weight, thickness = LETTERS[int(in_letter)]
    invoice = f"{order[:4]}-{order[-4:]}"
    fields = (f"ch-{number:04d}", firm.org_number, firm.name, f"B-{order}", invoice, letter, "" if day == "-" else day)
    return ";".join((*fields, zone, weight, thickness, cards, net, vat, "25", payment, reship))


def paid_ore(rows: list[list[str]]) -> int:
    """What one invoice's payment covers: the order's cards (those of a re-sent letter were free) and its postage."""
    cards = sum(int(row[4]) for row in rows if row[9] == "no")
    net = cards * CARD_NET_ORE[int(rows[0][2][:4])]
    return net + vat_ore(net, 25) + sum(_ore(row[7]) + _ore(row[8]) for row in rows)


def _ore(kroner: str) -> int:
    whole, part = kroner.split(".")
    return int(whole + part)


def write_earlier(folder: Path) -> None:
    """Write earlier-charges.csv and earlier-payments.json into `folder`."""
    rows = read_rows()
    payments = payments_by_order(rows)
    lines = [charge_line(number, row, payments[row[2]]) for number, row in enumerate(rows, start=1)]
    (folder / "earlier-charges.csv").write_text("\n".join((COLUMNS, *lines)) + "\n", "utf-8", newline="\n")
    by_order: dict[str, list[list[str]]] = defaultdict(list)
    for row in rows:
        by_order[row[2]].append(row)
    paid = [{"payment": payments[order], "amount_ore": paid_ore(charged)} for order, charged in by_order.items()]
    (folder / "earlier-payments.json").write_text(json.dumps(paid, indent=1) + "\n", "utf-8", newline="\n")
