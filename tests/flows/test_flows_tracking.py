"""Where letters are: asked for and told, in any order, again and again, and always the same in the end."""

import asyncio
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from cards.adapters.system import SteadyClock
from cards.errors import Unavailable
from console.api import TRACKING_PATH, build_app
from flows.house import House
from flows.stages.letter_views import letter_view, list_letters
from flows.stages.line import run_stage
from flows.stages.returns import scan_return
from flows.stages.tracking import LOOK_AGAIN, LOOK_FOR, TRACK, take_push
from shipping.adapters.bring import BringCarrier
from shipping.adapters.bring_http import BringOptions
from shipping.adapters.bring_standin import CUSTOMER, KEY, UID, BringStandIn, Fault, package_number
from shipping.tracking import TrackingEvent
from tests.flows.mailroom import MONDAY, OLD, a_mailroom, posted, prove, ship, states, whole

TOKEN = "a-token-for-the-carrier-alone"


@pytest.fixture
def standin() -> Iterator[BringStandIn]:
    with BringStandIn() as server:
        yield server


@pytest.fixture
def by_bring(standin: BringStandIn) -> Callable[[House], House]:
    """The same house with its letters carried by the stand-in."""

    def opened(house: House) -> House:
        options = BringOptions(
            sender=OLD,
            uid=UID,
            key=KEY,
            customer=CUSTOMER,
            client_url="https://kort.example",
            product="3634",
            base_url=standin.base_url,
            looks_up=True,
            pause_max_s=0.01,
        )
        return replace(house, carrier=BringCarrier(options, clock=house.clock))

    return opened


@pytest.fixture
def house(tmp_path: Path, database_url: str, by_bring: Callable[[House], House]) -> Iterator[House]:
    with a_mailroom(tmp_path, database_url, carrier_push_token=SecretStr(TOKEN)) as opened:
        yield by_bring(opened)


def _booking(house: House, letter: str) -> str:
    return str(letter_view(house, letter).shipment.booking)


def _hours_on(house: House, hours: int = 6) -> House:
    """The same house some hours later."""
    return replace(house, clock=SteadyClock(MONDAY + timedelta(hours=hours)))


def _at(hours: int) -> str:
    return (MONDAY + timedelta(hours=hours)).isoformat()


def _poster(house: House, token: str = TOKEN) -> Callable[[bytes], int]:
    async def asked(body: bytes) -> int:
        transport = httpx.ASGITransport(app=build_app(house, "another-token-for-gates"))
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            answer = await client.post(TRACKING_PATH, content=body, headers={"Authorization": f"Bearer {token}"})
            return answer.status_code

    return lambda body: asyncio.run(asked(body))


def test_what_is_polled_and_what_is_pushed_is_one_sighting(house: House, standin: BringStandIn) -> None:
    letter, _ = posted(house)
    booking = _booking(house, letter)
    for hours, status in enumerate(("HANDED_IN", "IN_TRANSIT", "RETURN")):
        standin.see(booking, status, _at(hours), description="told <b>in words</b>")
    assert standin.push(booking, _poster(house), late=True) == [200, 200, 200]
    assert run_stage(_hours_on(house), TRACK).counts == {"already_known": 1}
    assert standin.push(booking, _poster(house)) == [200, 200, 200]
    view = letter_view(house, letter)
    assert [event.status for event in view.events] == ["HANDED_IN", "IN_TRANSIT", "RETURN"]
    assert view.where == "returning"
    standin.see(booking, "DELIVERED_SENDER", _at(9))
    standin.push(booking, _poster(house), late=True)
    assert letter_view(house, letter).where == "at_sender"
    assert whole(house)


@pytest.mark.parametrize("seed", range(3))
def test_any_order_with_repeats_gives_the_same_rows_and_the_same_place(house: House, seed: int) -> None:
    chance = random.Random(seed)
    words = ("HANDED_IN", "IN_TRANSIT", "DELIVERED", "RETURN", "DELIVERED_SENDER", "A_NEW_WORD")
    events = [
        TrackingEvent(booking="b", status=chance.choice(words), at=MONDAY + timedelta(hours=chance.randint(0, 4)))
        for _ in range(8)
    ]
    kept = []
    for booking in ("first", "second"):
        told = [event.model_copy(update={"booking": booking}) for event in [*events, *events[:4]]]
        chance.shuffle(told)
        for event in told:
            with house.store.begin() as uow:
                uow.tracking.add(event, told_by=chance.choice(["poll", "push"]))
        with house.store.read() as uow:
            kept.append({(event.status, event.at) for event in uow.tracking.of([booking])[booking]})
    assert kept[0] == kept[1] == {(event.status, event.at) for event in events}


def test_letters_are_asked_about_now_and_then_until_they_arrive(
    tmp_path: Path, database_url: str, standin: BringStandIn, by_bring: Callable[[House], House]
) -> None:
    def looked(after: timedelta) -> int:
        with a_mailroom(tmp_path, database_url, at=MONDAY + after) as opened:
            return sum(run_stage(by_bring(opened), TRACK).counts.values())

    with a_mailroom(tmp_path, database_url) as opened:
        letter, _ = posted(by_bring(opened))
        booking = _booking(opened, letter)
    assert [looked(timedelta()), looked(LOOK_AGAIN), looked(LOOK_AGAIN), looked(2 * LOOK_AGAIN)] == [0, 1, 0, 1]
    standin.see(booking, "DELIVERED", _at(7))
    assert looked(3 * LOOK_AGAIN) == 1
    assert looked(5 * LOOK_AGAIN) == 0
    with a_mailroom(tmp_path, database_url, at=MONDAY + timedelta(days=2)) as opened:
        turned = f'{{"status":"RETURN","shipment":"{booking}","created":"2026-11-24T08:00:00Z"}}'
        assert take_push(opened, turned.encode()) == "seen"  # the wrong door: it is asked about again
    assert looked(timedelta(days=3)) == 1
    assert looked(LOOK_FOR) == 0


def test_a_carrier_that_does_not_answer_is_told_and_the_rest_waits(house: House, standin: BringStandIn) -> None:
    posted(house, "A-1")
    posted(house, "A-2")
    standin.reading_faults.extend([None, *[Fault.BUSY] * 3])
    done = run_stage(_hours_on(house), TRACK)
    assert done.counts == {"already_known": 1}
    assert [problem.code for problem in done.problems] == ["carrier.unavailable"]
    assert run_stage(_hours_on(house), TRACK).counts == {"already_known": 2}


def test_a_sighting_before_its_booking_is_known_counts_once_it_is(house: House, standin: BringStandIn) -> None:
    prove(house, "A-1")
    number = "70438100000000016"
    early = f'{{"status":"HANDED_IN","shipment":"{number}","created":"2026-11-23T11:00:00Z","new":[1]}}'.encode()
    assert [take_push(house, early), take_push(house, early)] == ["seen_unknown", "already_seen"]
    with house.store.read() as uow:
        assert uow.tracking.unknown() == 1
    ship(house)
    (view,) = list_letters(house)
    assert (view.shipment.booking, view.where) == (number, "under_way")


def test_a_later_delivery_lifts_the_flag_of_an_address(house: House, standin: BringStandIn) -> None:
    letter, _ = posted(house, "A-1")
    other, _ = posted(house, "A-2")
    scan_return(house, letter, reason="02")
    waiting = prove(house, "A-3")
    ship(house)
    assert states(house, waiting) == ["held"]
    standin.see(_booking(house, other), "DELIVERED", _at(-1))
    run_stage(_hours_on(house), TRACK)
    assert states(house, waiting) == ["held"]  # it was delivered before the other one came back
    push = f'{{"status":"DELIVERED","shipment":"{_booking(house, other)}","created":"2026-11-23T13:00:00Z"}}'
    take_push(house, push.encode())
    assert states(house, waiting) == ["proved"]
    with house.store.read() as uow:
        kept = uow.returns.find(letter)
    assert kept is not None
    assert kept.lifted_why == f"{other} was delivered there"
    assert whole(house)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"\xff", b'{"status":"RETURN"}', b'{"status":"RETURN","shipment":"1","created":"tomorrow"}', b'"' * 9],
)
def test_what_is_no_event_is_answered_400_and_not_kept(house: House, body: bytes) -> None:
    assert _poster(house)(body) == 400
    with house.store.read() as uow:
        assert uow.tracking.unknown() == 0


def test_only_the_carrier_may_tell(house: House) -> None:
    body = b'{"status":"RETURN","shipment":"1","created":"2026-11-23T13:00:00Z"}'
    assert _poster(house, "another-token-for-gates")(body) == 401
    closed = replace(house, settings=house.settings.model_copy(update={"carrier_push_token": None}))
    assert _poster(closed, "")(body) == 401


def test_what_cannot_be_kept_is_told_again(house: House, standin: BringStandIn) -> None:
    letter, _ = posted(house)
    booking = _booking(house, letter)
    standin.see(booking, "RETURN", datetime(2026, 11, 23, 13, tzinfo=UTC).isoformat())

    class Down:
        """A database that is away."""

        def begin(self) -> object:
            raise Unavailable("store.unavailable", "away", fix="wait")

    down = replace(house, store=Down())  # type: ignore[arg-type]  # only its begin is reached
    answers = iter([_poster(down), _poster(down), _poster(house)])
    assert standin.push(booking, lambda body: next(answers)(body)) == [503, 503, 200]  # noqa: PLW0108 -- a new one each call
    assert letter_view(house, letter).where == "returning"


def test_the_label_of_the_carrier_finds_a_returned_letter(house: House, standin: BringStandIn) -> None:
    letter, _ = posted(house, "A-1")
    posted(house, "A-2")
    on_label = package_number(_booking(house, letter))
    assert scan_return(house, f"]C100{on_label}", reason="02").shipment_id == letter
