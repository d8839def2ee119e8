"""How a line of stages runs as a Prefect flow: one thread task per chunk, progress while it runs, tables at the end.

The heavy work goes from the thread to the house's engine; a task run per card would cost a hundred times more than
one per chunk. Nothing is retried here: a flow that stopped is run again, and the database knows what is done.
Prefect reads its PREFECT_… variables when it is imported: whoever imports this module has set them before.
"""

import asyncio
import atexit
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Annotated, cast
from uuid import UUID

from prefect import Task, get_run_logger
from prefect.artifacts import acreate_progress_artifact, acreate_table_artifact, aupdate_progress_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.concurrency.asyncio import concurrency
from prefect.runtime import deployment, flow_run
from prefect.states import Completed
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from flows.engine import Inline
from flows.house import House, open_house
from flows.stages.line import Chunk, Stage, Tally, work_on

NEEDS_A_PERSON = "NeedsAPerson"
LEASE_S = 60  # a flow run that was killed blocks its device no longer than this

_FOR_A_PERSON = frozenset({"held", "refused", "stopped", "struck", "unsure", "postponed"})
# Only what hands its chunk to the engine gains from going abreast. All else takes numbers or a device in turn, and
# the order of numbers must not depend on threads.
_ABREAST = frozenset({"portraits", "draw"})


class RunRequest(BaseModel):
    """Who started a run; it stands in the journal of every card that the run moves."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    by: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)] = Field(
        description="Your user name, or what started the run."
    )


@dataclass(frozen=True)
class Line:
    """Stages in order under the name of their flow. `devices` names the global limit that a stage holds while it works.

    The limits exist on the server of `flows.serve`; they are held in deployments only (see `_device`).
    """

    name: str
    stages: tuple[Stage, ...]
    devices: Mapping[str, str] = field(default_factory=dict)


# --- the house of this process ---------------------------------------------------------------------------------

_house_in_use: ContextVar[House | None] = ContextVar("house_in_use", default=None)


@cache
def _house_of_process() -> House:
    """One house, so one database and one pool of workers, for all flow runs of this process; let go at its end."""
    doors = ExitStack()
    house = doors.enter_context(open_house(actor="prefect"))
    atexit.register(doors.close)
    return house


@contextmanager
def using(house: House) -> Iterator[None]:
    """Flows run in this context work in `house` instead of the one that the settings describe: for tests and demos."""
    token = _house_in_use.set(house)
    try:
        yield
    finally:
        _house_in_use.reset(token)


def house_for(request: RunRequest) -> House:
    """The house, with this run as the actor of its journal. Raises what `open_house` raises."""
    house = _house_in_use.get() or _house_of_process()
    return replace(house, actor=f"{request.by} (flow run {flow_run.id})")


# --- running a line --------------------------------------------------------------------------------------------


async def run(line: Line, request: RunRequest) -> Tally:
    """All stages of a line, reported. What a flow returns: see `finished`.

    Raises what a stage raises beyond our own errors (a defect), after the other chunks of that stage are done.
    """
    house = house_for(request)
    done: dict[str, Tally] = {}
    for stage in line.stages:
        done[stage.name] = await _run_stage(house, line, stage)
    await _report(line.name, done)
    return finished(sum(done.values(), Tally()))


async def anything_waits(line: Line, request: RunRequest) -> bool:
    """True when a stage of the line has work."""
    house = house_for(request)
    for stage in line.stages:
        if await asyncio.to_thread(stage.waiting, house):
            return True
    return False


async def _run_stage(house: House, line: Line, stage: Stage) -> Tally:
    chunks = await asyncio.to_thread(stage.waiting, house)
    if not chunks:
        return Tally()
    async with _device(line.devices.get(stage.name)):
        done = await _work_through(house, line, stage, chunks)
    get_run_logger().info("%s: %s", stage.name, sentence(done))
    return done


@asynccontextmanager
async def _device(name: str | None) -> AsyncIterator[None]:
    """Hold a device for the length of a stage: one print run a printer, one job an encoder.

    Only a deployment runs beside others on a server that has the limits; there a missing limit is an error.
    """
    if name is None or deployment.id is None:
        yield
    else:
        async with concurrency(name, occupy=1, lease_duration=LEASE_S, strict=True):
            yield


async def _work_through(house: House, line: Line, stage: Stage, chunks: Sequence[Chunk]) -> Tally:
    task = _task(house, stage)
    progress = await Progress.begin(line.name, stage.name, len(chunks))
    turn = asyncio.Semaphore(_width(house, stage))

    async def one(chunk: Chunk) -> Tally:
        async with turn:
            done = await asyncio.to_thread(task.submit(chunk).result)
        await progress.step()
        return done

    results = await asyncio.gather(*(one(chunk) for chunk in chunks), return_exceptions=True)
    total = Tally()
    for result in results:
        if isinstance(result, BaseException):
            raise result
        total += result
    return total


def _width(house: House, stage: Stage) -> int:
    """How many chunks of a stage are under way at once."""
    return house.settings.workers if stage.name in _ABREAST and not isinstance(house.engine, Inline) else 1


def _task(house: House, stage: Stage) -> Task[[Chunk], Tally]:
    """The house stays out of the task's parameters: Prefect would walk through all of it at each call."""

    def work(chunk: Chunk) -> Tally:
        return work_on(house, stage, chunk)

    return Task(work, name=stage.name, cache_policy=NO_CACHE, retries=0, persist_result=False, log_prints=False)


# --- what an operator sees -------------------------------------------------------------------------------------


@dataclass
class Progress:
    """A progress artifact of one stage, moved on by every finished chunk."""

    artifact: UUID
    chunks: int
    finished: int = 0

    @classmethod
    async def begin(cls, line: str, stage: str, chunks: int) -> "Progress":
        """At nought, before the first chunk."""
        key = artifact_key(line, stage)
        return cls(await acreate_progress_artifact(0.0, key, f"{line}: {stage}, {chunks} chunks"), chunks)

    async def step(self) -> None:
        """One chunk more is done."""
        self.finished += 1
        await aupdate_progress_artifact(self.artifact, 100.0 * self.finished / self.chunks)


def artifact_key(*words: str) -> str:
    """Prefect allows small letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(words).lower())


async def _report(line: str, done: Mapping[str, Tally]) -> None:
    """A table of outcomes and one of problems; no artifacts when there is nothing to show."""
    rows = [
        {"stage": stage, "outcome": outcome.replace("_", " "), "count": count}
        for stage, tally in done.items()
        for outcome, count in tally.counts.items()
        if count
    ]
    if rows:
        await acreate_table_artifact(rows, artifact_key(line, "done"), f"What {line} did")
    problems = [
        {
            "code": problem.code,
            "subject": problem.subject,
            "field": problem.field or "",
            "message": problem.message,
            "fix": problem.fix,
        }
        for tally in done.values()
        for problem in tally.problems
    ]
    if problems:
        await acreate_table_artifact(problems, artifact_key(line, "problems"), f"What {line} leaves to a person")


def finished(total: Tally) -> Tally:
    """What a flow returns so that its run ends in `closing_state`.

    Prefect takes a returned state for the state of the run and hands the data in it to the caller: who awaits the
    flow gets the tally.
    """
    return cast(Tally, closing_state(total))


def closing_state(total: Tally) -> State[Tally]:
    """Completed, as `Completed` or `NeedsAPerson`, with the tally in words; the tally itself stays in this process."""
    waits = bool(total.problems) or any(total.counts.get(outcome) for outcome in _FOR_A_PERSON)
    return Completed(name=NEEDS_A_PERSON if waits else "Completed", message=sentence(total), data=total)


def sentence(total: Tally) -> str:
    """`12 pictured, 2 held, 1 problem`; what was done before is not told again."""
    parts = [
        f"{count} {outcome.replace('_', ' ')}"
        for outcome, count in total.counts.items()
        if count and not outcome.startswith("already")
    ]
    if total.problems:
        parts.append(f"{len(total.problems)} problem{'s' * (len(total.problems) > 1)}")
    return ", ".join(parts) or "nothing was waiting"
