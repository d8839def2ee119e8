"""Cards from the terminal: found by any name, shown with their journal, and put right by a person."""
# ruff: noqa: PLC0415 -- the stages bring the heavy rooms along: help must be quick

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType

from cards.blanks import SpoilCause
from cards.errors import Refused
from console.answer import answer
from console.options import AsJson, By, DryRun
from console.show import facts, line, table
from console.work import at_work, card_named

if TYPE_CHECKING:
    from cards.life import Card, CardEvent

app = typer.Typer(no_args_is_help=True, help="Cards: find, show, correct, release, cancel, block, spoil.")

Which = Annotated[str, typer.Argument(metavar="CARD", help="The card number, or the card id (B-2026-000417-1).")]


def cards_table(title: str, cards: Sequence["Card"]) -> RenderableType:
    """Cards, one a row."""
    rows = [
        (
            card.card_id,
            card.number,
            f"{card.given_name} {card.family_name}",
            card.state.value,
            card.hold.reason.value if card.hold else "",
        )
        for card in cards
    ]
    return table(title, ("card", "number", "holder", "state", "held for"), rows)


@app.command()
def find(
    text: Annotated[str, typer.Argument(help="A number, card id, order number or part of a name.")],
    as_json: AsJson = False,
) -> int:
    """Find cards by number, order or name (at most 50)."""
    with at_work("reader") as house, house.store.read() as uow:
        found = uow.cards.find(text)
    document = {"cards": [card.model_dump(mode="json") for card in found]}
    return answer(document, [cards_table(f"Cards for {text!r}", found)], as_json=as_json)


@app.command()
def show(card: Which, as_json: AsJson = False) -> int:
    """Show a card: where it stands, why it waits, its journal."""
    from flows.stages.planning import mail_holds

    with at_work("reader") as house:
        found = card_named(house, card)
        with house.store.read() as uow:
            events = uow.cards.events(found.card_id)
            order = uow.orders.get(found.order_number)
        waits = next((hold for hold in mail_holds(house) if found.card_id in hold.card_ids), None)
    document = {
        "card": found.model_dump(mode="json"),
        "employer": {"name": order.business.name, "org_number": order.business.org_number},
        "waits_for_company": waits.model_dump(mode="json", include={"until", "waits_for"}) if waits else None,
        "events": [event.model_dump(mode="json") for event in events],
    }
    about = _facts_of(found, order.business.name)
    if waits:
        about["waits"] = f"until {waits.until} at the latest, for {', '.join(waits.waits_for)}"
    shown = [facts(f"Card {found.card_id}", about), _journal(events)]
    return answer(document, shown, as_json=as_json)


def _facts_of(card: "Card", employer: str) -> dict[str, object]:
    hold = card.hold
    known: dict[str, object] = {
        "number": card.number,
        "holder": f"{card.given_name} {card.family_name}, born {card.birth_date}",
        "employer": employer,
        "kind": card.kind,
        "state": card.state.value,
        "valid": f"{card.issued_on} – {card.valid_until}" if card.issued_on else None,
        "batch": card.batch_id,
        "shipment": card.shipment_id,
        "chip": card.chip_uid,
        "replaces": card.replaces,
        "replaced by": card.replaced_by,
        "held for": f"{hold.reason.value} {hold.detail or ''}".strip() if hold else None,
        "field": hold.field if hold else None,
        "way out": hold.fix if hold else None,
    }
    return {name: value for name, value in known.items() if value is not None}


def _journal(events: Sequence["CardEvent"]) -> RenderableType:
    rows = [
        (event.position, event.at.strftime("%Y-%m-%d %H:%M:%S"), event.what, event.after.value, event.actor)
        for event in events
    ]
    return table("Journal (UTC)", ("#", "at", "what", "state", "who"), rows, right=("#",))


@app.command()
def correct(
    *,
    card: Which,
    by: By,
    photo: Annotated[Path | None, typer.Option("--photo", metavar="FILE", help="A new photo of the holder.")] = None,
    given_name: Annotated[str | None, typer.Option("--given-name", help="The given name, spelled anew.")] = None,
    family_name: Annotated[str | None, typer.Option("--family-name", help="The family name, spelled anew.")] = None,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> int:
    """Give a held card a new photo or spelling and let it go on."""
    from flows.stages.by_hand import correct as put_right

    if photo is None and given_name is None and family_name is None:
        raise Refused(
            "card.nothing_to_correct",
            "no correction was given",
            fix="give at least one of --photo, --given-name, --family-name",
        )
    data = read_photo(photo) if photo else None
    with at_work(by, dry_run=dry_run) as house:
        changed = put_right(
            house, card_named(house, card).card_id, photo=data, given_name=given_name, family_name=family_name
        )
    return _tell_changed(changed, as_json=as_json, dry_run=dry_run)


def read_photo(path: Path) -> bytes:
    """The bytes of a photo file. Raises Refused `photo.unreadable` naming it."""
    try:
        return path.read_bytes()
    except OSError as fault:
        raise Refused(
            "photo.unreadable",
            f"{path} cannot be read: {fault.strerror}",
            field=str(path),
            fix="name a JPEG or PNG file that this user may read",
        ) from None


@app.command()
def release(card: Which, by: By, as_json: AsJson = False, dry_run: DryRun = False) -> int:
    """Let a held card go on where it was."""
    from flows.stages.by_hand import release as let_go

    with at_work(by, dry_run=dry_run) as house:
        changed = let_go(house, card_named(house, card).card_id)
    return _tell_changed(changed, as_json=as_json, dry_run=dry_run)


@app.command()
def cancel(
    card: Which,
    why: Annotated[str, typer.Option("--why", help="The reason, for the journal.")],
    by: By,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> int:
    """Cancel a card that is not in a batch."""
    from flows.stages.by_hand import cancel as call_off

    with at_work(by, dry_run=dry_run) as house:
        changed = call_off(house, card_named(house, card).card_id, why=why)
    return _tell_changed(changed, as_json=as_json, dry_run=dry_run)


@app.command()
def block(
    card: Which,
    why: Annotated[str, typer.Option("--why", help="Lost, stolen, has left: stands in the journal.")],
    by: By,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> int:
    """Block a card that has been posted: it is never sent again.

    One that came back and lies in a letter again is taken out of it.
    """
    from flows.stages.block import block as shut

    with at_work(by, dry_run=dry_run) as house:
        changed = shut(house, card_named(house, card).card_id, why=why)
    return _tell_changed(changed, as_json=as_json, dry_run=dry_run)


@app.command()
def spoil(
    *,
    card: Which,
    cause: Annotated[SpoilCause, typer.Option("--cause", help="What spoiled the blank.")],
    by: By,
    note: Annotated[str | None, typer.Option("--note", help="More about it, for the journal.")] = None,
    counted_good: Annotated[
        str | None,
        typer.Option("--counted-good", metavar="REASON", help="Correct a blank counted good: why the count was wrong."),
    ] = None,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> int:
    """Count a card's blank as spoiled; the card is made good on another."""
    from flows.stages.outcomes import spoil as count_as_spoiled

    words = f"{cause.value}: {note}" if note else cause.value
    with at_work(by, dry_run=dry_run) as house:
        card_id = card_named(house, card).card_id
        changed = count_as_spoiled(house, card_id, cause=words, counted_good=counted_good)
    return _tell_changed(changed, as_json=as_json, dry_run=dry_run)


def _tell_changed(card: "Card", *, as_json: bool, dry_run: bool) -> int:
    document: dict[str, Any] = {"dry_run": dry_run, "card": card.model_dump(mode="json")}
    verb = "would be" if dry_run else "is now"
    return answer(document, [line(f"card {card.card_id} {verb} {card.state.value}")], as_json=as_json)
