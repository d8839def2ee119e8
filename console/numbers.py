"""The carrier's number ranges from the terminal: added from the carrier's letter, listed with what is left of them."""
# ruff: noqa: PLC0415 -- the stages bring the heavy rooms along: help must be quick

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import RenderableType

from console.answer import answer
from console.options import AsJson, By, DryRun
from console.show import line, table
from console.work import at_work
from shipping.number_ranges import NumberKind, NumberRange

app = typer.Typer(no_args_is_help=True, help="The carrier's number ranges: add, list.")


@app.command()
def add(
    *,
    kind: Annotated[NumberKind, typer.Argument(help="s10 (registered letters) or sscc (parcels).")],
    prefix: Annotated[
        str,
        typer.Option("--prefix", help="Service letters (RR), or extension digit and GS1 company prefix (37043810)."),
    ],
    first: Annotated[int, typer.Option("--first", help="The first serial, without prefix and check digit.")],
    last: Annotated[int, typer.Option("--last", help="The last serial.")],
    source: Annotated[str, typer.Option("--source", help="The carrier's letter that gave the range, and its date.")],
    by: By,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> int:
    """Add a range that the carrier gave us.

    Each number of it goes on one label, and never on another.
    """
    from flows.stages.numbers import add_range

    with at_work(by, dry_run=dry_run) as house:
        added = add_range(house, kind, prefix, first, last, source=source)
    words = f"{added.left} numbers {'would be' if dry_run else 'are'} added, {_whole(added, first)} to "
    shown = [line(f"{words}{_whole(added, last)}")]
    return answer({"dry_run": dry_run, "range": _document(added)}, shown, as_json=as_json)


@app.command("list")
def list_ranges(as_json: AsJson = False) -> int:
    """List the ranges in the order in which they are used up."""
    with at_work("reader") as house, house.store.read() as uow:
        ranges = uow.carrier_numbers.ranges()
    return answer({"ranges": [_document(one) for one in ranges]}, [_shown(ranges)], as_json=as_json)


def _shown(ranges: Sequence[NumberRange]) -> RenderableType:
    rows = [(one.range_id, _whole(one, one.first_serial), one.last_serial, one.left, one.source) for one in ranges]
    return table("Number ranges", ("range", "from", "to serial", "left", "source"), rows, right=("to serial", "left"))


def _whole(of: NumberRange, serial: int) -> str:
    from shipping.number_ranges import number_of

    return number_of(of.kind, of.prefix, serial)


def _document(one: NumberRange) -> dict[str, object]:
    return {**one.model_dump(mode="json"), "left": one.left}
