"""How businesses are invoiced, from the terminal: for each order, or for all that a month brought, from a day on."""
# ruff: noqa: PLC0415 -- the rooms are imported by the command that needs them: help must be quick

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.answer import answer
from console.options import AsJson, By, DryRun, day_of
from console.show import line, table
from console.work import at_work

if TYPE_CHECKING:
    from billing.models import InvoiceTerms

app = typer.Typer(no_args_is_help=True, help="Terms of businesses: how each is invoiced.")


class Collected(StrEnum):
    """What one invoice is for."""

    ORDER = "order"
    MONTH = "month"


@app.command()
def terms(  # noqa: PLR0917 -- typer hands options over by name
    org_number: Annotated[str, typer.Argument(metavar="ORG", help="The business's organisation number.")],
    collect: Annotated[Collected, typer.Option("--collect", help="An invoice for each order, or one a month.")],
    since: Annotated[str, typer.Option("--from", metavar="DAY", help="First day of delivery that it holds for.")],
    by: By,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> int:
    """Set how a business is invoiced, for what is delivered from a day on.

    What is invoiced already stays as it is; a later setting for the same day takes the place of an earlier one.
    """
    from billing.models import Collect
    from flows.stages.terms import set_terms

    valid_from = day_of(since, "from")
    with at_work(by, dry_run=dry_run) as house:
        made = set_terms(house, org_number, Collect(collect.value), valid_from=valid_from, by=by)
    way = "one invoice a month" if collect is Collected.MONTH else "an invoice for each order"
    words = f"{org_number}: {'would get' if dry_run else 'gets'} {way} for what is delivered from {valid_from} on"
    return answer({"dry_run": dry_run, **_row(made)}, [line(words)], as_json=as_json)


@app.command("list")
def list_terms(as_json: AsJson = False) -> int:
    """List every setting, by business and in the order of setting; all others get an invoice for each order."""
    with at_work("reader") as house, house.store.read() as uow:
        found = [_row(row) for rows in uow.terms.all().values() for row in rows]
    shown = [table("Terms", ("business", "collect", "from", "by", "at"), [tuple(row.values()) for row in found])]
    return answer({"terms": found}, shown, as_json=as_json)


def _row(made: "InvoiceTerms") -> dict[str, Any]:
    return {
        "org_number": made.org_number,
        "collect": made.collect.value,
        "valid_from": made.valid_from.isoformat(),
        "set_by": made.set_by,
        "set_at": f"{made.set_at:%Y-%m-%d %H:%M}",
    }
