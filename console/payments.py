"""Payments at Stripe from the terminal: what it told us, and both sides compared."""
# ruff: noqa: PLC0415 -- the stages bring the heavy rooms along: help must be quick

import typer

from console.answer import answer
from console.options import AsJson
from console.show import kroner, line, table
from console.work import at_work

app = typer.Typer(no_args_is_help=True, help="Payments at Stripe: list, reconcile.")


@app.command("list")
def list_payments(as_json: AsJson = False) -> int:
    """List what Stripe told of payments, and of refunds."""
    with at_work("reader") as house, house.store.read() as uow:
        paid = [
            {**row, "paid_at": _text(row["paid_at"]), "void_at": _text(row["void_at"])} for row in uow.stripe.payments()
        ]
        back = [{**row, "told_at": _text(row["told_at"])} for row in uow.stripe.refunds()]
    rows = [(one["invoice"], one["reference"], one["payment"], kroner(one["amount_ore"] or 0)) for one in paid]
    returned = [(one["refund"], one["payment"], one["status"], kroner(one["amount_ore"])) for one in back]
    shown = [
        table("Paid at Stripe", ("invoice", "at Stripe", "payment", "amount"), rows, right=("amount",)),
        table("Given back at Stripe", ("refund", "payment", "state", "amount"), returned, right=("amount",)),
    ]
    return answer({"payments": paid, "refunds": back}, shown, as_json=as_json)


@app.command()
def reconcile(as_json: AsJson = False) -> int:
    """Compare what moved at Stripe with the ledger and the invoices."""
    from flows.stages.payments import compare_with_stripe

    with at_work("reader") as house:
        found = compare_with_stripe(house)
    rows = [
        (one.kind.value.replace("_", " "), one.source, _kroner(one.there_ore), _kroner(one.here_ore)) for one in found
    ]
    shown = [
        table("Differences", ("what", "at Stripe", "there", "here"), rows, right=("there", "here")),
        line(f"{len(found)} differences"),
    ]
    return answer({"differences": [one.model_dump(mode="json") for one in found]}, shown, as_json=as_json)


def _text(at: object) -> str | None:
    return None if at is None else str(at)


def _kroner(amount_ore: int | None) -> str | None:
    return None if amount_ore is None else kroner(amount_ore)
