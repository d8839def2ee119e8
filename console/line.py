"""The bureau's lines from the terminal: each runs what waits for it, and running it again does no harm.

The stages run here directly, not through Prefect: importing Prefect costs two seconds, and the database decides either
way. `day --flow` takes the road through the flows.
"""
# ruff: noqa: PLC0415 -- the stages bring the heavy rooms along: help must be quick

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType

from console.answer import answer
from console.options import MONEY, WORK, AsJson, By, DryRun
from console.show import line, table
from console.work import Done, Lines, at_work, run_lines, sum_up, waiting

if TYPE_CHECKING:
    from flows.house import House
    from flows.stages.line import Tally

Inbox = Annotated[
    str | None, typer.Option("--inbox", metavar="PATH", help="First take in the orders of a folder, file or s3://…")
]


def register(app: typer.Typer) -> None:
    """Put the lines on the root command."""
    for command in (day, produce, encode, ship, reissue, reconcile, retain):
        app.command(rich_help_panel=WORK)(command)
    app.command(rich_help_panel=MONEY)(invoice)


def produce(by: By, as_json: AsJson = False, dry_run: DryRun = False) -> int:
    """Make portraits, faces, batches and print runs of all that waits."""
    return run_named("produce", by=by, as_json=as_json, dry_run=dry_run)


def encode(by: By, as_json: AsJson = False, dry_run: DryRun = False) -> int:
    """Encode the chips of printed cards, read them back and prove the cards."""
    return run_named("encode", by=by, as_json=as_json, dry_run=dry_run)


def ship(by: By, as_json: AsJson = False, dry_run: DryRun = False) -> int:
    """Pack proved cards by address, letter them, book and list them."""
    return run_named("ship", by=by, as_json=as_json, dry_run=dry_run)


def invoice(by: By, as_json: AsJson = False, dry_run: DryRun = False) -> int:
    """Issue, draw and mail the invoices of posted cards."""
    return run_named("invoice", by=by, as_json=as_json, dry_run=dry_run)


def reissue(by: By, as_json: AsJson = False, dry_run: DryRun = False) -> int:
    """Order the free replacement of every card reported faulty."""
    return run_named("reissue", by=by, as_json=as_json, dry_run=dry_run)


def reconcile(by: By, as_json: AsJson = False, dry_run: DryRun = False) -> int:
    """Settle what was sent without an answer by asking the other side.

    Asks the carrier where letters are, and orderers where returned cards go.
    """
    return run_named("reconcile", by=by, as_json=as_json, dry_run=dry_run)


def retain(by: By, as_json: AsJson = False, dry_run: DryRun = False) -> int:
    """Erase the photos, print files and portraits that are past their time."""
    return run_named("retain", by=by, as_json=as_json, dry_run=dry_run)


def day(
    by: By,
    inbox: Inbox = None,
    flow: Annotated[bool, typer.Option("--flow", help="Run it as Prefect flows, on a server of its own.")] = False,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> int:
    """Run the bureau's day: reconcile, reissue, make, ship, invoice, refund.

    Takes in the orders of --inbox first. Spoiled cards are made good within the
    day. Running it twice does nothing twice.
    """
    from flows.stages.day import DAY

    if flow and not dry_run:
        from console.through_prefect import run_day_flow

        with at_work(by) as house:
            return tell_done({"day": {"flow": run_day_flow(house, inbox=inbox, by=by)}}, as_json=as_json)
    with at_work(by) as house:
        taken_in = _take_in(house, inbox, dry_run=dry_run) if inbox else {}
        if dry_run:
            return tell_waiting(waiting(house, DAY), taken_in, as_json=as_json)
        return tell_done({**taken_in, **run_lines(house, DAY, quiet=as_json)}, as_json=as_json)


def _take_in(house: "House", inbox: str, *, dry_run: bool) -> Done:
    from flows.stages.intake import import_orders

    return {"intake": {"orders": import_orders(house, inbox, dry_run=dry_run)}}


def run_named(name: str, *, by: str, as_json: bool, dry_run: bool) -> int:
    """Run one line of the day by its name, or say what waits for it."""
    with at_work(by) as house:
        lines = line_named(name)
        if dry_run:
            return tell_waiting(waiting(house, lines), {}, as_json=as_json)
        return tell_done(run_lines(house, lines, quiet=as_json), as_json=as_json)


def line_named(name: str) -> Lines:
    """One line of the day, as a list of one."""
    from flows.stages.day import DAY

    return ((name, dict(DAY)[name]),)


def tell_done(done: Mapping[str, Mapping[str, "Tally"]], *, as_json: bool) -> int:
    """Say what the stages did; the exit code is that of the gravest problem."""
    total = sum_up(done)
    document: dict[str, Any] = {
        "changed": total.changed,
        "lines": {name: {stage: tally.counts for stage, tally in stages.items()} for name, stages in done.items()},
    }
    quiet = line("nothing was waiting: nothing was changed")
    return answer(document, [_done_table(done) if total.counts else quiet], as_json=as_json, problems=total.problems)


def _done_table(done: Mapping[str, Mapping[str, "Tally"]]) -> RenderableType:
    rows = [
        (name, stage, outcome.replace("_", " "), count)
        for name, stages in done.items()
        for stage, tally in stages.items()
        for outcome, count in tally.counts.items()
        if count
    ]
    return table("What was done", ("line", "stage", "outcome", "count"), rows, right=("count",))


def tell_waiting(
    seen: Mapping[str, Mapping[str, Mapping[str, int]]], taken_in: Mapping[str, Mapping[str, "Tally"]], *, as_json: bool
) -> int:
    """Say what waits for each stage now; nothing was changed."""
    total = sum_up(taken_in)
    document = {"dry_run": True, "waiting": seen} | ({"intake": total.counts} if taken_in else {})
    rows = [
        (name, stage, count["chunks"], count["items"])
        for name, stages in seen.items()
        for stage, count in stages.items()
        if count["chunks"]
    ]
    shown = [
        *([_done_table(taken_in)] if total.counts else []),
        table("What waits now", ("line", "stage", "chunks", "items"), rows, right=("chunks", "items")),
        line("Nothing was changed. Later stages also take what earlier ones bring.", "dim"),
    ]
    return answer(document, shown, as_json=as_json, problems=total.problems)
