"""Shipping beside bare floors that run in the same minute: µs an address key, and what the other parts append.

Each part is a function that prints its lines; `PARTS` runs them all. The floor of the address key is the least that
anybody compares text with: NFKC, casefold, split. All addresses are distinct, so that no memory of earlier ones helps.
"""

import random
import time
import unicodedata
from collections.abc import Callable, Sequence
from statistics import median

from shipping.addresses import read_typed
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


PARTS: tuple[Callable[[], None], ...] = (address_keys,)


if __name__ == "__main__":
    for part in PARTS:
        part()
