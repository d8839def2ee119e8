"""Where a letter is does not depend on the order in which its sightings arrive, nor on how often they are told."""

import itertools
from datetime import UTC, datetime, timedelta, timezone

import pytest

from shipping.tracking import TrackingEvent, Whereabouts, whereabouts

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


def test_the_same_sighting_is_one_however_its_time_is_written() -> None:
    oslo = MORNING.astimezone(timezone(timedelta(hours=1)))
    again = TrackingEvent(booking="c", status="RETURN", at=oslo, description="told in other words")
    assert again.event_id == _seen("RETURN").event_id
    assert _seen("RETURN", unit="002").event_id != _seen("RETURN").event_id
    assert _seen("RETURN", 1).event_id != _seen("RETURN").event_id
