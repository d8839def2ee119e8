"""Postage of earlier orders from the terminal: what was charged before this system, taken in to be audited."""
# ruff: noqa: PLC0415 -- the stages bring the heavy rooms along: help must be quick

from pathlib import Path
from typing import Annotated

import typer

from cards.errors import Refused
from console.answer import answer
from console.options import AsJson, By, DryRun
from console.show import table
from console.work import at_work

app = typer.Typer(no_args_is_help=True, help="Postage charged before this system: import.")


@app.command("import")
def import_postage(
    path: Annotated[Path, typer.Argument(metavar="FILE.csv", help="One charge a row, as docs/ describes it.")],
    by: By,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> int:
    """Take in what earlier orders were charged for postage."""
    from flows.stages.refund_postage import import_charges

    text = read_text(path)
    with at_work(by) as house:
        done = import_charges(house, text, name=path.name, dry_run=dry_run)
    rows = [(outcome.replace("_", " "), count) for outcome, count in done.counts.items()]
    shown = [table("Postage charges", ("outcome", "count"), rows, right=("count",))]
    return answer({"dry_run": dry_run, "counts": done.counts}, shown, as_json=as_json, problems=done.problems)


def read_text(path: Path) -> str:
    """A text file in UTF-8. Raises Refused `file.unreadable` naming it."""
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as fault:
        why = fault.strerror if isinstance(fault, OSError) else "it is not UTF-8"
        raise Refused(
            "file.unreadable",
            f"{path} cannot be read: {why}",
            field=str(path),
            fix="name a text file in UTF-8 that this user may read",
        ) from None
