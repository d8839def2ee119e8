"""`hsecard serve` for real: server and worker as processes, a day started over the API, a chip fault that reissues."""

import contextlib
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from flows.house import open_house
from flows.serve import _environment, address
from flows.settings import Settings
from flows.stages.by_hand import receive_blanks

SAMPLES = Path(__file__).resolve().parent.parent.parent / "samples" / "orders"
ORDER = "B-2026-000401"

SERVE = "from flows.serve import serve; from flows.settings import read_settings; serve(read_settings())"
TOKEN = "a-token-for-this-house-only"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(
        home=tmp_path_factory.mktemp("serve"),
        environment="test",
        clock=datetime(2026, 11, 23, 8, 0, tzinfo=UTC),
        workers=1,
        durable=False,
        prefect_port=free_port(),
        api_token=SecretStr(TOKEN),
        api_port=free_port(),
    )


@pytest.fixture(scope="module")
def inbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inbox")
    document = json.loads((SAMPLES / f"{ORDER}.json").read_text("utf-8"))
    shutil.copy(SAMPLES / f"{ORDER}.json", folder)
    for card in document["cards"]:
        (folder / card["photo"]).parent.mkdir(exist_ok=True)
        shutil.copy(SAMPLES / card["photo"], folder / card["photo"])
    return folder


@contextlib.contextmanager
def serving(settings: Settings) -> Iterator[httpx.Client]:
    """serve() as a program of its own, until SIGTERM; a client of its API."""
    said = settings.home / "serve.txt"
    with said.open("wb") as out:
        program = subprocess.Popen(
            [sys.executable, "-c", SERVE],
            env=_environment(settings),
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_until(lambda: program.poll() is not None or address(settings) in said.read_text("utf-8"), 240)
        assert program.poll() is None, said.read_text("utf-8")
        with httpx.Client(base_url=f"{address(settings)}/api/", timeout=20) as api:
            yield api
    finally:
        program.send_signal(signal.SIGTERM)
        assert program.wait(60) == 0
        assert processes_of(settings) == []


def processes_of(settings: Settings) -> list[str]:
    """Command lines of all processes that were given this home."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"HSECARD_HOME={settings.home}\0".encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


def wait_until(met: Any, seconds: float) -> None:
    for _ in range(int(seconds * 5)):
        if met():
            return
        time.sleep(0.2)
    pytest.fail(f"waited {seconds} s in vain")


def last_run(api: httpx.Client, deployment_id: str) -> dict[str, Any] | None:
    query = {"deployments": {"id": {"any_": [deployment_id]}}, "sort": "EXPECTED_START_TIME_DESC"}
    query |= {"flow_runs": {"state": {"type": {"any_": ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"]}}}}
    runs: list[dict[str, Any]] = api.post("flow_runs/filter", json=query).json()
    return runs[0] if runs else None


def ended_run(api: httpx.Client, deployment_id: str) -> dict[str, Any]:
    wait_until(lambda: last_run(api, deployment_id), 120)
    run = last_run(api, deployment_id)
    assert run is not None
    return run


def report(settings: Settings, **content: Any) -> httpx.Response:
    """A site system reports over the API that runs beside Prefect; it may still be starting."""
    url = f"http://127.0.0.1:{settings.api_port}/api/faults"
    document = content | {"report_key": f"gate:{len(content)}", "reported_by": "gate 7"}
    answers: list[httpx.Response] = []

    def sent() -> bool:
        with contextlib.suppress(httpx.ConnectError):
            answers.append(httpx.post(url, json=document, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60))
        return bool(answers)

    wait_until(sent, 60)
    return answers[0]


def deployment(api: httpx.Client, name: str) -> str:
    return str(api.get(f"deployments/name/{name}/{name}").json()["id"])


def test_a_day_from_the_api_and_a_fault_that_reissues(settings: Settings, inbox: Path) -> None:
    with open_house(actor="a test", settings=settings) as house:
        receive_blanks(house, lot="L-1", count=20)
    with serving(settings) as api:
        limits = {name: api.get(f"v2/concurrency_limits/{name}").json()["limit"] for name in ("printer", "encoder")}
        assert limits == {"printer": 1, "encoder": 1}

        day = deployment(api, "day")
        parameters = {"request": {"by": "kari", "inbox": str(inbox)}}
        start = f"deployments/{day}/create_flow_run"  # a server that is still busy with itself answers 503
        wait_until(lambda: api.post(start, json={"parameters": parameters}).is_success, 60)
        made = ended_run(api, day)
        assert (made["state"]["type"], made["state"]["name"]) == ("COMPLETED", "Completed"), made["state"]
        assert "2 proved" in made["state"]["message"]

        reissue = deployment(api, "reissue")
        first = report(settings, cards=[f"{ORDER}-1", "9999999"])
        assert (first.status_code, first.json()["counts"]) == (201, {"refused": 1, "reported": 1})
        reissued = ended_run(api, reissue)
        assert reissued["created_by"]["type"] == "AUTOMATION"
        assert "1 reissued" in reissued["state"]["message"]

        recalled = report(settings, cohort={"lot": "L-1"}, expect=1)  # the other card; one event again
        assert (recalled.status_code, recalled.json()["counts"]["reported"]) == (201, 1)
        wait_until(lambda: last_run(api, reissue) != reissued, 120)
        assert "1 reissued" in ended_run(api, reissue)["state"]["message"]

        later = {"type": "SCHEDULED", "state_details": {"scheduled_time": "2099-01-01T00:00:00Z"}}
        orphan = {"parameters": {"request": {"by": "kari"}}, "state": later}
        run = api.post(f"deployments/{deployment(api, 'retain')}/create_flow_run", json=orphan).json()["id"]
        forced = {"state": {"type": "RUNNING"}, "force": True}
        api.post(f"flow_runs/{run}/set_state", json=forced).raise_for_status()

    with open_house(actor="a test", settings=settings) as house, house.store.read() as uow:
        for line in (1, 2):
            assert uow.cards.get(f"{ORDER}-{line}").replaced_by == f"{ORDER}-{line}R1"


def test_starting_again_finds_everything_in_place(settings: Settings) -> None:
    with serving(settings) as api:
        assert len(api.post("deployments/filter", json={}).json()) == 10
        names = [automation["name"] for automation in api.post("automations/filter", json={}).json()]
        assert names == ["reissue-on-chip-fault"]
        assert [pool["name"] for pool in api.post("work_pools/filter", json={}).json()] == ["bureau"]
        orphan = last_run(api, deployment(api, "retain"))
        assert orphan is not None
        assert orphan["state"]["type"] == "CRASHED"  # its process is gone: it must not block the next run


def test_a_taken_port_is_told_in_words(settings: Settings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        elsewhere = settings.model_copy(update={"prefect_port": taken.getsockname()[1]})
        program = [sys.executable, "-c", SERVE]
        ended = subprocess.run(program, env=_environment(elsewhere), capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    assert "serve.program_ended" in ended.stderr
    assert "HSECARD_PREFECT_PORT" in ended.stderr
    assert processes_of(settings) == []
