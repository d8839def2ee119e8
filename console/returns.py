"""Letters after they left: bookings in doubt told by a person, sightings by the carrier, and mail that came back."""
# ruff: noqa: PLC0415 -- the stages bring the heavy rooms along: help must be quick

from typing import Annotated

import typer

from cards.errors import Refused
from console.answer import answer
from console.line import tell_done
from console.options import WORK, AsJson, By, DryRun
from console.show import line
from console.work import at_work

Letter = Annotated[str, typer.Argument(metavar="SHIPMENT", help="The shipment, e.g. S-000001.")]


def register(root: typer.Typer) -> None:
    """Put them on the root command."""
    root.command(rich_help_panel=WORK)(booked)


def booked(
    *,
    shipment: Letter,
    consignment: Annotated[
        str | None, typer.Option("--consignment", metavar="NUMBER", help="It is booked, under this number.")
    ] = None,
    not_booked: Annotated[bool, typer.Option("--not-booked", help="The carrier has no such booking.")] = False,
    by: By,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> int:
    """Say how a booking without an answer ended at the carrier."""
    from flows.stages.ship import settle_booking

    if not_booked == (consignment is not None):
        raise Refused(
            "shipment.booked_or_not",
            "one of --consignment and --not-booked is needed",
            fix="say what the carrier shows",
        )
    with at_work(by, dry_run=dry_run) as house:
        done = settle_booking(house, shipment, consignment=consignment)
    if dry_run:
        return answer({"dry_run": True, "counts": done.counts}, [line("nothing was changed")], as_json=as_json)
    return tell_done({"booked": {shipment: done}}, as_json=as_json)
