"""Where a letter is does not depend on the order in which its sightings arrive, nor on how often they are told."""

import itertools
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipping.tracking import TrackingEvent, Whereabouts, delivered_at, whereabouts

MORNING = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


def _seen(status: str, hours: int = 0, **changes: str) -> TrackingEvent:
    return TrackingEvent(booking="c", status=status, at=MORNING + timedelta(hours=hours), **changes)


@pytest.mark.parametrize(
    ("statuses", "where"),
    [
        ((), Whereabouts.POSTED),
        (("PRE_NOTIFIED",), Whereabouts.POSTED),
        (("PRE_NOTIFIED", "HANDED_IN", "IN_TRANSIT"), Whereabouts.UNDER_WAY),
        (("HANDED_IN", "A_WORD_OF_NEXT_YEAR"), Whereabouts.UNDER_WAY),
        (("IN_TRANSIT", "DELIVERED"), Whereabouts.DELIVERED),
        (("ATTEMPTED_DELIVERY", "RETURN", "IN_TRANSIT"), Whereabouts.RETURNING),
        (("RETURN", "IN_TRANSIT", "DELIVERED_SENDER"), Whereabouts.AT_SENDER),
        (("RETURN", "DELIVERED"), Whereabouts.DELIVERED),  # the return was called off
        (("DELIVERED", "RETURN"), Whereabouts.RETURNING),  # the wrong door
    ],
)
def test_whereabouts_in_any_order_and_told_again(statuses: tuple[str, ...], where: Whereabouts) -> None:
    events = [_seen(status, hours) for hours, status in enumerate(statuses)]
    for told in itertools.permutations(events):
        assert whereabouts([*told, *told[:1]]) is where


def test_the_later_word_wins_within_a_second() -> None:
    both = [_seen("DELIVERED_SENDER"), _seen("RETURN")]
    assert whereabouts(both) is whereabouts(both[::-1]) is Whereabouts.AT_SENDER


def test_the_same_sighting_is_one_whoever_tells_it_and_however_its_time_is_written() -> None:
    oslo = MORNING.astimezone(timezone(timedelta(hours=1))).replace(microsecond=5)
    again = TrackingEvent(booking="c", status="return", at=oslo, description="told in other words", unit="002")
    assert again.event_id == _seen("RETURN").event_id
    assert _seen("RETURN", 1).event_id != _seen("RETURN").event_id
    assert _seen("DELIVERED").event_id != _seen("RETURN").event_id
    assert TrackingEvent(booking="d", status="RETURN", at=MORNING).event_id != _seen("RETURN").event_id


EVENTS = st.builds(
    _seen,
    st.sampled_from(["RETURN", "DELIVERED", "DELIVERED_SENDER", "IN_TRANSIT", "PRE_NOTIFIED", "A_NEW_WORD"]),
    st.integers(0, 3),
)


@given(st.lists(EVENTS, max_size=6), st.data())
def test_no_order_and_no_repetition_moves_a_letter(events: list[TrackingEvent], data: st.DataObject) -> None:
    told = data.draw(st.permutations(events + events[:2]))
    assert whereabouts(told) is whereabouts(events)
    assert delivered_at(told) == delivered_at(events)


def test_a_letter_is_delivered_only_while_that_is_the_last_word() -> None:
    told = [_seen("DELIVERED", 1), _seen("DELIVERED", 3), _seen("IN_TRANSIT", 4)]
    assert delivered_at(told) == MORNING + timedelta(hours=3)
    assert delivered_at([*told, _seen("RETURN", 5)]) is None
