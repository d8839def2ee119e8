"""`make bench`: the whole road against a bare loop, and peak memory at two sizes.

Each figure is measured in a process of its own, so that memory is its own and imports are warm before the clock starts.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.inbox import make_inbox
from cards.life import CardState


def measure_house(cards: int, folder: Path, *, prefect: bool) -> dict[str, float]:
    """The day on `cards` cards, without or with Prefect around the same stages."""
    from console.through_prefect import run_day_flow
    from flows.house import open_house
    from flows.settings import Settings
    from flows.stages.by_hand import receive_blanks
    from flows.stages.day import run_day
    from flows.stages.intake import import_orders

    make_inbox(folder / "inbox", cards)
    settings = Settings(home=folder / "home", environment="test", clock=datetime(2026, 11, 23, 7, tzinfo=UTC))
    with open_house(actor="bench", settings=settings) as house:
        receive_blanks(house, lot="BENCH", count=cards)
        house.engine.map(abs, list(range(64)))  # the pool is long-lived: its start is not a card's cost
        if prefect:
            run_day_flow(house, inbox=None, by="bench")  # the server too is up before the day begins
        begun = time.perf_counter()
        import_orders(house, str(folder / "inbox"))
        if prefect:
            run_day_flow(house, inbox=None, by="bench")
        else:
            run_day(house)
        seconds = time.perf_counter() - begun
        workers_kb = sum(dict(house.engine.map(_worker_peak, range(256))).values())
        with house.store.read() as uow:
            posted = uow.cards.counts().get(CardState.POSTED, 0)
    if posted != cards:
        raise SystemExit(f"only {posted} of {cards} cards were posted: nothing is measured on half a day")
    return {"seconds": seconds, "peak_mb": (_own_peak_kb() + workers_kb) / 1024}


def _worker_peak(_: int) -> tuple[int, int]:
    """(process, its peak in kB); runs in the workers."""
    return os.getpid(), _own_peak_kb()


def _own_peak_kb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measure_floor(cards: int, folder: Path, processes: int) -> dict[str, float]:
    """The bare loop over the same photographs."""
    from benchmarks.bare import bare_cards, bare_loop

    used = make_inbox(folder / "inbox", cards)
    bare_cards(used[:2])
    begun = time.perf_counter()
    bare_loop(used, processes)
    return {"seconds": time.perf_counter() - begun}


def apart(what: str, cards: int) -> dict[str, float]:
    """One measurement in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.end_to_end", "--only", what, "--cards", str(cards)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def only(what: str, cards: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="hsecard-bench-") as folder:
        if what.startswith("floor"):
            return measure_floor(cards, Path(folder), int(what.removeprefix("floor")))
        return measure_house(cards, Path(folder), prefect=what == "flow")


def report() -> None:
    """The table of benchmarks/README.md, on this machine, now."""
    workers = os.cpu_count() or 1
    house, flow, floor = apart("stages", 1000), apart("flow", 1000), apart(f"floor{workers}", 1000)
    print(f"the day on 1,000 cards as a Prefect flow, {workers} processes: {1000 / flow['seconds']:.1f} cards/s")
    print(f"its stages one after the other:                   {1000 / house['seconds']:.1f} cards/s")
    print(f"bare loop beside it:                              {1000 / floor['seconds']:.1f} cards/s")
    print(f"ratio flow ÷ floor:                               {floor['seconds'] / flow['seconds']:.2f}")
    small, large = apart("stages", 200), apart("stages", 2000)
    print(f"peak memory, main and workers: {small['peak_mb']:.0f} MB at 200, {large['peak_mb']:.0f} MB at 2,000")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only")
    parser.add_argument("--cards", type=int, default=1000)
    given = parser.parse_args()
    if given.only:
        print(json.dumps(only(given.only, given.cards)))
    else:
        report()


if __name__ == "__main__":
    main()
