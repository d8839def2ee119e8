"""Orders from the terminal: taken in, looked at, and sent to another address when the first was wrong."""
# ruff: noqa: PLC0415 -- the stages bring the heavy rooms along: help must be quick

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType

from console.answer import answer
from console.cards import cards_table
from console.options import AsJson, By, DryRun
from console.show import facts, line, table
from console.work import at_work, progress

if TYPE_CHECKING:
    from cards.address import Address
    from flows.house import House
    from flows.stages.line import Tally

app = typer.Typer(no_args_is_help=True, help="Approved orders: take in, show, readdress.")

Number = Annotated[str, typer.Argument(metavar="ORDER", help="The order number.")]


@app.command("import")
def import_orders(
    path: Annotated[str, typer.Argument(metavar="PATH", help="A folder, a file, or s3://bucket/prefix.")],
    by: By,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> int:
    """Take in approved orders (JSON documents with their photos).

    An order that is refused is named with file, field and way out, and the rest
    goes on. The same order again changes nothing.
    """
    with at_work(by) as house:
        total = _import(house, path, dry_run=dry_run, quiet=as_json)
    document: dict[str, Any] = {"dry_run": dry_run, "counts": total.counts, "changed": total.changed and not dry_run}
    rows = [(outcome.replace("_", " "), count) for outcome, count in total.counts.items() if count]
    title = "Orders checked; nothing was kept" if dry_run else "Orders taken in"
    shown: list[RenderableType] = [table(title, ("outcome", "count"), rows, right=("count",))]
    return answer(document, shown, as_json=as_json, problems=total.problems)


def _import(house: "House", path: str, *, dry_run: bool, quiet: bool) -> "Tally":
    """Order by order, so that a long import shows where it is."""
    from flows.stages.intake import import_order
    from flows.stages.line import Tally
    from store.sources import open_source

    source = open_source(path)
    total = Tally()
    with progress(quiet=quiet) as display:
        bar = display.add_task("orders", total=None)
        for name, document in source.documents():
            total += import_order(house, source, name, document, dry_run=dry_run)
            display.advance(bar)
    return total


@app.command()
def show(number: Number, as_json: AsJson = False) -> int:
    """Show an order: who ordered, where it goes, its cards."""
    with at_work("reader") as house, house.store.read() as uow:
        order = uow.orders.get(number)
        cards = uow.cards.of_order(number)
    pairs = {
        "business": f"{order.business.name} ({order.business.org_number})",
        "unit": f"{order.unit.name} ({order.unit.org_number})" if order.unit else None,
        "ordered by": f"{order.ordered_by.name} <{order.ordered_by.email}>",
        "approved": order.approved_at.isoformat(),
        "card kind": order.card_kind,
        "goes to": ", ".join(order.label_lines),
        "address": "ok" if order.address_valid else ", ".join(order.address_reasons),
    }
    document = {"order": order.model_dump(mode="json"), "cards": [card.model_dump(mode="json") for card in cards]}
    return answer(document, [facts(f"Order {number}", pairs), cards_table("Cards", cards)], as_json=as_json)


@app.command()
def readdress(
    *,
    number: Number,
    recipient: Annotated[str, typer.Option("--recipient", help="Who receives the letter.")],
    street: Annotated[str, typer.Option("--street", help="Street and house number, or a box.")],
    postcode: Annotated[str, typer.Option("--postcode", help="Postcode, as text (0184).")],
    city: Annotated[str, typer.Option("--city", help="City.")],
    by: By,
    attention: Annotated[str | None, typer.Option("--attention", help="Department or person.")] = None,
    care_of: Annotated[str | None, typer.Option("--care-of", help="c/o whom.")] = None,
    country: Annotated[str, typer.Option("--country", help="Two letters.")] = "NO",
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> int:
    """Send an order to another address; cards held for the old one go on.

    Cards of it that came back in the post are sent again.
    """
    from flows.stages.readdress import readdress as send_elsewhere

    address = address_given(
        recipient=recipient,
        attention=attention,
        care_of=care_of,
        street=street,
        postcode=postcode,
        city=city,
        country=country,
    )
    with at_work(by, dry_run=dry_run) as house:
        done = send_elsewhere(house, number, address)
    go_on, again = (done.counts.get(outcome, 0) for outcome in ("released", "sent_again"))
    words = f"order {number}: new address, {go_on} cards go on, {again} are sent again"
    document = {"dry_run": dry_run, "order_number": number, "counts": done.counts}
    return answer(document, [line(f"would be done: {words}" if dry_run else words)], as_json=as_json)


def address_given(prefix: str = "", **fields: str | None) -> "Address":
    """The address of the options, whose names may bear a prefix. Raises Refused `address.malformed`, naming one."""
    from pydantic import ValidationError

    from cards.address import Address
    from cards.errors import Refused

    try:
        return Address.model_validate(fields)
    except ValidationError as fault:
        first = fault.errors(include_url=False, include_input=False)[0]
        raise Refused(
            "address.malformed",
            first["msg"],
            field=f"--{prefix}{str(first['loc'][0]).replace('_', '-')}",
            fix="give every line 1 to 200 characters and the country as two letters",
        ) from None
