"""The flows through Prefect itself, over a small real house: the day made, doubled, short of blanks, and defective."""

import asyncio
import json
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from prefect import State, flow
from prefect.client.orchestration import get_client
from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError
from prefect.settings import get_current_settings

from cards.life import CardState
from flows import conduct
from flows.conduct import NEEDS_A_PERSON, RunRequest
from flows.day import DayRequest, day
from flows.house import House
from flows.intake import IntakeRequest, intake
from flows.produce import produce
from flows.stages.line import Chunk, Stage, Tally, tally

pytestmark = pytest.mark.usefixtures("prefect_server")

KARI = RunRequest(by="kari")


def run(started: Any) -> Any:
    return asyncio.run(started)


def state_of(flow_call: Any, request: RunRequest) -> State[Tally]:
    """The state in which a flow run ended, as an operator sees it."""
    return run(flow_call(request, return_state=True))


def content(house: House) -> dict[str, list[Any]]:
    """Every row of the house's database."""
    with closing(sqlite3.connect(house.settings.home / "hsecard.sqlite")) as base:
        names = [row[0] for row in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: sorted(map(repr, base.execute(f'SELECT * FROM "{name}"'))) for name in names}


def card_states(house: House) -> Counter[CardState]:
    with house.store.read() as uow:
        return Counter({state: len(uow.cards.in_state(state)) for state in CardState})


async def runs_of(name: str) -> int:
    async with get_client() as client:
        runs = await client.read_flow_runs(limit=200)
        flows = {entry.id: entry.name for entry in await client.read_flows(limit=100)}
    return sum(flows[entry.flow_id] == name for entry in runs)


async def artifacts() -> dict[str, Any]:
    async with get_client() as client:
        return {artifact.key: artifact for artifact in await client.read_artifacts(limit=200) if artifact.key}


@pytest.fixture(scope="module")
def after_a_day(
    prefect_server: None, tmp_path_factory: pytest.TempPathFactory, open_small_house: Callable[..., Any], inbox: Path
) -> Iterator[tuple[House, State[Tally]]]:
    """A house whose day was run as a flow; the chip at the second place of its first batch is no good."""
    with open_small_house(tmp_path_factory.mktemp("house"), faults={"P-000001#2": "integrity"}) as house:
        with conduct.using(house):
            state = state_of(day, DayRequest(by="kari", inbox=str(inbox)))
        yield house, state


def test_the_day_makes_and_posts_what_can_be_and_tells_a_person_of_the_rest(
    after_a_day: tuple[House, State[Tally]],
) -> None:
    house, state = after_a_day
    states = card_states(house)
    assert states[CardState.HELD] == 1
    assert states[CardState.POSTED] == states.total() - 1 >= 2
    assert (state.name, state.is_completed()) == (NEEDS_A_PERSON, True)
    assert "2 accepted" in str(state.message)
    assert "1 spoiled" in str(state.message)


def test_a_spoiled_card_is_made_good_in_one_more_round_and_no_further(after_a_day: tuple[House, State[Tally]]) -> None:
    assert (run(runs_of("produce")), run(runs_of("encode")), run(runs_of("ship"))) == (2, 2, 1)


def test_the_journal_names_who_started_the_run_and_the_run(after_a_day: tuple[House, State[Tally]]) -> None:
    house, _ = after_a_day
    with house.store.read() as uow:
        actors = {event.actor for event in uow.cards.events("B-2026-000401-1")}
    assert all(re.fullmatch(r"kari \(flow run [0-9a-f-]{36}\)", actor) for actor in actors)


def test_an_operator_sees_progress_and_tables(after_a_day: tuple[House, State[Tally]]) -> None:
    kept = run(artifacts())
    assert float(kept["produce-portraits"].data) == 100.0
    assert '"outcome": "printed"' in str(kept["produce-done"].data) or "confirmed" in str(kept["produce-done"].data)


def test_prefect_never_learns_a_holders_name_birth_date_or_mail(after_a_day: tuple[House, State[Tally]]) -> None:
    house, _ = after_a_day
    with house.store.read() as uow:
        cards = [card for state in CardState for card in uow.cards.in_state(state)]
        orders = [uow.orders.get(number) for number in {card.order_number for card in cards}]
    secrets = {word for card in cards for word in (card.family_name, card.birth_date.isoformat())}
    secrets |= {order.business.invoice_email for order in orders} | {order.deliver_to.street for order in orders}
    database = Path(str(get_current_settings().server.database.connection_url.get_secret_value()).partition("///")[2])
    held = b"".join(path.read_bytes() for path in database.parent.glob(f"{database.name}*"))
    assert b"produce-portraits" in held  # this is where Prefect keeps what it was told
    spellings = {spelling for secret in secrets for spelling in (secret, json.dumps(secret)[1:-1])}
    assert [spelling for spelling in spellings if spelling.encode() in held] == []


def test_a_second_day_changes_nothing_and_says_so(after_a_day: tuple[House, State[Tally]], inbox: Path) -> None:
    house, _ = after_a_day
    before = content(house)
    with conduct.using(house):
        state = state_of(day, DayRequest(by="kari", inbox=str(inbox)))
    assert content(house) == before
    assert (state.name, state.message) == ("Completed", "nothing was waiting")


def test_two_runs_at_once_do_it_once(tmp_path: Path, open_small_house: Callable[..., Any], inbox: Path) -> None:
    async def doubled() -> list[Tally]:
        await intake(IntakeRequest(by="kari", path=str(inbox)))
        return list(await asyncio.gather(produce(KARI), produce(KARI)))

    with open_small_house(tmp_path) as house, conduct.using(house):
        first, second = run(doubled())
        states = card_states(house)
        with house.store.read() as uow:
            kept = [event.what for event in uow.cards.events("B-2026-000401-1")]
    assert kept == ["ordered", "pictured", "rendered", "frozen", "printed"]
    assert states[CardState.PRINTED] == states.total() - 1
    assert (first + second).counts["pictured"] == states[CardState.PRINTED]


def test_without_blanks_the_run_completes_and_asks_for_some(
    tmp_path: Path, open_small_house: Callable[..., Any], inbox: Path
) -> None:
    async def short() -> State[Tally]:
        await intake(IntakeRequest(by="kari", path=str(inbox)))
        return await produce(KARI, return_state=True)

    with open_small_house(tmp_path, blanks=0) as house, conduct.using(house):
        state = run(short())
    problems = run(artifacts())["produce-problems"]
    assert state.name == NEEDS_A_PERSON
    assert "blanks.short" in str(problems.data)
    assert "hsecard blanks receive" in str(problems.data)


def test_a_defect_fails_the_run_after_the_other_chunks_are_done(
    tmp_path: Path, open_small_house: Callable[..., Any]
) -> None:
    done: list[str] = []

    def work(house: House, chunk: Chunk) -> Tally:
        if chunk == ("1",):
            raise ZeroDivisionError("a defect of ours")
        done.extend(chunk)
        return tally(["did"])

    line = conduct.Line("trial", (Stage("some", lambda house: [("1",), ("2",), ("3",)], work),))

    @flow(name="trial", log_prints=False)
    async def trial(request: RunRequest) -> Tally:
        return await conduct.run(line, request)

    with open_small_house(tmp_path) as house, conduct.using(house):
        state = state_of(trial, KARI)
    assert state.is_failed()
    assert done == ["2", "3"]


def test_a_deployment_without_its_device_limit_stops_instead_of_printing_unguarded(
    tmp_path: Path, open_small_house: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nowhere() -> None:
        async with conduct._device("no such device"):
            pytest.fail("went on without the device")

    monkeypatch.setattr("flows.conduct.deployment", type("Deployment", (), {"id": "a deployment"}))
    with pytest.raises(ConcurrencySlotAcquisitionError):
        run(nowhere())
