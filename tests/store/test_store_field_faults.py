"""Fault reports and cohorts in both databases: bulk steps as exact as single ones, counts that count a card once."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import insert

from cards.errors import Refused
from cards.life import CardState, broken_links
from store.cohorts import Cohort, CohortBy
from store.database import Store, UnitOfWork
from store.field_faults import FaultReport, FiledReport
from store.tables import chip_bindings
from tests.store.small_world import NOON, a_batch, a_card, accept

STEPS = (CardState.PICTURED, CardState.RENDERED, CardState.PRINTED, CardState.ENCODED, CardState.PROVED,
         CardState.PACKED, CardState.POSTED)  # fmt: skip


def a_report(report_id: str = "FR-1", **changes: Any) -> FiledReport:
    content = {"report_key": None, "digest": "d", "channel": "api", "reported_at": NOON, "reported_by": "x"}
    content |= {"symptom": "dead", "cohort": None, "answer": {"counts": {}}}
    return FiledReport.model_validate({"report_id": report_id} | content | changes)


def a_fault(fault_id: str, card_id: str, report_id: str | None = None) -> FaultReport:
    return FaultReport(
        fault_id=fault_id, card_id=card_id, reported_at=NOON, reported_by="x", symptom="dead", report_id=report_id
    )


def post(uow: UnitOfWork, ids: list[str]) -> None:
    before = CardState.ORDERED
    for after in STEPS:
        uow.cards.advance_many(before, after, actor="test", what=after, details={card_id: {} for card_id in ids})
        before = after


def test_many_cards_step_as_one_card_does(store: Store) -> None:
    with store.begin() as uow:
        ids = accept(uow, "B-1", cards=3)
        uow.cards.advance(ids[2], CardState.ORDERED, CardState.PICTURED, actor="test", what="pictured")
        details = {card_id: {"n": place} for place, card_id in enumerate(ids)}
        changes = {card_id: {"portrait": f"p-{card_id}"} for card_id in ids}
        before, after = CardState.ORDERED, CardState.PICTURED
        done = uow.cards.advance_many(before, after, actor="run", what="pictured", details=details, changes=changes)
        assert done == ids[:2]  # the third had gone before: it is left alone
    with store.read() as uow:
        cards = uow.cards.get_many(ids)
        assert [(card.state, card.portrait) for card in cards] == [
            ("pictured", f"p-{ids[0]}"), ("pictured", f"p-{ids[1]}"), ("pictured", None),
        ]  # fmt: skip
        for place, card_id in enumerate(ids):
            journal = uow.cards.events(card_id)
            assert broken_links(journal) == []
            assert [event.what for event in journal] == ["ordered", "pictured"]
            assert journal[-1].details == ({} if place == 2 else {"n": place})


def test_many_steps_that_no_card_takes_are_refused(store: Store) -> None:
    with store.begin() as uow:
        ids = accept(uow, "B-1")
        with pytest.raises(Refused, match=r"card\.no_such_step"):
            uow.cards.advance_many(CardState.ORDERED, CardState.POSTED, actor="x", what="x", details={ids[0]: {}})


def test_many_new_cards_are_added_whole_or_not_at_all(store: Store) -> None:
    with store.begin() as uow:
        accept(uow, "B-1", cards=1)
    taken = [a_card("B-1", 2, 7), a_card("B-1", 3, 0)]  # the number of the second is taken
    with pytest.raises(Refused, match=r"store\.rule_broken"), store.begin() as uow:
        uow.cards.add_many(taken, actor="test", what="ordered", details={})
    with store.begin() as uow:
        assert len(uow.cards.of_order("B-1")) == 1
        uow.cards.add_many(taken[:1], actor="test", what="ordered", details={"B-1-2": {"why": "so"}})
        (event,) = uow.cards.events("B-1-2")
    assert (event.what, event.before, event.details) == ("ordered", None, {"why": "so"})


def test_cards_are_named_as_people_write_them(store: Store) -> None:
    with store.begin() as uow:
        accept(uow, "B-1", cards=2)
        found = uow.cards.named([" B-1-1 ", "00000001", "000 0001", "B-1-9"])
    assert {name: card.card_id for name, card in found.items()} == {
        " B-1-1 ": "B-1-1", "00000001": "B-1-2", "000 0001": "B-1-2",
    }  # fmt: skip


def test_a_report_is_kept_once_an_id_and_once_a_key(store: Store) -> None:
    with store.begin() as uow:
        ids = accept(uow, "B-1")
        assert uow.faults.file(a_report("FR-1", report_key="k"), [a_fault("F-1", ids[0], "FR-1")])
        assert not uow.faults.file(a_report("FR-1"), [a_fault("F-2", ids[1], "FR-1")])
        assert not uow.faults.file(a_report("FR-2", report_key="k"), [a_fault("F-2", ids[1], "FR-2")])
        assert uow.faults.file(a_report("FR-3"), [])
        assert uow.faults.file(a_report("FR-4"), [])  # without a key, as often as it likes
        assert [fault.fault_id for fault in uow.faults.open()] == ["F-1"]
        assert uow.faults.filed("k") == a_report("FR-1", report_key="k")
        assert uow.faults.filed("other") is None


@pytest.mark.parametrize(
    "decisions",
    [{"F-1": "B-1-3", "F-2": "B-1-3"}, {"F-1": "B-1-3", "F-3": "B-1-4"}],
    ids=["one for two", "two for one"],
)
def test_a_replacement_is_for_one_fault_and_a_card_has_one(store: Store, decisions: dict[str, str | None]) -> None:
    with store.begin() as uow:
        accept(uow, "B-1", cards=4)
        for fault_id, card_id in (("F-1", "B-1-1"), ("F-2", "B-1-2"), ("F-3", "B-1-1")):
            uow.faults.report(a_fault(fault_id, card_id))
    with pytest.raises(Refused, match=r"store\.rule_broken"), store.begin() as uow:
        uow.faults.decide_many(decisions, why="x", decided_by="x")
    with store.read() as uow:
        assert len(uow.faults.open()) == 3


@pytest.fixture
def field(store: Store) -> Store:
    """Two lots: four cards of the first posted and one at hand, two of the second posted on the next day."""
    late = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)
    with store.begin() as uow:
        first, second = accept(uow, "B-1", cards=5), accept(uow, "B-2", cards=2)
        for batch, lot, ids in (("P-1", "L-1", first), ("P-2", "L-2", second)):
            uow.batches.add(a_batch(batch, uow.cards.get_many(ids), lot))
            for card_id in ids:
                uow.cards.note(card_id, actor="test", what="made", batch_id=batch, chip_uid=f"u-{card_id}")
        post(uow, [*first[:4], *second])
        shared = {"encoder": "one", "outcome": {}, "bound_at": NOON}
        rows = [{"card_id": c, "generation": 1, "settled_at": NOON, "uid": f"u-{c}"} for c in first]
        rows += [{"card_id": c, "generation": 10, "settled_at": late, "uid": f"u-{c}"} for c in second]
        rows += [{"card_id": first[0], "generation": 9, "settled_at": NOON, "uid": "of a spoiled blank"}]
        uow.connection.execute(insert(chip_bindings), [shared | row for row in rows])
        uow.faults.file(a_report("FR-1"), [a_fault("F-1", "B-1-1", "FR-1")])
        uow.faults.report(a_fault("F-2", "B-1-1"))  # told twice, counted once
        uow.faults.file(a_report("FR-2", cohort={"lot": "L-2"}), [a_fault("F-3", "B-2-1", "FR-2")])
    return store


@pytest.mark.parametrize(
    ("by", "counted"),
    [
        (CohortBy.LOT, [("L-1", 5, 4, 1, 0), ("L-2", 2, 2, 0, 1)]),
        (CohortBy.ENCODER, [("one", 7, 6, 1, 1)]),
        (CohortBy.GENERATION, [("1", 5, 4, 1, 0), ("10", 2, 2, 0, 1)]),
        (CohortBy.DAY, [("2026-11-23", 5, 4, 1, 0), ("2026-11-24", 2, 2, 0, 1)]),
    ],
)
def test_cohorts_count_a_card_once_by_the_chip_it_carries(
    field: Store, by: CohortBy, counted: list[tuple[str, int, int, int, int]]
) -> None:
    with field.read() as uow:
        found = uow.cohorts.counts(by)
    assert [(c.name, c.encoded, c.in_field, c.reported, c.recalled) for c in found] == counted


def test_a_cohort_lists_its_cards(field: Store) -> None:
    with field.read() as uow:
        assert uow.cohorts.cards_of(Cohort(lot="L-2", generation=10)) == ["B-2-1", "B-2-2"]
        assert uow.cohorts.cards_of(Cohort(lot="L-1", generation=10)) == []
        assert uow.cohorts.cards_of(Cohort(generation=9)) == []
