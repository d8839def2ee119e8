"""The encoding queue is killed all over: with a card taken, a chip half written, an encoder being stopped.

The undisturbed run is copied at every fifth boundary, as a crash would leave it; another process goes on from each copy
once the dead one's claim has run out, and a person starts the encoder that was stopped.
"""

import os
import shutil
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path

from flows.house import House
from flows.stages.encoders import encoders_of, start_encoder
from store import rules_of_encoding, rules_of_stock
from store.encoding import EncoderState
from tests.printed import NOW, bureau, encode, print_run, states
from tests.sim.fate import Fate, watched

TRAY = "P-000001"
FAST = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else None
# The encoder loses three cards in a row and is stopped; a person starts it, and the chips hold then. One is faulty.
# A crash may use up a presentation, so that a lost card is finished, and its neighbours are judged faulty by it.
FAULTS = {f"{TRAY}#{place}": "cut_before@14*3" for place in (1, 2, 3)} | {f"{TRAY}#5": "integrity"}
STRIDE = 5  # odd, so that it falls on what lies before an act and after one
LATER = NOW + timedelta(seconds=301)


def _finish(house: House) -> None:
    """What the bureau does until nothing waits: encode, start what was stopped, encode."""
    for _ in range(3):
        encode(house)
        for row in encoders_of(house):
            if row.state is EncoderState.STOPPED:
                start_encoder(house, row.name)


def _check(house: House, ids: list[str]) -> list[str]:
    """Every card is encoded once, or its blank is counted as spoiled once; the audit of queue and stock holds."""
    found = states(house, ids)
    with house.store.read() as uow:
        rules = (*rules_of_stock.RULES, *rules_of_encoding.RULES)
        assert [(rule.name, row) for rule in rules for row in rule.broken(uow, house.blobs)] == []
        for card_id, state in zip(ids, found, strict=True):
            journal = [event.what for event in uow.cards.events(card_id)]
            assert (journal.count("encoded"), journal.count("spoiled")) == ((1, 0) if state == "encoded" else (0, 1))
    assert set(found) <= {"encoded", "rendered"}
    return found


def test_a_crash_anywhere_in_the_queue_ends_whole(tmp_path: Path) -> None:
    room = (FAST or tmp_path) / f"hsecard-queue-{os.getpid()}"
    room.mkdir()
    copies: list[tuple[str, Path]] = []
    reached: list[str] = []

    def crash_here(number: int, name: str) -> None:
        reached.append(name)
        if number % STRIDE == 0:
            copies.append((f"{number} {name}", _copy(room / "home", room / str(number))))

    try:
        with _open(room / "home") as house:
            ids = print_run(house, 6)
            _finish(watched(house, Fate(crash_here), chip_every=13))
            assert _check(house, ids) == ["encoded", "encoded", "encoded", "encoded", "rendered", "encoded"]
        assert len(reached) > 60
        for where, copy in copies:
            with _open(copy, clock=LATER) as house:
                _finish(house)
                found = _check(house, ids)
            assert found[3:] == ["encoded", "rendered", "encoded"], where
    finally:
        shutil.rmtree(room)


def _open(home: Path, **settings: object) -> AbstractContextManager[House]:
    return bureau(home, encoders=("virtual:a",), virtual_faults=FAULTS, **settings)


def _copy(home: Path, copy: Path) -> Path:
    shutil.copytree(home, copy, ignore=shutil.ignore_patterns("*-shm"))
    return copy
