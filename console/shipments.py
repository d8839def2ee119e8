"""Letters in the terminal: which there are, where each is and what was seen of it, and bookings told by a person."""
# ruff: noqa: PLC0415 -- the stages bring the heavy rooms along: help must be quick

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType

from cards.errors import Refused
from console.answer import answer
from console.line import tell_done
from console.options import WORK, AsJson, By, DryRun
from console.show import facts, kroner, line, table
from console.work import at_work

if TYPE_CHECKING:
    from flows.stages.letter_views import LetterView

app = typer.Typer(no_args_is_help=True, help="Letters: list, show where each is.")

Letter = Annotated[str, typer.Argument(metavar="SHIPMENT", help="The shipment, e.g. S-000001.")]


def register(root: typer.Typer) -> None:
    """Put the one that settles a booking on the root command."""
    root.command(rich_help_panel=WORK)(booked)


@app.command("list")
def list_shipments(
    state: Annotated[
        str | None, typer.Option("--state", metavar="STATE", help="Only letters in this state, e.g. posted.")
    ] = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="PLACE", help="Only letters that are there: delivered, returning.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """List letters with where each is, by the carrier's last word."""
    from flows.stages.letter_views import list_letters

    with at_work("reader") as house:
        views = list_letters(house, state=state, at=at)
    rows = [
        (v.shipment.shipment_id, v.shipment.state.value, v.where, len(v.shipment.card_ids), v.shipment.booking)
        for v in views
    ]
    shown = [table("Letters", ("letter", "state", "where", "cards", "booking"), rows, right=("cards",))]
    return answer({"shipments": [_short(view) for view in views]}, shown, as_json=as_json)


@app.command()
def show(shipment: Letter, as_json: AsJson = False) -> int:
    """Show a letter: its cards, where it is, what was seen, whether it came back."""
    from flows.stages.letter_views import letter_view

    with at_work("reader") as house:
        view = letter_view(house, shipment)
        with house.store.read() as uow:
            cards = uow.cards.get_many(view.shipment.card_ids)
    events = [event.model_dump(mode="json") for event in view.events]
    states = {card.card_id: card.state.value for card in cards}
    document = _short(view) | {"cards": states, "events": events, "label_lines": list(view.shipment.label_lines)}
    rows = [(card.card_id, card.number, card.state.value) for card in cards]
    shown = [facts(f"Letter {shipment}", _facts(view)), table("Cards", ("card", "number", "state"), rows)]
    return answer(document, [*shown, _seen(view)], as_json=as_json)


def _short(view: "LetterView") -> dict[str, Any]:
    columns = {"shipment_id", "state", "address_key", "posted_at", "booking", "planned_on", "postage_net_ore"}
    return {
        **view.shipment.model_dump(mode="json", include=columns),
        "where": view.where,
        "delivered_at": view.delivered_at.isoformat() if view.delivered_at else None,
        "came_back": view.came_back.model_dump(mode="json") if view.came_back else None,
    }


def _facts(view: "LetterView") -> dict[str, object]:
    shipment, back = view.shipment, view.came_back
    return {
        "state": shipment.state.value,
        "goes to": ", ".join(shipment.label_lines),
        "address key": shipment.address_key,
        "posted": f"{shipment.posted_at:%Y-%m-%d %H:%M} UTC" if shipment.posted_at else None,
        "booking": shipment.booking,
        "postage net": kroner(shipment.postage_net_ore),
        "where": view.where,
        "delivered": f"{view.delivered_at:%Y-%m-%d %H:%M} UTC" if view.delivered_at else None,
        "came back": f"{back.returned_at:%Y-%m-%d} for {back.reason}, by {back.returned_by}" if back else None,
        "address": "flagged" if back and back.flagged else "not flagged",
    }


def _seen(view: "LetterView") -> RenderableType:
    rows: Sequence[Sequence[object]] = [
        (event.at.strftime("%Y-%m-%d %H:%M:%S"), event.status, event.place, event.description) for event in view.events
    ]
    return table("Seen by the carrier (UTC)", ("at", "status", "place", "words"), rows)


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
