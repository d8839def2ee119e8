"""What prefect.yaml promises and the code keeps: found out here, not when an operator presses the button."""

import inspect
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect import Flow
from prefect.client.schemas.schedules import CronSchedule
from prefect.flows import load_flow_from_entrypoint
from prefect.utilities.callables import parameter_schema

from flows import conduct, furnish
from flows.day import STEPS
from flows.serve import POOL, deployments_file
from flows.stages.day import DAY
from flows.stages.line import Problem, Tally

TEN = {
    "day", "intake", "produce", "encode", "ship", "invoice", "refund_postage", "reissue", "reconcile", "retain",
}  # fmt: skip
DEPLOYMENTS: list[dict[str, Any]] = yaml.safe_load(deployments_file().read_text("utf-8"))["deployments"]


def named(deployment: dict[str, Any]) -> str:
    return str(deployment["name"])


def flow_of(deployment: dict[str, Any]) -> Flow[..., Any]:
    return load_flow_from_entrypoint(deployment["entrypoint"], use_placeholder_flow=False)


def request_of(deployment: dict[str, Any]) -> type[conduct.RunRequest]:
    model = inspect.signature(flow_of(deployment).fn).parameters["request"].annotation
    assert issubclass(model, conduct.RunRequest)
    return model


def test_the_ten_flows_are_deployed_once_each() -> None:
    assert sorted(map(named, DEPLOYMENTS)) == sorted(TEN)


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=named)
def test_an_entrypoint_is_an_async_flow_of_that_name_with_one_request(deployment: dict[str, Any]) -> None:
    flow = flow_of(deployment)
    assert flow.name == deployment["name"]
    assert flow.isasync  # a synchronous flow run waits a second for nothing
    assert not flow.log_prints
    assert flow.persist_result is False
    assert list(parameter_schema(flow).properties) == ["request"]
    assert request_of(deployment).model_config["frozen"]


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=named)
def test_parameters_of_deployment_and_schedules_fit_the_request(deployment: dict[str, Any]) -> None:
    for parameters in (deployment["parameters"], *(schedule["parameters"] for schedule in deployment["schedules"])):
        if parameters:
            request_of(deployment).model_validate(parameters["request"])
    assert all(schedule["parameters"] for schedule in deployment["schedules"])


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=named)
def test_one_run_at_a_time_on_the_bureaus_pool(deployment: dict[str, Any]) -> None:
    assert deployment["work_pool"]["name"] == POOL
    assert deployment["concurrency_limit"]["limit"] == 1
    assert deployment["description"]
    assert deployment["tags"]


def test_schedules_are_oslo_time_and_refunds_have_none() -> None:
    crons = {named(deployment): deployment["schedules"] for deployment in DEPLOYMENTS}
    for schedules in crons.values():
        for schedule in schedules:
            CronSchedule(cron=schedule["cron"], timezone=schedule["timezone"])
            assert schedule["timezone"] == "Europe/Oslo"
    assert crons["refund_postage"] == []
    assert {name for name, schedules in crons.items() if schedules} == {"day", "reissue", "reconcile", "retain"}


def test_the_day_flow_runs_the_lines_of_the_day() -> None:
    assert dict(DAY) == {name: line.stages for name, (line, _) in STEPS.items()}
    assert all(name == line.name == flow.name for name, (line, flow) in STEPS.items())


def test_devices_and_parallel_stages_exist_under_their_names() -> None:
    lines = [line for line, _ in STEPS.values()]
    devices = {device for line in lines for device in line.devices.values()}
    assert devices == set(furnish.DEVICES)
    assert all(set(line.devices) <= {stage.name for stage in line.stages} for line in lines)
    assert {stage.name for line in lines for stage in line.stages} >= conduct._ABREAST


def test_the_server_comes_up_with_our_pins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a newer FastAPI, Prefect's server dies at import; pip does not see it."""
    from prefect.server.api.server import create_app

    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    assert create_app().routes


def test_keys_of_artifacts_are_what_prefect_allows() -> None:
    assert conduct.artifact_key("refund_postage", "Problems") == "refund-postage-problems"


@pytest.mark.parametrize(
    ("tally", "name", "message"),
    [
        (Tally(), "Completed", "nothing was waiting"),
        (Tally(counts={"already_done": 3}), "Completed", "nothing was waiting"),
        (Tally(counts={"pictured": 12, "case_confirmed": 1}), "Completed", "12 pictured, 1 case confirmed"),
        (Tally(counts={"pictured": 12, "held": 2}), conduct.NEEDS_A_PERSON, "12 pictured, 2 held"),
        (Tally(counts={"struck": 0, "held": 0}), "Completed", "nothing was waiting"),
        (
            Tally(counts={"stopped": 1}, problems=(Problem(subject="x", family="f", code="c", message="m", fix="f"),)),
            conduct.NEEDS_A_PERSON,
            "1 stopped, 1 problem",
        ),
    ],
)
def test_a_state_says_what_was_done_and_whether_a_person_has_to_act(tally: Tally, name: str, message: str) -> None:
    state = conduct.closing_state(tally)
    assert state.is_completed()
    assert (state.name, state.message) == (name, message)
