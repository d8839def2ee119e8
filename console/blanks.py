"""The stock of blank cards from the terminal: received into the vault, listed by lot and account."""
# ruff: noqa: PLC0415 -- the stages bring the heavy rooms along: help must be quick

from typing import Annotated

import typer

from cards.blanks import BlankAccount
from console.answer import answer
from console.options import AsJson, By, DryRun
from console.show import line, table
from console.work import at_work

app = typer.Typer(no_args_is_help=True, help="Blank stock: receive, list.")


@app.command()
def receive(
    lot: Annotated[str, typer.Option("--lot", help="The lot, as the supplier names it.")],
    count: Annotated[int, typer.Option("--count", min=1, help="How many blanks were counted in.")],
    by: By,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> int:
    """Count a delivered lot into the vault. The same lot counts once."""
    from flows.stages.by_hand import receive_blanks

    with at_work(by, dry_run=dry_run) as house:
        stock = receive_blanks(house, lot=lot, count=count)
    document = {"dry_run": dry_run, "lot": lot, "stock": {account.value: number for account, number in stock.items()}}
    verb = "would hold" if dry_run else "holds"
    return answer(document, [line(f"lot {lot}: the vault {verb} {stock[BlankAccount.VAULT]} blanks")], as_json=as_json)


@app.command("list")
def list_stock(as_json: AsJson = False) -> int:
    """List the stock by lot and account."""
    with at_work("reader") as house, house.store.read() as uow:
        lots = uow.blanks.lots()
    accounts = [account for account in BlankAccount if account is not BlankAccount.SUPPLIER]
    rows = [(lot, *(stock.get(account, 0) for account in accounts)) for lot, stock in sorted(lots.items())]
    names = [account.value for account in accounts]
    shown = [table("Blanks", ("lot", *names), rows, right=names)]
    document = {"lots": {lot: {str(a.value): n for a, n in stock.items()} for lot, stock in sorted(lots.items())}}
    return answer(document, shown, as_json=as_json)
