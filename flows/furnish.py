"""What the house's Prefect server needs to know, told to it anew at every start: limits, pool, deployments, automation.

Run as `python -m flows.furnish prefect.yaml` by `flows.serve`, in the environment that it sets. Everything is created
or brought up to date by name, so that doing it again changes nothing.
"""

import asyncio
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from prefect.automations import Automation
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import State, StateType
from prefect.events import ResourceSpecification
from prefect.events.actions import RunDeployment
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.exceptions import ObjectAlreadyExists
from prefect.settings import get_current_settings
from prefect.states import Crashed
from prefect.workers.process import ProcessWorker

from cards.errors import HseCardError, Refused, Unavailable
from flows.doorbell import CHIP_FAULTY, RESOURCE
from flows.serve import POOL

DEVICES = ("printer", "encoder")
_PATIENCE = 600  # looks for the server, five a second: a first start migrates its database, 15 s on an idle machine


async def furnish(deployments: Path) -> None:
    """Bring the server up to date. Raises Unavailable (`serve.no_answer`, `serve.deploy_failed`), Refused
    (`serve.port_taken`)."""
    async with get_client() as client:
        await _wait_for(client)
        await _refuse_strangers(client)
        await _give_up_orphans(client)
        for device in DEVICES:
            await client.upsert_global_concurrency_limit_by_name(device, 1)
        await _open_pool(client)
        await asyncio.to_thread(_deploy, deployments)
        await _keep(await _reissue_on_fault(client))


async def _wait_for(client: PrefectClient) -> None:
    for _ in range(_PATIENCE):
        if await client.api_healthcheck() is None:
            return
        await asyncio.sleep(0.2)
    raise Unavailable("serve.no_answer", "the Prefect server does not answer", fix="read server.log beside this log")


async def _refuse_strangers(client: PrefectClient) -> None:
    """Another server may have held the port before ours came up; its deployments are not ours to change."""
    theirs = (await client.request("GET", "/admin/settings")).json().get("home")
    ours = str(get_current_settings().home)
    if theirs != ours:
        raise Refused(
            "serve.port_taken",
            f"another Prefect server answers there (its home is {theirs})",
            field="HSECARD_PREFECT_PORT",
            fix="stop the other server or choose another port",
        )


async def _give_up_orphans(client: PrefectClient) -> None:
    """The server was down, so whoever ran what still counts as running is gone: a killed run would block its
    deployment for minutes and look alive for ever. Running the flow again is safe."""
    under_way = FlowRunFilterStateType(any_=[StateType.PENDING, StateType.RUNNING, StateType.CANCELLING])
    orphans = FlowRunFilter(state=FlowRunFilterState(type=under_way))
    for run in await client.read_flow_runs(flow_run_filter=orphans):
        crashed: State[None] = Crashed(message="The house was stopped in the middle of this run. Run the flow again.")
        await client.set_flow_run_state(run.id, crashed)


async def _open_pool(client: PrefectClient) -> None:
    """The process pool; its runs start in the directory from which the house is served, as its relative paths mean."""
    template = ProcessWorker.get_default_base_job_template()
    template["variables"]["properties"]["working_dir"]["default"] = str(Path.cwd())
    try:
        await client.create_work_pool(WorkPoolCreate(name=POOL, type="process", base_job_template=template))
    except ObjectAlreadyExists:
        await client.update_work_pool(POOL, WorkPoolUpdate(base_job_template=template))


def _deploy(deployments: Path) -> None:
    command = ["-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(deployments)]
    done = subprocess.run([sys.executable, *command], stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise Unavailable("serve.deploy_failed", "prefect.yaml was not deployed", fix="read the lines above")


async def _reissue_on_fault(client: PrefectClient) -> Automation:
    """A fault report, of one card or of thousands, is one event and starts one `reissue`, which looks in the database
    what is open."""
    reissue = await client.read_deployment_by_name("reissue/reissue")
    return Automation(
        name="reissue-on-chip-fault",
        description="A fault report starts the reissue of its cards; the schedule catches what an event missed.",
        trigger=EventTrigger(
            expect={CHIP_FAULTY},
            match=ResourceSpecification({"prefect.resource.id": f"{RESOURCE}.*"}),
            posture=Posture.Reactive,
            threshold=1,
            within=timedelta(0),
        ),
        actions=[
            RunDeployment(
                source="selected", deployment_id=reissue.id, parameters={"request": {"by": f"event {CHIP_FAULTY}"}}
            )
        ],
    )


async def _keep(automation: Automation) -> None:
    """Create an automation, or bring the one of that name up to date."""
    try:
        known = await Automation.aread(name=automation.name)
    except ValueError:
        await automation.acreate()
    else:
        automation.id = known.id
        await automation.aupdate()


def main() -> None:
    """The program: ends with the exit code of our error family, and says what is wrong in its last line."""
    try:
        asyncio.run(furnish(Path(sys.argv[1])))
    except HseCardError as fault:
        sys.exit(str(fault))


if __name__ == "__main__":
    main()
