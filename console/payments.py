"""Payments at Stripe from the terminal: invoices sent by it, what it told us, and both sides compared."""
# ruff: noqa: PLC0415 -- the stages bring the heavy rooms along: help must be quick

import typer

from console.answer import answer
from console.line import tell_done, tell_waiting
from console.options import AsJson, By, DryRun
from console.show import kroner, line, table
from console.work import at_work, run_lines, waiting

app = typer.Typer(no_args_is_help=True, help="Payments at Stripe: send, list, reconcile.")


@app.command()
def send(by: By, as_json: AsJson = False, dry_run: DryRun = False) -> int:
    """Have Stripe send the invoices that it has not sent yet."""
    from flows.stages.payments import SEND_BY_STRIPE

    lines = (("payments", SEND_BY_STRIPE),)
    with at_work(by) as house:
        if dry_run:
            return tell_waiting(waiting(house, lines), {}, as_json=as_json)
        return tell_done(run_lines(house, lines, quiet=as_json), as_json=as_json)


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
