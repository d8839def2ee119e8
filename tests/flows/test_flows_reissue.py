"""Faults in the field: one card, a list or a cohort; judged card by card, kept whole, told once, replaced once."""

import itertools
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from cards.errors import Refused
from cards.life import PRODUCTION, CardState, HoldReason
from flows.house import House
from flows.stages.by_hand import release
from flows.stages.fault_reports import Filed, file_report
from flows.stages.fault_requests import FaultRequest, NamedCard, keyed, read_document, read_fault_file, request_of
from flows.stages.line import run_line
from flows.stages.reissue import REISSUE, REPLACE, RING, TAKE_IN
from store.cohorts import Cohort
from tests.flows.fleet import a_house, post, states


@pytest.fixture
def house(tmp_path: Path) -> Any:
    with a_house(tmp_path / "home") as opened:
        yield opened


def listed(*cards: str, **changes: Any) -> FaultRequest:
    named = tuple(NamedCard(card=card, place=f"list:{line}") for line, card in enumerate(cards, start=1))
    return FaultRequest(**{"channel": "command", "by": "ola", "symptom": "dead", "cards": named} | changes)


def cohort(*, expect: int | None = None, **marks: Any) -> FaultRequest:
    return FaultRequest(channel="command", by="ola", symptom="bad lot", cohort=Cohort(**marks), expect=expect)


def outcomes(filed: Filed) -> list[str]:
    return [fate.outcome for fate in filed.cards]


def count_rows(house: House) -> dict[str, int]:
    tables = ("fault_reports", "chip_faults", "cards", "card_events", "effects")
    with house.store.read() as uow:
        return {name: uow.connection.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar_one() for name in tables}


# --- judged card by card ---------------------------------------------------------------------------------------


def test_a_list_is_judged_card_by_card_and_the_rest_goes_on(house: House) -> None:
    good = post(house, "L-1", 3)
    here = post(house, "L-2", 1, state=CardState.PROVED)
    old = post(house, "L-3", 1, valid_until=date(2026, 11, 22))
    cancelled, blocked = post(house, "L-4", 1, state=CardState.RENDERED), post(house, "L-5", 1)
    with house.store.begin() as uow:
        uow.cards.advance(cancelled[0], CardState.RENDERED, CardState.CANCELLED, actor="x", what="cancelled")
        uow.cards.advance(blocked[0], CardState.POSTED, CardState.BLOCKED, actor="x", what="blocked")
    with house.store.read() as uow:
        number = uow.cards.get(good[1]).number
    named = [good[0], f" 0{number[:3]} {number[3:]}", *here, *old, *cancelled, *blocked, "9999999", good[0]]
    filed = file_report(house, listed(*named))
    assert outcomes(filed) == [
        "reported", "reported", "in_the_house", "expired", "cancelled", "blocked", "unknown", "named_twice",
    ]  # fmt: skip
    assert filed.counts == {"named_twice": 1, "refused": 5, "reported": 2}
    assert [(problem.subject, problem.code) for problem in filed.problems] == [
        ("list:3", "fault.not_in_the_field"),
        ("list:4", "fault.card_expired"),
        ("list:5", "fault.card_cancelled"),
        ("list:6", "fault.card_blocked"),
        ("list:7", "card.unknown"),
    ]
    assert states(house, good) == ["faulty", "faulty", "posted"]
    assert states(house, [*here, *old, *cancelled, *blocked]) == ["proved", "posted", "cancelled", "blocked"]


def test_a_card_is_valid_on_its_last_day(house: House) -> None:
    (card,) = post(house, "L-1", 1, valid_until=date(2026, 11, 23))
    assert outcomes(file_report(house, listed(card))) == ["reported"]


def test_a_card_reported_again_is_told_what_became_of_it(house: House) -> None:
    cards = post(house, "L-1", 2)
    file_report(house, listed(*cards))
    assert outcomes(file_report(house, listed(*cards))) == ["already_reported", "already_reported"]
    run_line(house, REISSUE)
    again = file_report(house, listed(*cards))
    assert outcomes(again) == ["already_replaced", "already_replaced"]
    assert [fate.replacement for fate in again.cards] == [f"{card}R1" for card in cards]
    assert count_rows(house)["chip_faults"] == 2
    assert count_rows(house)["fault_reports"] == 1


def test_the_journal_says_who_reported_and_what_was_seen(house: House) -> None:
    (card,) = post(house, "L-1", 1)
    filed = file_report(house, listed(card))
    with house.store.read() as uow:
        event = uow.cards.events(card)[-1]
        ((fault, _, _),) = uow.faults.faults(card)
    assert (event.what, event.after, event.details["symptom"]) == ("reported_faulty", CardState.FAULTY, "dead")
    assert event.details["report"] == filed.report_id == fault.report_id
    assert fault.reported_by == "ola"


def test_a_dry_run_says_the_same_and_keeps_nothing(house: House) -> None:
    cards = post(house, "L-1", 3)
    before = count_rows(house)
    tried = file_report(house, listed(*cards, "9999999"), dry_run=True)
    assert count_rows(house) == before
    done = file_report(house, listed(*cards, "9999999"))
    assert (tried.counts, tried.cards, tried.problems) == (done.counts, done.cards, done.problems)


# --- the same report twice -------------------------------------------------------------------------------------


def test_the_same_report_under_its_key_is_answered_as_the_first_time(house: House) -> None:
    cards = post(house, "L-1", 2)
    first = file_report(house, listed(*cards, key="gate-1"))
    run_line(house, REISSUE)
    before = count_rows(house)
    again = file_report(house, listed(*cards, key="gate-1", by="per"))
    assert again == first.model_copy(update={"repeated": True})
    assert count_rows(house) == before


def test_a_key_stands_for_one_content(house: House) -> None:
    cards = post(house, "L-1", 2)
    file_report(house, listed(cards[0], key="gate-1"))
    with pytest.raises(Refused) as refused:
        file_report(house, listed(*cards, key="gate-1"))
    assert (refused.value.code, refused.value.field) == ("fault.report_key_reused", "report_key")
    assert states(house, cards) == ["faulty", "posted"]
    elsewhere = listed(cards[1], key="gate-1", channel="api")  # each road has its own keys
    assert file_report(house, elsewhere).counts == {"reported": 1}


def test_a_report_of_which_nothing_could_be_taken_leaves_its_key_free(house: House) -> None:
    (card,) = post(house, "L-1", 1)
    nothing = file_report(house, listed("9999999", key="gate-1"))
    assert (nothing.report_id, nothing.nothing_taken) == (None, True)
    assert file_report(house, listed(card, key="gate-1")).counts == {"reported": 1}


@pytest.mark.parametrize("key", ["gate-1", None])
def test_the_same_report_from_eight_sides_at_once_is_one(database_url: str, tmp_path: Path, key: str | None) -> None:
    with a_house(tmp_path / "home", database_url=database_url) as house:
        cards = post(house, "L-1", 12)
        start = threading.Barrier(8)

        def report(_: int) -> str | None:
            start.wait()
            try:
                return file_report(house, listed(*cards, key=key)).report_id
            except Exception as fault:
                return getattr(fault, "code", repr(fault))

        with ThreadPoolExecutor(8) as pool:
            told = set(pool.map(report, range(8)))
        assert len(told - {None, "fault.report_raced"}) == 1
        rows = count_rows(house)
        assert (rows["fault_reports"], rows["chip_faults"]) == (1, 12)
        with ThreadPoolExecutor(4) as pool:
            done = list(pool.map(lambda _: run_line(house, (REPLACE,)).counts.get("reissued", 0), range(4)))
        assert sum(done) == 12
        with house.store.read() as uow:
            assert len({card.replaces for card in uow.cards.in_state(CardState.PICTURED)}) == 12


# --- cohorts ---------------------------------------------------------------------------------------------------


@pytest.fixture
def cohorts(house: House) -> dict[str, list[str]]:
    late = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)  # 00:30 on the 23rd in Oslo
    return {
        "a": post(house, "L-1", 2, encoder="one", encoded_at=late),
        "b": post(house, "L-2", 3, encoder="two", encoded_at=datetime(2026, 11, 22, 22, 59, 59, tzinfo=UTC)),
        "c": post(house, "L-3", 1, encoder="two", generation=2, encoded_at=late),
    }


@pytest.mark.parametrize(
    ("marks", "hit"),
    [
        ({"lot": "L-1"}, "a"),
        ({"encoder": "two"}, "bc"),
        ({"generation": 2}, "c"),
        ({"encoded_on": date(2026, 11, 23)}, "ac"),
        ({"encoded_on": date(2026, 11, 22)}, "b"),
        ({"encoder": "two", "encoded_on": date(2026, 11, 23)}, "c"),
    ],
)
def test_a_cohort_hits_its_cards_and_no_other(
    house: House, cohorts: dict[str, list[str]], marks: dict[str, Any], hit: str
) -> None:
    expected = sorted(card for name in hit for card in cohorts[name])
    filed = file_report(house, cohort(**marks, expect=len(expected)))
    assert [fate.card_id for fate in filed.cards] == expected
    for name, cards in cohorts.items():
        assert set(states(house, cards)) == {"faulty" if name in hit else "posted"}


@pytest.mark.parametrize(("expect", "code"), [(None, "fault.count_missing"), (5, "fault.count_differs")])
def test_a_cohort_is_replaced_only_by_who_counted_it(house: House, expect: int | None, code: str) -> None:
    cards = post(house, "L-1", 4)
    assert file_report(house, cohort(lot="L-1"), dry_run=True).counts == {"reported": 4}
    with pytest.raises(Refused) as refused:
        file_report(house, cohort(lot="L-1", expect=expect))
    assert (refused.value.code, refused.value.field) == (code, "expect")
    assert set(states(house, cards)) == {"posted"}


def test_a_recall_leaves_the_reported_alone_and_names_what_is_still_here(house: House) -> None:
    seen, *rest = post(house, "L-1", 4)
    with house.store.begin() as uow:
        uow.cards.advance(rest[2], CardState.POSTED, CardState.BLOCKED, actor="x", what="blocked")
    file_report(house, listed(seen))
    assert file_report(house, cohort(lot="L-1", expect=2)).counts == {
        "already_reported": 1, "blocked": 1, "reported": 2,
    }  # fmt: skip
    with house.store.read() as uow:
        assert uow.cards.events(rest[0])[-1].what == "recalled"
    again = file_report(house, cohort(lot="L-1", expect=2))
    assert again.counts == {"already_reported": 3, "blocked": 1}

    (here,) = post(house, "L-2", 1, state=CardState.ENCODED)
    waits = file_report(house, cohort(lot="L-2"))
    assert [(problem.subject, problem.code) for problem in waits.problems] == [(here, "fault.not_in_the_field")]


def test_a_cohort_that_nobody_knows_is_refused(house: House) -> None:
    post(house, "L-1", 1)
    with pytest.raises(Refused, match=r"fault\.empty_cohort"):
        file_report(house, cohort(lot="l-1"))


# --- told once, replaced once ----------------------------------------------------------------------------------


def test_one_report_is_one_event_however_many_cards_it_names(house: House) -> None:
    filed = file_report(house, listed(*post(house, "L-1", 700)))
    assert filed.counts == {"reported": 700}
    run_line(house, (RING,))
    run_line(house, (RING,))
    assert house.doorbell.rung == [("card.chip.faulty", filed.report_id)]  # type: ignore[attr-defined]  # the twin


def test_a_faulty_card_gets_a_free_card_with_the_portrait_or_waits_for_a_photo(house: House) -> None:
    (kept,), (erased,) = post(house, "L-1", 1), post(house, "L-2", 1, portrait=None)
    file_report(house, listed(kept, erased))
    assert run_line(house, REISSUE).counts["reissued"] == 2
    with house.store.read() as uow:
        old, new, bare = uow.cards.get(kept), uow.cards.get(f"{kept}R1"), uow.cards.get(f"{erased}R1")
    assert (old.state, old.replaced_by) == (CardState.REPLACED, new.card_id)
    assert (new.state, new.replaces, new.portrait) == (CardState.PICTURED, kept, old.portrait)
    assert new.number != old.number
    assert bare.hold is not None
    assert (bare.state, bare.hold.reason, bare.resumes_in) == (
        CardState.HELD, HoldReason.NEW_PHOTO_NEEDED, CardState.ORDERED,
    )  # fmt: skip
    assert not run_line(house, REISSUE).changed


def test_a_replacement_that_fails_too_is_replaced_under_the_next_name(house: House) -> None:
    (card,) = post(house, "L-1", 1)
    file_report(house, listed(card))
    run_line(house, REISSUE)
    with house.store.begin() as uow:
        made = PRODUCTION[PRODUCTION.index(CardState.PICTURED) :]
        for before, after in itertools.pairwise(made):
            uow.cards.advance(f"{card}R1", before, after, actor="x", what=after)
    assert outcomes(file_report(house, listed(f"{card}R1"))) == ["reported"]
    run_line(house, REISSUE)
    with house.store.read() as uow:
        assert uow.cards.get(f"{card}R2").replaces == f"{card}R1"


def test_a_card_that_went_another_way_is_not_replaced_and_waits_for_nobody(house: House) -> None:
    cards = post(house, "L-1", 2)
    file_report(house, listed(*cards))
    with house.store.begin() as uow:
        uow.cards.advance(cards[0], CardState.FAULTY, CardState.BLOCKED, actor="x", what="blocked")
    assert run_line(house, (REPLACE,)).counts == {"reissued": 1, "not_replaced": 1}
    assert run_line(house, (REPLACE,)).counts == {}
    with house.store.read() as uow:
        assert [(new, why) for _, new, why in uow.faults.faults(cards[0])] == [(None, "the card is blocked")]


# --- files -----------------------------------------------------------------------------------------------------


def drop(house: House, name: str, text: str) -> Path:
    folder = house.settings.faults
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def test_a_dropped_list_names_its_bad_rows_by_line_and_the_rest_goes_on(house: House) -> None:
    cards = post(house, "L-1", 3)
    rows = ["\ufeffcard;symptom", f"{cards[0]};will not open", ";dead", "1;2;3", "9999999;dead", "", f"{cards[1]};"]
    path = drop(house, "gate.csv", "\r\n".join(rows))
    drop(house, ".half.csv", "card\n")
    drop(house, "upload.csv.part", "card\n")
    done = run_line(house, (TAKE_IN,))
    assert [(problem.subject, problem.code) for problem in done.problems] == [
        ("gate.csv:3", "fault.row"),
        ("gate.csv:4", "fault.row"),
        ("gate.csv:5", "card.unknown"),
    ]
    assert states(house, cards) == ["faulty", "faulty", "posted"]
    with house.store.read() as uow:
        symptoms = [fault.symptom for fault, _, _ in uow.faults.faults()]
    assert sorted(symptoms) == ["the chip does not answer", "will not open"]
    assert not path.exists()
    (answer,) = (house.settings.faults / "taken").glob("*.answer.json")
    assert len(json.loads(answer.read_text("utf-8"))["problems"]) == 3
    assert not run_line(house, (TAKE_IN,)).changed


def test_a_dropped_file_that_comes_again_or_was_half_taken_is_known(house: House) -> None:
    (card,) = post(house, "L-1", 1)
    text = json.dumps({"cards": [card], "symptom": "dead"})
    request, _ = read_fault_file("a.json", text.encode(), channel="file", by="x")
    file_report(house, keyed(request, text.encode()))  # a crash came before the file was put away
    before = count_rows(house)
    for name in ("a.json", "b.json"):
        drop(house, name, text)
        assert run_line(house, (TAKE_IN,)).counts == {"reported": 1}
    assert count_rows(house) == before
    assert len(list((house.settings.faults / "taken").iterdir())) == 4


@pytest.mark.parametrize(
    ("name", "text", "code", "field"),
    [
        ("a.csv", "number;what\n1;2\n", "fault.columns", "number"),
        ("a.csv", "", "fault.columns", "card"),
        ("a.csv", "card;card\n1;2\n", "fault.columns", "card"),
        ("a.json", "{", "fault.document", None),
        ("a.json", '{"cards": ["1"], "cohort": {"lot": "L"}}', "fault.document", None),
        ("a.json", '{"cards": ["1", {"card": ""}]}', "fault.document", "cards[1].card"),
        ("a.json", '{"cards": ["1\\u0000"]}', "fault.document", "cards[0].card"),
        ("a.json", '{"cohort": {}}', "fault.document", "cohort"),
        ("a.json", '{"cards": ["1"], "national_id": "1"}', "fault.document", "national_id"),
    ],
)
def test_a_file_of_another_shape_is_refused_whole(
    house: House, name: str, text: str, code: str, field: str | None
) -> None:
    with pytest.raises(Refused) as refused:
        read_fault_file(name, text.encode(), channel="file", by="x")
    assert (refused.value.code, refused.value.field) == (code, field)
    drop(house, name, text)
    assert [problem.code for problem in run_line(house, (TAKE_IN,)).problems] == [code]
    assert not (house.settings.faults / name).exists()


def test_a_file_in_another_encoding_or_too_large_is_refused() -> None:
    for data in ("card\nÅ".encode("latin-1"), b"card\n" + b"1" * 5_000_000):
        with pytest.raises(Refused, match=r"fault\.document"):
            read_fault_file("a.csv", data, channel="file", by="x")


def test_the_digest_covers_what_is_reported_and_not_who_sent_it() -> None:
    document = read_document({"cards": ["1", {"card": "2", "symptom": "dead"}], "reported_by": "a gate"})
    request = request_of(document, channel="api", by="")
    assert request.digest() == request_of(document, channel="file", by="x").digest()
    other = read_document({"cards": ["1", {"card": "2"}], "reported_by": "a gate"})
    assert request.digest() != request_of(other, channel="api", by="").digest()


def test_the_example_of_the_documentation_is_a_report() -> None:
    text = (Path(__file__).parents[2] / "docs" / "faults.md").read_text("utf-8")
    example = text[text.index('    {"report_key"') :].partition("\n\n")[0]
    assert [row.card for row in read_document(example.encode()).cards] == ["6893106", "4410027"]


def test_check_11_a_second_replacement_waits_for_a_person(house: House) -> None:
    """Once by itself; a replacement that fails is replaced when a person lets it go on. A recall is such a person."""
    (card,) = post(house, "L-1", 1, replaces="O-L-0-1")
    (recalled,) = post(house, "L-2", 1, replaces="O-L-0-2")
    file_report(house, listed(card))
    file_report(house, cohort(lot="L-2", expect=1))
    run_line(house, REISSUE)
    with house.store.read() as uow:
        new, other = uow.cards.get(f"{card}R1"), uow.cards.get(f"{recalled}R1")
    assert new.hold is not None
    assert (new.state, new.hold.reason) == (CardState.HELD, HoldReason.SECOND_REPLACEMENT)
    assert other.state is CardState.PICTURED
    assert release(house, new.card_id).state is CardState.PICTURED
