"""How a command works: a house opened in a person's name, stages run with their progress on stderr, or only counted.

The heavy rooms are imported here and by the commands when they run, never when the command line starts: help must be
quick.
"""
# ruff: noqa: PLC0415 -- see above

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from cards.life import Card
    from flows.house import House
    from flows.stages.line import Stage, Tally

Lines = Sequence[tuple[str, "tuple[Stage, ...]"]]
Done = dict[str, dict[str, "Tally"]]  # line → stage → what it did


@contextmanager
def at_work(by: str, *, dry_run: bool = False) -> Iterator["House"]:
    """The house of this terminal's settings, with `by` as the actor; with `dry_run` one in which nothing lasts."""
    from flows.house import open_house

    with open_house(actor=by) as house:
        if dry_run:
            from console.rehearsal import rehearsing

            yield rehearsing(house)
        else:
            yield house


@contextmanager
def progress(*, quiet: bool) -> Iterator[Progress]:
    """A progress display on stderr; silent for machines and where nobody watches."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=quiet or not sys.stderr.isatty(),
    ) as display:
        yield display


def run_lines(house: "House", lines: Lines, *, quiet: bool) -> Done:
    """Run lines of stages in order, one bar a stage. What stops a chunk becomes a problem of its tally."""
    done: Done = {}
    with progress(quiet=quiet) as display:
        for name, stages in lines:
            for stage in stages:
                _add(done, name, stage.name, _run_stage(house, stage, display, f"{name}: {stage.name}"))
    return done


def _run_stage(house: "House", stage: "Stage", display: Progress, title: str) -> "Tally":
    from flows.stages.line import Tally, work_on

    total = Tally()
    chunks = stage.waiting(house)
    for chunk in display.track(chunks, description=title) if chunks else ():
        total += work_on(house, stage, chunk)
    return total


def _add(done: Done, name: str, stage: str, tally: "Tally") -> None:
    stages = done.setdefault(name, {})
    stages[stage] = stages[stage] + tally if stage in stages else tally


def waiting(house: "House", lines: Lines) -> dict[str, dict[str, dict[str, int]]]:
    """What waits now, by line and stage: chunks and the items in them. Later stages wait for earlier ones."""
    seen: dict[str, dict[str, dict[str, int]]] = {}
    for name, stages in lines:
        for stage in stages:
            chunks = stage.waiting(house)
            seen.setdefault(name, {})[stage.name] = {"chunks": len(chunks), "items": sum(map(len, chunks))}
    return seen


def sum_up(done: Mapping[str, Mapping[str, "Tally"]]) -> "Tally":
    """Everything in one tally."""
    from flows.stages.line import Tally

    return sum((tally for stages in done.values() for tally in stages.values()), Tally())


def card_named(house: "House", text: str) -> "Card":
    """The card with this number (as people write it) or card id. Raises Refused `card.unknown`."""
    from cards.identifiers import normalised_card_number

    with house.store.read() as uow:
        return uow.cards.by_number(normalised_card_number(text)) or uow.cards.get(text.strip())
