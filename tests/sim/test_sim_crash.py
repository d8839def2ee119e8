"""The world is killed at every boundary, loses answers and runs twice; it must come to the same end each time.

A crash loses exactly what is not in the folder. So the undisturbed run is copied at every boundary, and each copy is
given to a fresh process that lives the same days again.
"""

import os
import shutil
from pathlib import Path

import pytest

from cards.errors import Unsure
from store.audit import violations
from tests.sim.fate import Fate, watched
from tests.sim.world import End, but_for_the_numbers, end_of, lay_out_inbox, live, open_world

SLICES = 8  # the copies are shared out over this many tests, so that two cores can work on them
FAST = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else None


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, End, int]:
    """The inbox, the end of an undisturbed run, and how many boundaries it has."""
    base = tmp_path_factory.mktemp("undisturbed")
    inbox = base / "inbox"
    lay_out_inbox(inbox)
    fate = Fate(lambda number, name: None)
    with open_world(base / "home") as house:
        live(watched(house, fate), inbox)
        assert violations(house.store, house.blobs) == []
        return inbox, end_of(house), len(fate.reached)


def test_the_world_has_the_troubles_it_should(undisturbed: tuple[Path, End, int]) -> None:
    _, end, boundaries = undisturbed
    states = {card_id: card["state"] for card_id, card in end.facts["cards"].items()}
    assert states == {
        "SIM-A-1": "blocked",
        "SIM-A-1R1": "posted",
        "SIM-A-2": "posted",
        "SIM-B-1": "posted",
        "SIM-C-1": "held",
        "SIM-C-2": "posted",
    }
    assert end.facts["blanks"]["spoiled"] == 1
    assert end.facts["refunds"][0]["state"] == "confirmed"
    assert end.facts["refunds"][0]["net_ore"] == 3600 - 1440
    assert len(end.facts["invoices"]) == 3
    assert boundaries > 150


def test_living_the_same_days_again_changes_nothing(undisturbed: tuple[Path, End, int], tmp_path: Path) -> None:
    inbox, end, _ = undisturbed
    with open_world(tmp_path) as house:
        live(house, inbox)
    with open_world(tmp_path, minutes=30) as house:
        live(house, inbox)
        assert end_of(house).differences(end) == {}


@pytest.mark.parametrize("part", range(SLICES))
def test_a_crash_at_any_boundary_ends_the_same(part: int, undisturbed: tuple[Path, End, int], tmp_path: Path) -> None:
    """At every SLICES-th boundary the folder is copied as the crash would leave it, and lived on from there."""
    inbox, end, boundaries = undisturbed
    room = (FAST or tmp_path) / f"hsecard-sim-{os.getpid()}-{part}"
    room.mkdir()
    tried: list[str] = []

    def crash_here(number: int, name: str) -> None:
        if number % SLICES == part:
            _live_on(_copy(room / "home", room / "copy"), inbox, end, f"{number} {name}")
            tried.append(name)

    try:
        with open_world(room / "home") as house:
            live(watched(house, Fate(crash_here)), inbox)
    finally:
        shutil.rmtree(room)
    assert len(tried) == sum(number % SLICES == part for number in range(1, boundaries + 1))


def _copy(home: Path, copy: Path) -> Path:
    """The folder as a power cut would leave it: what SQLite has not committed is in no commit frame of its log."""
    if copy.exists():
        shutil.rmtree(copy)
    shutil.copytree(home, copy, ignore=shutil.ignore_patterns("*-shm"))
    return copy


def _live_on(folder: Path, inbox: Path, end: End, where: str) -> None:
    with open_world(folder, minutes=30) as house:
        live(house, inbox)
        assert violations(house.store, house.blobs) == [], where
        assert end_of(house).differences(end) == {}, where


OUTSIDE = ("printer.submit", "carrier.book", "carrier.hand_over", "payments.refund", "mail.send")


@pytest.mark.parametrize("act", OUTSIDE)
@pytest.mark.parametrize("side", ["before", "after"])
def test_a_lost_answer_leads_to_one_act(
    act: str, side: str, undisturbed: tuple[Path, End, int], tmp_path: Path
) -> None:
    """Every other such call loses its answer, with the act done or without: it is settled by look-up."""
    inbox, end, _ = undisturbed
    lost: list[bool] = []

    def lose(number: int, name: str) -> None:
        if name == f"{side} {act}":
            lost.append(not any(lost[-1:]))
        if name == f"{side} {act}" and lost[-1]:
            raise Unsure("sim.answer_lost", "the answer was lost", fix="look it up")

    with open_world(tmp_path) as house:
        live(watched(house, Fate(lose)), inbox)
    with open_world(tmp_path, minutes=30) as house:
        live(house, inbox)
        assert lost
        assert violations(house.store, house.blobs) == []
        assert end_of(house).differences(end) == {}


@pytest.mark.parametrize("offset", [0, 1, 2])
def test_a_day_that_runs_twice_at_once_ends_the_same(
    offset: int, undisturbed: tuple[Path, End, int], tmp_path: Path
) -> None:
    """A second process lives the whole of the days in the middle of the first one's; neither does anything twice."""
    inbox, end, boundaries = undisturbed
    middle = list(range(boundaries // 10, boundaries, boundaries // 10))
    for round_, at in enumerate(middle[offset::3]):
        home = tmp_path / str(round_)
        ran: list[str] = []

        def double(number: int, name: str, at: int = at, home: Path = home, ran: list[str] = ran) -> None:
            if number >= at and name != "before commit" and not ran:
                ran.append(name)
                with open_world(home, minutes=10) as other:  # late enough to think that the first one is dead
                    live(other, inbox)

        with open_world(home) as house:
            live(watched(house, Fate(double)), inbox)
        with open_world(home, minutes=30) as house:
            live(house, inbox)
            assert ran
            assert violations(house.store, house.blobs) == [], ran
            assert but_for_the_numbers(end_of(house)).differences(but_for_the_numbers(end)) == {}, ran
