"""Batches from the terminal: listed, shown place by place, and closed by two people."""
# ruff: noqa: PLC0415 -- the stages bring the heavy rooms along: help must be quick

from typing import Annotated, Any

import typer

from console.answer import answer
from console.options import AsJson, By, DryRun
from console.show import facts, line, table
from console.work import at_work

app = typer.Typer(no_args_is_help=True, help="Batches: list, show, close.")

Which = Annotated[str, typer.Argument(metavar="BATCH", help="The batch, e.g. P-000001.")]


@app.command("list")
def list_batches(as_json: AsJson = False) -> int:
    """List all batches."""
    with at_work("reader") as house, house.store.read() as uow:
        batches = uow.batches.all()
    rows = [
        (
            batch.batch_id,
            batch.state.value,
            len(batch.cards),
            sum(place.struck is not None for place in batch.cards),
            batch.lot,
            batch.frozen_at.strftime("%Y-%m-%d %H:%M"),
            batch.frozen_by,
        )
        for batch in batches
    ]
    columns = ("batch", "state", "cards", "struck", "lot", "frozen (UTC)", "by")
    shown = [table("Batches", columns, rows, right=("cards", "struck"))]
    return answer({"batches": [batch.model_dump(mode="json") for batch in batches]}, shown, as_json=as_json)


@app.command()
def show(batch_id: Which, as_json: AsJson = False) -> int:
    """Show a batch: its cards by place, its blanks, its files."""
    with at_work("reader") as house, house.store.read() as uow:
        batch = uow.batches.get(batch_id)
        cards = uow.cards.get_many([place.card_id for place in batch.cards])
        judged = {row["position"]: row["outcome"] for row in uow.prints.of_batch(batch_id)}
        stock = {account.value: count for account, count in uow.blanks.balances(batch_id=batch_id).items()}
    pairs = {
        "state": batch.state.value,
        "frozen": f"{batch.frozen_at:%Y-%m-%d %H:%M} UTC by {batch.frozen_by}",
        "lot": batch.lot,
        "blanks": ", ".join(f"{count} {account}" for account, count in stock.items() if count > 0),
        "digest": batch.digest,
        "print file": batch.print_file,
        "contact sheet": batch.contact_sheet,
    }
    rows = [
        (
            place.position,
            place.card_id,
            place.number,
            card.state.value,
            place.struck or judged.get(place.position) or "",
        )
        for place, card in zip(batch.cards, cards, strict=True)
    ]
    columns = ("place", "card", "number", "card state now", "struck, or how it came out")
    shown = [facts(f"Batch {batch_id}", pairs), table("Places", columns, rows, right=("place",))]
    return answer({"batch": batch.model_dump(mode="json"), "blanks": stock}, shown, as_json=as_json)


@app.command()
def close(
    batch_id: Which,
    witness: Annotated[str, typer.Option("--witness", metavar="NAME", help="The second person, who saw the count.")],
    by: By,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> int:
    """Close a batch whose blanks are all accounted for. Two people."""
    from flows.stages.by_hand import close_batch

    with at_work(by, dry_run=dry_run) as house:
        count = close_batch(house, batch_id, counted_by=by, witnessed_by=witness)
    words = f"{count.issued} issued = {count.good} good + {count.spoiled} spoiled + {count.returned} returned"
    document: dict[str, Any] = {"dry_run": dry_run, "count": count.model_dump(mode="json")}
    verb = "would be closed" if dry_run else "is closed"
    return answer(document, [line(f"batch {batch_id} {verb}: {words}")], as_json=as_json)
