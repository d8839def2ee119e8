"""Shipping beside bare floors that run in the same minute: µs an address key, and what the other parts append.

Each part is a function that prints its lines; `PARTS` runs them all. The floor of the address key is the least that
anybody compares text with: NFKC, casefold, split. All addresses are distinct, so that no memory of earlier ones helps.
"""

import io
import random
import time
import unicodedata
from collections.abc import Callable, Sequence
from datetime import date
from statistics import median

from cards.address import Address
from shipping.addresses import read_typed
from shipping.barcodes import number_label
from shipping.documents import label
from shipping.drawing import open_canvas
from shipping.models import Shipment, ShipmentState
from shipping.number_ranges import NumberKind, number_of
from shipping.register import bundled_register

ADDRESSES = 20_000
ROUNDS = 5
_STREETS = (
    "Storgata", "Kirkeveien", "Karl Johans gate", "Nedre Slottsgate", "Åsveien", "Postboks", "St. Olavs gt.",
    "Industriv.", "Fjellvegen", "Dronning Eufemias gate", "Strandgt.", "Skolevn.", "c/o Berg, Parkveien", "Rådhuspl.",
)  # fmt: skip


def distinct_addresses(count: int) -> list[dict[str, object]]:
    """Addresses as orders bring them, on all postcodes of the register, none like another."""
    dice = random.Random(2026)
    codes = sorted(bundled_register().codes.values(), key=lambda code: code.code)
    made: list[dict[str, object]] = []
    for serial in range(count):
        code = dice.choice(codes)
        street = f"{dice.choice(_STREETS)} {dice.randint(1, 200)}{dice.choice(['', '', 'A', ' b', ', 2. etg'])}"
        made.append(
            {"recipient": f"Fjordbygg {serial} AS", "street": street, "postcode": code.code, "city": code.place.title()}
        )
    return made


def bare_key(address: dict[str, object]) -> str:
    """The floor: every field NFKC, casefolded, split and joined."""
    text = "|".join(str(value) for value in address.values())
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def microseconds_each(work: Callable[[dict[str, object]], object], addresses: Sequence[dict[str, object]]) -> float:
    """Processor time an address, the median of some rounds."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for address in addresses:
            work(address)
        rounds.append((time.process_time() - began) / len(addresses) * 1e6)
    return median(rounds)


def address_keys() -> None:
    """µs an address read whole (key, reasons, label lines), and its ratio to the floor."""
    register = bundled_register()
    addresses = distinct_addresses(ADDRESSES)
    read_typed(addresses[0], register=register)  # the register's look-up tables are made once a process
    floor = microseconds_each(bare_key, addresses)
    ours = microseconds_each(lambda address: read_typed(address, register=register), addresses)
    print(f"address read: {ours:.1f} µs, floor {floor:.2f} µs, {ours / floor:.0f} × the floor")


LABELS = 2_000


def _labelled(number: int) -> Shipment:
    address = Address(recipient="Fjordbygg AS", street="Storgata 5", postcode="0184", city="Oslo")
    return Shipment(
        shipment_id=f"S-{number:06d}", number=number, address_key="k", address=address, card_ids=("A-1", "A-2"),
        label_lines=("Fjordbygg AS", "Att: Paweł Żółkiewski", f"Storgata {number}", "0184 OSLO"), weight_g=22.3,
        thickness_mm=1.8, product="Brev Norge Små", tariff="t", postage_net_ore=2240, vat_percent=25,
        shares=(("A", 2240),), state=ShipmentState.PACKED, planned_on=date(2026, 11, 23),
    )  # fmt: skip


def _bare_label(shipment: Shipment) -> bytes:
    """The floor: a PDF of one page with one line of text, from the same library."""
    buffer = io.BytesIO()
    canvas = open_canvas(buffer, title="bare", size_mm=(90, 50))
    canvas.drawString(10, 10, shipment.label_lines[0])
    canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def labels() -> None:
    """Seconds for 2,000 labels of each kind, and their ratio to as many bare pages."""
    shipments = [_labelled(number) for number in range(1, LABELS + 1)]
    sender = shipments[0].address
    s10 = [number_of(NumberKind.S10, "RR", shipment.number) for shipment in shipments]
    sscc = [number_of(NumberKind.SSCC, "37043810", shipment.number) for shipment in shipments]
    kinds: dict[str, Callable[[int], bytes]] = {
        "bare page": lambda n: _bare_label(shipments[n]),
        "address label": lambda n: label(shipments[n]),
        "S10 label": lambda n: number_label(shipments[n], s10[n], sender=sender),
        "SSCC label": lambda n: number_label(shipments[n], sscc[n], sender=sender),
    }
    floor = 0.0
    for name, draw in kinds.items():
        draw(0)  # the typeface is read once a process
        began = time.process_time()
        for number in range(LABELS):
            draw(number)
        took = time.process_time() - began
        floor = floor or took
        print(f"{LABELS} × {name}: {took:.2f} s, {took / floor:.1f} × the floor")


PARTS: tuple[Callable[[], None], ...] = (address_keys, labels)


if __name__ == "__main__":
    for part in PARTS:
        part()
