"""What Prefect costs a card: a line of stages that only sleep, run as a flow, less the time that the stages slept.

Nothing else is in the difference. The server is this process's own, on SQLite, and is up before the clock starts.
"""

import asyncio
import os
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

STAGES = 5
CHUNK = 250
SLEEP_S = 0.05


def measure(sizes: tuple[int, ...] = (250, 1000, 5000)) -> dict[int, float]:
    """Milliseconds of orchestration a card, by how many cards the line has."""
    from console.through_prefect import run_day_flow
    from flows.house import open_house
    from flows.settings import Settings

    with tempfile.TemporaryDirectory(prefix="hsecard-bench-") as folder:
        os.environ["HSECARD_HOME"] = folder
        settings = Settings(home=Path(folder), environment="test", clock=datetime(2026, 11, 23, 7, tzinfo=UTC))
        with open_house(actor="bench", settings=settings) as house:
            run_day_flow(house, inbox=None, by="bench")  # an empty day: the server is up, all is imported
            return {cards: _cost_ms(house, cards) for cards in sizes}


def _cost_ms(house: Any, cards: int) -> float:
    from prefect import flow

    from flows import conduct
    from flows.stages.line import Chunk, Stage, Tally

    slept = 0.0

    def waiting(_: Any) -> list[Chunk]:
        return [(str(number),) for number in range(-(-cards // CHUNK))]

    def work(_: Any, __: Chunk) -> Tally:
        nonlocal slept
        begun = time.perf_counter()
        time.sleep(SLEEP_S)
        slept += time.perf_counter() - begun
        return Tally(counts={"done": CHUNK})

    line = conduct.Line("bench", tuple(Stage(f"stage-{number}", waiting, work) for number in range(STAGES)))

    @flow(name="bench", persist_result=False)
    async def bench(request: conduct.RunRequest) -> Tally:
        return await conduct.run(line, request)

    with conduct.using(house):
        begun = time.perf_counter()
        asyncio.run(bench(conduct.RunRequest(by="bench")))
        return (time.perf_counter() - begun - slept) * 1000 / cards


if __name__ == "__main__":
    for cards, cost in measure().items():
        print(f"orchestration (flow − stages), {cards:>5} cards: {cost:.2f} ms a card")
