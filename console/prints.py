"""The printer from the terminal: its jobs, and how the cards of a batch came out, told place by place.

A person at the printer tells it once for a whole tray: ranges of places, one cause a group, and the rest.
"""
# ruff: noqa: PLC0415 -- the stages bring the heavy rooms along: help must be quick

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cards.blanks import SpoilCause
from cards.errors import HseCardError, Refused
from console.answer import answer
from console.options import AsJson, By, DryRun
from console.show import facts, line, table
from console.work import at_work

if TYPE_CHECKING:
    from flows.house import House
    from flows.stages.outcomes import Told

app = typer.Typer(no_args_is_help=True, help="The printer: its jobs, and how the cards came out.")

_CAUSES = ", ".join(cause.value for cause in SpoilCause)


@app.command("list")
def list_jobs(as_json: AsJson = False) -> int:
    """Show the printer and its jobs, one a batch."""
    with at_work("reader") as house:
        printer = _printer_says(house)
        with house.store.read() as uow:
            jobs = uow.print_jobs.all()
    rows = [
        (job.batch_id, job.state.value, job.reference, job.reason, job.asked_at.strftime("%Y-%m-%d %H:%M"))
        for job in jobs
    ]
    shown = [
        facts("Printer", printer),
        table("Print jobs", ("batch", "state", "job", "because", "sent (UTC)"), rows),
    ]
    document = {"printer": printer, "jobs": [job.model_dump(mode="json") for job in jobs]}
    return answer(document, shown, as_json=as_json)


def _printer_says(house: "House") -> dict[str, str]:
    """A printer that does not answer must not hide its jobs."""
    try:
        status = house.printer.status()
    except HseCardError as fault:
        return {"state": fault.code, "way out": fault.fix}
    return {"state": "ready" if status.ready else "stopped", "says": ", ".join(status.reasons) or "nothing"}


@app.command()
def outcome(
    *,
    batch_id: Annotated[str, typer.Argument(metavar="BATCH", help="The batch, e.g. P-000001.")],
    good: Annotated[str, typer.Option("--good", metavar="PLACES", help="Places that came out well: 1-6,9.")] = "",
    spoiled: Annotated[
        list[str] | None,
        typer.Option("--spoiled", metavar="PLACES=CAUSE", help=f"Spoiled ones: 7-8=ribbon. Causes: {_CAUSES}."),
    ] = None,
    unprinted: Annotated[
        str, typer.Option("--unprinted", metavar="PLACES", help="Places whose blank was not used.")
    ] = "",
    rest: Annotated[
        Literal["good", "unprinted"] | None, typer.Option("--rest", help="What all other places are.")
    ] = None,
    printer_gone: Annotated[
        bool, typer.Option("--printer-gone", help="The printer is out of service: its job can never go on.")
    ] = False,
    by: By,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> int:
    """Tell how the cards of a batch came out.

    A job that was given up, forgotten or unsure is settled by this: tell every
    place. Spoiled and unprinted cards go into the next batch.
    """
    from flows.stages.outcomes import record_outcome

    told = _told(good, spoiled or [], unprinted, rest)
    with at_work(by, dry_run=dry_run) as house:
        counts = record_outcome(house, batch_id, told, printer_gone=printer_gone)
    document: dict[str, Any] = {"dry_run": dry_run, "batch": batch_id, "counts": counts}
    words = ", ".join(f"{count} {name}" for name, count in counts.items())
    verb = "would be new" if dry_run else "new"
    return answer(document, [line(f"batch {batch_id}: {verb}: {words}")], as_json=as_json)


def _told(good: str, spoiled: Sequence[str], unprinted: str, rest: Literal["good", "unprinted"] | None) -> "Told":
    from flows.stages.outcomes import Told

    causes: dict[int, SpoilCause] = {}
    for group in spoiled:
        places, mark, cause = group.partition("=")
        if not mark or cause not in set(SpoilCause):
            raise _unreadable("--spoiled", group, f"write PLACES=CAUSE, with one of: {_CAUSES}")
        causes |= dict.fromkeys(_places("--spoiled", places), SpoilCause(cause))
    return Told(
        good=frozenset(_places("--good", good)),
        spoiled=causes,
        unprinted=frozenset(_places("--unprinted", unprinted)),
        rest=rest,
    )


def _places(option: str, text: str) -> list[int]:
    """`1-3,7` → 1, 2, 3, 7."""
    found: list[int] = []
    for part in filter(None, text.replace(" ", "").split(",")):
        first, mark, last = part.partition("-")
        last = last if mark else first
        if not (first.isascii() and first.isdigit() and last.isascii() and last.isdigit() and len(part) < 12):
            raise _unreadable(option, text, "write places as 1-3,7")
        if int(last) - int(first) not in range(1000):
            raise _unreadable(option, text, "a range goes upwards: 1-3,7")
        found += range(int(first), int(last) + 1)
    return found


def _unreadable(option: str, text: str, fix: str) -> Refused:
    return Refused("print.places_unreadable", f"{text!r} names no places", field=option, fix=fix)
