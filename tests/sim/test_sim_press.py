"""The printer jams, gives up, forgets and is answered late; a person tells how the cards came out. On real parts.

What was not printed or was spoiled goes out with the same number on another
blank, and every batch closes only when its blanks add up.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from cards.blanks import BlankAccount, SpoilCause
from cards.effects import EffectState
from cards.errors import Refused, Unsure
from cards.life import CardState
from flows.house import House
from flows.stages.by_hand import close_batch, receive_blanks
from flows.stages.encode import ENCODE
from flows.stages.intake import import_orders
from flows.stages.line import Tally, run_line
from flows.stages.outcomes import Told, record_outcome, spoil
from flows.stages.press import PRESS
from flows.stages.produce import PRODUCE
from flows.stages.reconcile import RECONCILE
from printing.models import PrintJobState
from store.audit import violations
from tests.sim.fate import Fate, watched
from tests.sim.world import lay_out_inbox, open_world

RUN = "P-000001"
CARDS = ("SIM-A-1", "SIM-A-2", "SIM-B-1")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a house with a run of three cards, drawn and not yet sent."""
    base = tmp_path_factory.mktemp("press")
    lay_out_inbox(base / "inbox")
    (base / "inbox" / "SIM-C.json").unlink()
    with open_world(base / "home") as house:
        receive_blanks(house, lot="LOT-1", count=20)
        import_orders(house, str(base / "inbox"))
        run_line(house, PRODUCE[:-2])
    return base / "home"


@pytest.fixture
def house(tmp_path: Path, drawn: Path) -> Iterator[House]:
    """A house of one's own over that folder, with a printer that takes its time; whole at the end."""
    shutil.copytree(drawn, tmp_path / "home")
    with open_world(tmp_path / "home") as opened:
        yield opened
        assert violations(opened.store, opened.blobs) == []


def states(house: House) -> list[str]:
    with house.store.read() as uow:
        return [card.state.value for card in uow.cards.get_many(CARDS)]


def job_state(house: House) -> PrintJobState:
    with house.store.read() as uow:
        job = uow.print_jobs.find(f"print:{RUN}")
    assert job is not None
    return job.state


def codes(tally: Tally) -> list[str]:
    return [problem.code for problem in tally.problems]


def fault(house: House, name: str, reason: str) -> Path:
    file = house.settings.home / "printer" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(reason)
    return file


def sheets(house: House) -> int:
    return len(list((house.settings.home / "printer").glob("*.pdf")))


def test_accepted_is_not_printed(house: House) -> None:
    run_line(house, PRESS[:1])
    assert (job_state(house), states(house)) == (PrintJobState.ACCEPTED, ["rendered"] * 3)
    with pytest.raises(Refused, match=r"print\.under_way"):
        record_outcome(house, RUN, Told(rest="good"))
    run_line(house, PRESS)
    assert (job_state(house), states(house)) == (PrintJobState.DONE, ["printed"] * 3)
    assert not run_line(house, PRESS).counts


def test_a_jam_is_told_with_the_way_out_and_the_job_goes_on(house: House) -> None:
    jam = fault(house, "JAMMED", "media-jam")
    for _ in range(2):
        assert codes(run_line(house, PRESS)) == ["print.jam"]
    assert (job_state(house), states(house)) == (PrintJobState.STOPPED, ["rendered"] * 3)
    jam.unlink()
    assert codes(run_line(house, PRESS)) == []
    assert (states(house), sheets(house)) == (["printed"] * 3, 1)


def test_a_job_given_up_is_settled_by_a_person_place_by_place(house: House) -> None:
    fault(house, "ABORT", "aborted-by-system")
    assert codes(run_line(house, PRESS)) == ["print.job_aborted"]
    assert codes(run_line(house, PRESS)) == ["print.job_aborted"], "told until somebody answers"
    with pytest.raises(Refused, match=r"print\.outcome_incomplete"):
        record_outcome(house, RUN, Told(good=frozenset({1})))
    told = Told(good=frozenset({1}), spoiled={2: SpoilCause.FEED}, rest="unprinted")
    assert record_outcome(house, RUN, told) == {"good": 1, "spoiled": 1, "unprinted": 1}
    assert states(house) == ["printed", "rendered", "rendered"]
    assert record_outcome(house, RUN, Told(good=frozenset({1}), spoiled={2: SpoilCause.FEED})) == {
        "good": 0,
        "spoiled": 0,
        "unprinted": 0,
    }
    run_line(house, PRODUCE)
    assert (states(house), sheets(house)) == (["printed"] * 3, 2)
    with house.store.read() as uow:
        made_good = uow.batches.get("P-000002")
        first = uow.batches.get(RUN)
    numbers = {place.card_id: place.number for place in first.cards}
    assert {place.card_id: place.number for place in made_good.cards} == {card: numbers[card] for card in CARDS[1:]}


def test_nothing_came_out_of_a_job_that_nobody_can_ask_about(house: House) -> None:
    """The answer is lost and the printer restarted: unsure stays unsure until a person looks."""

    def lose(number: int, name: str) -> None:
        if name in ("before printer.submit", "before printer.look_up"):
            raise Unsure("print.history_gone", "lost", fix="look")

    assert codes(run_line(watched(house, Fate(lose)), PRESS)) == ["print.history_gone"]
    assert codes(run_line(watched(house, Fate(lose)), RECONCILE)) == ["print.history_gone"]
    assert run_line(house, PRESS).counts == {}
    assert record_outcome(house, RUN, Told(rest="unprinted"))["unprinted"] == 3
    with house.store.read() as uow:
        assert uow.effects.get(f"print:{RUN}").state is EffectState.REFUSED
        assert uow.blanks.balances(batch_id=RUN)[BlankAccount.RETURNED] == 3
    run_line(house, PRODUCE)
    assert states(house) == ["printed"] * 3


def test_a_forgotten_job_waits_for_a_person(house: House) -> None:
    run_line(house, PRESS[:1])
    (house.settings.home / "printer" / "jobs.json").unlink()
    assert codes(run_line(house, PRESS)) == ["print.job_forgotten"]
    assert record_outcome(house, RUN, Told(rest="good"))["good"] == 3
    assert (states(house), job_state(house)) == (["printed"] * 3, PrintJobState.TOLD)


def test_a_dead_printer_does_not_hold_its_cards_for_ever(house: House) -> None:
    fault(house, "JAMMED", "media-jam")
    run_line(house, PRESS)
    with pytest.raises(Refused, match=r"print\.under_way"):
        record_outcome(house, RUN, Told(rest="unprinted"))
    record_outcome(house, RUN, Told(rest="unprinted"), printer_gone=True)
    assert job_state(house) is PrintJobState.TOLD


@pytest.mark.parametrize(
    ("told", "code"),
    [
        (Told(good=frozenset({9})), "print.no_such_place"),
        (Told(good=frozenset({1}), spoiled={1: SpoilCause.SMEAR}), "print.told_twice"),
        (Told(unprinted=frozenset({2})), "print.already_out"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(house: House, told: Told, code: str) -> None:
    run_line(house, PRESS)
    with pytest.raises(Refused) as refused:
        record_outcome(house, RUN, told)
    assert refused.value.code == code
    with house.store.read() as uow:
        assert [row["outcome"] for row in uow.prints.of_batch(RUN)] == [None] * 3


def test_a_card_is_printed_a_second_time_only_after_a_spoil_record(house: House) -> None:
    run_line(house, PRESS)
    with house.store.begin() as uow, pytest.raises(Refused, match=r"print\.already_live"):
        uow.prints.add("SIM-A-1", RUN, 1)
    record_outcome(house, RUN, Told(spoiled={1: SpoilCause.SMEAR}, rest="good"))
    with house.store.read() as uow:
        first = uow.prints.of_batch(RUN)[0]
    assert (first["live"], first["outcome"], first["spoiled_cause"]) == (False, "spoiled", "smear")
    run_line(house, PRODUCE)
    with house.store.read() as uow:
        again = uow.prints.live("SIM-A-1")
    assert again is not None
    assert (again["attempt"], again["batch_id"]) == (2, "P-000002")


def test_a_blank_counted_good_is_corrected_with_a_reason_also_after_the_count(house: House) -> None:
    run_line(house, PRESS)
    for _ in range(2):  # the second blank of the first tray has a faulty chip
        run_line(house, (*ENCODE, *PRODUCE))
    assert states(house) == ["proved"] * 3
    count = close_batch(house, RUN, counted_by="anna", witnessed_by="bo")
    assert (count.issued, count.good, count.spoiled, count.returned) == (3, 2, 1, 0)
    with pytest.raises(Refused, match=r"card\.counted_good"):
        spoil(house, "SIM-A-1", cause="smear")
    card = spoil(house, "SIM-A-1", cause="smear", counted_good="seen when packing")
    assert (card.state, card.batch_id) == (CardState.RENDERED, None)
    with house.store.read() as uow:
        assert uow.blanks.balances(batch_id=RUN)[BlankAccount.SPOILED] == 2
        (move,) = [move for move in uow.blanks.moves(batch_id=RUN) if move.move_key.startswith("correct:")]
        last = uow.cards.events("SIM-A-1")[-1]
    assert (move.source, move.target) == (BlankAccount.GOOD, BlankAccount.SPOILED)
    assert "seen when packing" in (move.cause or "")
    assert last.details["counted_good"] == "seen when packing"
    with pytest.raises(Refused, match=r"card\.no_blank_to_spoil"):
        spoil(house, "SIM-A-1", cause="smear", counted_good="again")
