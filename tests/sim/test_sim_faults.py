"""A list of faulty cards, and a file of more, killed at every boundary on the way to their replacements.

Whatever was not committed is gone; the same report is sent again by whoever got no answer. It must come to the same
end: each card reported once, replaced once, and told once a report.
"""

import shutil
from pathlib import Path
from typing import Any

import pytest

from cards.life import CardState
from flows.house import House
from flows.stages.by_hand import receive_blanks
from flows.stages.day import run_day
from flows.stages.fault_reports import file_report
from flows.stages.fault_requests import FaultRequest, NamedCard
from flows.stages.intake import import_orders
from flows.stages.line import run_line
from flows.stages.reconcile import RECONCILE
from flows.stages.reissue import REISSUE
from store.audit import violations
from tests.sim.fate import Fate, watched
from tests.sim.world import lay_out_inbox, open_world

LISTED = ("SIM-A-1", "SIM-A-2", "SIM-B-1", "SIM-9-9")
DROPPED = "card;symptom\nSIM-C-2;will not open\nSIM-A-1;dead\n"


@pytest.fixture(scope="module")
def posted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A house whose four cards are in the field, with a file of reports in its folder."""
    base = tmp_path_factory.mktemp("posted")
    lay_out_inbox(base / "inbox")
    with open_world(base / "home") as house:
        receive_blanks(house, lot="LOT-1", count=30)
        import_orders(house, str(base / "inbox"))
        run_day(house)
        with house.store.read() as uow:
            assert len(uow.cards.in_state(CardState.POSTED)) == 4
        house.settings.faults.mkdir()
        (house.settings.faults / "gate.csv").write_text(DROPPED)
    return base / "home"


def report_and_reissue(house: House) -> None:
    """What the bureau does, and does again after a crash. Replacements go in chunks of three."""
    named = tuple(NamedCard(card=card, place=card) for card in LISTED)
    file_report(house, FaultRequest("api", "gate 7", "dead", cards=named, key="gate-7:1"))
    run_line(house, (*RECONCILE, *REISSUE))


def end_of(house: House) -> dict[str, Any]:
    with house.store.read() as uow:
        cards = [card for state in CardState for card in uow.cards.in_state(state)]
        faults = uow.faults.faults()
        report = uow.faults.filed("api:gate-7:1")
        return {
            # who is first takes the first number: a report that comes half an hour later is not the first
            "cards": {card.card_id: card.model_dump(mode="json", exclude={"number"}) for card in cards},
            "journals": {card.card_id: [event.what for event in uow.cards.events(card.card_id)] for card in cards},
            "faults": [
                (fault.fault_id, fault.report_id, fault.symptom, new) for fault, new, _ in sorted(faults, key=str)
            ],
            "report": report and report.answer,
            "effects": uow.effects.counts(),
            "files": sorted(path.name for path in house.settings.faults.rglob("*") if path.is_file()),
        }


def test_a_crash_at_any_boundary_of_a_list_ends_the_same(posted: Path, tmp_path: Path) -> None:
    shutil.copytree(posted, tmp_path / "whole")
    fate = Fate(lambda number, name: None)
    with open_world(tmp_path / "whole") as house:
        report_and_reissue(watched(house, fate))
        end = end_of(house)
    assert {card["state"] for name, card in end["cards"].items() if name.endswith("R1")} == {"pictured"}
    assert [new for *_, new in end["faults"]] == [f"{fault}R1" for fault in _reported(end)]
    assert end["files"] == _taken(end)
    assert len(fate.reached) > 12

    for at in range(1, len(fate.reached) + 1):
        home, copy = tmp_path / f"home-{at}", tmp_path / f"copy-{at}"
        shutil.copytree(posted, home)

        def crash(number: int, name: str, at: int = at, home: Path = home, copy: Path = copy) -> None:
            if number == at:
                shutil.copytree(home, copy, ignore=shutil.ignore_patterns("*-shm"))

        with open_world(home) as house:
            report_and_reissue(watched(house, Fate(crash)))
        with open_world(copy, minutes=30) as house:
            report_and_reissue(house)
            assert violations(house.store, house.blobs) == [], fate.reached[at - 1]
            again = end_of(house)
            assert {key: again[key] for key in end if again[key] != end[key]} == {}, fate.reached[at - 1]
        shutil.rmtree(home)
        shutil.rmtree(copy)


def _reported(end: dict[str, Any]) -> list[str]:
    return [new.removesuffix("R1") for *_, new in end["faults"]]


def _taken(end: dict[str, Any]) -> list[str]:
    answer, file = end["files"]
    assert answer.removesuffix(".answer.json") == file.removesuffix(".csv")
    return [answer, file]


def test_a_list_leaves_no_card_half_told(posted: Path, tmp_path: Path) -> None:
    """The journal, the fault and the report are one: a crash before the commit leaves not one of three cards marked."""
    shutil.copytree(posted, tmp_path / "home")

    class Killed(BaseException):
        pass

    def kill(number: int, name: str) -> None:
        raise Killed

    with open_world(tmp_path / "home") as house:
        with pytest.raises(Killed):
            report_and_reissue(watched(house, Fate(kill)))
        with house.store.read() as uow:
            assert uow.faults.faults() == []
            assert uow.cards.in_state(CardState.FAULTY) == []
            assert "planned" not in uow.effects.counts()
