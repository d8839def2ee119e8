"""The bench from the terminal: which encoders there are, which part of a run each gets, stopped and started by hand."""
# ruff: noqa: PLC0415 -- the stages bring the heavy rooms along: help must be quick

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cards.errors import Refused
from console.answer import answer
from console.options import AsJson, By, DryRun
from console.show import line, table
from console.work import at_work, card_named

if TYPE_CHECKING:
    from flows.house import House
    from store.encoding import EncoderRow

app = typer.Typer(no_args_is_help=True, help="Chip encoders: list, start, stop.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The encoder, as `list` shows it.")]


@app.command("list")
def list_encoders(as_json: AsJson = False) -> int:
    """List the encoders, and which places of each open run go to them.

    A run is dealt into one tray an encoder, in order.
    """
    from flows.stages.encoders import encoders_of

    with at_work("reader") as house:
        found = encoders_of(house)
        trays = _trays(house)
        with house.store.read() as uow:
            held = [quarantine.model_dump(mode="json") for quarantine in uow.encoding.quarantines()]
    document: dict[str, Any] = {
        "encoders": [row.model_dump(mode="json") for row in found],
        "trays": trays,
        "quarantine": held,
    }
    rows = [(row.name, row.state.value, row.failures_in_a_row, row.why or "") for row in found]
    dealt = [
        (batch, name, f"{first}–{last}") for batch, parts in trays.items() for name, (first, last) in parts.items()
    ]
    aside = [(item["card_id"], item["cause"], item["state"], item["asked_by"] or "") for item in held]
    shown = [
        table("Encoders", ("encoder", "state", "failed in a row", "why"), rows, right=("failed in a row",)),
        *([table("Trays of the open runs", ("run", "encoder", "places"), dealt)] if dealt else []),
        *([table("In quarantine", ("card", "cause", "state", "asked by"), aside)] if aside else []),
    ]
    return answer(document, shown, as_json=as_json)


def _trays(house: "House") -> dict[str, dict[str, tuple[int, int]]]:
    """First and last place of each encoder's tray, of every run that is printed and not closed."""
    from cards.batch import BatchState
    from flows.stages.encoders import parts

    with house.store.read() as uow:
        batches = uow.batches.in_state(BatchState.PRINTED)
    names = [encoder.name for encoder in house.encoders]
    return {
        batch.batch_id: {
            name: (batch.cards[part[0]].position, batch.cards[part[-1]].position)
            for name, part in parts(len(batch.cards), names).items()
            if part
        }
        for batch in batches
    }


@app.command()
def start(
    by: By,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="The encoder, as `list` shows it.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every encoder of the bench.")] = False,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> int:
    """Start a stopped encoder, or free one whose run has died."""
    from flows.stages.encoders import start_encoder

    if (name is None) != every:
        raise Refused("encoder.which", "name one encoder, or all", fix="give NAME, or --all alone")
    with at_work(by, dry_run=dry_run) as house:
        names = [encoder.name for encoder in house.encoders] if name is None else [name]
        rows = [start_encoder(house, each) for each in names]
    return _tell(rows, dry_run=dry_run, as_json=as_json)


@app.command()
def stop(
    name: Name,
    why: Annotated[str, typer.Option("--why", help="For whoever finds it stopped.")],
    by: By,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> int:
    """Stop an encoder after the card that it works on."""
    from flows.stages.encoders import stop_encoder

    with at_work(by, dry_run=dry_run) as house:
        row = stop_encoder(house, name, why=why)
    return _tell([row], dry_run=dry_run, as_json=as_json)


def _tell(rows: "list[EncoderRow]", *, dry_run: bool, as_json: bool) -> int:
    verb = "would be" if dry_run else "is"
    shown = [line(f"{row.name} {verb} {row.state.value}{f': {row.why}' if row.why else ''}") for row in rows]
    return answer(
        {"dry_run": dry_run, "encoders": [row.model_dump(mode="json") for row in rows]}, shown, as_json=as_json
    )


def register_release(chips: typer.Typer) -> None:
    """Put `release` on the command of the chips."""
    chips.command()(release)


def release(
    card: Annotated[str, typer.Argument(metavar="CARD", help="The card number, or the card id.")],
    by: By,
    why: Annotated[str | None, typer.Option("--why", help="The first person: what was found out.")] = None,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> int:
    """Let a quarantined chip be encoded again. Two people.

    The first one asks and says why; the second one runs the same command.
    """
    from flows.stages.encoders import release_chip

    with at_work(by, dry_run=dry_run) as house:
        found = release_chip(house, card_named(house, card).card_id, by=by, why=why)
    words = {
        "asked": f"{found.card_id}: {found.asked_by} asked; another person runs the same command",
        "released": f"{found.card_id} is released and waits to be encoded again",
    }
    document = {"dry_run": dry_run, "quarantine": found.model_dump(mode="json")}
    return answer(document, [line(words[found.state.value])], as_json=as_json)
