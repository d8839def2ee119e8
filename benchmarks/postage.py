"""Planning half a million cards to letters, and judging half a million charges, each beside a bare floor.

The floor of planning counts cards an address in a dictionary and looks the price of so many up; the floor of the audit
finds date and class by bisection. Neither says who, why or where: that is what the difference buys. Times are CPU
seconds of one core.
"""

import bisect
import json
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from datetime import time as dt_time
from pathlib import Path
from typing import Any

from cards.adapters.system import SystemClock
from flows.house import open_house
from flows.settings import Settings
from flows.stages.line import chunks_of, run_stage
from flows.stages.planning import KEYS_PER_CHUNK, PACK
from flows.stages.refund_postage import find
from shipping.models import PostageCharge
from shipping.planning import divider, plan
from shipping.postage_audit import audit
from shipping.tariffs import bundled_tariffs
from shipping.weights import bundled_weights
from store.database import migrate, open_store

CARDS, ADDRESSES, CHARGES = 500_000, 120_000, 500_000
DAY = date(2021, 6, 1)
PLANNED_WHOLE = 20_000
_ADDRESS = '{"recipient": "Fjordbygg AS", "street": "Storgata 5", "postcode": "0184", "city": "Oslo"}'
_INSERT_ORDER = f"""
INSERT INTO orders (order_number, digest, document_key, received_at, ordered_at, approved_at, org_number, card_kind,
    ordered_by, business, deliver_to, address_key, address_valid, address_reasons, label_lines, rule_version)
VALUES (?1, '', '', ?3, ?3, ?3, '310149942', 'construction', '{{}}', '{{}}', '{_ADDRESS}', ?2, 1, '[]',
    '["Fjordbygg AS"]', 1)"""
_INSERT_CARD = """
INSERT INTO cards (card_id, order_number, line, number, kind, given_name, family_name, search_name, birth_date,
    head_covering, state)
VALUES (?, ?, ?, ?, 'construction', '', '', '', '1990-01-01', 0, 'proved')"""
CARDS_AN_ORDER = 2


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def _keys(cards: int, addresses: int) -> list[str]:
    """The address of each order: every address has one at least, the rest fall anywhere."""
    chance = random.Random(1)
    numbers = [n if n < addresses else chance.randrange(addresses) for n in range(cards // CARDS_AN_ORDER)]
    return [f"NO|{number:06d}" for number in numbers]


def _fill(path: Path, cards: int, addresses: int) -> None:
    """Orders of two cards, all proved, by bare SQL: only what planning reads is real."""
    with sqlite3.connect(path) as connection:
        orders = [(f"B-{n:07d}", key, f"{DAY}T08:00:00.000000Z") for n, key in enumerate(_keys(cards, addresses))]
        connection.executemany(_INSERT_ORDER, orders)
        lines = range(1, CARDS_AN_ORDER + 1)
        numbered = ((f"{order}-{line}", order, line) for order, _, _ in orders for line in lines)
        connection.executemany(_INSERT_CARD, ((*card, f"{n:07d}") for n, card in enumerate(numbered)))


def _plan_all(url: str) -> dict[str, float]:
    """Group in SQL and plan chunk by chunk, as the stage does; seconds, letters and the sum of their postage."""
    store = open_store(url, clock=SystemClock())
    start, letters, total = time.process_time(), 0, 0
    with store.read() as uow:
        keys = [key for key, _ in uow.cards.addresses_waiting()]
    grouped = time.process_time() - start
    for chunk in chunks_of(keys, KEYS_PER_CHUNK):
        with store.read() as uow:
            waiting = uow.cards.waiting_for_shipment(chunk)
        shipments, _ = plan(
            waiting, day=DAY, zone_of_key=lambda _: "NO", rows=bundled_tariffs(), weights=bundled_weights()
        )
        letters += len(shipments)
        total += sum(shipment.row.net_ore for shipment in shipments)
    seconds = time.process_time() - start
    return {"group_s": grouped, "seconds": seconds, "letters": letters, "net_ore": total, "peak_mb": _peak_mb()}


def _plan_in_house(home: str) -> dict[str, float]:
    """The stage itself: planned, numbered, written with its journal, and what it leaves in memory at its highest."""
    noon = datetime.combine(DAY, dt_time(12), tzinfo=UTC)
    settings = Settings(home=Path(home), environment="test", clock=noon, engine="inline", durable=False)
    with open_house(actor="benchmark", settings=settings) as house:
        seconds, done = _timed(lambda: run_stage(house, PACK))
    return {"seconds": seconds, "letters": done.counts["packed"], "peak_mb": _peak_mb()}


def _peak_mb() -> float:
    """The most memory this process has held; what it was started from does not count, as it would in getrusage."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _in_a_process(what: str, where: object) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.postage", what, str(where)]
    said: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return said


def _floor_of_planning(keys: list[str]) -> int:
    counts = Counter(key for key in keys for _ in range(CARDS_AN_ORDER))
    divide = divider(max(counts.values()), day=DAY, zone="NO", rows=bundled_tariffs(), weights=bundled_weights())
    costs = [0, *(sum(letter.row.net_ore for letter in divide(n)) for n in range(1, max(counts.values()) + 1))]
    return sum(costs[count] for count in counts.values())


def _planning(cards: int, addresses: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plan.sqlite"
        migrate(f"sqlite:///{path}")
        _fill(path, cards, addresses)
        done = _in_a_process("plan", f"sqlite:///{path}")
    keys = _keys(cards, addresses)
    floor, total = _timed(lambda: _floor_of_planning(keys))
    if total != done["net_ore"]:
        raise SystemExit(f"plan {done['net_ore']} øre, floor {total} øre: they must agree")
    print(
        f"planning {cards} cards to {addresses} addresses: {done['seconds']:.1f} s (grouping {done['group_s']:.2f} s), "
        f"floor {floor:.2f} s, ratio {floor / done['seconds']:.3f}, {done['letters']} letters, "
        f"{done['peak_mb']:.0f} MB at most"
    )


def _bare_writes(path: Path, cards: int, letters: int) -> None:
    """The rows of the stage without what they say: a step and an event a card, a row and a place a letter."""
    with sqlite3.connect(path) as connection:
        ids = [row[0] for row in connection.execute("SELECT card_id FROM cards LIMIT ?", (cards,))]
        connection.executemany("UPDATE cards SET state = 'packed' WHERE card_id = ?", ((name,) for name in ids))
        event = "INSERT INTO card_events VALUES (?, 0, '', '', '', NULL, '', '{}', '', '')"
        connection.executemany(event, ((name,) for name in ids))
        letter = (
            "INSERT INTO shipments VALUES (?, ?, '', '{}', '[]', 0, 0, '', '', 0, 0, 'packed', '', NULL, NULL, NULL)"
        )
        connection.executemany(letter, ((f"S-{n}", n) for n in range(letters)))
        place = "INSERT INTO shipment_cards VALUES (?, ?, ?, 1)"
        connection.executemany(place, ((f"S-{n % letters}", n, name) for n, name in enumerate(ids)))


def _planning_in_house(cards: int, addresses: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        house, bare = Path(folder) / "hsecard.sqlite", Path(folder) / "bare.sqlite"
        for path in (house, bare):
            migrate(f"sqlite:///{path}")
            _fill(path, cards, addresses)
        done = _in_a_process("stage", folder)
        floor, _ = _timed(lambda: _bare_writes(bare, cards, int(done["letters"])))
    print(
        f"the stage on {cards} cards: {done['seconds'] / cards * 1e6:.0f} µs a card with its journal, bare rows "
        f"{floor / cards * 1e6:.0f} µs, ratio {floor / done['seconds']:.3f}, {done['peak_mb']:.0f} MB at most"
    )


def _charges(size: int) -> Iterator[PostageCharge]:
    """Charges of 2021, one in 145 a step too dear."""
    chance = random.Random(2)
    right = (1440, 1920, 2160)
    days = [date(2021, 1, 4) + timedelta(n) for n in range(360)]
    for n in range(size):
        step = chance.randrange(3)
        wrong = chance.randrange(145) == 0
        net = right[step] + (480 if wrong else 0)
        yield PostageCharge.model_construct(
            charge_id=f"c{n}", origin="earlier", payer_org_number="310149942", payer_name="Fjordbygg AS",
            order_number=f"O{n}", invoice_number=f"F{n}", shipment=f"S{n}", posted_on=days[n % 360], zone="NO",
            weight_g=(17.4, 40.0, 90.0)[step], thickness_mm=1.8, cards=1, charged_net_ore=net,
            vat_ore=net // 4, vat_percent=25, payment=None, fault_reship=False,
        )  # fmt: skip


def _floor_of_the_audit(charges: list[PostageCharge]) -> int:
    starts = [date(2016, 12, 1), date(2020, 1, 1), date(2021, 1, 4)]
    steps, prices = (20, 50, 100), ((880, 1360, 1680), (1360, 1920, 0), (1440, 1920, 2160))
    wrong = 0
    for charge in charges:
        table = prices[bisect.bisect_right(starts, charge.posted_on) - 1]  # type: ignore[type-var]  # all were shipped
        wrong += charge.charged_net_ore != table[bisect.bisect_left(steps, charge.weight_g)]
    return wrong


def _audit_in_house(home: str) -> dict[str, float]:
    """The audit itself: charges read letter by letter, judged, findings kept; and once more, when all is known."""
    settings = Settings(home=Path(home), environment="test", engine="inline", durable=False)
    with open_house(actor="benchmark", settings=settings) as house:
        seconds, (_, findings) = _timed(lambda: find(house))
        again, (done, _) = _timed(lambda: find(house))
    if done.counts != {"already_found": len(findings)}:
        raise SystemExit(f"run again: {done.counts}, after {len(findings)} findings")
    return {"seconds": seconds, "again": again, "findings": len(findings), "peak_mb": _peak_mb()}


def _auditing(size: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'hsecard.sqlite'}"
        migrate(url)
        store = open_store(url, clock=SystemClock(), durable=False)
        with store.begin() as uow:
            taking, _ = _timed(lambda: uow.postage.add_charges(list(_charges(size))))
        store.close()
        done = _in_a_process("audit", folder)
    charges = list(_charges(size))
    alone, findings = _timed(lambda: audit(charges, rows=bundled_tariffs()))
    floor, wrong = _timed(lambda: _floor_of_the_audit(charges))
    if not wrong == len(findings) == done["findings"]:
        raise SystemExit(f"{len(findings)} and {done['findings']} findings, the floor counts {wrong}: they must agree")
    print(
        f"audit of {size} charges: {done['seconds']:.1f} s from and into the database (judging alone {alone:.1f} s), "
        f"floor {floor:.2f} s, ratio {floor / done['seconds']:.4f} ({floor / alone:.3f}), {wrong} findings, "
        f"{done['peak_mb']:.0f} MB at most; again {done['again']:.1f} s; taken in in {taking:.1f} s"
    )


_ALONE: dict[str, Callable[[str], dict[str, float]]] = {
    "plan": _plan_all,
    "stage": _plan_in_house,
    "audit": _audit_in_house,
}

if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps(_ALONE[sys.argv[1]](sys.argv[2])))
    else:
        _planning(CARDS, ADDRESSES)
        _planning_in_house(PLANNED_WHOLE, PLANNED_WHOLE * ADDRESSES // CARDS)
        _auditing(CHARGES)
