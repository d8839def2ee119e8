"""Planning half a million cards to letters, and judging half a million charges, each beside a bare floor.

The floor of planning counts cards an address in a dictionary and looks the price of so many up; the floor of the audit
finds date and class by bisection. Neither says who, why or where: that is what the difference buys. Times are CPU
seconds of one core.
"""

import bisect
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from cards.adapters.system import SystemClock
from flows.stages.line import chunks_of
from flows.stages.planning import KEYS_PER_CHUNK
from shipping.models import PostageCharge
from shipping.planning import divider, plan
from shipping.postage_audit import audit
from shipping.tariffs import bundled_tariffs
from shipping.weights import bundled_weights
from store.database import migrate, open_store

CARDS, ADDRESSES, CHARGES = 500_000, 120_000, 500_000
DAY = date(2021, 6, 1)
_INSERT_ORDER = """
INSERT INTO orders (order_number, digest, document_key, received_at, ordered_at, approved_at, org_number, card_kind,
    ordered_by, business, deliver_to, address_key, address_valid, address_reasons, label_lines, rule_version)
VALUES (:o, '', '', :t, :t, :t, '310149942', 'construction', '{}', '{}', '{}', :k, 1, '[]', '[]', 1)"""
_INSERT_CARD = """
INSERT INTO cards (card_id, order_number, line, number, kind, given_name, family_name, search_name, birth_date,
    head_covering, state)
VALUES (:c, :o, :n, :u, 'construction', '', '', '', '1990-01-01', 0, 'proved')"""


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def _fill(url: str, cards: int, addresses: int) -> None:
    """Orders of about four cards, all proved, by bare SQL: only what planning reads is real."""
    from sqlalchemy import create_engine, text

    chance = random.Random(1)
    with create_engine(url).begin() as connection:
        connection.execute(text("PRAGMA foreign_keys=OFF"))
        orders, rows = [], []
        at = "2021-05-31T08:00:00.000000Z"
        for start in range(0, cards, 4):
            number = f"B-{start:07d}"
            orders.append({"o": number, "k": f"NO|{chance.randrange(addresses):06d}", "t": at})
            rows += [{"c": f"{number}-{n}", "o": number, "n": n, "u": f"{start + n:07d}"} for n in range(4)]
        connection.execute(text(_INSERT_ORDER), orders)
        connection.execute(text(_INSERT_CARD), rows)


def _plan_all(url: str) -> dict[str, float]:
    """Group in SQL and plan chunk by chunk, as the stage does; seconds, letters and the sum of their postage."""
    store = open_store(url, clock=SystemClock())
    before = _peak_mb()
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
    grown = _peak_mb() - before
    return {"group_s": grouped, "seconds": seconds, "letters": letters, "net_ore": total, "grown_mb": grown}


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _floor_of_planning(cards: int, addresses: int) -> int:
    chance = random.Random(1)
    keys = [chance.randrange(addresses) for _ in range(0, cards, 4) for _ in range(1)]
    counts = Counter(key for key in keys for _ in range(4))
    divide = divider(max(counts.values()), day=DAY, zone="NO", rows=bundled_tariffs(), weights=bundled_weights())
    costs = [0, *(sum(letter.row.net_ore for letter in divide(n)) for n in range(1, max(counts.values()) + 1))]
    return sum(costs[count] for count in counts.values())


def _planning(cards: int, addresses: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'plan.sqlite'}"
        migrate(url)
        _fill(url, cards, addresses)
        said = subprocess.run(
            [sys.executable, "-m", "benchmarks.postage", "plan", url], check=True, capture_output=True, text=True
        )
    done = json.loads(said.stdout)
    floor, total = _timed(lambda: _floor_of_planning(cards, addresses))
    if total != done["net_ore"]:
        raise SystemExit(f"plan {done['net_ore']} øre, floor {total} øre: they must agree")
    print(
        f"planning {cards} cards to {addresses} addresses: {done['seconds']:.1f} s (grouping {done['group_s']:.2f} s), "
        f"floor {floor:.2f} s, ratio {floor / done['seconds']:.3f}, {done['letters']} letters, "
        f"memory grew by {done['grown_mb']:.0f} MB"
    )


def _charges(size: int) -> list[PostageCharge]:
    chance = random.Random(2)
    right = (1440, 1920, 2160)
    days = [date(2021, 1, 4) + timedelta(n) for n in range(360)]
    charges = []
    for n in range(size):
        step = chance.randrange(3)
        wrong = chance.randrange(145) == 0
        net = right[step] + (480 if wrong else 0)
        charges.append(
            PostageCharge.model_construct(
                charge_id=f"c{n}", origin="earlier", payer_org_number="310149942", payer_name="Fjordbygg AS",
                order_number=f"O{n}", invoice_number=f"F{n}", shipment=f"S{n}", posted_on=days[n % 360], zone="NO",
                weight_g=(17.4, 40.0, 90.0)[step], thickness_mm=1.8, cards=1, charged_net_ore=net,
                vat_ore=net // 4, vat_percent=25, payment=None, fault_reship=False,
            )
        )  # fmt: skip
    return charges


def _floor_of_the_audit(charges: list[PostageCharge]) -> int:
    starts = [date(2016, 12, 1), date(2020, 1, 1), date(2021, 1, 4)]
    steps, prices = (20, 50, 100), ((880, 1360, 1680), (1360, 1920, 0), (1440, 1920, 2160))
    wrong = 0
    for charge in charges:
        table = prices[bisect.bisect_right(starts, charge.posted_on) - 1]  # type: ignore[type-var]  # all were shipped
        wrong += charge.charged_net_ore != table[bisect.bisect_left(steps, charge.weight_g)]
    return wrong


def _auditing(size: int) -> None:
    charges = _charges(size)
    seconds, findings = _timed(lambda: audit(charges, rows=bundled_tariffs()))
    floor, wrong = _timed(lambda: _floor_of_the_audit(charges))
    if wrong != len(findings):
        raise SystemExit(f"{len(findings)} findings, the floor counts {wrong}: they must agree")
    print(
        f"audit of {size} charges: {seconds:.1f} s, floor {floor:.2f} s, ratio {floor / seconds:.3f}, {wrong} findings"
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["plan"]:
        print(json.dumps(_plan_all(sys.argv[2])))
    else:
        _planning(CARDS, ADDRESSES)
        _auditing(CHARGES)
