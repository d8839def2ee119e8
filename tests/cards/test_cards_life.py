"""The life of a card: the steps there are, and a journal in which nothing can be changed unseen."""

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cards.errors import Refused
from cards.life import PRODUCTION, CardEvent, CardState, broken_links, chained, may_step

AT = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)


def _journal(length: int) -> list[CardEvent]:
    events: list[CardEvent] = []
    for _ in range(length):
        last = events[-1] if events else None
        before, after = (last.after, last.after) if last else (None, CardState.ORDERED)
        events.append(
            chained(
                card_id="B-1-1",
                at=AT,
                actor="anna",
                what="noted",
                before=before,
                after=after,
                details={"n": len(events)},
                last=last,
            )
        )
    return events


def test_production_goes_forward_only() -> None:
    assert all(may_step(earlier, later) for earlier, later in pairwise(PRODUCTION))
    assert not may_step(CardState.POSTED, CardState.PACKED)
    assert not may_step(CardState.ORDERED, CardState.PRINTED)


@pytest.mark.parametrize("state", [CardState.PRINTED, CardState.ENCODED, CardState.PROVED])
def test_a_spoiled_blank_is_made_good(state: CardState) -> None:
    assert may_step(state, CardState.RENDERED)


def test_a_posted_card_is_never_printed_again() -> None:
    after = {state for state in CardState if may_step(CardState.POSTED, state)}
    assert after == {CardState.RETURNED, CardState.FAULTY, CardState.BLOCKED, CardState.EXPIRED}


@pytest.mark.parametrize("state", [CardState.CANCELLED, CardState.BLOCKED, CardState.EXPIRED])
def test_some_states_are_the_end(state: CardState) -> None:
    assert not any(may_step(state, after) for after in CardState)


def test_a_step_that_is_none_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        chained(
            card_id="B-1-1",
            at=AT,
            actor="anna",
            what="jump",
            before=CardState.ORDERED,
            after=CardState.POSTED,
            details={},
            last=None,
        )
    assert caught.value.code == "card.no_such_step"


def test_a_whole_journal_has_no_broken_links() -> None:
    assert broken_links(_journal(5)) == []
    assert broken_links([]) == []


@pytest.mark.parametrize(
    "change",
    [
        {"actor": "eve"},
        {"what": "other"},
        {"details": {"n": 99}},
        {"after": CardState.PICTURED},
        {"at": AT.replace(year=2025)},
        {"digest": "0" * 64},
    ],
)
def test_a_changed_event_shows(change: dict[str, Any]) -> None:
    events = _journal(5)
    events[2] = events[2].model_copy(update=change)
    assert 3 in broken_links(events)


@given(st.integers(2, 8), st.data())
def test_a_cut_or_swapped_journal_shows(length: int, data: st.DataObject) -> None:
    events = _journal(length)
    place = data.draw(st.integers(0, length - 2))
    assert broken_links(events[:place] + events[place + 1 :])
    swapped = [*events]
    swapped[place], swapped[place + 1] = swapped[place + 1], swapped[place]
    assert broken_links(swapped)


def test_a_forged_event_needs_every_later_one_forged() -> None:
    events = _journal(4)
    forged = chained(
        card_id="B-1-1",
        at=AT,
        actor="eve",
        what="noted",
        before=CardState.ORDERED,
        after=CardState.ORDERED,
        details={},
        last=events[0],
    )
    assert broken_links([events[0], forged, *events[2:]]) == [3]
