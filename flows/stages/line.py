"""A line of stages: each stage says which chunks wait for it and works on one chunk at a time.

A chunk is a tuple of ids. Working on a chunk twice, or on one that somebody else has finished, does nothing: the
database decides. So a flow may be retried, doubled or killed anywhere and run again.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from cards.errors import HseCardError
from flows.house import House

Chunk = tuple[str, ...]


class Problem(BaseModel):
    """Something a person should look at: what it concerns, the error's family, code and words, and the way out."""

    model_config = ConfigDict(frozen=True)

    subject: str
    family: str
    code: str
    message: str
    fix: str
    field: str | None = None

    @classmethod
    def of(cls, subject: str, fault: HseCardError) -> "Problem":
        return cls(
            subject=subject,
            family=type(fault).__name__.lower(),
            code=fault.code,
            message=fault.message,
            fix=fault.fix,
            field=fault.field,
        )


class Tally(BaseModel):
    """What a stage did: counts by outcome (`pictured`, `held`, `already_done`, …) and problems for a person."""

    model_config = ConfigDict(frozen=True)

    counts: dict[str, int] = {}
    problems: tuple[Problem, ...] = ()

    def __add__(self, other: "Tally") -> "Tally":
        counts = Counter(self.counts)
        counts.update(other.counts)
        return Tally(counts=dict(counts), problems=self.problems + other.problems)

    @property
    def changed(self) -> bool:
        """True when anything at all was done."""
        return any(count for outcome, count in self.counts.items() if not outcome.startswith("already"))


def tally(outcomes: Iterable[str], problems: Iterable[Problem] = ()) -> Tally:
    """Count outcomes, one word each."""
    return Tally(counts=dict(Counter(outcomes)), problems=tuple(problems))


@dataclass(frozen=True)
class Stage:
    """A named step: `waiting` lists the chunks that need it, `work` does one chunk and says what came of it."""

    name: str
    waiting: Callable[[House], list[Chunk]]
    work: Callable[[House, Chunk], Tally]


def work_on(house: House, stage: Stage, chunk: Chunk) -> Tally:
    """One chunk of a stage. What stops it becomes a problem for a person; the other chunks go on."""
    try:
        return stage.work(house, chunk)
    except HseCardError as fault:
        return tally(["stopped"], [Problem.of(stage.name, fault)])


def run_stage(house: House, stage: Stage) -> Tally:
    """All waiting chunks of one stage, one after the other."""
    total = Tally()
    for chunk in stage.waiting(house):
        total += work_on(house, stage, chunk)
    return total


def run_line(house: House, stages: Sequence[Stage]) -> Tally:
    """The stages of a line, in order."""
    total = Tally()
    for stage in stages:
        total += run_stage(house, stage)
    return total


def chunks_of(ids: Sequence[str], size: int) -> list[Chunk]:
    """`ids` cut into chunks of at most `size`."""
    return [tuple(ids[start : start + size]) for start in range(0, len(ids), size)]
